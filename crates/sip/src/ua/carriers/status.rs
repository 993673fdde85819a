//! What is told about trunks, and what may be asked of them.

use std::time::Duration;

use vorzimmer_types::{Now, TrunkId};

use crate::carrier::{Pulse, Refusal, Standing, Target};
use crate::ua::Ua;

/// What the operator may want of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkOrder {
    /// No new calls in either direction; those that run go on. The registration is given back.
    Drain,
    /// The end of that.
    Resume,
    /// Register again although the provider said no.
    Retry,
}

/// What has become of a trunk. Without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkNews {
    /// The provider sends calls here now.
    Registered {
        /// For how long, if nothing refreshes it.
        expires: Duration,
    },
    /// It could not be registered with, and will be asked again.
    RegistrationFailed {
        /// What was said; 408 and 503 also for nobody there.
        status: u16,
        /// After how long.
        pause: Duration,
    },
    /// It said no, and is not asked again until a person has looked.
    RegistrationRefused {
        /// What was said.
        status: u16,
    },
    /// The registration was given back.
    Unregistered,
    /// A challenge was not answered.
    ChallengeRefused {
        /// Why not.
        why: Refusal,
    },
    /// It is better or worse than before.
    Pulse(Pulse),
}

/// How a trunk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkStatus {
    /// Which.
    pub id: TrunkId,
    /// Its configured name.
    pub name: String,
    /// Whether we turn to it at all: else it only sends us calls.
    pub has_provider: bool,
    /// Its registration, if one is wanted.
    pub registration: Option<Standing>,
    /// For how long the provider has our address still.
    pub registered_for: Option<Duration>,
    /// Whether it answers.
    pub pulse: Pulse,
    /// Whether it takes no new calls.
    pub draining: bool,
    /// Where its calls go now.
    pub target: Option<Target>,
    /// How many targets are known.
    pub targets: usize,
    /// How many further addresses the registration stands for (RFC 7315 §4.1).
    pub associated: usize,
}

impl Ua {
    /// How all trunks are, in the order of the configuration.
    #[must_use]
    pub fn trunks(&self, now: Now) -> Vec<TrunkStatus> {
        self.config.trunks.iter().map(|trunk| self.status(trunk.id, &trunk.name, now)).collect()
    }

    fn status(&self, id: TrunkId, name: &str, now: Now) -> TrunkStatus {
        let carrier = self.carriers.all.get(&id);
        let registration =
            carrier.and_then(|carrier| carrier.registrant.as_ref()).map(|registrant| registrant.standing());
        let registered_for = match registration {
            Some(Standing::Registered { until }) => until.checked_duration_since(now.mono),
            _ => None,
        };
        let home = carrier.and_then(|carrier| carrier.home).filter(|_| registered_for.is_some());
        TrunkStatus {
            id,
            name: name.to_owned(),
            has_provider: carrier.is_some(),
            registration,
            registered_for,
            pulse: self.pulse(id),
            draining: self.is_draining(id),
            target: home.or_else(|| carrier.and_then(|carrier| carrier.way.next(&[], now.mono))),
            targets: carrier.map_or(0, |carrier| carrier.way.targets().len()),
            associated: carrier.map_or(0, |carrier| carrier.associated.len()),
        }
    }
}
