//! What the layer above wants.
//!
//! A command for a session that is over or in another stage does nothing: the event that says so is on its way up.

use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Method, Response};

use super::calling::Ring;
use super::compose;
use super::session::{Invited, Pending, Session, Stage, Talking, Unacknowledged, Wake};
use super::{Command, Flow, Reason, SessionId, Turn, Ua};
use crate::transaction::{PATIENCE, T1};

/// §13.3.1.1: proxies forget an INVITE that rings for three minutes without a word.
const REMINDER: Duration = Duration::from_secs(60);

impl Ua {
    pub(super) fn command(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Progress { session, status, sdp } => self.progress(session, status, sdp, turn),
            Command::Accept { session, sdp } => self.accept(session, &sdp, turn),
            Command::Refuse { session, status, reason, retry_after } => {
                self.refuse(session, status, reason.as_ref(), retry_after, turn);
            }
            Command::Invite { session, to, from, sdp, headers } => {
                self.ring(session, Ring { to, from, sdp, headers }, turn);
            }
            Command::Cancel { session, reason } => self.cancel(session, reason, turn),
            Command::Reinvite { session, sdp } => self.reinvite(session, sdp, Method::Invite, turn),
            Command::Update { session, sdp } => self.reinvite(session, sdp, Method::Update, turn),
            Command::Hangup { session, reason } => self.hang_up(session, reason, turn),
        }
    }

    fn progress(&mut self, id: SessionId, status: u16, sdp: Option<Bytes>, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Invited(invited), flow, .. }) = self.sessions.get_mut(&id) else {
            return;
        };
        if !(101..200).contains(&status) {
            return;
        }
        let mut response = self.letterhead.answer(&invited.pending.envelope, status);
        make_dialog(&mut response, &invited.pending, flow);
        if let Some(sdp) = &sdp {
            compose::sdp(&mut response.headers, &mut response.body, sdp);
        }
        invited.progress = Some((status, sdp));
        let (transaction, envelope) = (invited.pending.transaction, invited.pending.envelope.clone());
        self.respond(transaction, &envelope, &response, turn.now);
        self.timers.set(Wake::Remind(id), turn.now.mono + REMINDER);
    }

    /// A minute has passed: the latest 1xx once more.
    pub(super) fn remind(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        if let Some(Session {
            stage: Stage::Invited(Invited { progress: Some((status, sdp)), .. }), ..
        }) = self.sessions.get(&id)
        {
            let (status, sdp) = (*status, sdp.clone());
            self.progress(id, status, sdp, turn);
        }
    }

    fn accept(&mut self, id: SessionId, sdp: &Bytes, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(pending) = session.pending() else { return };
        let mut response = self.letterhead.answer(&pending.envelope, 200);
        make_dialog(&mut response, pending, &session.flow);
        compose::allow(&mut response.headers);
        if let Some(interval) = pending.interval {
            interval.grant(&mut response.headers);
        }
        compose::sdp(&mut response.headers, &mut response.body, sdp);
        let (transaction, method, interval) = (pending.transaction, pending.method, pending.interval);
        let (seq, offer, envelope) = (pending.seq, !pending.offered, pending.envelope.clone());
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
        self.confirm(id, open, turn);
        self.live(id, interval, turn.now);
    }

    /// Their INVITE or UPDATE is accepted.
    fn confirm(&mut self, id: SessionId, open: Option<Unacknowledged>, turn: &mut Turn<'_>) {
        self.timers.stop(Wake::GiveUp(id));
        self.timers.stop(Wake::Remind(id));
        if open.is_some() {
            self.timers.set(Wake::Repeat(id), turn.now.mono + T1);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.stage {
            Stage::Invited(invited) => {
                session.stage = Stage::Talking(Box::new(Talking::new(invited.dialog.clone(), open)));
            }
            Stage::Talking(talking) => {
                talking.theirs = None;
                talking.unacknowledged = open.or(talking.unacknowledged.take());
                self.outdated(id);
            }
            Stage::Calling(_) | Stage::Closing(_) => {}
        }
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
        let first = matches!(session.stage, Stage::Invited(_));
        let (transaction, envelope) = match &mut session.stage {
            Stage::Invited(Invited { pending, .. }) => (pending.transaction, pending.envelope.clone()),
            Stage::Talking(talking) => match talking.theirs.take() {
                Some(pending) => (pending.transaction, pending.envelope),
                None => return,
            },
            Stage::Calling(_) | Stage::Closing(_) => return,
        };
        let mut response = self.letterhead.answer(&envelope, status);
        compose::reason(&mut response.headers, reason);
        if let Some(after) = retry_after {
            response.headers.push(Header::RetryAfter(after.as_secs().to_string().into()));
        }
        self.respond(transaction, &envelope, &response, turn.now);
        if first {
            self.forget(id);
        }
    }
}

/// §12.1.1: what makes a dialog out of an answer.
fn make_dialog(response: &mut Response, pending: &Pending, flow: &Flow) {
    response.headers.extend(pending.record_routes.clone());
    response.headers.push(compose::contact(flow, pending.envelope.sips()));
}
