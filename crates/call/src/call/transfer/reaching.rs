//! The lines to whoever is wanted, and what their answers lead to.

use std::net::SocketAddr;

use bytes::Bytes;
use vorzimmer_sdp::Browser;
use vorzimmer_sip::carrier::Calling;
use vorzimmer_sip::ua::{Command, SessionId};
use vorzimmer_types::event::{Caller, Event, RingOutcome};
use vorzimmer_types::{LegId, Pii};

use super::{Consulting, Giving, Manner};
use crate::api::{MediaCommand, Sound};
use crate::call::{Attendant, Call, State};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Leg;
use crate::lines::{Progress, Shown};
use crate::reasons;

impl Call {
    /// A leg has ports: a line rings with them, or her second call is answered with them when its time comes.
    pub(in crate::call) fn line_opened(
        &mut self,
        leg: LegId,
        rtp: SocketAddr,
        browser: Option<Box<Browser>>,
        hands: &mut Hands<'_>,
    ) {
        let shown = self.shown();
        let State::Giving(giving) = &mut self.state else { return };
        if let Some(second) = giving.second.as_mut().filter(|second| second.leg.id == leg) {
            return second.leg.opened(rtp, browser);
        }
        giving.lines.opened(leg, rtp, browser, &shown, &mut self.journal, hands);
    }

    /// A leg could not be opened.
    pub(in crate::call) fn line_failed(&mut self, leg: LegId, hands: &mut Hands<'_>) {
        let State::Giving(giving) = &mut self.state else { return };
        if giving.second.as_ref().is_some_and(|second| second.leg.id == leg && !second.leg.is_open()) {
            if let Some(second) = giving.second.take() {
                hands.refuse(second.session, 503, None);
                hands.forget_session(second.session);
            }
            return self.give_lines_up(&RingOutcome::TimedOut, 503, hands);
        }
        let progress = giving.lines.failed(leg, hands);
        self.lines_went_on(progress, hands);
    }

    /// A line said no.
    pub(in crate::call) fn line_refused(&mut self, session: SessionId, status: u16, hands: &mut Hands<'_>) {
        let State::Giving(giving) = &mut self.state else { return };
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        let progress = giving.lines.refused(session, status, journal, aftermath, hands);
        self.lines_went_on(progress, hands);
    }

    /// A line rings.
    pub(in crate::call) fn line_rang(&mut self, session: SessionId) {
        if let State::Giving(giving) = &mut self.state {
            giving.lines.rang(session);
        }
    }

    /// A line was answered.
    pub(in crate::call) fn line_answered(
        &mut self,
        session: SessionId,
        sdp: Option<&Bytes>,
        hands: &mut Hands<'_>,
    ) {
        let State::Giving(giving) = &mut self.state else { return };
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        let progress = giving.lines.answered(session, sdp, journal, aftermath, hands);
        self.lines_went_on(progress, hands);
    }

    /// What is overdue is given up.
    pub(in crate::call) fn lines_overdue(&mut self, hands: &mut Hands<'_>) {
        let State::Giving(giving) = &mut self.state else { return };
        if giving.lines.next_wake().is_none_or(|at| at > hands.now.mono) {
            return;
        }
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        let progress = giving.lines.overdue(journal, aftermath, hands);
        self.lines_went_on(progress, hands);
    }

    fn lines_went_on(&mut self, progress: Progress, hands: &mut Hands<'_>) {
        match progress {
            Progress::Ringing => {}
            Progress::Over(status) => self.nobody_reached(status, hands),
            Progress::Won(answered) => {
                let guest = Attendant::new(
                    answered.leg,
                    answered.session,
                    answered.person,
                    self.customer.language,
                    hands,
                );
                self.reached(guest, hands);
            }
        }
    }

    /// All lines are given up, for this reason.
    pub(super) fn give_lines_up(&mut self, outcome: &RingOutcome, status: u16, hands: &mut Hands<'_>) {
        let State::Giving(giving) = &mut self.state else { return };
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        giving.lines.give_up(outcome, &reasons::caller_gone(), journal, aftermath, hands);
        self.nobody_reached(status, hands);
    }

    /// Somebody has answered: the caller is put through, or she talks first if she is still there.
    fn reached(&mut self, guest: Attendant, hands: &mut Hands<'_>) {
        let State::Giving(giving) = std::mem::replace(&mut self.state, State::Asking) else { return };
        let Giving { giver, by, manner, subscription, second, .. } = *giving;
        match giver {
            Some(giver) if manner == Manner::Consult => {
                self.consult(Consulting { giver, guest, by, second }, hands);
            }
            giver => {
                self.hand_over(super::outcome::HandOver { giver, guest, by, subscription, second }, hands)
            }
        }
    }

    /// She and whoever was reached hear each other; the caller waits.
    fn consult(&mut self, mut consulting: Consulting, hands: &mut Hands<'_>) {
        let call = self.id;
        let own = match &mut consulting.second {
            Some(second) => {
                let prefer = consulting.guest.leg.codec();
                let answer = second.offer.take().map(|offer| second.leg.answer(&offer, prefer, hands));
                let description = match answer {
                    Some(answer) => answer.ok(),
                    None => second.leg.offer(prefer, hands).ok(),
                };
                if let Some(sdp) = description {
                    hands.sip(Command::Accept { session: second.session, sdp });
                }
                second.leg.id
            }
            None => consulting.giver.leg.id,
        };
        hands.media(MediaCommand::Bridge { call, caller: own, other: consulting.guest.leg.id });
        let parties = vec![consulting.giver.leg.party, consulting.guest.leg.party];
        let met = consulting.guest.meet();
        self.state = State::Consulting(Box::new(consulting));
        self.settle_sound(Side::Attendant, hands);
        if let Some(event) = met {
            self.journal.write(hands, event);
        }
        self.together(parties, hands);
    }

    /// What a waiting caller hears, or a receptionist while somebody is rung for her.
    pub(in crate::call) fn sound_of_transfer(&self, side: Side) -> Option<Sound> {
        let ringback = Some(Sound::Ringback(self.customer.language));
        match (&self.state, side) {
            (State::Giving(giving), Side::Caller) if giving.manner == Manner::Through => ringback,
            (State::Giving(_) | State::Consulting(_), Side::Caller) => Some(self.hold_sound()),
            (State::Giving(giving), Side::Attendant)
                if giving.manner == Manner::Consult && giving.second.is_none() =>
            {
                ringback
            }
            _ => None,
        }
    }

    fn shown(&self) -> Shown {
        Shown {
            inside: self.shown_party(),
            inside_headers: self.called_party(),
            behalf: self.identity.did.clone(),
            caller: self.calling(),
            prefer: self.caller.as_ref().and_then(Leg::codec),
        }
    }
}

impl Call {
    /// The caller, as a trunk may show them.
    fn calling(&self) -> Calling {
        match &self.identity.caller {
            Caller::Known { address, .. } => match address.expose().parse() {
                Ok(number) => Calling::Number(Pii::new(number)),
                Err(_) => Calling::Unknown,
            },
            Caller::Withheld => Calling::Withheld,
            Caller::Unknown => Calling::Unknown,
        }
    }
}

impl Attendant {
    /// The event that says that somebody is connected, the first time.
    pub(in crate::call) fn meet(&mut self) -> Option<Event> {
        if std::mem::replace(&mut self.met, true) {
            return None;
        }
        let (leg, party) = (self.leg.id, self.leg.party);
        Some(match self.person {
            crate::aim::Person::Receptionist { id: receptionist, .. } => {
                Event::Connected { leg, party, receptionist }
            }
            crate::aim::Person::Contact { id: contact } => Event::ContactConnected { leg, party, contact },
        })
    }
}
