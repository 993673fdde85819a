//! The server transactions that run now: matching, limits, timers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::own::ByOwn;
use super::{
    Full, Kind, MergeKey, ServerInvite, ServerKey, ServerOther, Step, Steps, Timer, Timers, TransactionId,
    WITHIN_DIALOGS, Wire,
};
use crate::flow::Flow;

/// The table of server transactions. Each carries an owner of type `O` once the core has named one.
pub struct Servers<O> {
    limit: usize,
    next: u64,
    running: ByOwn<TransactionId, Running<O>>,
    by_key: HashMap<Arc<ServerKey>, TransactionId>,
    by_merge: HashMap<Arc<MergeKey>, TransactionId>,
    timers: Timers<(TransactionId, Timer)>,
}

struct Running<O> {
    key: Arc<ServerKey>,
    merge: Option<Arc<MergeKey>>,
    flow: Flow,
    owner: Option<O>,
    machine: Machine,
}

enum Machine {
    Invite(ServerInvite),
    Other(ServerOther),
}

/// What an ACK with a transaction's branch was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// A refusal: the transaction took it.
    Refusal,
    /// A 2xx: the core's.
    Success,
}

/// A refusal of an INVITE that was never acknowledged (Timer H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapsed<O> {
    /// Whose INVITE it was.
    pub owner: Option<O>,
}

impl<O: Copy> Servers<O> {
    /// An empty table for at most `limit` transactions, one in [`WITHIN_DIALOGS`] of them for requests within dialogs.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            next: 0,
            running: ByOwn::default(),
            by_key: HashMap::new(),
            by_merge: HashMap::new(),
            timers: Timers::default(),
        }
    }

    /// The transaction that a request belongs to (§17.2.3).
    #[must_use]
    pub fn find(&self, key: &ServerKey) -> Option<TransactionId> {
        self.by_key.get(key).copied()
    }

    /// Whether the same request came on another way: same From tag, Call-ID and CSeq, no To tag, other branch
    /// (§8.2.2.2).
    #[must_use]
    pub fn is_merged(&self, merge: &MergeKey) -> bool {
        self.by_merge.contains_key(merge)
    }

    /// Begins a transaction. `merge` is given for requests outside a dialog; answers go over `flow`.
    ///
    /// # Errors
    /// [`Full`] at the limit, and outside a dialog when only the places of those within one are left.
    pub fn begin(
        &mut self,
        key: Arc<ServerKey>,
        kind: Kind,
        merge: Option<MergeKey>,
        flow: Flow,
    ) -> Result<TransactionId, Full> {
        let kept = if merge.is_some() { self.limit / WITHIN_DIALOGS } else { 0 };
        if self.running.len() >= self.limit - kept {
            return Err(Full);
        }
        let id = TransactionId(self.next);
        self.next += 1;
        let reliable = flow.transport.is_reliable();
        let machine = match kind {
            Kind::Invite => Machine::Invite(ServerInvite::new(reliable)),
            Kind::Other => Machine::Other(ServerOther::new(reliable)),
        };
        let merge = merge.map(Arc::new);
        if let Some(merge) = &merge {
            self.by_merge.entry(Arc::clone(merge)).or_insert(id);
        }
        self.by_key.insert(Arc::clone(&key), id);
        self.running.insert(id, Running { key, merge, flow, owner: None, machine });
        Ok(id)
    }

    /// Names whose transaction it is.
    pub fn own(&mut self, id: TransactionId, owner: O) {
        if let Some(running) = self.running.get_mut(&id) {
            running.owner = Some(owner);
        }
    }

    /// Whose transaction it is.
    #[must_use]
    pub fn owner(&self, id: TransactionId) -> Option<O> {
        self.running.get(&id)?.owner
    }

    /// Its answers go another way from now on.
    pub fn reroute(&mut self, id: TransactionId, flow: Flow) {
        if let Some(running) = self.running.get_mut(&id) {
            running.flow = flow;
        }
    }

    /// The way its answers go.
    #[must_use]
    pub fn flow(&self, id: TransactionId) -> Option<Flow> {
        self.running.get(&id).map(|running| running.flow)
    }

    /// Whether it still waits for a final answer.
    #[must_use]
    pub fn is_pending(&self, id: TransactionId) -> bool {
        self.running.get(&id).is_some_and(|running| match &running.machine {
            Machine::Invite(machine) => machine.is_pending(),
            Machine::Other(machine) => machine.is_pending(),
        })
    }

    /// Its request came again.
    pub fn again(&mut self, id: TransactionId, now: Instant, wire: &mut impl Wire) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let steps = match &mut running.machine {
            Machine::Invite(machine) => machine.again(),
            Machine::Other(machine) => machine.again(),
        };
        self.carry_out(id, steps, now, wire);
    }

    /// An ACK with its branch came.
    pub fn ack(&mut self, id: TransactionId, now: Instant, wire: &mut impl Wire) -> Acked {
        let steps = match self.running.get_mut(&id).map(|running| &mut running.machine) {
            Some(Machine::Invite(machine)) => machine.ack(),
            Some(Machine::Other(_)) | None => Steps::new(),
        };
        let outcome = self.carry_out(id, steps, now, wire);
        if outcome.delivered { Acked::Success } else { Acked::Refusal }
    }

    /// The core answers with `status`. An answer that the state does not allow (a second final one) is not sent.
    pub fn respond(
        &mut self,
        id: TransactionId,
        status: u16,
        response: Bytes,
        now: Instant,
        wire: &mut impl Wire,
    ) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let steps = match (&mut running.machine, status) {
            (Machine::Invite(machine), ..200) => machine.provisional(response),
            (Machine::Invite(machine), 200..300) => machine.success(&response),
            (Machine::Invite(machine), 300..) => machine.failure(response),
            (Machine::Other(machine), ..200) => machine.provisional(response),
            (Machine::Other(machine), 200..) => machine.last(response),
        };
        self.carry_out(id, steps, now, wire);
    }

    /// Lets every timer fire that is due at `now`, until one tells of something: call again until none.
    pub fn fire(&mut self, now: Instant, wire: &mut impl Wire) -> Option<Lapsed<O>> {
        while let Some((id, timer)) = self.timers.pop(now) {
            let Some(running) = self.running.get_mut(&id) else { continue };
            let owner = running.owner;
            let steps = match &mut running.machine {
                Machine::Invite(machine) => machine.timer(timer),
                Machine::Other(machine) => machine.timer(timer),
            };
            if self.carry_out(id, steps, now, wire).timed_out {
                return Some(Lapsed { owner });
            }
        }
        None
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
                Step::Done => self.forget(id),
            }
        }
        outcome
    }

    fn forget(&mut self, id: TransactionId) {
        let Some(running) = self.running.remove(&id) else { return };
        self.by_key.remove(&running.key);
        if let Some(merge) = running.merge
            && self.by_merge.get(&merge) == Some(&id)
        {
            self.by_merge.remove(&merge);
        }
        for timer in [Timer::G, Timer::H, Timer::I, Timer::J, Timer::L] {
            self.timers.stop((id, timer));
        }
    }
}

#[derive(Default)]
struct Outcome {
    delivered: bool,
    timed_out: bool,
}
