//! Answers to requests of ours (RFC 3261 §13.2.2, §14.1, §15.1.1).

use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Method, Response};
use vorzimmer_types::cause::Cause;

use super::compose;
use super::declined::Declined;
use super::early::MAX_FORKS;
use super::interval::Interval;
use super::session::{Ack, Cancel, Owed, Owner, Session, Stage, Talking, Wake};
use super::{Ending, Event, Reason, SessionId, Turn, Ua, body};
use crate::dialog::Dialog;
use crate::header;
use crate::transaction::{TransactionId, Wire as _};

/// How long the layer above may take to answer an offer in a 2xx, which is repeated until the ACK.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

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
        let mut target = None;
        if status >= 200 {
            let Some(heard) = self.heard_from_target(transaction, owner, response, turn) else { return };
            target = heard;
        }
        match (owner, status) {
            (Owner::Register(trunk), 200..300) => self.register_accepted(trunk, target, response, turn),
            (Owner::Probe(trunk), 200..) => self.probe_answered(trunk, target, status, turn),
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
        let Some(target) = self.target_silent(id, owner, turn) else { return };
        let goes_on = matches!(owner, Owner::Invite(session) if self.ring_by_next_flow(session, turn));
        self.invites.remove(&id);
        if goes_on {
            return;
        }
        if let Owner::Probe(trunk) = owner {
            return self.probe_answered(trunk, target, status, turn);
        }
        self.has_declined(owner, &Declined::by(status), turn);
    }

    fn has_declined(&mut self, owner: Owner, declined: &Declined, turn: &mut Turn<'_>) {
        match owner {
            Owner::Invite(session)
                if declined.status == 422 && self.ring_for_longer(session, declined, turn) => {}
            Owner::Invite(session) => self.declined(session, declined),
            Owner::Reinvite(session) | Owner::Update(session) => {
                self.reinvite_failed(session, declined, turn)
            }
            Owner::Refresh(session) => self.not_refreshed(session, declined, turn),
            Owner::Bye(session) => self.said_bye(session),
            Owner::Register(trunk) => self.register_declined(trunk, declined, turn),
            Owner::Probe(_) | Owner::Nobody => {}
        }
    }

    fn declined(&mut self, id: SessionId, declined: &Declined) {
        if matches!(self.sessions.get(&id), Some(Session { stage: Stage::Calling(_), .. })) {
            let &Declined { status, retry_after, cause, .. } = declined;
            self.forget(id);
            self.explained(id, cause);
            self.flows.event(Event::Refused { session: id, status, retry_after });
        }
    }

    /// The peer has said why, or has not.
    pub(super) fn explained(&mut self, session: SessionId, cause: Option<Cause>) {
        if let Some(cause) = cause {
            self.flows.event(Event::Explained { session, cause });
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
        mut dialog: Dialog,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        let Some(invite) = self.invites.get(&transaction) else { return };
        let (id, flow) = (invite.session, invite.flow);
        dialog.number_above(invite.spent);
        let Some(session) = self.sessions.get_mut(&id) else {
            return self.refuse_fork(transaction, tag, dialog, flow, turn);
        };
        let calling = match &mut session.stage {
            Stage::Calling(calling) => calling,
            // The 2xx again: its ACK waits for the answer to its offer.
            Stage::Talking(talking) if talking.owes_ack_to(tag) => return,
            _ => return self.refuse_fork(transaction, tag, dialog, flow, turn),
        };
        let (cancelled, offered) = (calling.cancel != Cancel::No, calling.offered());
        let fork = calling.early.iter().position(|early| early.dialog.remote_tag() == tag);
        let early = fork.map(|fork| calling.early.swap_remove(fork));
        let losers = std::mem::take(&mut calling.early);
        self.orphans.extend(losers.into_iter().filter_map(|early| early.theirs));
        self.timers.stop(Wake::GiveUp(id));
        self.timers.stop(Wake::Uncancelled(id));
        if let Some(early) = &early {
            dialog.succeed(&early.dialog);
        }
        let settled = early.as_ref().is_some_and(|early| early.settled);
        let (first, theirs) = early.map(|early| (early.answer, early.theirs)).unwrap_or_default();
        // RFC 3262 §5: what was answered reliably is answered.
        let sdp = first.or_else(|| body::sdp(&response.headers, &response.body)).filter(|_| !settled);
        let owes = !offered && !settled && sdp.is_some() && !cancelled;
        if !owes {
            self.acknowledge(transaction, tag, &dialog, None, turn);
        }
        let owed = owes.then(|| Owed::Ack { transaction, tag: tag.to_owned() });
        self.peer_can(id, &response.headers);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stage = Stage::Talking(Box::new(Talking { owed, theirs, ..Talking::new(dialog, None) }));
        self.live(id, Interval::answered(&response.headers), turn.now);
        if cancelled {
            // The 2xx crossed the CANCEL: there is a session, and nobody wants it.
            return self.say_bye(id, None, Ending::WeHungUp, turn);
        }
        if owes {
            self.timers.set(Wake::GiveUp(id), turn.now.mono + ANSWER_WITHIN);
        }
        self.flows.event(Event::Answered { session: id, sdp });
    }

    /// §13.2.2.4: a 2xx from a fork that comes second is acknowledged, and ended.
    fn refuse_fork(
        &mut self,
        transaction: TransactionId,
        tag: &str,
        mut dialog: Dialog,
        flow: super::Flow,
        turn: &mut Turn<'_>,
    ) {
        self.acknowledge(transaction, tag, &dialog, None, turn);
        let mut bye = dialog.request(Method::Bye);
        let reason = Reason {
            protocol: "SIP",
            cause: 200,
            text: "Call completed elsewhere".to_owned(),
            warning: None,
        };
        compose::reason(&mut bye.headers, Some(&reason));
        self.begin(bye, flow, Owner::Nobody, turn);
    }

    /// The layer above answers the offer of a device.
    pub(super) fn answer_offer(&mut self, id: SessionId, sdp: &Bytes, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.stage {
            Stage::Calling(calling) => {
                if let Some(Owed::Prack { fork, rseq }) = calling.owed.take() {
                    self.prack(id, fork, rseq, Some(sdp), turn);
                }
            }
            Stage::Talking(talking) => {
                if let Some(Owed::Ack { transaction, tag }) = talking.owed.take() {
                    let dialog = talking.dialog.clone();
                    self.timers.stop(Wake::GiveUp(id));
                    self.acknowledge(transaction, &tag, &dialog, Some(sdp), turn);
                }
            }
            Stage::Invited(_) | Stage::Closing(_) => {}
        }
    }

    /// The session ends before the offer in a 2xx was answered: the ACK is owed all the same.
    pub(super) fn acknowledge_unanswered(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        if let Some(Owed::Ack { transaction, tag }) = talking.owed.take() {
            let dialog = talking.dialog.clone();
            self.acknowledge(transaction, &tag, &dialog, None, turn);
        }
    }

    /// Sends the ACK of a 2xx and keeps it for as long as the 2xx may be repeated.
    pub(super) fn acknowledge(
        &mut self,
        transaction: TransactionId,
        tag: &str,
        dialog: &Dialog,
        answer: Option<&Bytes>,
        turn: &mut Turn<'_>,
    ) {
        let Some(invite) = self.invites.get(&transaction) else { return };
        let (session, flow) = (invite.session, invite.flow);
        let seq = header::cseq(&invite.request.headers).map_or(0, |cseq| cseq.seq);
        // §13.2.2.4: with the credentials of the INVITE.
        let shown = |line: &&Header| matches!(line, Header::Authorization(_) | Header::ProxyAuthorization(_));
        let shown: Vec<Header> = invite.request.headers.iter().filter(shown).cloned().collect();
        // §13.2.2.4: the ACK is routed like any request of the dialog, once the dialog is the session's.
        let flow = self.way(session, turn).unwrap_or(flow);
        let mut ack = dialog.ack(seq);
        if let Some(answer) = answer {
            compose::sdp(&mut ack.headers, &mut ack.body, answer);
        }
        ack.headers.extend(shown);
        let branch = self.letterhead.branch(turn.entropy);
        match self.carrier_behind(Owner::Invite(session)) {
            Some(_) => self.letterhead.address(&mut ack, &flow, &branch),
            None => self.letterhead.sign(&mut ack, &flow, &branch),
        }
        match compose::request_bytes(&ack) {
            Ok(bytes) => {
                self.flows.transmit(&flow, bytes.clone());
                if let Some(invite) = self.invites.get_mut(&transaction) {
                    // Nearly always the only one.
                    invite.acks.reserve_exact(1);
                    invite.acks.push(Ack { tag: tag.to_owned(), flow, bytes });
                }
            }
            Err(_) => self.counters.unprintable += 1,
        }
    }

    /// Our BYE is answered, or will never be: over is over.
    fn said_bye(&mut self, id: SessionId) {
        if let Some(Session { stage: Stage::Closing(closing), .. }) = self.sessions.get(&id) {
            let why = closing.why;
            self.end(id, why);
        }
    }
}
