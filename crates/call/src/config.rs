//! What the operator may set about calls.

use std::collections::BTreeMap;
use std::time::Duration;

use vorzimmer_sip::identity::NumberPlan;
use vorzimmer_types::TrunkId;
use vorzimmer_types::audio::Codec;
use vorzimmer_types::srtp::SrtpPolicy;

/// The operator's settings. What is not here is a bound in [`crate::limits`].
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// How many calls may be there at once; further ones get 503 with Retry-After.
    pub max_calls: usize,
    /// What stands in Retry-After.
    pub retry_after: Duration,
    /// The longest call; after that it is ended with a word of good-bye.
    pub max_call: Duration,
    /// How trunks write numbers, and where they tell which was reached.
    pub number_plan: NumberPlan,
    /// Trunks that do it differently.
    pub trunk_plans: BTreeMap<TrunkId, NumberPlan>,
    /// Codecs that are offered and taken, the most wanted first.
    pub codecs: Vec<Codec>,
    /// Whether legs are encrypted.
    pub srtp: SrtpConfig,
}

/// What the operator says about encrypted media; receptionists and customers have a say of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SrtpConfig {
    /// Trunks that do not simply prefer it.
    pub trunks: BTreeMap<TrunkId, SrtpPolicy>,
    /// Where encryption is required, keys that went over unencrypted signalling will do.
    pub clear_keys_will_do: bool,
}

impl ExchangeConfig {
    /// How this trunk writes numbers.
    #[must_use]
    pub fn plan_of(&self, trunk: TrunkId) -> &NumberPlan {
        self.trunk_plans.get(&trunk).unwrap_or(&self.number_plan)
    }
}

impl Default for ExchangeConfig {
    /// A thousand calls of up to four hours, with numbers as Germany writes them.
    fn default() -> Self {
        Self {
            max_calls: 1000,
            retry_after: Duration::from_secs(30),
            max_call: Duration::from_secs(4 * 60 * 60),
            number_plan: NumberPlan::germany(),
            trunk_plans: BTreeMap::new(),
            codecs: Codec::ALL.to_vec(),
            srtp: SrtpConfig::default(),
        }
    }
}
