//! What the operator may set about calls.

use std::collections::BTreeMap;
use std::time::Duration;

use vorzimmer_sip::identity::NumberPlan;
use vorzimmer_types::TrunkId;
use vorzimmer_types::audio::Codec;
use vorzimmer_types::dtls::Fingerprint;
use vorzimmer_types::srtp::SrtpPolicy;

use crate::routes::Routes;

/// The operator's settings. What is not here is a bound in [`crate::limits`].
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// How many calls may be there at once; further ones get 503 with Retry-After. A call that is over takes no place,
    /// unless as many as this wait for their recordings to be closed.
    pub max_calls: usize,
    /// What stands in Retry-After.
    pub retry_after: Duration,
    /// The longest call; after that it is ended with a word of good-bye.
    pub max_call: Duration,
    /// How trunks write numbers, and where they tell which was reached.
    pub number_plan: NumberPlan,
    /// Trunks that do it differently.
    pub trunk_plans: BTreeMap<TrunkId, NumberPlan>,
    /// Codecs that are offered and taken.
    pub codecs: CodecLists,
    /// Whether legs are encrypted.
    pub srtp: SrtpConfig,
    /// Whom calls may be put through to, besides the customer's contacts.
    pub transfer: TransferRules,
    /// By which trunks calls go out.
    pub routes: Routes,
}

/// Whom calls may be put through to, besides the customer's contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferRules {
    /// Which receptionists.
    pub colleagues: Colleagues,
    /// Beginnings of numbers (`+4930`) that any receptionist may put a call through to.
    pub numbers: Vec<String>,
}

/// Which receptionists a call may be put through to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colleagues {
    /// All of the operator's.
    #[default]
    All,
    /// Those in the customer's team.
    Team,
    /// None.
    None,
}

/// Which codecs are offered to whom and taken from whom, the most wanted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecLists {
    /// Where nothing else is said.
    pub usual: Vec<Codec>,
    /// Trunks with a list of their own.
    pub trunks: BTreeMap<TrunkId, Vec<Codec>>,
    /// Receptionists' telephones, if they have a list of their own.
    pub receptionists: Option<Vec<Codec>>,
}

impl CodecLists {
    /// The list for this end of a call.
    pub(crate) fn of(&self, end: End) -> &[Codec] {
        let own = match end {
            End::Trunk(trunk) => self.trunks.get(&trunk),
            End::Receptionist => self.receptionists.as_ref(),
        };
        own.unwrap_or(&self.usual)
    }
}

impl Default for CodecLists {
    /// All for everybody, A-law first.
    fn default() -> Self {
        Self { usual: Codec::ALL.to_vec(), trunks: BTreeMap::new(), receptionists: None }
    }
}

/// Whose end of a call a leg goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Whoever is beyond this trunk.
    Trunk(TrunkId),
    /// A telephone of a receptionist's.
    Receptionist,
}

/// What the operator says about encrypted media; receptionists and customers have a say of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SrtpConfig {
    /// Trunks that do not simply prefer it.
    pub trunks: BTreeMap<TrunkId, SrtpPolicy>,
    /// Where encryption is required, keys that went over unencrypted signalling will do.
    pub clear_keys_will_do: bool,
    /// Our certificate for DTLS towards telephones; none if there is none.
    pub certificate: Option<Fingerprint>,
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
            codecs: CodecLists::default(),
            srtp: SrtpConfig::default(),
            transfer: TransferRules::default(),
            routes: Routes::default(),
        }
    }
}
