//! What a recording-aware telephone is told, and what it wants (RFC 7866 §6.1.2, §6.2.1, §7.1).
//!
//! * Whoever says `record-aware` sees `a=record` in each description of ours, and gets a new one whenever it changes:
//!   `on` once the recorder has said that it runs, `off` once it has said that it is closed, `paused` in between.
//! * `a=recordpref:off` is a withdrawal of consent, like `*9`: for good, with what the customer's directory entry wants
//!   done to what was recorded. Anything weaker would record somebody whose telephone says no.
//! * `a=recordpref:pause` pauses for as long as it stands. `on` and `nopreference` end that pause and consent to
//!   nothing: a yes needs a question that was heard.

use vorzimmer_consent::Input;
use vorzimmer_sip::ua::{Command, SessionId};

use super::{Call, State, Whose};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Leg;

const SIDES: [Side; 3] = [Side::Caller, Side::Attendant, Side::Guest];

impl Call {
    /// A telephone says that it can show whether it is recorded.
    pub(super) fn record_aware(&mut self, session: SessionId) {
        match self.whose(session) {
            Whose::Caller => self.leg_mut(Side::Caller).map(Leg::is_record_aware),
            Whose::Attendant => self.leg_mut(Side::Attendant).map(Leg::is_record_aware),
            Whose::Guest => self.leg_mut(Side::Guest).map(Leg::is_record_aware),
            Whose::Second => self.second_mut().map(|second| second.leg.is_record_aware()),
            Whose::Device => self.device_is_record_aware(session),
            Whose::Nobody => None,
        };
    }

    /// After each step: what telephones want is heeded, and whoever was told something about recording that is no longer
    /// true is told what is.
    pub(crate) fn settle_recording(&mut self, hands: &mut Hands<'_>) {
        self.heed(hands);
        let truth = self.recordings.indication();
        for side in SIDES {
            let Some(session) = self.confirmed(side) else { continue };
            if let Some(sdp) = self.leg_mut(side).and_then(|leg| leg.tell(truth, hands.now.mono)) {
                hands.sip(Command::Update { session, sdp });
            }
        }
    }

    fn heed(&mut self, hands: &mut Hands<'_>) {
        let pause = SIDES.into_iter().any(|side| self.leg(side).is_some_and(Leg::wants_pause));
        self.recordings.wanted_paused(pause, hands);
        for side in SIDES {
            let Some(party) = self.leg(side).filter(|leg| leg.refuses_recording()).map(|leg| leg.party)
            else {
                continue;
            };
            // Whoever has not joined yet cannot withdraw yet.
            if self.consent(Input::Withdraw { party }, hands)
                && let Some(leg) = self.leg_mut(side)
            {
                leg.has_refused_recording();
            }
        }
    }

    /// The session of this side, once its dialog is confirmed.
    fn confirmed(&self, side: Side) -> Option<SessionId> {
        match (side, &self.state) {
            (Side::Caller, State::Arrived { .. } | State::Answered { .. }) => None,
            (Side::Caller, _) => self.session,
            (Side::Attendant, _) => self.attendant().and_then(|attendant| attendant.session),
            (Side::Guest, _) => self.guest().and_then(|guest| guest.session),
        }
    }
}
