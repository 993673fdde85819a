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
        } else if self.second().is_some_and(|second| second.leg.id == leg) {
            self.digit_on_second(digit, Way::Media, hands);
        }
    }

    pub(super) fn digit_by_info(&mut self, session: SessionId, digit: char, hands: &mut Hands<'_>) {
        match self.whose(session) {
            Whose::Caller => self.digit(Side::Caller, digit, Way::Info, hands),
            Whose::Attendant => self.digit(Side::Attendant, digit, Way::Info, hands),
            Whose::Guest => self.digit(Side::Guest, digit, Way::Info, hands),
            Whose::Second => self.digit_on_second(digit, Way::Info, hands),
            Whose::Device | Whose::Nobody => {}
        }
    }

    /// What a key means is the gate's business, unless it is about a transfer; before the greeting has ended nobody is there for it to ask.
    fn digit(&mut self, side: Side, digit: char, way: Way, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        let Some(leg) = self.leg_mut(side) else { return };
        let party = leg.party;
        if !leg.presses.is_new(digit, way, now) {
            return;
        }
        let keys = if side == Side::Attendant && self.takes_wishes() {
            self.heard_key(digit, hands)
        } else {
            vec![digit]
        };
        for digit in keys {
            self.consent(Input::Digit { party, digit }, hands);
        }
    }

    /// A receptionist talks by the second call of her phone: her keys are the same there.
    fn digit_on_second(&mut self, digit: char, way: Way, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        let Some(party) = self.attendant().map(|attendant| attendant.leg.party) else { return };
        if !self.second_mut().is_some_and(|second| second.leg.presses.is_new(digit, way, now)) {
            return;
        }
        for digit in self.heard_key(digit, hands) {
            self.consent(Input::Digit { party, digit }, hands);
        }
    }
}
