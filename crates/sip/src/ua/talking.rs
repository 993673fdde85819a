//! Requests of the peer within a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2).

use rsip::{Headers, Method};
use vorzimmer_types::Now;

use super::inspect::{inspect_within, not_allowed};
use super::invited::{pending, timestamp};
use super::outside::abilities;
use super::respond::{Arrival, Opened};
use super::session::{Pending, Reinvite, Session, Stage};
use super::{Ending, Event, Peer, SessionId, Turn, Ua, body, digits};
use crate::auth::Proof;
use crate::cause;
use crate::header;

/// §14.2: how long a second INVITE should wait at most before it is tried again, in seconds.
const RETRY_WITHIN: u8 = 10;

impl Ua {
    /// A request with a To tag.
    pub(super) fn within_dialog(&mut self, arrival: Arrival, turn: &mut Turn<'_>) {
        let Some(id) = self.session_of(&arrival.request.headers) else {
            return self.unmatched(&arrival, turn);
        };
        if !self.is_from_peer(id, &arrival.flow, turn.now) && !self.has_moved(id, &arrival, turn) {
            return;
        }
        let Some(opened) = self.open(&arrival, turn) else { return };
        if let Err(objection) = inspect_within(&arrival.request) {
            return self.answer(&opened, objection.status, objection.extra, turn.now);
        }
        if !self.is_next(id, &arrival) {
            // §12.2.2: older than what was already handled.
            return self.answer(&opened, 500, Vec::new(), turn.now);
        }
        self.follow(id, &arrival, turn.now);
        self.peer_can(id, &arrival.request.headers);
        let over = matches!(self.sessions.get(&id), Some(Session { stage: Stage::Closing(_), .. }));
        match arrival.request.method {
            // §15.1.1: with our BYE the dialog has ended; only theirs, crossing it, is still of interest.
            method if over && method != Method::Bye => self.answer(&opened, 481, Vec::new(), turn.now),
            Method::Invite => self.reoffered(id, &arrival, opened, turn),
            Method::PRack => self.pracked(id, &arrival, opened, turn),
            Method::Update => self.updated(id, &arrival, opened, turn),
            Method::Bye => {
                let cause = cause::read(&arrival.request.headers);
                self.explained(id, cause.filter(|_| self.may_hang_up(id)));
                self.bye(id, &opened, turn);
            }
            Method::Refer => self.referred(id, &arrival, opened, turn),
            Method::Info => self.info(id, &arrival, &opened, turn),
            Method::Options => self.answer(&opened, 200, abilities(), turn.now),
            _ => {
                let objection = not_allowed();
                self.answer(&opened, objection.status, objection.extra, turn.now);
            }
        }
    }

    /// The session whose dialog these headers name, seen from here.
    pub(super) fn session_of(&mut self, headers: &Headers) -> Option<SessionId> {
        let (call_id, to, from) =
            (header::call_id(headers).ok()?, header::to(headers).ok()?, header::from(headers).ok()?);
        let (local, remote) = (to.tag()?, from.tag().unwrap_or_default());
        let id = *self.dialogs.get(&(call_id.to_owned(), local.to_owned()))?;
        self.sessions.get_mut(&id)?.dialog_mut(call_id, local, remote)?;
        Some(id)
    }

    /// Whether a request from a new address carries the digest of the session's peer. If not, it was challenged.
    fn has_moved(&mut self, id: SessionId, arrival: &Arrival, turn: &mut Turn<'_>) -> bool {
        let stale = match self.prove(&arrival.request, &arrival.flow, turn) {
            Proof::Good { who, .. } => {
                if self.sessions.get(&id).is_some_and(|session| session.peer == who) {
                    self.known.note(&arrival.flow, who, turn.now.mono);
                    return true;
                }
                self.unmatched(arrival, turn);
                return false;
            }
            Proof::Stale => true,
            Proof::None | Proof::Bad => false,
        };
        self.challenge(arrival, stale, turn);
        false
    }

    fn is_next(&mut self, id: SessionId, arrival: &Arrival) -> bool {
        let headers = &arrival.request.headers;
        let (Ok(call_id), Ok(to), Ok(from), Ok(cseq)) =
            (header::call_id(headers), header::to(headers), header::from(headers), header::cseq(headers))
        else {
            return false;
        };
        let (local, remote) = (to.tag().unwrap_or_default(), from.tag().unwrap_or_default());
        let dialog =
            self.sessions.get_mut(&id).and_then(|session| session.dialog_mut(call_id, local, remote));
        dialog.is_some_and(|dialog| dialog.accept(cseq.seq).is_ok())
    }

    /// A device is reached where it was last heard; a trunk only if the old connection is gone.
    fn follow(&mut self, id: SessionId, arrival: &Arrival, now: Now) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if arrival.flow.transport.is_reliable() {
            // A connection on which a dialog goes on is nobody's idle one.
            self.known.note(&arrival.flow, session.peer.clone(), now.mono);
        }
        let device = matches!(session.peer, Peer::Receptionist(_));
        if device || !self.flows.is_usable(&session.flow) {
            session.flow = arrival.flow;
        }
    }

    /// A re-INVITE (§14.2).
    fn reoffered(&mut self, id: SessionId, arrival: &Arrival, opened: Opened, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Stage::Talking(talking) = &mut session.stage else {
            // §14.2: an INVITE of the same dialog is still unanswered.
            let retry = random_retry(turn);
            return self.answer(&opened, 500, retry, turn.now);
        };
        if talking.theirs.is_some() {
            let retry = random_retry(turn);
            return self.answer(&opened, 500, retry, turn.now);
        }
        if matches!(talking.ours, Reinvite::Sent { .. }) || talking.unacknowledged.is_some() {
            return self.answer(&opened, 491, Vec::new(), turn.now);
        }
        let interval = match self.granted(&arrival.request, Some(id)) {
            Ok(interval) => interval,
            Err(objection) => return self.answer(&opened, objection.status, objection.extra, turn.now),
        };
        let sdp = body::sdp(&arrival.request.headers, &arrival.request.body);
        let transaction = opened.transaction;
        self.answer(&opened, 100, timestamp(&arrival.request), turn.now);
        self.servers.own(transaction, id);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) {
            talking.dialog.refresh(&arrival.request.headers);
            talking.theirs = Some(Pending { interval, ..pending(arrival, opened, sdp.is_some()) });
        }
        self.flows.event(Event::Reoffered { session: id, sdp });
    }

    /// Whether their BYE ends something: not what they have not answered yet (§15), nor what we have ended.
    fn may_hang_up(&self, id: SessionId) -> bool {
        let stage = self.sessions.get(&id).map(|session| &session.stage);
        matches!(stage, Some(Stage::Invited(_) | Stage::Talking(_)))
    }

    /// BYE (§15.1.2).
    fn bye(&mut self, id: SessionId, opened: &Opened, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &session.stage {
            Stage::Invited(_) => {
                // The caller ends an early dialog: its INVITE is refused as if it had been cancelled.
                self.answer(opened, 200, Vec::new(), turn.now);
                self.give_up(id, 487, turn);
            }
            // §15: a callee must not say BYE before it has answered.
            Stage::Calling(_) => self.answer(opened, 481, Vec::new(), turn.now),
            Stage::Talking(_) => {
                self.answer(opened, 200, Vec::new(), turn.now);
                self.give_up(id, 487, turn);
                self.end(id, Ending::PeerHungUp);
            }
            Stage::Closing(closing) => {
                let why = closing.why;
                self.answer(opened, 200, Vec::new(), turn.now);
                self.end(id, why);
            }
        }
    }

    /// INFO (RFC 6086; digits as the field has used them since before it).
    fn info(&mut self, id: SessionId, arrival: &Arrival, opened: &Opened, turn: &mut Turn<'_>) {
        match digits::read(&arrival.request) {
            Ok(pressed) => {
                self.answer(opened, 200, Vec::new(), turn.now);
                if let Some((digit, duration)) = pressed {
                    self.flows.event(Event::Digit { session: id, digit, duration });
                }
            }
            Err(objection) => self.answer(opened, objection.status, objection.extra, turn.now),
        }
    }
}

pub(super) fn random_retry(turn: &mut Turn<'_>) -> Vec<rsip::Header> {
    let [byte] = vorzimmer_types::entropy::array(turn.entropy);
    vec![rsip::Header::RetryAfter((byte % (RETRY_WITHIN + 1)).to_string().into())]
}
