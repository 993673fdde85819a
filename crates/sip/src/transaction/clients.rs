//! The client transactions that run now: matching, limits, timers, lost connections.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::own::ByOwn;
use super::{
    ClientInvite, ClientKey, ClientOther, Full, Kind, Step, Steps, Timer, Timers, TransactionId,
    WITHIN_DIALOGS, Wire,
};
use crate::flow::{ConnectionId, Flow};

/// The table of client transactions, each with an owner of type `O`.
pub struct Clients<O> {
    limit: usize,
    next: u64,
    running: ByOwn<TransactionId, Running<O>>,
    by_key: HashMap<Arc<ClientKey>, TransactionId>,
    by_connection: BTreeSet<(ConnectionId, TransactionId)>,
    timers: Timers<(TransactionId, Timer)>,
}

struct Running<O> {
    key: Arc<ClientKey>,
    flow: Flow,
    owner: O,
    machine: Machine,
}

enum Machine {
    Invite(ClientInvite),
    Other(ClientOther),
}

/// What a response turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<O> {
    /// It belongs to no transaction: drop it (RFC 6026 §8.9).
    Stray,
    /// The transaction dealt with it.
    Absorbed,
    /// The core must see it.
    Deliver(TransactionId, O),
}

/// A transaction that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone<O> {
    /// Nothing came in time: to be treated as a 408 (§8.1.3.1).
    TimedOut(TransactionId, O),
    /// It was answered, and its last timer fired.
    Finished(TransactionId, O),
}

impl<O: Copy> Clients<O> {
    /// An empty table for at most `limit` transactions, one in [`WITHIN_DIALOGS`] of them for others than INVITE.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            next: 0,
            running: ByOwn::default(),
            by_key: HashMap::new(),
            by_connection: BTreeSet::new(),
            timers: Timers::default(),
        }
    }

    /// Sends a request and begins its transaction.
    ///
    /// # Errors
    /// [`Full`] at the limit, and for an INVITE when only the places of other requests are left; nothing was sent.
    #[expect(clippy::too_many_arguments, reason = "each is a distinct thing, and there is one caller")]
    pub fn begin(
        &mut self,
        key: ClientKey,
        kind: Kind,
        flow: Flow,
        request: Bytes,
        owner: O,
        now: Instant,
        wire: &mut impl Wire,
    ) -> Result<TransactionId, Full> {
        let kept = if kind == Kind::Invite { self.limit / WITHIN_DIALOGS } else { 0 };
        if self.running.len() >= self.limit - kept {
            return Err(Full);
        }
        let id = TransactionId(self.next);
        self.next += 1;
        let reliable = flow.transport.is_reliable();
        let (machine, steps) = match kind {
            Kind::Invite => {
                let (machine, steps) = ClientInvite::start(request, reliable);
                (Machine::Invite(machine), steps)
            }
            Kind::Other => {
                let (machine, steps) = ClientOther::start(request, reliable);
                (Machine::Other(machine), steps)
            }
        };
        if let Some(connection) = flow.connection {
            self.by_connection.insert((connection, id));
        }
        let key = Arc::new(key);
        self.by_key.insert(Arc::clone(&key), id);
        self.running.insert(id, Running { key, flow, owner, machine });
        self.carry_out(id, steps, now, wire);
        Ok(id)
    }

    /// The way that the request with this key went.
    #[must_use]
    pub fn flow(&self, key: &ClientKey) -> Option<&Flow> {
        self.by_key.get(key).and_then(|id| self.running.get(id)).map(|running| &running.flow)
    }

    /// A response with this key and status came (§17.1.3). `ack` makes the ACK of a refused INVITE.
    pub fn receive(
        &mut self,
        key: &ClientKey,
        status: u16,
        ack: impl FnOnce(TransactionId, O) -> Option<Bytes>,
        now: Instant,
        wire: &mut impl Wire,
    ) -> Received<O> {
        let Some(&id) = self.by_key.get(key) else { return Received::Stray };
        let Some(running) = self.running.get_mut(&id) else { return Received::Stray };
        let owner = running.owner;
        let steps = match (&mut running.machine, status) {
            (Machine::Invite(machine), ..200) => machine.provisional(),
            (Machine::Invite(machine), 200..300) => machine.success(),
            (Machine::Invite(machine), 300..) => machine.failure(|| ack(id, owner)),
            (Machine::Other(machine), ..200) => machine.provisional(),
            (Machine::Other(machine), 200..) => machine.last(),
        };
        if self.carry_out(id, steps, now, wire).delivered {
            Received::Deliver(id, owner)
        } else {
            Received::Absorbed
        }
    }

    /// Lets every timer fire that is due at `now`, until one tells of something: call again until none.
    pub fn fire(&mut self, now: Instant, wire: &mut impl Wire) -> Option<Gone<O>> {
        while let Some((id, timer)) = self.timers.pop(now) {
            let Some(running) = self.running.get_mut(&id) else { continue };
            let owner = running.owner;
            let steps = match &mut running.machine {
                Machine::Invite(machine) => machine.timer(timer),
                Machine::Other(machine) => machine.timer(timer),
            };
            let outcome = self.carry_out(id, steps, now, wire);
            if outcome.timed_out {
                return Some(Gone::TimedOut(id, owner));
            }
            if outcome.done {
                return Some(Gone::Finished(id, owner));
            }
        }
        None
    }

    /// A connection is gone: the unanswered transactions on it failed (§8.1.3.1: as a 503). Answered ones go on, for
    /// their answers may be repeated on a new connection.
    pub fn connection_lost(&mut self, connection: ConnectionId) -> Vec<(TransactionId, O)> {
        let first = (connection, TransactionId(0));
        let last = (connection, TransactionId(u64::MAX));
        let ids: Vec<_> = self.by_connection.range(first..=last).map(|(_, id)| *id).collect();
        let mut failed = Vec::new();
        for id in ids {
            let Some(running) = self.running.get(&id) else { continue };
            if running.machine.is_pending() {
                failed.push((id, running.owner));
                self.forget(id);
            }
        }
        failed
    }

    /// Whether it still waits for a final answer.
    #[must_use]
    pub fn is_pending(&self, id: TransactionId) -> bool {
        self.running.get(&id).is_some_and(|running| running.machine.is_pending())
    }

    /// Whether the table still holds it.
    #[must_use]
    pub fn contains(&self, id: TransactionId) -> bool {
        self.running.contains_key(&id)
    }

    /// Forgets a transaction whose answer nobody waits for any more (§9.1, last paragraph).
    pub fn abandon(&mut self, id: TransactionId) {
        self.forget(id);
    }

    /// The next moment at which a timer fires.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many transactions run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    fn carry_out(&mut self, id: TransactionId, steps: Steps, now: Instant, wire: &mut impl Wire) -> Outcome {
        let mut outcome = Outcome::default();
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    if let Some(running) = self.running.get(&id) {
                        wire.transmit(&running.flow, bytes);
                    }
                }
                Step::Arm(timer, after) => self.timers.set((id, timer), now + after),
                Step::Stop(timer) => self.timers.stop((id, timer)),
                Step::Deliver => outcome.delivered = true,
                Step::Timeout => outcome.timed_out = true,
                Step::Done => {
                    self.forget(id);
                    outcome.done = true;
                }
            }
        }
        outcome
    }

    fn forget(&mut self, id: TransactionId) {
        let Some(running) = self.running.remove(&id) else { return };
        self.by_key.remove(&running.key);
        if let Some(connection) = running.flow.connection {
            self.by_connection.remove(&(connection, id));
        }
        for timer in [Timer::A, Timer::B, Timer::D, Timer::E, Timer::F, Timer::K, Timer::M] {
            self.timers.stop((id, timer));
        }
    }
}

impl Machine {
    fn is_pending(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_pending(),
            Self::Other(machine) => machine.is_pending(),
        }
    }
}

#[derive(Default)]
struct Outcome {
    delivered: bool,
    timed_out: bool,
    done: bool,
}
