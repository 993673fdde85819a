//! How long a registration may last.

use std::time::Duration;

/// How long registrations last, in whole seconds on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Expires {
    /// Less is refused with 423 (RFC 3261 §10.3).
    pub min: Duration,
    /// If the device asks for nothing.
    pub default: Duration,
    /// More is cut down to this.
    pub max: Duration,
}

impl Default for Expires {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(60),
            default: Duration::from_secs(3600),
            max: Duration::from_secs(7200),
        }
    }
}
