//! Every way in which a call, or a part of it, ends.
//!
//! Whatever the way, the gate is told first: a recording is stopped before the legs that it hears are given up.

use bytes::Bytes;
use vorzimmer_consent::Input;
use vorzimmer_sip::ua::{Ending, Reason, SessionId};
use vorzimmer_types::LegId;
use vorzimmer_types::cause::Cause;
use vorzimmer_types::event::{EndedBy, Event, RingOutcome};

use super::{Attendant, Call, State, Whose};
use crate::aim::Person;
use crate::api::MediaCommand;
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Purpose;
use crate::limits::PROMPT_WITHIN;
use crate::{prompts, reasons, security};

/// Why a call ends once its last words are said.
pub(crate) struct Why {
    why: &'static str,
    reason: Reason,
}

impl Call {
    /// The caller's side gave up before we answered; or a session that we gave up is over.
    pub(super) fn cancelled(&mut self, session: SessionId, hands: &mut Hands<'_>) {
        if self.pick_up_cancelled(session, hands) {
            return;
        }
        match self.whose(session) {
            Whose::Caller => {
                self.caller_session_over(session, hands);
                let reason = self.passed_on(session, reasons::caller_gone());
                self.finish(EndedBy::Caller, "gave up before we answered", reason, hands);
            }
            Whose::Second => self.second_gone(session, hands),
            _ => self.aftermath.session_over(session, hands),
        }
    }

    /// A peer says why it will not, or goes.
    pub(super) fn explained(&mut self, session: SessionId, cause: Cause, hands: &mut Hands<'_>) {
        let leg = match (self.whose(session), &self.state) {
            (Whose::Caller, _) => None,
            (Whose::Attendant, _) => self.leg(Side::Attendant).map(|leg| leg.id),
            (Whose::Guest, _) => self.leg(Side::Guest).map(|leg| leg.id),
            (Whose::Device, State::Ringing(ringing)) => ringing.leg_of(session),
            (Whose::Device, State::Giving(giving)) => giving.leg_of(session),
            (Whose::Device | Whose::Second | Whose::Nobody, _) => return,
        };
        self.explained = Some((session, cause));
        self.journal.write(hands, Event::Explained { leg, cause });
    }

    /// What the others are told because this peer has said why: its network's cause, else what is usual.
    fn passed_on(&self, session: SessionId, usual: Reason) -> Reason {
        let said = self.explained.filter(|(by, _)| *by == session);
        said.and_then(|(_, cause)| Reason::passed_on(cause)).unwrap_or(usual)
    }

    /// A session is over.
    pub(super) fn session_ended(&mut self, session: SessionId, why: Ending, hands: &mut Hands<'_>) {
        if self.pick_up_cancelled(session, hands) {
            return;
        }
        match self.whose(session) {
            Whose::Caller => {
                self.caller_session_over(session, hands);
                let (by, words) = match why {
                    Ending::PeerHungUp => (EndedBy::Caller, "hung up"),
                    Ending::NoAck => {
                        (EndedBy::Vorzimmer, "the caller's network never acknowledged our answer")
                    }
                    Ending::DialogLost => (EndedBy::Vorzimmer, "the caller's network lost the call"),
                    Ending::Expired => {
                        (EndedBy::Vorzimmer, "the caller's network did not refresh the session in time")
                    }
                    Ending::WeHungUp => (EndedBy::Vorzimmer, "ended"),
                };
                let reason = self.passed_on(session, reasons::caller_gone());
                self.finish(by, words, reason, hands);
            }
            Whose::Attendant => self.attendant_gone(session, why, hands),
            Whose::Guest => {
                hands.forget_session(session);
                self.forget_guest_session();
                self.guest_gone(hands);
            }
            Whose::Second => self.second_gone(session, hands),
            Whose::Device => self.device_gone(session, 480, hands),
            Whose::Nobody => self.aftermath.session_over(session, hands),
        }
    }

    /// A device refused.
    pub(super) fn refused(&mut self, session: SessionId, status: u16, hands: &mut Hands<'_>) {
        match self.whose(session) {
            Whose::Device => self.device_gone(session, status, hands),
            _ => self.session_ended(session, Ending::DialogLost, hands),
        }
    }

    /// A device answered. If we have given it up meanwhile, it is told again.
    pub(super) fn answered(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        match self.whose(session) {
            Whose::Device if matches!(self.state, State::Giving(_)) => {
                self.line_answered(session, sdp, hands)
            }
            Whose::Device => self.device_answered(session, sdp, hands),
            Whose::Nobody if self.aftermath.holds(session) => {
                self.aftermath.hang_up(session, reasons::taken_elsewhere(), hands);
            }
            _ => {}
        }
    }

    /// Nothing was heard from a leg for too long. Who holds need not send anything.
    pub(super) fn silent(&mut self, leg: LegId, hands: &mut Hands<'_>) {
        let Some(side) = self.side(leg) else { return };
        if self.leg(side).is_some_and(crate::leg::Leg::holds) {
            return;
        }
        match side {
            Side::Caller => {
                let why = "nothing was heard from the caller for too long";
                self.finish(EndedBy::Vorzimmer, why, reasons::ended_by_us(), hands);
            }
            Side::Attendant => {
                self.attendant_lost("nothing was heard from the receptionist for too long", hands)
            }
            Side::Guest => self.guest_gone(hands),
        }
    }

    /// The DTLS handshake of a leg failed: it was somebody else, or nobody will ever be heard there.
    pub(super) fn insecure(&mut self, leg: LegId, hands: &mut Hands<'_>) {
        match self.side(leg) {
            Some(Side::Caller) => {
                let why = "the caller's DTLS handshake failed";
                self.finish(EndedBy::Vorzimmer, why, reasons::incompatible(), hands);
            }
            Some(Side::Attendant) => self.attendant_lost("the receptionist's DTLS handshake failed", hands),
            Some(Side::Guest) => self.guest_gone(hands),
            // Her second call can hear nobody: she is back with the caller.
            None if self.second().is_some_and(|second| second.leg.id == leg) => self.wants_back(hands),
            None => {}
        }
    }

    /// Nobody took the call: the caller is told.
    pub(super) fn nobody_there(&mut self, hands: &mut Hands<'_>) {
        self.farewell(prompts::NOBODY_THERE, "nobody took the call", reasons::no_answer(), hands);
    }

    /// It has lasted as long as a call may.
    pub(super) fn lasted_too_long(&mut self, hands: &mut Hands<'_>) {
        const WHY: &str = "it lasted as long as a call may";
        match &self.state {
            State::Over => {}
            State::Taken { .. } | State::Bridged { .. } => self.attendant_lost(WHY, hands),
            State::Arrived { .. } => self.refuse(503, WHY, hands),
            _ => self.finish(EndedBy::Vorzimmer, WHY, reasons::ended_by_us(), hands),
        }
    }

    /// The user agent should have said so long ago.
    pub(super) fn never_acknowledged(&mut self, hands: &mut Hands<'_>) {
        let why = "the caller's network never acknowledged our answer";
        self.finish(EndedBy::Vorzimmer, why, reasons::ended_by_us(), hands);
    }

    /// The last words are said.
    pub(super) fn say_no_more(&mut self, hands: &mut Hands<'_>) {
        if let State::Farewell(Why { why, reason }) = &self.state {
            let (why, reason) = (*why, reason.clone());
            self.finish(EndedBy::Vorzimmer, why, reason, hands);
        }
    }

    /// The operator's deadline has come.
    pub(crate) fn end_now(&mut self, hands: &mut Hands<'_>) {
        const WHY: &str = "the service is being shut down";
        match &self.state {
            State::Over => {}
            State::Arrived { .. } => self.refuse(503, WHY, hands),
            _ => self.finish(EndedBy::Vorzimmer, WHY, reasons::ended_by_us(), hands),
        }
    }

    /// Ends the call for everybody on it.
    pub(super) fn finish(&mut self, by: EndedBy, why: &str, reason: Reason, hands: &mut Hands<'_>) {
        let before = std::mem::replace(&mut self.state, State::Over);
        if matches!(before, State::Over) {
            return;
        }
        self.consent(Input::End, hands);
        self.drop_pick_up(hands);
        match before {
            State::Ringing(ringing) => {
                let outcome =
                    if by == EndedBy::Caller { RingOutcome::CallerGone } else { RingOutcome::TimedOut };
                self.stop_ringing(ringing, &outcome, &reason, hands);
            }
            State::Taken { attendant, .. } => {
                let (leg, outcome) = (attendant.leg.id, RingOutcome::CallerGone);
                if !attendant.met {
                    self.journal.write(hands, Event::RingEnded { leg, outcome });
                }
                self.release(*attendant, reason.clone(), hands);
            }
            State::Bridged { attendant, .. } => {
                hands.media(MediaCommand::Unbridge { call: self.id });
                let said = by == EndedBy::Caller && reason.protocol == "Q.850";
                let reason = if said { reason.clone() } else { reasons::normal() };
                self.release(*attendant, reason, hands);
            }
            other => self.disband(other, hands),
        }
        if let Some(session) = self.session.take() {
            self.aftermath.hang_up(session, reason, hands);
        }
        if let Some(caller) = self.caller.take() {
            self.aftermath.close(caller, hands);
        }
        self.journal.write(hands, Event::Ended { by, why: why.to_owned() });
    }

    /// Does not take the call after all: its media cannot be taken.
    pub(super) fn refuse_media(&mut self, refusal: vorzimmer_sdp::Refusal, hands: &mut Hands<'_>) {
        let why = format!("the offered media cannot be taken: {refusal}");
        self.refuse_saying(refusal.status(), &why, Some(security::refused(refusal)), hands);
    }

    /// Does not take the call after all.
    pub(super) fn refuse(&mut self, status: u16, why: &str, hands: &mut Hands<'_>) {
        self.refuse_saying(status, why, None, hands);
    }

    fn refuse_saying(&mut self, status: u16, why: &str, reason: Option<Reason>, hands: &mut Hands<'_>) {
        self.state = State::Over;
        if let Some(session) = self.session.take() {
            hands.refuse(session, status, reason);
            hands.forget_session(session);
        }
        if let Some(caller) = self.caller.take() {
            self.aftermath.close(caller, hands);
        }
        self.journal.write(hands, Event::Refused { status, why: why.to_owned() });
    }

    /// The receptionist's session is over.
    fn attendant_gone(&mut self, session: SessionId, why: Ending, hands: &mut Hands<'_>) {
        hands.forget_session(session);
        let Some(attendant) = self.attendant_mut() else { return };
        attendant.session = None;
        let by = match attendant.person {
            Person::Receptionist { .. } => EndedBy::Receptionist,
            Person::Contact { .. } => EndedBy::Contact,
        };
        match (&self.state, why) {
            (State::Bridged { .. }, Ending::PeerHungUp) => {
                let reason = self.passed_on(session, reasons::normal());
                self.finish(by, "hung up", reason, hands);
            }
            _ => self.attendant_lost("the receptionist's phone lost the call", hands),
        }
    }

    /// The receptionist is not on the call any more, without the caller's doing. Before they were connected, whoever is
    /// left of the plan is rung; after, the caller hears a word of good-bye.
    fn attendant_lost(&mut self, why: &'static str, hands: &mut Hands<'_>) {
        if matches!(self.state, State::Giving(_) | State::Consulting(_) | State::Three(_)) {
            return self.giver_gone(hands);
        }
        let reason = reasons::ended_by_us();
        let before = std::mem::replace(&mut self.state, State::Farewell(Why { why, reason: reason.clone() }));
        match before {
            State::Taken { attendant, plan } => {
                let (leg, party) = (attendant.leg.id, attendant.leg.party);
                self.consent(Input::Leave { party }, hands);
                if attendant.met {
                    self.journal.write(hands, Event::Left { party });
                } else {
                    let outcome = RingOutcome::Failed { status: 480 };
                    self.journal.write(hands, Event::RingEnded { leg, outcome });
                }
                self.release(*attendant, reason, hands);
                self.ring_on(plan, hands);
            }
            State::Bridged { attendant, .. } => {
                let party = attendant.leg.party;
                self.consent(Input::Leave { party }, hands);
                hands.media(MediaCommand::Unbridge { call: self.id });
                self.release(*attendant, reason.clone(), hands);
                self.farewell(prompts::GOODBYE, why, reason, hands);
            }
            other => self.state = other,
        }
    }

    /// Says the last words to the caller, then hangs up.
    fn farewell(&mut self, prompt: &str, why: &'static str, reason: Reason, hands: &mut Hands<'_>) {
        self.state = State::Farewell(Why { why, reason });
        // The longest call may end with its last words, which have a bound of their own.
        self.until = self.until.max(hands.now.mono + PROMPT_WITHIN);
        if !self.prompt(Side::Caller, prompt, Purpose::Farewell, hands) {
            self.say_no_more(hands);
        }
    }

    /// A device or a line said no, or is gone.
    fn device_gone(&mut self, session: SessionId, status: u16, hands: &mut Hands<'_>) {
        if matches!(self.state, State::Giving(_)) {
            self.line_refused(session, status, hands);
        } else {
            self.device_refused(session, status, hands);
        }
    }

    pub(super) fn release(&mut self, attendant: Attendant, reason: Reason, hands: &mut Hands<'_>) {
        if let Some(session) = attendant.session {
            self.aftermath.hang_up(session, reason, hands);
        }
        self.aftermath.close(attendant.leg, hands);
    }

    fn caller_session_over(&mut self, session: SessionId, hands: &mut Hands<'_>) {
        self.session = None;
        hands.forget_session(session);
    }
}
