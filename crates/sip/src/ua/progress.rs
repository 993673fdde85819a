//! Provisional answers of ours, and those of them that are repeated until a PRACK comes (RFC 3262 §3).
//!
//! A caller that requires `100rel` gets every one of them reliably; one that supports it gets those with a description,
//! whose loss would cost it the answer. At most one is under way at a time; further ones wait for its PRACK.

use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Method};

use super::command::make_dialog;
use super::compose;
use super::invited::pending;
use super::reliable::Provisional;
use super::respond::{Arrival, Opened};
use super::session::{Pending, Session, Stage, Wake};
use super::{Ending, Event, SessionId, Turn, Ua, body};
use crate::header::{self, RAck};
use crate::transaction::{PATIENCE, T1};
use crate::wire;

/// §13.3.1.1: proxies forget an INVITE that rings for three minutes without a word.
const REMINDER: Duration = Duration::from_secs(60);
/// The most that wait for the PRACK of the one before.
const MAX_WAITING: usize = 8;

impl Ua {
    /// The layer above says how far it is.
    pub(super) fn progress(&mut self, id: SessionId, status: u16, sdp: Option<Bytes>, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Invited(invited), flow, provisional, .. }) =
            self.sessions.get_mut(&id)
        else {
            return;
        };
        if !(101..200).contains(&status) {
            return;
        }
        let reliably = invited.reliably.wants(sdp.is_some());
        if reliably && sdp.is_none() && !invited.pending.offered && !invited.reliably.settled {
            // RFC 3261 §13.2.1: the first reliable answer would have to hold our offer, which comes in the 2xx.
            return;
        }
        if reliably && provisional.is_some() {
            if invited.reliably.waiting.len() < MAX_WAITING {
                invited.reliably.waiting.push_back((status, sdp));
            }
            return;
        }
        let mut response = self.letterhead.answer(&invited.pending.envelope, status);
        make_dialog(&mut response, &invited.pending, flow);
        compose::allow(&mut response.headers);
        if let Some(sdp) = &sdp {
            compose::sdp(&mut response.headers, &mut response.body, sdp);
        }
        let rseq = invited.reliably.next;
        if reliably {
            invited.reliably.next = rseq.wrapping_add(1).max(1);
            response.headers.push(Header::Require("100rel".into()));
            response.headers.push(wire::header("RSeq", rseq.to_string()));
        }
        let described = sdp.is_some();
        invited.progress = Some((status, sdp.filter(|_| !reliably)));
        let Pending { transaction, seq, .. } = invited.pending;
        let envelope = invited.pending.envelope.clone();
        let sent = self.respond(transaction, &envelope, &response, turn.now);
        self.timers.set(Wake::Remind(id), turn.now.mono + REMINDER);
        if let (true, Some(bytes)) = (reliably, sent) {
            let rack = RAck { rseq, seq, method: Method::Invite };
            let until = turn.now.mono + PATIENCE;
            let open = Provisional { transaction, rack, status, bytes, described, interval: T1, until };
            if let Some(session) = self.sessions.get_mut(&id) {
                session.provisional = Some(open);
            }
            self.timers.set(Wake::Reassure(id), turn.now.mono + T1);
        }
    }

    /// A minute has passed: the latest 1xx once more.
    pub(super) fn remind(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Invited(invited), .. }) = self.sessions.get(&id) else { return };
        if let Some((status, sdp)) = invited.progress.clone() {
            self.progress(id, status, sdp, turn);
        }
    }

    /// §3: a reliable answer again, on any transport, until its PRACK; after 64·T1 the INVITE is refused.
    pub(super) fn reassure(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(open) = &mut session.provisional else { return };
        if now >= open.until {
            self.orphans.extend(session.take_theirs());
            self.refuse(id, 504, None, None, turn);
            return self.flows.event(Event::Ended { session: id, why: Ending::NoAck });
        }
        open.interval *= 2;
        let next = (now + open.interval).min(open.until);
        self.servers.respond(open.transaction, open.status, open.bytes.clone(), now, &mut self.flows);
        self.timers.set(Wake::Reassure(id), next);
    }

    /// Whether an Accept has to wait for a PRACK (§3); then it is kept.
    pub(super) fn waits_for_prack(&mut self, id: SessionId, sdp: &Bytes) -> bool {
        match self.sessions.get_mut(&id) {
            Some(Session { stage: Stage::Invited(invited), provisional: Some(open), .. })
                if open.described && invited.theirs.is_none() =>
            {
                invited.reliably.accepted = Some(sdp.clone());
                true
            }
            _ => false,
        }
    }

    /// PRACK (§3). One for what is not open is 481, a repeated one never gets here.
    pub(super) fn pracked(&mut self, id: SessionId, arrival: &Arrival, opened: Opened, turn: &mut Turn<'_>) {
        let headers = &arrival.request.headers;
        let Ok(rack) = header::rack(headers) else { return self.answer(&opened, 400, Vec::new(), turn.now) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(open) = session.provisional.take_if(|open| open.rack == rack) else {
            return self.answer(&opened, 481, Vec::new(), turn.now);
        };
        self.timers.stop(Wake::Reassure(id));
        let sdp = body::sdp(headers, &arrival.request.body);
        let Stage::Invited(invited) = &mut session.stage else {
            return self.answer(&opened, 200, Vec::new(), turn.now);
        };
        let complete = std::mem::replace(&mut invited.reliably.settled, open.described);
        invited.reliably.settled |= complete;
        match sdp {
            // §5: the answer to our offer.
            Some(sdp) if !invited.pending.offered && open.described && !complete => {
                self.answer(&opened, 200, Vec::new(), turn.now);
                self.flows.event(Event::ProgressAnswered { session: id, sdp });
            }
            // §5: a further offer, to be answered in the 2xx of the PRACK.
            Some(sdp) if invited.reliably.settled && invited.theirs.is_none() => {
                invited.theirs = Some(pending(arrival, opened, true));
                return self.flows.event(Event::Reoffered { session: id, sdp: Some(sdp) });
            }
            // An offer while another one is unanswered.
            Some(_) => self.answer(&opened, 488, Vec::new(), turn.now),
            None => self.answer(&opened, 200, Vec::new(), turn.now),
        }
        self.go_on(id, turn);
    }

    /// A PRACK has come, and is answered: what waited for it follows.
    pub(super) fn go_on(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Invited(invited), .. }) = self.sessions.get_mut(&id) else { return };
        if invited.theirs.is_some() {
            return;
        }
        if let Some(sdp) = invited.reliably.accepted.take() {
            return self.accept(id, &sdp, turn);
        }
        if let Some((status, sdp)) = invited.reliably.waiting.pop_front() {
            self.progress(id, status, sdp, turn);
        }
    }
}
