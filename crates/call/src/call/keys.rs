//! Keys that are pressed: in the media and by SIP INFO, each press once.

use vorzimmer_consent::Input;
use vorzimmer_sip::ua::SessionId;
use vorzimmer_types::LegId;

use super::{Call, Whose};
use crate::hands::Hands;
use crate::hold::Side;
use crate::presses::Way;

impl Call {
    pub(super) fn digit_in_media(&mut self, leg: LegId, digit: char, hands: &mut Hands<'_>) {
        if let Some(side) = self.side(leg) {
            self.digit(side, digit, Way::Media, hands);
        }
    }

    pub(super) fn digit_by_info(&mut self, session: SessionId, digit: char, hands: &mut Hands<'_>) {
        match self.whose(session) {
            Whose::Caller => self.digit(Side::Caller, digit, Way::Info, hands),
            Whose::Attendant => self.digit(Side::Attendant, digit, Way::Info, hands),
            Whose::Device | Whose::Nobody => {}
        }
    }

    /// What a key means is the gate's business; before the greeting has ended nobody is there for it to ask.
    fn digit(&mut self, side: Side, digit: char, way: Way, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        let Some(leg) = self.leg_mut(side) else { return };
        let party = leg.party;
        if leg.presses.is_new(digit, way, now) {
            self.consent(Input::Digit { party, digit }, hands);
        }
    }
}
