//! What the layer above wants.
//!
//! A command for a session that is over or in another stage does nothing: the event that says so is on its way up.

use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Method, Response};

use super::calling::Ring;
use super::compose;
use super::session::{Pending, Stage, Talking, Unacknowledged, Wake};
use super::{Command, Flow, Peer, Reason, SessionId, Turn, Ua};
use crate::transaction::{PATIENCE, T1};

impl Ua {
    pub(super) fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Progress { session, status, sdp } => self.progress(session, status, sdp, turn),
            Command::Accept { session, sdp } => self.accept(session, &sdp, turn),
            Command::Refuse { session, status, reason, retry_after } => {
                self.refuse(session, status, reason.as_ref(), retry_after, turn);
            }
            Command::Invite { session, to, from, sdp, headers } => {
                self.ring(session, &Ring { to, from, sdp, headers }, turn);
            }
            Command::Answer { session, sdp } => self.answer_offer(session, &sdp, turn),
            Command::Trunk { trunk, order } => self.order_trunk(trunk, order, turn),
            Command::Leave => self.leave_all(turn),
            Command::Dial { session, to, sdp } => self.dial(session, &to, &sdp, turn),
            Command::AnswerRefer { session, refer, status } => {
                self.answer_refer(session, refer, status, turn)
            }
            Command::Notify { session, refer, status } => self.notify(session, refer, status, turn),
            Command::Cancel { session, reason } => self.cancel(session, reason, turn),
            Command::Reinvite { session, sdp } => self.reinvite(session, sdp, Method::Invite, turn),
            Command::Update { session, sdp } => self.reinvite(session, sdp, Method::Update, turn),
            Command::Hangup { session, reason } => self.hang_up(session, reason, turn),
        }
    }

    pub(super) fn accept(&mut self, id: SessionId, sdp: &Bytes, turn: &mut Turn<'_>) {
        if self.waits_for_prack(id, sdp) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(pending) = session.pending() else { return };
        let mut response = self.letterhead.answer(&pending.envelope, 200);
        make_dialog(&mut response, pending, &session.flow);
        compose::allow(&mut response.headers);
        if let Some(interval) = pending.interval {
            interval.grant(&mut response.headers);
        }
        let (transaction, method, interval) = (pending.transaction, pending.method, pending.interval);
        // RFC 3262 §5: an offer that a PRACK has answered is not made again.
        let offer = !pending.offered && !session.is_settled();
        if pending.offered || offer {
            compose::sdp(&mut response.headers, &mut response.body, sdp);
        }
        let (seq, envelope) = (pending.seq, pending.envelope.clone());
        let Some(bytes) = self.respond(transaction, &envelope, &response, turn.now) else { return };
        let until = turn.now.mono + PATIENCE;
        // RFC 3311 §5.2: an UPDATE is not acknowledged.
        let open = (method == Method::Invite).then_some(Unacknowledged {
            transaction,
            seq,
            response: bytes,
            interval: T1,
            until,
            offer,
        });
        match open {
            Some(open) => self.confirm(id, open, turn),
            None => self.agreed(id, turn),
        }
        if method != Method::PRack {
            self.live(id, interval, turn.now);
        }
    }

    /// Their INVITE is accepted.
    fn confirm(&mut self, id: SessionId, open: Unacknowledged, turn: &mut Turn<'_>) {
        for wake in [Wake::GiveUp(id), Wake::Remind(id), Wake::Reassure(id)] {
            self.timers.stop(wake);
        }
        self.timers.set(Wake::Repeat(id), turn.now.mono + T1);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.stage {
            Stage::Invited(invited) => {
                session.stage = Stage::Talking(Box::new(Talking::new(invited.dialog.clone(), Some(open))));
            }
            Stage::Talking(talking) => {
                talking.theirs = None;
                talking.unacknowledged = Some(open);
                self.outdated(id);
            }
            Stage::Calling(_) | Stage::Closing(_) => {}
        }
    }

    /// Their UPDATE or PRACK with an offer is answered.
    fn agreed(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Stage::Calling(calling) = &mut session.stage
            && let Some(early) = calling.early.iter_mut().find(|early| early.theirs.is_some())
        {
            // What came before is out of date, the 2xx's description included.
            (early.answer, early.settled) = (None, true);
        }
        session.take_theirs();
        self.outdated(id);
        self.go_on(id, turn);
    }

    pub(super) fn refuse(
        &mut self,
        id: SessionId,
        status: u16,
        reason: Option<&Reason>,
        retry_after: Option<Duration>,
        turn: &mut Turn<'_>,
    ) {
        if !(300..700).contains(&status) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let first = matches!(&session.stage, Stage::Invited(invited) if invited.theirs.is_none());
        let (transaction, envelope) = match &mut session.stage {
            Stage::Invited(invited) if first => {
                (invited.pending.transaction, invited.pending.envelope.clone())
            }
            _ => match session.take_theirs() {
                Some(pending) => (pending.transaction, pending.envelope),
                None => return,
            },
        };
        let mut response = self.letterhead.answer(&envelope, status);
        compose::reason(&mut response.headers, reason);
        compose::warning(&mut response.headers, reason);
        if matches!(session.peer, Peer::Trunk { .. })
            && reason.is_none_or(|reason| reason.protocol != "Q.850")
        {
            // RFC 6432: the network behind a trunk speaks in causes.
            compose::reason(&mut response.headers, Reason::of_status(status).as_ref());
        }
        if let Some(after) = retry_after {
            response.headers.push(Header::RetryAfter(after.as_secs().to_string().into()));
        }
        self.respond(transaction, &envelope, &response, turn.now);
        if first {
            self.forget(id);
        } else {
            self.go_on(id, turn);
        }
    }
}

/// §12.1.1: what makes a dialog out of an answer.
pub(super) fn make_dialog(response: &mut Response, pending: &Pending, flow: &Flow) {
    response.headers.extend(pending.record_routes.clone());
    response.headers.push(compose::contact(flow, pending.envelope.sips()));
}
