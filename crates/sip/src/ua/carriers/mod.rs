//! Our side of a trunk: registering with it, watching it, and requests of ours that it challenges or does not answer.
//!
//! When and what is decided in [`crate::carrier`]; here it is sent and heard. A trunk without a
//! [`Provider`](super::Provider) has no part in this.

mod again;
mod probing;
mod registering;
mod status;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use rsip::Request;
use vorzimmer_types::{Pii, TrunkId};

pub use status::{TrunkNews, TrunkOrder, TrunkStatus};

use super::session::Wake;
use super::{Event, Flow, Provider, Turn, Ua};
use crate::carrier::{Health, Keyring, Registrant, Target, Way};
use crate::transaction::TransactionId;
use crate::uri::NameAddr;

/// All carriers, and requests of ours to them that wait for their answer.
#[derive(Default)]
pub(super) struct Carriers {
    all: BTreeMap<TrunkId, Carrier>,
    attempts: HashMap<TransactionId, Attempt>,
    /// Trunks, with a provider or without, that take no new calls.
    draining: BTreeSet<TrunkId>,
}

/// One trunk with a provider.
struct Carrier {
    provider: Provider,
    way: Way,
    keyring: Keyring,
    /// None before the first targets are known.
    registrant: Option<Registrant>,
    health: Option<Health>,
    /// The user part of our Contact there, by which its calls are told from those of another account.
    line: String,
    /// Call-ID, our tag and the last number of the registration (RFC 3261 §10.2: the same for all REGISTERs).
    dialogue: Dialogue,
    register: Option<TransactionId>,
    probe: Option<TransactionId>,
    /// The target that took the registration: calls of ours go there, and calls for us come from there.
    home: Option<Target>,
    connections: BTreeMap<Target, Flow>,
    /// RFC 3608: the route of requests of ours.
    service_route: Vec<NameAddr>,
    /// RFC 7315 §4.1: further addresses that the registration stands for.
    associated: Vec<Pii<String>>,
}

#[derive(Clone, Default)]
struct Dialogue {
    call_id: String,
    tag: String,
    seq: u32,
}

/// One request of ours, for sending it again: to another target, or with a digest.
struct Attempt {
    trunk: TrunkId,
    /// Without Via.
    request: Box<Request>,
    target: Target,
    tried: Vec<Target>,
    answered: Vec<String>,
}

impl Carriers {
    pub fn new<'a>(trunks: impl Iterator<Item = &'a super::Trunk>) -> Self {
        let with_provider = trunks.filter_map(|trunk| Some((trunk.id, trunk.provider.clone()?)));
        let all = with_provider.map(|(id, provider)| (id, Carrier::new(id, provider))).collect();
        Self { all, ..Self::default() }
    }
}

impl Carrier {
    fn new(id: TrunkId, provider: Provider) -> Self {
        let mut line = "vz".to_owned();
        line.extend(hex::encode(id.as_bytes()).chars().take(16));
        Self {
            keyring: Keyring::new(provider.login.clone(), provider.realms.clone()),
            way: Way::default(),
            registrant: None,
            health: None,
            line,
            dialogue: Dialogue::default(),
            register: None,
            probe: None,
            home: None,
            connections: BTreeMap::new(),
            service_route: Vec::new(),
            associated: Vec::new(),
            provider,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let register = self.registrant.as_ref().and_then(Registrant::next_wake);
        let probe = self.health.as_ref().and_then(Health::next_wake);
        [register, probe].into_iter().flatten().min()
    }

    fn is_registered(&self, now: Instant) -> bool {
        self.registrant.as_ref().is_some_and(|registrant| registrant.is_registered(now))
    }
}

impl Ua {
    /// The name of a trunk was looked up: from the first time on it is registered with and watched.
    pub(super) fn located(&mut self, trunk: TrunkId, targets: Vec<Target>, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        carrier.way.set(targets);
        if carrier.health.is_none() && !carrier.way.targets().is_empty() {
            carrier.health = Some(Health::new(carrier.provider.options_every, now));
            let registration = carrier.provider.register;
            carrier.registrant = registration.map(|wanted| Registrant::new(wanted.expires, now));
        }
        self.tend(trunk, turn);
    }

    /// Does what is due for a trunk, and sees to it that the next thing will be done too.
    pub(super) fn tend(&mut self, trunk: TrunkId, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        let wanted = !self.carriers.draining.contains(&trunk);
        if wanted && carrier.registrant.as_mut().is_some_and(|registrant| registrant.due(now)) {
            self.send_register(trunk, turn);
        }
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        if carrier.health.as_mut().is_some_and(|health| health.due(now)) {
            self.send_probe(trunk, turn);
        }
        match self.carriers.all.get(&trunk).and_then(Carrier::next_wake) {
            Some(wake) => self.timers.set(Wake::Carrier(trunk), wake),
            None => self.timers.stop(Wake::Carrier(trunk)),
        }
    }

    fn trunk_news(&mut self, trunk: TrunkId, news: TrunkNews) {
        self.flows.event(Event::Trunk { trunk, news });
    }

    /// The operator wants something of a trunk.
    pub(super) fn order_trunk(&mut self, trunk: TrunkId, order: TrunkOrder, turn: &mut Turn<'_>) {
        match order {
            TrunkOrder::Drain => {
                self.carriers.draining.insert(trunk);
                self.leave(trunk, turn);
            }
            TrunkOrder::Resume => {
                self.carriers.draining.remove(&trunk);
                self.register_again(trunk, turn);
            }
            TrunkOrder::Retry => self.register_again(trunk, turn),
        }
        self.tend(trunk, turn);
    }

    fn register_again(&mut self, trunk: TrunkId, turn: &Turn<'_>) {
        if !self.carriers.draining.contains(&trunk)
            && let Some(registrant) =
                self.carriers.all.get_mut(&trunk).and_then(|carrier| carrier.registrant.as_mut())
        {
            registrant.restart(turn.now.mono);
        }
    }

    /// The server is about to end: every registration is given back.
    pub(super) fn leave_all(&mut self, turn: &mut Turn<'_>) {
        let all: Vec<TrunkId> = self.carriers.all.keys().copied().collect();
        for trunk in all {
            self.leave(trunk, turn);
            self.tend(trunk, turn);
        }
    }

    /// Whether a registration is still being given back.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        let pending = |carrier: &Carrier| carrier.register.is_some_and(|id| self.clients.is_pending(id));
        self.carriers.all.values().any(|carrier| carrier.is_ended() && pending(carrier))
    }

    /// Whether new calls of this trunk are turned away.
    pub(super) fn is_draining(&self, trunk: TrunkId) -> bool {
        self.carriers.draining.contains(&trunk)
    }
}
