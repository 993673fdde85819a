//! What happens because time has passed.

use super::session::{Calling, Session, Stage, Unacknowledged, Wake};
use super::{Ending, SessionId, Turn, Ua};
use crate::transaction::{Gone, T2};

impl Ua {
    /// Lets everything happen that is due.
    pub(super) fn pass_time(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        while let Some(gone) = self.clients.fire(now, &mut self.flows) {
            match gone {
                Gone::TimedOut(id, owner) => self.unanswered(id, owner, 408, turn),
                Gone::Finished(id, _) => {
                    self.invites.remove(&id);
                }
            }
        }
        while self.servers.fire(now, &mut self.flows).is_some() {
            self.counters.unacknowledged += 1;
        }
        while let Some(wake) = self.timers.pop(now) {
            self.wake(wake, turn);
        }
    }

    fn wake(&mut self, wake: Wake, turn: &mut Turn<'_>) {
        match wake {
            Wake::Repeat(id) => self.repeat_success(id, turn),
            Wake::Remind(id) => self.remind(id, turn),
            Wake::Reassure(id) => self.reassure(id, turn),
            Wake::GiveUp(id) => self.ring_out(id, turn),
            Wake::Unheard(id) => self.unheard(id, turn),
            Wake::Uncancelled(id) => self.uncancelled(id, turn),
            Wake::Retry(id) => self.retry_reinvite(id, turn),
            Wake::Overdue(id) => self.reinvite_overdue(id, turn),
            Wake::Refresh(id) => self.refresh(id, turn),
            Wake::Expire(id) => self.expire(id, turn),
            Wake::Lapse => self.lapse(turn.now),
            Wake::Prove(connection) => self.expect_proof(connection, turn),
            Wake::Whole(connection) => self.hang_up_on(connection, turn),
            Wake::Silent(connection) => self.expect_keep_alive(connection, turn),
            Wake::Carrier(trunk) => self.tend(trunk, turn),
            Wake::Late(trunk) => self.probe_late(trunk, turn),
        }
    }

    /// §13.3.1.4: the 2xx again, on any transport, until the ACK; after 64·T1 the session ends.
    fn repeat_success(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        let Some(open) = &mut talking.unacknowledged else { return };
        if now >= open.until {
            talking.unacknowledged = None;
            let reason = talking.hangup.take().flatten();
            return self.say_bye(id, reason.as_ref(), Ending::NoAck, turn);
        }
        open.interval = (open.interval * 2).min(T2);
        let next = (now + open.interval).min(open.until);
        let Unacknowledged { transaction, response, .. } = open;
        self.servers.respond(*transaction, 200, response.clone(), now, &mut self.flows);
        self.timers.set(Wake::Repeat(id), next);
    }

    /// Their INVITE has expired (§13.3.1), or ours has rung for too long.
    fn ring_out(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        match self.sessions.get(&id).map(|session| &session.stage) {
            Some(Stage::Invited(_)) => self.give_up(id, 487, turn),
            Some(Stage::Calling(_)) => self.cancel(id, None, turn),
            // The answer to a device's offer was never given.
            Some(Stage::Talking(talking)) if talking.owed.is_some() => self.hang_up(id, None, turn),
            Some(Stage::Talking(_) | Stage::Closing(_)) | None => {}
        }
    }

    /// §9.1: our CANCEL had no effect that we heard of.
    fn uncancelled(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        if let Some(Session { stage: Stage::Calling(Calling { transaction, .. }), .. }) =
            self.sessions.get(&id)
        {
            let transaction = *transaction;
            self.clients.abandon(transaction);
            self.unanswered(transaction, super::session::Owner::Invite(id), 487, turn);
        }
    }
}
