//! A colleague picks the call up: INVITE with Replaces (RFC 3891), for a phone that rings or for a talk that goes on.
//!
//! She must be in the customer's team, or be herself the one whose phone it is: then she only changes phones.

use std::net::SocketAddr;
use std::time::Instant;

use vorzimmer_sdp::{Browser, Description};
use vorzimmer_sip::ua::{Command, SessionId};
use vorzimmer_types::event::{Aim, Event, RingOutcome, TransferBy};
use vorzimmer_types::{LegId, ReceptionistId};

use super::outcome::HandOver;
use crate::admission::SecondCall;
use crate::aim::Person;
use crate::call::{Attendant, Call, State, Whose};
use crate::hands::Hands;
use crate::leg::Leg;
use crate::limits::OPEN_WITHIN;
use crate::plan::Plan;
use crate::reasons;

/// A phone that picks the call up as soon as its leg has ports.
pub(crate) struct PickUp {
    session: SessionId,
    leg: Leg,
    offer: Option<Description>,
    /// Whose place it takes.
    of: SessionId,
    who: ReceptionistId,
    until: Instant,
}

impl PickUp {
    pub(in crate::call) fn next_wake(&self) -> Instant {
        self.until
    }
}

impl Call {
    /// Her phone wants to take the place of one of this call's sessions.
    pub(crate) fn pick_up(
        &mut self,
        who: ReceptionistId,
        call: SecondCall,
        of: SessionId,
        hands: &mut Hands<'_>,
    ) {
        let SecondCall { session, sdp, flow, .. } = call;
        let offer = sdp.as_deref().map(Description::parse).transpose();
        let (Ok(offer), true, None) = (offer, self.may_pick_up(who, of), &self.pick_up) else {
            hands.refuse(session, 403, None);
            return hands.forget_session(session);
        };
        let browser = offer.as_ref().is_some_and(Description::is_browsers);
        let leg = self.open_for(Some(who), &flow, browser, hands);
        let until = hands.now.mono + OPEN_WITHIN;
        self.pick_up = Some(Box::new(PickUp { session, leg, offer, of, who, until }));
    }

    fn may_pick_up(&self, who: ReceptionistId, of: SessionId) -> bool {
        let in_team = self.customer.plan.team.iter().any(|place| place.receptionist == who);
        match (&self.state, self.whose(of)) {
            (State::Ringing(_), Whose::Device) => in_team,
            (State::Bridged { attendant, .. }, Whose::Attendant) => {
                attendant.person.receptionist().is_some_and(|known| in_team || known == who)
            }
            _ => false,
        }
    }

    /// Whether this leg is hers who picks up.
    pub(in crate::call) fn is_pick_up(&self, leg: LegId) -> bool {
        self.pick_up.as_ref().is_some_and(|pick_up| pick_up.leg.id == leg)
    }

    /// Her leg has ports: she takes over.
    pub(in crate::call) fn picked_up(
        &mut self,
        rtp: SocketAddr,
        browser: Option<Box<Browser>>,
        hands: &mut Hands<'_>,
    ) {
        let Some(mut pick_up) = self.pick_up.take() else { return };
        pick_up.leg.opened(rtp, browser);
        let prefer = self.caller.as_ref().and_then(Leg::codec);
        let description = match &pick_up.offer {
            Some(offer) => pick_up.leg.answer(offer, prefer, hands).map_err(|refusal| refusal.status()),
            None => pick_up.leg.offer(prefer, hands).map_err(|refusal| refusal.status()),
        };
        match description {
            Ok(sdp) if self.may_pick_up(pick_up.who, pick_up.of) => {
                hands.sip(Command::Accept { session: pick_up.session, sdp });
                self.takes_over(*pick_up, hands);
            }
            // Whoever's place she wanted is gone.
            Ok(_) => self.refuse_pick_up(*pick_up, 481, hands),
            Err(status) => self.refuse_pick_up(*pick_up, status, hands),
        }
    }

    fn takes_over(&mut self, pick_up: PickUp, hands: &mut Hands<'_>) {
        let PickUp { session, leg, who, .. } = pick_up;
        let known = hands.world.directory().receptionist(who);
        let standing = known.is_some_and(|known| known.standing_consent.is_some());
        let person = Person::Receptionist { id: who, standing };
        let picker = Attendant::new(leg, session, person, self.customer.language, hands);
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Ringing(ringing) => {
                self.stop_ringing(ringing, &RingOutcome::TakenElsewhere, &reasons::taken_elsewhere(), hands);
                let plan = Plan::again(who, hands.now.mono);
                self.state = State::Taken { attendant: Box::new(picker), plan };
                self.attendant_joins(hands);
            }
            State::Bridged { attendant, .. } => {
                let to = Aim::Receptionist { receptionist: who };
                let asked = Event::TransferAsked { by: picker.leg.party, to, how: TransferBy::PickUp };
                self.journal.write(hands, asked);
                let (giver, guest, by) = (Some(*attendant), picker, who);
                self.hand_over(HandOver { giver, guest, by, subscription: None, second: None }, hands);
            }
            other => self.state = other,
        }
    }

    fn refuse_pick_up(&mut self, pick_up: PickUp, status: u16, hands: &mut Hands<'_>) {
        let PickUp { session, leg, .. } = pick_up;
        hands.refuse(session, status, None);
        hands.forget_session(session);
        self.aftermath.close(leg, hands);
    }

    /// Her leg could not be opened: there is nothing to close.
    pub(in crate::call) fn pick_up_failed(&mut self, leg: LegId, hands: &mut Hands<'_>) -> bool {
        let Some(pick_up) = self.pick_up.take_if(|pick_up| pick_up.leg.id == leg) else { return false };
        hands.refuse(pick_up.session, 503, None);
        hands.forget_session(pick_up.session);
        true
    }

    /// Her leg did not open in time, or nobody is on the call any more.
    pub(in crate::call) fn drop_pick_up(&mut self, hands: &mut Hands<'_>) {
        if let Some(pick_up) = self.pick_up.take() {
            self.refuse_pick_up(*pick_up, 480, hands);
        }
    }

    /// She has given up herself.
    pub(in crate::call) fn pick_up_cancelled(&mut self, session: SessionId, hands: &mut Hands<'_>) -> bool {
        let Some(pick_up) = self.pick_up.take_if(|pick_up| pick_up.session == session) else { return false };
        hands.forget_session(session);
        self.aftermath.close(pick_up.leg, hands);
        true
    }
}
