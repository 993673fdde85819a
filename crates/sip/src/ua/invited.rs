//! INVITEs that come: a session begins (RFC 3261 §13.3), or is given up (§9.2).

use std::time::Duration;

use rsip::{Header, Request};

use super::inspect::Objection;
use super::interval::Life;
use super::reliable::Reliably;
use super::respond::{Arrival, Opened};
use super::session::{Abilities, Invited, Pending, Session, Stage, Wake};
use super::{Event, Peer, SessionId, Turn, Ua, body};
use crate::cause;
use crate::dialog::Dialog;
use crate::header;
use crate::transaction::ServerKey;

impl Ua {
    /// Somebody who may call, calls.
    pub(super) fn invite(&mut self, arrival: Arrival, peer: Peer, opened: Opened, turn: &mut Turn<'_>) {
        let now = turn.now;
        if let Err(objection) = self.room_for_a_session(&peer) {
            return self.answer(&opened, objection.status, objection.extra, now);
        }
        let replaces = match self.replaced_by(&arrival.request, &peer) {
            Ok(replaces) => replaces,
            Err(objection) => return self.answer(&opened, objection.status, objection.extra, now),
        };
        let interval = match self.granted(&arrival.request, None) {
            Ok(interval) => interval,
            Err(objection) => return self.answer(&opened, objection.status, objection.extra, now),
        };
        // §8.1.1.8: without Contact nobody knows where the dialog's requests go.
        let Ok(dialog) = Dialog::as_server(&arrival.request, opened.envelope.tag()) else {
            return self.answer(&opened, 400, Vec::new(), now);
        };
        self.answer(&opened, 100, timestamp(&arrival.request), now);
        let id = self.next_session();
        let sdp = body::sdp(&arrival.request.headers, &arrival.request.body);
        if let Some(expires) = expires(&arrival) {
            // §13.3.1: the invitation lapses.
            self.timers.set(Wake::GiveUp(id), now.mono + expires);
        }
        let key = (dialog.call_id().to_owned(), dialog.local_tag().to_owned());
        self.dialogs.insert(key.clone(), id);
        self.servers.own(opened.transaction, id);
        let pending = Pending { interval, ..pending(&arrival, opened, sdp.is_some()) };
        let reliably = Reliably::wanted(&arrival.request.headers, turn);
        let stage =
            Stage::Invited(Box::new(Invited { pending, dialog, progress: None, reliably, theirs: None }));
        let flow = arrival.flow;
        let session = Session {
            id,
            peer: peer.clone(),
            flow,
            key,
            device: None,
            can: Abilities::default(),
            life: Life::default(),
            provisional: None,
            stage,
        };
        self.sessions.insert(id, session);
        self.counters.sessions_begun += 1;
        let request = Box::new(arrival.request);
        let headers = request.headers.clone();
        self.flows.event(Event::Invited { session: id, peer, request, sdp, replaces, flow });
        self.peer_can(id, &headers);
    }

    /// Whether one more session may begin.
    fn room_for_a_session(&mut self, peer: &Peer) -> Result<(), Objection> {
        let retry = |after: Duration| vec![Header::RetryAfter(after.as_secs().to_string().into())];
        if let Some(after) = self.draining {
            return Err(Objection { status: 503, extra: retry(after) });
        }
        if let Peer::Trunk { id, .. } = peer
            && self.is_draining(*id)
        {
            return Err(Objection { status: 503, extra: retry(RETRY_WHEN_TRUNK_DRAINS) });
        }
        if self.sessions.len() >= self.config.limits.sessions {
            self.counters.overload += 1;
            return Err(Objection { status: 503, extra: retry(RETRY_WHEN_BUSY) });
        }
        Ok(())
    }

    /// CANCEL (§9.2). It cannot be challenged, so it must come from where its INVITE came from.
    pub(super) fn cancelled(&mut self, cancel: &Arrival, turn: &mut Turn<'_>) {
        let invite = ServerKey::cancelled_by(&cancel.request).ok().and_then(|key| self.servers.find(&key));
        let invite = invite.filter(|id| {
            self.servers.flow(*id).is_some_and(|flow| {
                flow.remote.ip().to_canonical() == cancel.flow.remote.ip().to_canonical()
                    && flow.transport.is_secure() == cancel.flow.transport.is_secure()
            })
        });
        let Some(invite) = invite else {
            return self.unmatched(cancel, turn);
        };
        let session = self.servers.owner(invite);
        self.answer_at_once(cancel, 200, Vec::new(), turn);
        if self.servers.is_pending(invite)
            && let Some(session) = session
        {
            let first = matches!(self.sessions.get(&session), Some(Session { stage: Stage::Invited(_), .. }));
            self.explained(session, cause::read(&cancel.request.headers).filter(|_| first));
            self.give_up(session, 487, turn);
        }
    }

    /// Their pending INVITE, first or within the dialog, ends with `status` and not by the will of the layer above.
    pub(super) fn give_up(&mut self, id: SessionId, status: u16, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.stage {
            Stage::Invited(invited) => {
                let (transaction, envelope) = (invited.pending.transaction, invited.pending.envelope.clone());
                let response = self.letterhead.answer(&envelope, status);
                self.respond(transaction, &envelope, &response, turn.now);
                self.forget(id);
                self.flows.event(Event::Cancelled { session: id });
            }
            Stage::Talking(talking) => {
                if let Some(pending) = talking.theirs.take() {
                    let response = self.letterhead.answer(&pending.envelope, status);
                    self.respond(pending.transaction, &pending.envelope, &response, turn.now);
                }
            }
            Stage::Calling(_) | Stage::Closing(_) => {}
        }
    }
}

/// What a trunk is told that the operator has closed: another of its own may be open.
const RETRY_WHEN_TRUNK_DRAINS: Duration = Duration::from_secs(300);
/// What a full house advises.
const RETRY_WHEN_BUSY: Duration = Duration::from_secs(5);

/// What must be kept of an INVITE until it is answered.
pub(super) fn pending(arrival: &Arrival, opened: Opened, offered: bool) -> Pending {
    let headers = &arrival.request.headers;
    Pending {
        transaction: opened.transaction,
        envelope: opened.envelope,
        record_routes: headers.iter().filter(|h| matches!(h, Header::RecordRoute(_))).cloned().collect(),
        seq: header::cseq(headers).map_or(0, |cseq| cseq.seq),
        method: arrival.request.method,
        offered,
        interval: None,
    }
}

/// §8.2.6.1: a 100 gives the Timestamp back.
pub(super) fn timestamp(request: &Request) -> Vec<Header> {
    request.headers.iter().filter(|h| matches!(h, Header::Timestamp(_))).cloned().collect()
}

/// For how long an INVITE is good (§20.19).
fn expires(arrival: &Arrival) -> Option<Duration> {
    let seconds: u32 = header::first(&arrival.request.headers, "Expires")?.trim().parse().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}
