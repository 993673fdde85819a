//! The INVITE is answered and the caller is greeted.
//!
//! A forwarded call is answered at once: the caller's network would give up on a forwarding that rings for long, and
//! prompts need an answered call to be heard. The greeting waits for the ACK, since before it the caller's way of
//! hearing us may not be open, and a prompt cut short counts as a no.

use std::net::SocketAddr;

use bytes::Bytes;
use vorzimmer_consent::Gate;
use vorzimmer_sdp::{Browser, Description};
use vorzimmer_sip::ua::{Command, SessionId};
use vorzimmer_types::LegId;
use vorzimmer_types::event::{EndedBy, Event};

use super::{Arrival, Call, State, Whose, terms};
use crate::aftermath::Aftermath;
use crate::config::End;
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::{Leg, Purpose, Towards};
use crate::limits::{ACK_WITHIN, OPEN_WITHIN};
use crate::recordings::Recordings;
use crate::shortcuts::Shortcuts;
use crate::{reasons, security};

impl Call {
    /// Lets a call in: the caller's phone rings while its leg is being opened.
    pub(crate) fn arrive(arrival: Arrival, hands: &mut Hands<'_>) -> Self {
        let Arrival { id, session, trunk, customer, identity, journal, offer, local, signalling, protection } =
            arrival;
        hands.sip(Command::Progress { session, status: 180, sdp: None });
        let browser = offer.as_ref().is_some_and(Description::is_browsers);
        let caller =
            Leg::open(id, Towards { local, signalling, end: End::Trunk(trunk), protection, browser }, hands);
        let gate = Gate::new(terms(id, &customer));
        let recordings = Recordings::new(id, customer.id);
        Self {
            id,
            trunk,
            customer,
            identity,
            journal,
            session: Some(session),
            caller: Some(caller),
            gate,
            recordings,
            aftermath: Aftermath::new(id),
            state: State::Arrived { offer, until: hands.now.mono + OPEN_WITHIN },
            plays: 0,
            shortcuts: Shortcuts::default(),
            pick_up: None,
            explained: None,
            local,
            until: hands.now.mono + hands.config.max_call,
        }
    }

    /// A leg has ports: the caller's is answered with them, a device's is rung with them.
    pub(super) fn leg_opened(
        &mut self,
        leg: LegId,
        rtp: SocketAddr,
        browser: Option<Box<Browser>>,
        hands: &mut Hands<'_>,
    ) {
        if self.is_pick_up(leg) {
            return self.picked_up(rtp, browser, hands);
        }
        match &self.state {
            State::Arrived { .. } if self.side(leg) == Some(Side::Caller) => {
                self.answer_caller(rtp, browser, hands)
            }
            State::Ringing(_) => self.ring_device(leg, rtp, browser, hands),
            State::Giving(_) => self.line_opened(leg, rtp, browser, hands),
            _ => {}
        }
    }

    /// A leg could not be opened. There is nothing to close.
    pub(super) fn leg_failed(&mut self, leg: LegId, hands: &mut Hands<'_>) {
        if self.pick_up_failed(leg, hands) {
            return;
        }
        match &self.state {
            State::Arrived { .. } if self.side(leg) == Some(Side::Caller) => {
                self.caller = None;
                self.refuse(503, "no media port is free", hands);
            }
            State::Ringing(_) => self.device_has_no_leg(leg, hands),
            State::Giving(_) => self.line_failed(leg, hands),
            _ => {}
        }
    }

    fn answer_caller(&mut self, rtp: SocketAddr, browser: Option<Box<Browser>>, hands: &mut Hands<'_>) {
        let until = hands.now.mono + ACK_WITHIN;
        let before = std::mem::replace(&mut self.state, State::Answered { until });
        let State::Arrived { offer, .. } = before else { return };
        let (Some(session), Some(caller)) = (self.session, self.caller.as_mut()) else { return };
        caller.opened(rtp, browser);
        let description = match &offer {
            Some(offer) => caller.answer(offer, None, hands),
            // RFC 3264 §4: an INVITE without an offer gets ours, and the answer comes in the ACK.
            None => caller.offer(None, hands),
        };
        match description {
            Ok(sdp) => {
                hands.sip(Command::Accept { session, sdp });
                self.journal.write(hands, Event::Answered);
                self.tell_security(Side::Caller, hands);
            }
            Err(refusal) => self.refuse_media(refusal, hands),
        }
    }

    /// Our 2xx was acknowledged: of the INVITE, or of a new description later.
    pub(super) fn acknowledged(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        let side = match self.whose(session) {
            Whose::Caller => Side::Caller,
            Whose::Attendant => Side::Attendant,
            Whose::Guest => Side::Guest,
            Whose::Second | Whose::Device | Whose::Nobody => return,
        };
        let awaits = self.leg(side).is_some_and(Leg::awaits_answer);
        let accepted = match self.leg_mut(side) {
            Some(leg) if awaits => leg.accept(sdp, hands),
            _ => Ok(()),
        };
        match (&self.state, accepted) {
            (State::Answered { .. }, Ok(())) => {
                self.tell_security(side, hands);
                self.greet(hands);
            }
            (State::Answered { .. }, Err(refusal)) => {
                let why = "the caller's answer to our description cannot be taken";
                let reason = security::reason(refusal).unwrap_or_else(reasons::incompatible);
                self.finish(EndedBy::Vorzimmer, why, reason, hands);
            }
            (_, Ok(())) if awaits => {
                self.tell_security(side, hands);
                self.hold_changed(side, hands);
            }
            // An answer to a later offer of ours that cannot be taken: the call goes on as it was.
            _ => {}
        }
    }

    fn greet(&mut self, hands: &mut Hands<'_>) {
        self.state = State::Greeting;
        let greeting = self.customer.greeting.clone();
        let played = greeting.is_some_and(|name| self.prompt(Side::Caller, &name, Purpose::Greeting, hands));
        if !played {
            self.ask_caller(hands);
        }
    }
}
