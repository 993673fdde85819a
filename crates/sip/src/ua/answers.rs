//! Answers to requests of ours (RFC 3261 §13.2.2, §14.1, §15.1.1).

use std::time::Duration;

use rsip::{Method, Response};

use super::compose;
use super::lifetime::Interval;
use super::session::{Ack, Calling, Cancel, Closing, Owner, Session, Stage, Talking, Wake};
use super::{Ending, Event, SessionId, Turn, Ua, body};
use crate::dialog::Dialog;
use crate::header;
use crate::transaction::{TransactionId, Wire as _};

/// An answer of 300 or above, or none at all, to a request of ours.
pub(super) struct Declined {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// Min-SE in seconds (RFC 4028 §5).
    pub min_se: Option<u32>,
}

impl Declined {
    /// As if by this status.
    pub fn by(status: u16) -> Self {
        Self { status, retry_after: None, min_se: None }
    }

    fn read(response: &Response) -> Self {
        let headers = &response.headers;
        let retry_after = header::retry_after(headers).map(|seconds| Duration::from_secs(u64::from(seconds)));
        let min_se = header::min_session_expires(headers);
        Self { status: response.status_code.code(), retry_after, min_se }
    }
}

/// The most forks of one INVITE that are told apart; further 2xx go unacknowledged, and their sender ends them.
const MAX_FORKS: usize = 8;

impl Ua {
    /// An answer that its transaction passed up.
    pub(super) fn answered(
        &mut self,
        transaction: TransactionId,
        owner: Owner,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        let status = response.status_code.code();
        match (owner, status) {
            (Owner::Invite(id), ..200) => self.progressed(id, response, turn),
            (Owner::Invite(_) | Owner::Reinvite(_), 200..300) => {
                self.accepted(transaction, owner, response, turn)
            }
            (Owner::Update(id), 200..300) => self.update_accepted(id, transaction, response, turn.now),
            (Owner::Refresh(id), 200..300) => self.refreshed(id, transaction, response, turn.now),
            (Owner::Bye(id), 200..) => self.said_bye(id),
            (_, 300..) => {
                self.invites.remove(&transaction);
                self.has_declined(owner, &Declined::read(response), turn);
            }
            (_, ..200) | (Owner::Nobody, _) => {}
        }
    }

    /// A transaction of ours was never answered: as if by 408, or by 503 if its connection broke (§8.1.3.1).
    pub(super) fn unanswered(&mut self, id: TransactionId, owner: Owner, status: u16, turn: &mut Turn<'_>) {
        self.invites.remove(&id);
        self.has_declined(owner, &Declined::by(status), turn);
    }

    fn has_declined(&mut self, owner: Owner, declined: &Declined, turn: &mut Turn<'_>) {
        match owner {
            Owner::Invite(session)
                if declined.status == 422 && self.ring_for_longer(session, declined, turn) => {}
            Owner::Invite(session) => self.declined(session, declined.status, declined.retry_after),
            Owner::Reinvite(session) | Owner::Update(session) => {
                self.reinvite_failed(session, declined, turn)
            }
            Owner::Refresh(session) => self.not_refreshed(session, declined, turn),
            Owner::Bye(session) => self.said_bye(session),
            Owner::Nobody => {}
        }
    }

    fn progressed(&mut self, id: SessionId, response: &Response, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        calling.heard = true;
        let status = response.status_code.code();
        remember_early(calling, self.invites.get(&calling.transaction).map(|i| &*i.request), response);
        if calling.cancel != Cancel::No {
            return self.send_cancel(id, turn);
        }
        if status > 100 {
            let sdp = body::sdp(&response.headers, &response.body);
            self.flows.event(Event::Progressed { session: id, status, sdp });
        }
    }

    fn declined(&mut self, id: SessionId, status: u16, retry_after: Option<Duration>) {
        if matches!(self.sessions.get(&id), Some(Session { stage: Stage::Calling(_), .. })) {
            self.forget(id);
            self.flows.event(Event::Refused { session: id, status, retry_after });
        }
    }

    /// A 2xx to an INVITE: the first, a repeated one, or another fork's.
    fn accepted(
        &mut self,
        transaction: TransactionId,
        owner: Owner,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        let Ok(to) = header::to(&response.headers) else { return };
        let tag = to.tag().unwrap_or_default().to_owned();
        let Some(invite) = self.invites.get(&transaction) else { return };
        if let Some(Ack { flow, bytes, .. }) = invite.acks.iter().find(|ack| ack.tag == tag) {
            // §13.2.2.4: the ACK was lost; the same again.
            return self.flows.transmit(flow, bytes.clone());
        }
        let Ok(dialog) = Dialog::as_client(&invite.request, response) else { return };
        if invite.acks.len() >= MAX_FORKS {
            return;
        }
        match owner {
            Owner::Reinvite(id) => self.reinvite_accepted(id, transaction, &tag, response, turn),
            _ => self.fork_accepted(transaction, &tag, dialog, response, turn),
        }
    }

    fn fork_accepted(
        &mut self,
        transaction: TransactionId,
        tag: &str,
        dialog: Dialog,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        self.acknowledge(transaction, tag, &dialog, turn);
        let Some(invite) = self.invites.get(&transaction) else { return };
        let (id, flow) = (invite.session, invite.flow);
        let Some(session) = self.sessions.get_mut(&id) else { return self.refuse_fork(dialog, flow, turn) };
        let Stage::Calling(calling) = &session.stage else { return self.refuse_fork(dialog, flow, turn) };
        let cancelled = calling.cancel != Cancel::No;
        self.timers.stop(Wake::GiveUp(id));
        self.timers.stop(Wake::Uncancelled(id));
        session.can.follow(&response.headers);
        session.stage = Stage::Talking(Box::new(Talking::new(dialog, None)));
        self.live(id, Interval::answered(&response.headers), turn.now);
        if cancelled {
            // The 2xx crossed the CANCEL: there is a session, and nobody wants it.
            self.say_bye(id, None, Ending::WeHungUp, turn);
        } else {
            let sdp = body::sdp(&response.headers, &response.body);
            self.flows.event(Event::Answered { session: id, sdp });
        }
    }

    /// §13.2.2.4: a 2xx from a fork that comes second is acknowledged, and ended.
    fn refuse_fork(&mut self, mut dialog: Dialog, flow: super::Flow, turn: &mut Turn<'_>) {
        let bye = dialog.request(Method::Bye);
        self.begin(bye, flow, Owner::Nobody, turn);
    }

    /// Sends the ACK of a 2xx and keeps it for as long as the 2xx may be repeated.
    pub(super) fn acknowledge(
        &mut self,
        transaction: TransactionId,
        tag: &str,
        dialog: &Dialog,
        turn: &mut Turn<'_>,
    ) {
        let Some(invite) = self.invites.get(&transaction) else { return };
        let (session, flow) = (invite.session, invite.flow);
        let seq = header::cseq(&invite.request.headers).map_or(0, |cseq| cseq.seq);
        // §13.2.2.4: the ACK is routed like any request of the dialog, once the dialog is the session's.
        let flow = self.way(session, turn).unwrap_or(flow);
        let mut ack = dialog.ack(seq);
        let branch = self.letterhead.branch(turn.entropy);
        self.letterhead.sign(&mut ack, &flow, &branch);
        match compose::request_bytes(&ack) {
            Ok(bytes) => {
                self.flows.transmit(&flow, bytes.clone());
                if let Some(invite) = self.invites.get_mut(&transaction) {
                    invite.acks.push(Ack { tag: tag.to_owned(), flow, bytes });
                }
            }
            Err(_) => self.counters.unprintable += 1,
        }
    }

    /// Our BYE is answered, or will never be: over is over.
    fn said_bye(&mut self, id: SessionId) {
        if let Some(Session { stage: Stage::Closing(Closing { why, .. }), .. }) = self.sessions.get(&id) {
            let why = *why;
            self.end(id, why);
        }
    }
}

/// Keeps the early dialog that a 1xx makes, so that requests within it are recognised.
fn remember_early(calling: &mut Calling, invite: Option<&rsip::Request>, response: &Response) {
    let tag = header::to(&response.headers).ok().and_then(|to| to.tag()).unwrap_or_default();
    let known = calling.early.iter().any(|dialog| dialog.remote_tag() == tag);
    if tag.is_empty() || known || calling.early.len() >= MAX_FORKS {
        return;
    }
    if let Some(dialog) = invite.and_then(|invite| Dialog::as_client(invite, response).ok()) {
        calling.early.push(dialog);
    }
}
