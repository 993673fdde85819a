//! The user agent: transactions, dialogs, digest and bindings under one roof, without I/O.
//!
//! [`Ua::handle`] takes an [`Input`]; then [`Ua::poll`] is drained until it gives nothing more, and [`Ua::next_wake`] tells
//! when to come back with [`Input::Timer`] at the latest.
//!
//! | module | what it does |
//! |---|---|
//! | `inbound` | bytes to messages, messages to whom they concern |
//! | `flows`, `keep` | connections; how long a silent or a slow one is kept |
//! | `gate` | who may be talked to: trunks, receptionists, nobody else |
//! | `inspect` | RFC 3261 §8.2: what is refused before anybody is asked |
//! | `register` | REGISTER |
//! | `outside` | other requests outside a dialog |
//! | `invited`, `acknowledge` | INVITEs that come |
//! | `progress`, `reliable` | our provisional answers, and their PRACKs |
//! | `calling`, `early`, `answers`, `declined` | INVITEs that go |
//! | `dialling` | those that go through a trunk |
//! | `stand_in` | those that go on over another flow |
//! | `carriers` | registering with trunks, watching them, answering their challenges |
//! | `refer`, `replaces` | calls put through and picked up |
//! | `talking`, `reinvite` | requests within a dialog, theirs and ours |
//! | `update`, `lifetime`, `interval` | UPDATE, and what keeps a session alive |
//! | `ending` | BYE, and the way to a peer |
//! | `command` | what the layer above wants |
//! | `clock` | what happens because time has passed |
//! | `shown` | what of all this a log may show |

mod acknowledge;
mod answers;
mod api;
mod body;
mod calling;
mod carriers;
mod clock;
mod command;
mod compose;
mod config;
mod counters;
mod declined;
mod dialling;
mod digits;
mod early;
mod ending;
mod flows;
mod gate;
mod inbound;
mod inspect;
mod interval;
mod invited;
mod keep;
mod known;
mod lifetime;
mod outside;
mod progress;
mod refer;
mod register;
mod reinvite;
mod reliable;
mod replaces;
mod respond;
mod session;
mod shown;
mod stand_in;
mod talking;
mod update;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use vorzimmer_types::{Entropy, Now, ReceptionistId};

pub use crate::flow::{Binding, ConnectionId, Flow, Transport};
pub use crate::registrar::Expires;
pub use api::{
    Command, Dialled, Ending, Event, FromParty, Input, Output, Peer, Reason, ReferId, Replaced, SessionId,
    WayOut,
};
pub use carriers::{TrunkNews, TrunkOrder, TrunkStatus};
pub use config::{
    Account, Accounts, Limits, PhoneDigest, Provider, Registration, SessionTimer, Trunk, UaConfig,
};
pub use counters::Counters;

use crate::auth::Gatekeeper;
use crate::registrar::Registrar;
use crate::transaction::{ByOwn, Clients, Servers, Timers, TransactionId};
use carriers::Carriers;
use compose::Letterhead;
use flows::Flows;
use known::Known;
use session::{OurInvite, Owner, Pending, Sessions, Wake};

/// The user agent.
pub struct Ua {
    config: UaConfig,
    letterhead: Letterhead,
    gatekeeper: Gatekeeper,
    flows: Flows,
    known: Known,
    servers: Servers<SessionId>,
    clients: Clients<Owner>,
    /// INVITEs of ours whose transaction still runs.
    invites: ByOwn<TransactionId, OurInvite>,
    sessions: Sessions,
    /// Call-ID and our tag.
    dialogs: HashMap<(String, String), SessionId>,
    /// Offers of theirs whose session is over before anybody answered them.
    orphans: Vec<Pending>,
    registrar: Registrar,
    carriers: Carriers,
    timers: Timers<Wake>,
    draining: Option<Duration>,
    counters: Counters,
    named_sessions: u64,
}

/// What comes along with each input.
struct Turn<'a> {
    now: Now,
    accounts: &'a dyn Accounts,
    entropy: &'a mut dyn Entropy,
}

impl Ua {
    /// A user agent that has heard nothing yet. `secret` makes nonces, tags and branches that nobody else can make;
    /// it need not outlive the process.
    #[must_use]
    pub fn new(config: UaConfig, secret: [u8; 32]) -> Self {
        Self {
            letterhead: Letterhead::new(&config.user_agent, secret),
            gatekeeper: Gatekeeper::new(&config.realm),
            flows: Flows::new(config.limits.connections),
            known: Known::new(config.limits.known_flows),
            servers: Servers::new(config.limits.transactions),
            clients: Clients::new(config.limits.transactions),
            invites: ByOwn::default(),
            sessions: Sessions::default(),
            dialogs: HashMap::new(),
            orphans: Vec::new(),
            registrar: Registrar::new(config.expires, config.limits.bindings),
            carriers: Carriers::new(config.trunks.iter()),
            timers: Timers::default(),
            draining: None,
            counters: Counters::default(),
            named_sessions: 0,
            config,
        }
    }

    /// Takes one input. Due timers fire first, so that nothing happens out of order.
    pub fn handle(&mut self, input: Input, now: Now, accounts: &dyn Accounts, entropy: &mut dyn Entropy) {
        let turn = &mut Turn { now, accounts, entropy };
        self.pass_time(turn);
        match input {
            Input::Datagram { flow, bytes } => self.datagram(flow, &bytes, turn),
            Input::Opened { flow, certified } => self.opened(flow, certified, turn),
            Input::Stream { connection, bytes } => self.stream(connection, &bytes, turn),
            Input::Closed { connection } => self.connection_lost(connection, turn),
            Input::Command(command) => self.command(command, turn),
            Input::Located { trunk, targets } => self.located(trunk, targets, turn),
            Input::Timer => {}
        }
        self.answer_orphans(now);
        self.watch_bindings(now);
    }

    /// The next thing to do; none when all is done.
    pub fn poll(&mut self) -> Option<Output> {
        self.flows.poll()
    }

    /// When [`Input::Timer`] is wanted, if nothing else comes before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        [self.timers.next(), self.servers.next_wake(), self.clients.next_wake()].into_iter().flatten().min()
    }

    /// A name for a session that the layer above is about to begin.
    pub fn next_session(&mut self) -> SessionId {
        self.named_sessions += 1;
        SessionId(self.named_sessions)
    }

    /// Takes the bindings that were kept over a restart. Devices that registered over a stream are left out, and it is told
    /// that they are gone: their connection died with the process, so they will notice and register again.
    pub fn restore(&mut self, bindings: Vec<Binding>, now: Now) {
        for binding in bindings.iter().filter(|binding| !binding.flow.transport.is_reliable()) {
            self.known.note(&binding.flow, Peer::Receptionist(binding.receptionist), now.mono);
        }
        for receptionist in self.registrar.restore(bindings, now.wall) {
            self.tell_bindings(receptionist, now);
        }
        self.watch_bindings(now);
    }

    /// Where a receptionist can be rung now, the preferred device first; of a device with several flows the one that it
    /// refreshed last (RFC 5626 §5.3).
    #[must_use]
    pub fn bindings(&self, receptionist: ReceptionistId, now: Now) -> Vec<Binding> {
        let mut devices: Vec<Binding> = Vec::new();
        for binding in self.registrar.bindings(receptionist, now.wall) {
            if !devices.iter().any(|known| known.is_same_device(&binding)) {
                devices.push(binding);
            }
        }
        devices
    }

    /// From now on new INVITEs get 503 with this Retry-After; none ends that.
    pub fn set_draining(&mut self, retry_after: Option<Duration>) {
        self.draining = retry_after;
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            undeliverable: self.flows.undeliverable,
            sessions: self.sessions.len(),
            dialogs: self.dialogs.len(),
            connections: self.flows.connections(),
            server_transactions: self.servers.len(),
            client_transactions: self.clients.len(),
            bindings: self.registrar.len(),
            ..self.counters
        }
    }
}
