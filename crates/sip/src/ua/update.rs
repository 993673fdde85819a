//! UPDATEs that come (RFC 3311 §5.2): a new description, a new target, or only a sign of life.

use rsip::{Header, Headers};

use super::compose;
use super::interval::Interval;
use super::invited::pending;
use super::respond::{Arrival, Opened};
use super::session::{Abilities, Calling, Early, Pending, Reinvite, Session, Stage, Talking};
use super::talking::random_retry;
use super::{Event, SessionId, Turn, Ua, body};
use crate::dialog::Dialog;
use crate::header;

impl Abilities {
    /// Takes what a message of the peer says. A message without Allow says nothing (RFC 3261 §20.5).
    pub fn follow(&mut self, headers: &Headers) {
        if header::first(headers, "Allow").is_some() {
            self.update = header::has_token(headers, "Allow", "UPDATE");
        }
        // Said once it is said: a BYE or an UPDATE need not repeat it.
        let says = |name| header::has_token(headers, name, "record-aware");
        self.record_aware |= says("Supported") || says("Require");
    }
}

impl Ua {
    /// Keeps in mind what the peer can do.
    pub(super) fn peer_can(&mut self, id: SessionId, headers: &Headers) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before = session.can.record_aware;
        session.can.follow(headers);
        if session.can.record_aware && !before {
            self.flows.event(Event::RecordAware { session: id });
        }
    }

    /// An UPDATE.
    pub(super) fn updated(&mut self, id: SessionId, arrival: &Arrival, opened: Opened, turn: &mut Turn<'_>) {
        let headers = &arrival.request.headers;
        let offer = body::sdp(headers, &arrival.request.body);
        let tag = header::from(headers).ok().and_then(|from| from.tag()).unwrap_or_default();
        let Some(session) = self.sessions.get(&id) else { return };
        if let Some(status) = in_the_way(session, tag, offer.is_some()) {
            let extra = if status == 500 { random_retry(turn) } else { Vec::new() };
            return self.answer(&opened, status, extra, turn.now);
        }
        let interval = match self.granted(&arrival.request, Some(id)) {
            Ok(interval) => interval,
            Err(objection) => return self.answer(&opened, objection.status, objection.extra, turn.now),
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(dialog) = session.dialog_with(tag) {
            dialog.refresh(headers);
        }
        match (offer, session.theirs(tag)) {
            (Some(sdp), Some(theirs)) => {
                *theirs = Some(Pending { interval, ..pending(arrival, opened, true) });
                self.flows.event(Event::Reoffered { session: id, sdp: Some(sdp) });
            }
            _ => {
                let confirmed = matches!(session.stage, Stage::Talking(_));
                let sips = opened.envelope.sips();
                self.answer(&opened, 200, self.granting(id, interval, sips), turn.now);
                if confirmed {
                    self.live(id, interval, turn.now);
                }
            }
        }
    }

    /// What a 2xx to an UPDATE says besides (RFC 3311 §5.2, RFC 4028 §9).
    fn granting(&self, id: SessionId, interval: Option<Interval>, sips: bool) -> Vec<Header> {
        let mut headers = Headers::default();
        if let Some(session) = self.sessions.get(&id) {
            headers.push(compose::contact(&session.flow, sips));
        }
        compose::allow(&mut headers);
        if let Some(interval) = interval {
            interval.grant(&mut headers);
        }
        headers.into_iter().collect()
    }
}

impl Session {
    /// The dialog with this tag of the peer.
    fn dialog_with(&mut self, tag: &str) -> Option<&mut Dialog> {
        match &mut self.stage {
            Stage::Invited(invited) => Some(&mut invited.dialog),
            Stage::Calling(calling) => calling.fork(tag).map(|early| &mut early.dialog),
            Stage::Talking(talking) => Some(&mut talking.dialog),
            Stage::Closing(_) => None,
        }
    }

    /// Where an offer of theirs waits for its answer.
    fn theirs(&mut self, tag: &str) -> Option<&mut Option<Pending>> {
        match &mut self.stage {
            Stage::Invited(invited) => Some(&mut invited.theirs),
            Stage::Calling(calling) => calling.fork(tag).map(|early| &mut early.theirs),
            Stage::Talking(talking) => Some(&mut talking.theirs),
            Stage::Closing(_) => None,
        }
    }
}

impl Calling {
    fn fork(&mut self, tag: &str) -> Option<&mut Early> {
        self.early.iter_mut().find(|early| early.dialog.remote_tag() == tag)
    }
}

/// What an UPDATE is refused with for what else is under way (RFC 3311 §5.2): 500 if theirs is unanswered, 491 if ours is.
fn in_the_way(session: &Session, tag: &str, offers: bool) -> Option<u16> {
    match &session.stage {
        Stage::Talking(talking) if talking.theirs.is_some() => Some(500),
        Stage::Talking(talking) => (offers && has_offered(talking)).then_some(491),
        Stage::Invited(invited) if invited.theirs.is_some() => Some(500),
        Stage::Invited(invited) if !offers || invited.reliably.settled => None,
        // The INVITE's own offer, theirs or ours, is unanswered.
        Stage::Invited(invited) => Some(if invited.pending.offered { 500 } else { 491 }),
        Stage::Calling(calling) => {
            let early = calling.early.iter().find(|early| early.dialog.remote_tag() == tag);
            match early {
                Some(early) if early.theirs.is_some() => Some(500),
                Some(early) if !offers || early.is_complete() => None,
                _ => Some(if calling.offered() { 491 } else { 500 }),
            }
        }
        Stage::Closing(_) => None,
    }
}

/// Whether an offer of ours is without an answer.
fn has_offered(talking: &Talking) -> bool {
    let late = talking.unacknowledged.as_ref().is_some_and(|open| open.offer);
    late || matches!(talking.ours, Reinvite::Sent { .. })
}
