//! One call, from the trunk's INVITE to the last thing that is reported about it.
//!
//! The states carry what belongs to them; who has agreed to be recorded ([`Gate`]), who holds ([`crate::hold::Hold`]),
//! what was recorded ([`Recordings`]) and what is left of ended legs ([`Aftermath`]) are machines of their own.
//!
//! * [`arriving`]: the INVITE is answered, the caller is greeted.
//! * [`asking`]: between the consent gate and the call.
//! * [`ringing`]: receptionists' devices are rung by the plan.
//! * [`talking`]: a receptionist has answered; hold, new descriptions.
//! * [`reoffering`]: our own offers within a call.
//! * [`telling`]: what a recording-aware telephone is told, and wants.
//! * [`transfer`]: a receptionist gives the call away, or asks somebody first.
//! * [`keys`] and [`sounds`]: what a leg says by key, and what it hears.
//! * [`ending`]: every way in which a call ends.

mod arriving;
mod asking;
mod ending;
mod keys;
mod reoffering;
mod ringing;
mod sounds;
mod talking;
mod telling;
mod transfer;

use std::time::Instant;

use vorzimmer_consent::{Gate, Terms};
use vorzimmer_sdp::{Description, Protection};
use vorzimmer_sip::ua::{self, SessionId};
use vorzimmer_types::cause::Cause;
use vorzimmer_types::directory::Customer;
use vorzimmer_types::event::{Event, RecordingResult};
use vorzimmer_types::srtp::Security;
use vorzimmer_types::{CallId, LegId, TrunkId};

use crate::aftermath::Aftermath;
use crate::api::MediaEvent;
use crate::hands::{Hands, Journal};
use crate::hold::{Hold, Side};
use crate::identity::Identity;
use crate::leg::Leg;
use crate::plan::Plan;
use crate::recordings::{Recordings, Report};
use crate::shortcuts::Shortcuts;

pub(crate) use ringing::Ringing;
pub(crate) use talking::Attendant;
use transfer::{Consulting, Giving, PickUp, Three};

/// A call that was let in.
pub(crate) struct Call {
    id: CallId,
    /// By which it came.
    trunk: TrunkId,
    customer: Customer,
    identity: Identity,
    journal: Journal,
    /// The caller's SIP session, until it is over.
    session: Option<SessionId>,
    /// The caller's leg, until it is closed.
    caller: Option<Leg>,
    gate: Gate,
    recordings: Recordings,
    aftermath: Aftermath,
    state: State,
    plays: u64,
    /// What the receptionist has half typed.
    shortcuts: Shortcuts,
    /// A colleague who picks the call up.
    pick_up: Option<Box<PickUp>>,
    /// Who said last why something ends, and what.
    explained: Option<(SessionId, Cause)>,
    /// Our address towards the caller.
    local: std::net::IpAddr,
    /// When the call has lasted long enough.
    until: Instant,
}

/// How far the call has come.
enum State {
    /// The caller's leg is being opened; the INVITE is not answered yet.
    Arrived { offer: Option<Description>, until: Instant },
    /// 200 is sent; the ACK is to come.
    Answered { until: Instant },
    /// The customer's greeting is played to the caller.
    Greeting,
    /// The caller is asked, and told what came of it.
    Asking,
    /// Receptionists are rung, the caller hears that.
    Ringing(Ringing),
    /// A receptionist has answered and is not connected yet: she may have to be asked.
    Taken { attendant: Box<Attendant>, plan: Plan },
    /// Two people talk.
    Bridged { attendant: Box<Attendant>, hold: Hold },
    /// Somebody is being reached, to whom the caller is to be put through or who is to be asked.
    Giving(Box<Giving>),
    /// The receptionist asks somebody, and the caller waits.
    Consulting(Box<Consulting>),
    /// All three are on the call.
    Three(Box<Three>),
    /// The caller hears the last words.
    Farewell(ending::Why),
    /// Over; the rest is reported.
    Over,
}

/// Whose session this is.
enum Whose {
    Caller,
    Attendant,
    Guest,
    /// The second call of the receptionist's phone.
    Second,
    Device,
    /// Given up, and not over yet.
    Nobody,
}

/// What the exchange knows when it lets a call in.
pub(crate) struct Arrival {
    pub(crate) id: CallId,
    pub(crate) session: SessionId,
    pub(crate) trunk: TrunkId,
    pub(crate) customer: Customer,
    pub(crate) identity: Identity,
    pub(crate) journal: Journal,
    pub(crate) offer: Option<Description>,
    pub(crate) local: std::net::IpAddr,
    /// Where the caller's signalling comes from.
    pub(crate) signalling: std::net::IpAddr,
    /// What is demanded of the caller's media.
    pub(crate) protection: Protection,
}

impl Call {
    /// Whether nothing is left to wait for.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state, State::Over) && self.recordings.is_over() && self.aftermath.is_over()
    }

    /// Whether the call is over for the people on it, and only reports are to come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether two people talk.
    pub(crate) fn is_bridged(&self) -> bool {
        matches!(self.state, State::Bridged { .. })
    }

    /// Whether something is being recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.recordings.is_recording()
    }

    /// Something happened to one of its sessions.
    pub(crate) fn sip(&mut self, session: SessionId, event: ua::Event, hands: &mut Hands<'_>) {
        match event {
            ua::Event::RecordAware { .. } => self.record_aware(session),
            ua::Event::Cancelled { .. } => self.cancelled(session, hands),
            ua::Event::Explained { cause, .. } => self.explained(session, cause, hands),
            ua::Event::Ended { why, .. } => self.session_ended(session, why, hands),
            ua::Event::Refused { status, .. } => self.refused(session, status, hands),
            ua::Event::Answered { sdp, .. } => self.answered(session, sdp.as_ref(), hands),
            ua::Event::Acknowledged { sdp, .. } => self.acknowledged(session, sdp.as_ref(), hands),
            ua::Event::Reoffered { sdp, .. } => self.reoffered(session, sdp.as_ref(), hands),
            ua::Event::Referred { refer, target, replaced, .. } => {
                self.referred(session, refer, target.expose(), replaced, hands);
            }
            ua::Event::Digit { digit, .. } => self.digit_by_info(session, digit, hands),
            ua::Event::RefreshDue { .. } => self.refresh_due(session, hands),
            ua::Event::ReinviteEnded { status, sdp, .. } => {
                self.reoffer_ended(session, status, sdp.as_ref(), hands);
            }
            // The caller hears our ring-back, whatever a device says while it rings.
            ua::Event::Progressed { .. } => self.line_rang(session),
            // We make no offer before we answer.
            ua::Event::ProgressAnswered { .. } => {}
            ua::Event::Invited { .. } | ua::Event::BindingsChanged { .. } | ua::Event::Trunk { .. } => {}
        }
    }

    /// Something happened to its media.
    pub(crate) fn media(&mut self, event: MediaEvent, hands: &mut Hands<'_>) {
        match event {
            MediaEvent::Opened { leg, rtp, browser, .. } => self.leg_opened(leg, rtp, browser, hands),
            MediaEvent::OpenFailed { leg, .. } => self.leg_failed(leg, hands),
            MediaEvent::Digit { leg, digit, .. } => self.digit_in_media(leg, digit, hands),
            MediaEvent::PlayEnded { leg, play, complete, .. } => self.play_ended(leg, play, complete, hands),
            MediaEvent::Silent { leg, .. } => self.silent(leg, hands),
            MediaEvent::Secured { leg, suite, .. } => {
                let security = Security::Dtls { suite: Some(suite) };
                self.journal.write(hands, Event::Secured { leg, security });
            }
            MediaEvent::Insecure { leg, .. } => self.insecure(leg, hands),
            MediaEvent::RecordingStarted { recording, .. } => {
                self.recordings.started(recording, &mut self.journal, hands);
            }
            MediaEvent::RecordingEnded { recording, result, duration, gaps, pages, why, .. } => {
                let report = Report { result, duration, gaps, pages, why };
                self.recordings.ended(recording, report, &mut self.journal, hands);
            }
            MediaEvent::Quality { leg, quality, .. } => {
                if self.aftermath.take_leg(leg) && quality.received > 0 {
                    self.journal.write(hands, Event::Quality { leg, quality });
                }
            }
        }
    }

    /// A recording of this call is destroyed.
    pub(crate) fn recording_destroyed(
        &mut self,
        recording: vorzimmer_types::RecordingId,
        hands: &mut Hands<'_>,
    ) {
        self.recordings.destroyed(recording, &mut self.journal, hands);
    }

    /// When something is overdue, if nothing happens before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Arrived { until, .. } | State::Answered { until } => Some(*until),
            State::Ringing(ringing) => ringing.next_wake(),
            State::Giving(giving) => giving.next_wake(),
            State::Taken { .. }
            | State::Bridged { .. }
            | State::Consulting(_)
            | State::Three(_)
            | State::Greeting
            | State::Asking
            | State::Farewell(_)
            | State::Over => None,
        };
        let life = (!self.is_over()).then_some(self.until);
        let talk = if self.is_over() { None } else { self.gate.next_wake() };
        let sides = [Side::Caller, Side::Attendant, Side::Guest].into_iter();
        let plays = sides.filter_map(|side| self.leg(side)?.next_wake()).min();
        let pick_up = self.pick_up.as_ref().map(|pick_up| pick_up.next_wake());
        [state, life, talk, plays, pick_up, self.recordings.next_wake(), self.aftermath.next_wake()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The moment that was asked for has come: everything that is overdue happens.
    pub(crate) fn wake(&mut self, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        if self.gate.next_wake().is_some_and(|at| at <= now) {
            self.consent(vorzimmer_consent::Input::Wake, hands);
        }
        self.plays_overdue(hands);
        if self.pick_up.as_ref().is_some_and(|pick_up| pick_up.next_wake() <= now) {
            self.drop_pick_up(hands);
        }
        match &self.state {
            State::Arrived { until, .. } if *until <= now => self.refuse(503, "no media leg in time", hands),
            State::Answered { until } if *until <= now => self.never_acknowledged(hands),
            State::Ringing(_) => self.ring_overdue(hands),
            State::Giving(_) => self.lines_overdue(hands),
            _ => {}
        }
        if self.until <= now {
            self.lasted_too_long(hands);
        }
        self.recordings.wake(&mut self.journal, hands);
        self.aftermath.wake(hands);
    }

    fn whose(&self, session: SessionId) -> Whose {
        if self.session == Some(session) {
            return Whose::Caller;
        }
        if self.attendant().is_some_and(|attendant| attendant.session == Some(session)) {
            return Whose::Attendant;
        }
        if self.guest().is_some_and(|guest| guest.session == Some(session)) {
            return Whose::Guest;
        }
        match &self.state {
            State::Ringing(ringing) if ringing.rings(session) => Whose::Device,
            State::Giving(giving) if giving.rings(session) => Whose::Device,
            _ if self.second().is_some_and(|second| second.session == session) => Whose::Second,
            _ => Whose::Nobody,
        }
    }

    /// The side of the talk that this leg is.
    fn side(&self, leg: LegId) -> Option<Side> {
        let is = |side: &Side| self.leg(*side).is_some_and(|known| known.id == leg);
        [Side::Caller, Side::Attendant, Side::Guest].into_iter().find(is)
    }

    fn leg(&self, side: Side) -> Option<&Leg> {
        match side {
            Side::Caller => self.caller.as_ref(),
            Side::Attendant => self.attendant().map(|attendant| &attendant.leg),
            Side::Guest => self.guest().map(|guest| &guest.leg),
        }
    }

    fn leg_mut(&mut self, side: Side) -> Option<&mut Leg> {
        match side {
            Side::Caller => self.caller.as_mut(),
            Side::Attendant => self.attendant_mut().map(|attendant| &mut attendant.leg),
            Side::Guest => match &mut self.state {
                State::Consulting(consulting) => Some(&mut consulting.guest.leg),
                State::Three(three) => Some(&mut three.guest.leg),
                _ => None,
            },
        }
    }

    fn attendant(&self) -> Option<&Attendant> {
        match &self.state {
            State::Taken { attendant, .. } | State::Bridged { attendant, .. } => Some(attendant),
            State::Giving(giving) => giving.giver.as_ref(),
            State::Consulting(consulting) => Some(&consulting.giver),
            State::Three(three) => Some(&three.attendant),
            _ => None,
        }
    }

    fn attendant_mut(&mut self) -> Option<&mut Attendant> {
        match &mut self.state {
            State::Taken { attendant, .. } | State::Bridged { attendant, .. } => Some(attendant),
            State::Giving(giving) => giving.giver.as_mut(),
            State::Consulting(consulting) => Some(&mut consulting.giver),
            State::Three(three) => Some(&mut three.attendant),
            _ => None,
        }
    }

    fn forget_guest_session(&mut self) {
        match &mut self.state {
            State::Consulting(consulting) => consulting.guest.session = None,
            State::Three(three) => three.guest.session = None,
            _ => {}
        }
    }

    /// A third one, whom the attendant asks or has fetched.
    fn guest(&self) -> Option<&Attendant> {
        match &self.state {
            State::Consulting(consulting) => Some(&consulting.guest),
            State::Three(three) => Some(&three.guest),
            _ => None,
        }
    }

    fn second_mut(&mut self) -> Option<&mut transfer::Second> {
        match &mut self.state {
            State::Giving(giving) => giving.second.as_deref_mut(),
            State::Consulting(consulting) => consulting.second.as_deref_mut(),
            _ => None,
        }
    }

    fn second(&self) -> Option<&transfer::Second> {
        match &self.state {
            State::Giving(giving) => giving.second.as_deref(),
            State::Consulting(consulting) => consulting.second.as_deref(),
            _ => None,
        }
    }

    /// A call whose recording consent did not allow, or never came to, says so once.
    fn blocked(&mut self, why: String, hands: &mut Hands<'_>) {
        let result = RecordingResult::Blocked;
        let event =
            Event::RecordingFinished { recording: None, result, duration_ms: 0, gaps: [0; 2], pages: 0, why };
        self.journal.write(hands, event);
    }
}

fn terms(call: CallId, customer: &Customer) -> Terms {
    Terms {
        call,
        customer: customer.id,
        policy: customer.recording,
        on_withdrawal: customer.on_withdrawal,
        purpose: customer.purpose.clone(),
    }
}
