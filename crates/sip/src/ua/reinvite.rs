//! Offers of ours within a dialog: re-INVITEs (RFC 3261 §14.1), and UPDATEs where the peer allows them (RFC 3311 §5.1).

use std::time::Duration;

use bytes::Bytes;
use rsip::{Method, Response};
use vorzimmer_types::Now;

use super::compose;
use super::declined::Declined;
use super::interval::Interval;
use super::session::{Offer, Owner, Reinvite, Session, Talking, Wake};
use super::{Ending, Event, SessionId, Turn, Ua, body};
use crate::transaction::TransactionId;

/// How often an offer is sent in all when the peer answers that it is not the moment.
const MAX_ATTEMPTS: u8 = 4;
/// How long a re-INVITE may be under way after a provisional answer: devices answer it without asking anybody.
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// The longest Retry-After of a 500 that is waited for (RFC 3311 §5.2 names ten seconds at most).
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Ua {
    /// The layer above offers a new description.
    pub(super) fn reinvite(&mut self, id: SessionId, sdp: Bytes, by: Method, turn: &mut Turn<'_>) {
        let talking = self.sessions.get_mut(&id).and_then(Session::talking);
        match talking {
            Some(Talking { ours: Reinvite::None, hangup: None, .. }) => {
                self.send_offer(id, Offer { sdp, by, attempt: 1 }, turn);
            }
            // One at a time (§14.1).
            _ => self.reinvite_ended(id, 491, None),
        }
    }

    /// Sends it, or lets it wait until theirs is done.
    fn send_offer(&mut self, id: SessionId, mut offer: Offer, turn: &mut Turn<'_>) {
        let Some(flow) = self.way(id, turn) else { return self.dialog_lost(id, turn) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.can.update {
            offer.by = Method::Invite;
        }
        let life = session.life;
        let Some(talking) = session.talking() else { return };
        if talking.theirs.is_some() || talking.unacknowledged.is_some() {
            return self.retry_later(id, offer, turn);
        }
        let mut request = talking.dialog.request(offer.by);
        let sips = compose::is_sips(&request.uri);
        request.headers.push(compose::contact(&flow, sips));
        compose::allow(&mut request.headers);
        Self::keep_timer(&life, &mut request.headers);
        compose::sdp(&mut request.headers, &mut request.body, &offer.sdp);
        let owner = if offer.by == Method::Invite { Owner::Reinvite(id) } else { Owner::Update(id) };
        let begun = self.begin(request, flow, owner, turn);
        match (begun, self.sessions.get_mut(&id).and_then(Session::talking)) {
            (Some(transaction), Some(talking)) => {
                talking.ours = Reinvite::Sent { transaction, offer };
                self.timers.set(Wake::Overdue(id), turn.now.mono + LONGEST_WAIT);
            }
            _ => self.reinvite_ended(id, 503, None),
        }
    }

    /// §14.1: whose Call-ID it is waits 2.1 to 4 s, the other up to 2 s, in steps of 10 ms.
    fn retry_later(&mut self, id: SessionId, offer: Offer, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        let random = u64::from(u16::from_be_bytes(vorzimmer_types::entropy::array(turn.entropy)));
        let steps = if talking.dialog.is_ours() { 210 + random % 191 } else { random % 201 };
        self.retry_after(id, offer, Duration::from_millis(steps * 10), turn.now);
    }

    fn retry_after(&mut self, id: SessionId, offer: Offer, after: Duration, now: Now) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        talking.ours = Reinvite::Waiting { offer };
        self.timers.set(Wake::Retry(id), now.mono + after);
    }

    /// The wait is over.
    pub(super) fn retry_reinvite(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        match std::mem::replace(&mut talking.ours, Reinvite::None) {
            Reinvite::Waiting { offer } if offer.attempt < MAX_ATTEMPTS => {
                let attempt = offer.attempt + 1;
                self.send_offer(id, Offer { attempt, ..offer }, turn);
            }
            Reinvite::Waiting { .. } => self.reinvite_ended(id, 491, None),
            other => talking.ours = other,
        }
    }

    /// Theirs was accepted while ours waited: its version is older than what was just said, so it must not be sent. The
    /// layer above may offer anew.
    pub(super) fn outdated(&mut self, id: SessionId) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        if matches!(talking.ours, Reinvite::Waiting { .. }) {
            talking.ours = Reinvite::None;
            self.timers.stop(Wake::Retry(id));
            self.reinvite_ended(id, 491, None);
        }
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn reinvite_accepted(
        &mut self,
        id: SessionId,
        transaction: TransactionId,
        tag: &str,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(talking) = session.talking() {
            talking.dialog.refresh(&response.headers);
        }
        // A BYE may have been sent meanwhile: the ACK is owed all the same.
        let Some(dialog) = session.dialog().cloned() else { return };
        if dialog.remote_tag() != tag {
            return;
        }
        self.acknowledge(transaction, tag, &dialog, None, turn);
        self.offer_accepted(id, transaction, response, turn.now);
    }

    /// A 2xx to our UPDATE.
    pub(super) fn update_accepted(
        &mut self,
        id: SessionId,
        transaction: TransactionId,
        response: &Response,
        now: Now,
    ) {
        if let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) {
            talking.dialog.refresh(&response.headers);
        }
        self.offer_accepted(id, transaction, response, now);
    }

    fn offer_accepted(&mut self, id: SessionId, transaction: TransactionId, response: &Response, now: Now) {
        self.peer_can(id, &response.headers);
        if self.takes_offer(id, transaction) {
            self.live(id, Interval::answered(&response.headers), now);
            let sdp = body::sdp(&response.headers, &response.body);
            self.reinvite_ended(id, response.status_code.code(), sdp);
        }
    }

    /// Our offer was refused, or not answered. The session stays as it was (§14.1).
    pub(super) fn reinvite_failed(&mut self, id: SessionId, declined: &Declined, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talking) = session.talking() else { return };
        let Reinvite::Sent { offer, .. } = std::mem::replace(&mut talking.ours, Reinvite::None) else {
            return;
        };
        self.timers.stop(Wake::Overdue(id));
        let again = offer.attempt < MAX_ATTEMPTS;
        match (declined.status, declined.retry_after) {
            (491, _) if again => self.retry_later(id, offer, turn),
            // RFC 3311 §5.2: theirs is still unanswered there.
            (500, Some(after)) if again && after <= LONGEST_RETRY => {
                self.retry_after(id, offer, after, turn.now);
            }
            // Allowed, and yet not known.
            (405 | 501, _) if offer.by == Method::Update => {
                session.can.update = false;
                self.send_offer(id, offer, turn);
            }
            (422, _) if again && session.life.asks_for_more(declined) => {
                let attempt = offer.attempt + 1;
                self.send_offer(id, Offer { attempt, ..offer }, turn);
            }
            // §12.2.1.2: the peer knows nothing of the dialog, or is not there any more.
            (status @ (408 | 481), _) => {
                self.reinvite_ended(id, status, None);
                self.dialog_lost(id, turn);
            }
            (status, _) => self.reinvite_ended(id, status, None),
        }
    }

    /// A 100 came, and then nothing more: as if by 408.
    pub(super) fn reinvite_overdue(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        if let Reinvite::Sent { transaction, .. } = talking.ours {
            self.clients.abandon(transaction);
            self.unanswered(transaction, Owner::Reinvite(id), 408, turn);
        }
    }

    fn takes_offer(&mut self, id: SessionId, transaction: TransactionId) -> bool {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else {
            return false;
        };
        let mine = matches!(&talking.ours, Reinvite::Sent { transaction: sent, .. } if *sent == transaction);
        if mine {
            talking.ours = Reinvite::None;
            self.timers.stop(Wake::Overdue(id));
        }
        mine
    }

    fn reinvite_ended(&mut self, session: SessionId, status: u16, sdp: Option<Bytes>) {
        self.flows.event(Event::ReinviteEnded { session, status, sdp });
    }

    pub(super) fn dialog_lost(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        self.say_bye(id, None, Ending::DialogLost, turn);
    }
}
