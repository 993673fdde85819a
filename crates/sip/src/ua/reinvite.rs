//! Re-INVITEs of ours (RFC 3261 §14.1).

use std::time::Duration;

use bytes::Bytes;
use rsip::{Method, Response};

use super::compose;
use super::session::{Owner, Reinvite, Talking, Wake};
use super::{Ending, Event, SessionId, Turn, Ua, body};
use crate::transaction::TransactionId;

/// How often a re-INVITE is sent in all when the peer answers 491.
const MAX_ATTEMPTS: u8 = 4;
/// How long a re-INVITE may be under way after a provisional answer: devices answer it without asking anybody.
const LONGEST_WAIT: Duration = Duration::from_secs(64);

impl Ua {
    /// The layer above offers a new description.
    pub(super) fn reinvite(&mut self, id: SessionId, sdp: Bytes, turn: &mut Turn<'_>) {
        let talking = self.sessions.get_mut(&id).and_then(|session| session.talking());
        match talking {
            Some(Talking { ours: Reinvite::None, hangup: None, .. }) => self.send_reinvite(id, sdp, 1, turn),
            // One at a time (§14.1).
            _ => self.reinvite_ended(id, 491, None),
        }
    }

    /// Sends it, or lets it wait until theirs is done.
    fn send_reinvite(&mut self, id: SessionId, sdp: Bytes, attempt: u8, turn: &mut Turn<'_>) {
        let Some(flow) = self.way(id) else { return self.dialog_lost(id, turn) };
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        if talking.theirs.is_some() || talking.unacknowledged.is_some() {
            return self.retry_later(id, sdp, attempt, turn);
        }
        let mut request = talking.dialog.request(Method::Invite);
        request.headers.push(compose::contact(&flow));
        compose::allow(&mut request.headers);
        compose::sdp(&mut request.headers, &mut request.body, &sdp);
        let begun = self.begin(request, flow, Owner::Reinvite(id), turn);
        match (begun, self.sessions.get_mut(&id).and_then(|session| session.talking())) {
            (Some(transaction), Some(talking)) => {
                talking.ours = Reinvite::Sent { transaction, sdp, attempt };
                self.timers.set(Wake::Overdue(id), turn.now.mono + LONGEST_WAIT);
            }
            _ => self.reinvite_ended(id, 503, None),
        }
    }

    /// §14.1: whose Call-ID it is waits 2.1 to 4 s, the other up to 2 s, in steps of 10 ms.
    fn retry_later(&mut self, id: SessionId, sdp: Bytes, attempt: u8, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        let random = u64::from(u16::from_be_bytes(vorzimmer_types::entropy::array(turn.entropy)));
        let steps = if talking.dialog.is_ours() { 210 + random % 191 } else { random % 201 };
        talking.ours = Reinvite::Waiting { sdp, attempt };
        self.timers.set(Wake::Retry(id), turn.now.mono + Duration::from_millis(steps * 10));
    }

    /// The wait is over.
    pub(super) fn retry_reinvite(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        match std::mem::replace(&mut talking.ours, Reinvite::None) {
            Reinvite::Waiting { sdp, attempt } if attempt < MAX_ATTEMPTS => {
                self.send_reinvite(id, sdp, attempt + 1, turn);
            }
            Reinvite::Waiting { .. } => self.reinvite_ended(id, 491, None),
            other => talking.ours = other,
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
        self.acknowledge(transaction, tag, &dialog, turn);
        if self.takes_reinvite(id, transaction) {
            let sdp = body::sdp(&response.headers, &response.body);
            self.reinvite_ended(id, response.status_code.code(), sdp);
        }
    }

    /// Our re-INVITE was refused, or not answered.
    pub(super) fn reinvite_failed(&mut self, id: SessionId, status: u16, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        let Reinvite::Sent { sdp, attempt, .. } = std::mem::replace(&mut talking.ours, Reinvite::None) else {
            return;
        };
        self.timers.stop(Wake::Overdue(id));
        match status {
            491 if attempt < MAX_ATTEMPTS => self.retry_later(id, sdp, attempt, turn),
            // §12.2.1.2: the peer knows nothing of the dialog, or is not there any more.
            408 | 481 => {
                self.reinvite_ended(id, status, None);
                self.dialog_lost(id, turn);
            }
            _ => self.reinvite_ended(id, status, None),
        }
    }

    /// A 100 came, and then nothing more: as if by 408.
    pub(super) fn reinvite_overdue(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else { return };
        if let Reinvite::Sent { transaction, .. } = talking.ours {
            self.clients.abandon(transaction);
            self.unanswered(transaction, Owner::Reinvite(id), 408, turn);
        }
    }

    fn takes_reinvite(&mut self, id: SessionId, transaction: TransactionId) -> bool {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|session| session.talking()) else {
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

    fn dialog_lost(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        self.say_bye(id, None, Ending::DialogLost, turn);
    }
}
