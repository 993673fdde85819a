//! Offers of ours within a dialog that runs: to keep it alive (RFC 4028).
//!
//! Whatever becomes of such an offer, the talk goes on: a refused one leaves everything as it was (RFC 3261 §14.1).

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, SessionId};

use super::{Call, Whose};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Leg;

impl Call {
    /// A peer without UPDATE has to see that we are still there. While another offer is under way nothing need be done:
    /// it refreshes too.
    pub(super) fn refresh_due(&mut self, session: SessionId, hands: &mut Hands<'_>) {
        let leg = match self.side_in(session) {
            Some(side) => self.leg_mut(side),
            None => self.second_in(session),
        };
        if let Some(sdp) = leg.and_then(Leg::offer_again) {
            hands.sip(Command::Reinvite { session, sdp });
        }
    }

    /// An offer of ours within the dialog was answered or refused.
    pub(super) fn reoffer_ended(
        &mut self,
        session: SessionId,
        status: u16,
        sdp: Option<&Bytes>,
        hands: &mut Hands<'_>,
    ) {
        let now = hands.now.mono;
        let Some(side) = self.side_in(session) else {
            if let Some(leg) = self.second_in(session).filter(|leg| leg.reoffers())
                && !((200..300).contains(&status) && leg.accept(sdp, hands).is_ok())
            {
                leg.offer_refused(status, now);
            }
            return;
        };
        let Some(leg) = self.leg_mut(side).filter(|leg| leg.reoffers()) else { return };
        let accepted = (200..300).contains(&status) && leg.accept(sdp, hands).is_ok();
        if accepted {
            self.hold_changed(side, hands);
        } else {
            leg.offer_refused(status, now);
        }
    }

    /// The leg of the second call of her phone, if this session is that: she refreshes it like any other.
    fn second_in(&mut self, session: SessionId) -> Option<&mut Leg> {
        self.second_mut().filter(|second| second.session == session).map(|second| &mut second.leg)
    }

    /// The side whose dialog is confirmed and runs in this session.
    fn side_in(&self, session: SessionId) -> Option<Side> {
        match self.whose(session) {
            Whose::Caller => Some(Side::Caller),
            Whose::Attendant => Some(Side::Attendant),
            Whose::Guest => Some(Side::Guest),
            Whose::Second | Whose::Device | Whose::Nobody => None,
        }
    }
}
