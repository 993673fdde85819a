//! What the operator may set about calls.

use std::time::Duration;

/// The operator's settings. What is not here is a bound in [`crate::limits`].
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// How many calls may be there at once; further ones get 503 with Retry-After.
    pub max_calls: usize,
    /// What stands in Retry-After.
    pub retry_after: Duration,
    /// The longest call; after that it is ended with a word of good-bye.
    pub max_call: Duration,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            max_calls: 1000,
            retry_after: Duration::from_secs(30),
            max_call: Duration::from_secs(4 * 60 * 60),
        }
    }
}
