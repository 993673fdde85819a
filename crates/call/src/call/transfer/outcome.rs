//! What a transfer or a consultation leads to: put through, back to the caller, or nobody reached.

use vorzimmer_consent::{Input, Newcomer};
use vorzimmer_sip::ua::{Command, SessionId};
use vorzimmer_types::ReceptionistId;
use vorzimmer_types::event::{EndedBy, Event, RingOutcome, TransferOutcome};

use super::{Consulting, Giving, Manner, Second, Subscription};
use crate::api::MediaCommand;
use crate::call::{Attendant, Call, State};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Purpose;
use crate::plan::Plan;
use crate::{prompts, reasons};

/// Somebody takes over from somebody.
pub(super) struct HandOver {
    /// None if she has hung up, and left.
    pub(super) giver: Option<Attendant>,
    pub(super) guest: Attendant,
    pub(super) by: ReceptionistId,
    pub(super) subscription: Option<Subscription>,
    pub(super) second: Option<Box<Second>>,
}

impl Call {
    /// The caller is put through: she leaves, whoever was reached takes over.
    pub(super) fn hand_over(&mut self, over: HandOver, hands: &mut Hands<'_>) {
        let HandOver { giver, guest, by, subscription, second } = over;
        hands.media(MediaCommand::Unbridge { call: self.id });
        tell(subscription, 200, hands);
        self.journal.write(hands, Event::TransferEnded { outcome: TransferOutcome::PutThrough });
        let (party, who) = (guest.leg.party, guest.person.who());
        let plan = Plan::again(by, hands.now.mono);
        self.state = State::Taken { attendant: Box::new(guest), plan };
        self.settle_sound(Side::Caller, hands);
        let newcomer = Newcomer { party, who, question: self.question_for(Side::Attendant, hands) };
        let input = match &giver {
            Some(giver) => Input::Transfer { from: giver.leg.party, to: newcomer },
            None => Input::Join(newcomer),
        };
        if !self.consent(input, hands) {
            let why = "whoever was to take over could not join";
            self.finish(EndedBy::Vorzimmer, why, reasons::ended_by_us(), hands);
        }
        if let Some(giver) = giver {
            self.journal.write(hands, Event::Left { party: giver.leg.party });
            self.release(giver, reasons::normal(), hands);
        }
        self.drop_second(second, hands);
    }

    /// She is with the caller again, and nobody else is.
    pub(super) fn return_to_caller(
        &mut self,
        giver: Attendant,
        by: ReceptionistId,
        outcome: TransferOutcome,
        hands: &mut Hands<'_>,
    ) {
        hands.media(MediaCommand::Unbridge { call: self.id });
        self.journal.write(hands, Event::TransferEnded { outcome });
        let party = giver.leg.party;
        let plan = Plan::again(by, hands.now.mono);
        self.state = State::Taken { attendant: Box::new(giver), plan };
        self.settle_sound(Side::Attendant, hands);
        if !self.consent(Input::StepBack { party }, hands) {
            self.finish(EndedBy::Vorzimmer, "she could not come back", reasons::ended_by_us(), hands);
        }
        if matches!(outcome, TransferOutcome::Failed { .. }) {
            self.prompt(Side::Attendant, prompts::TRANSFER_FAILED, Purpose::Notice, hands);
        }
    }

    /// Nobody was reached. The caller is brought back to her; if she has hung up, she is rung again.
    pub(super) fn nobody_reached(&mut self, status: u16, hands: &mut Hands<'_>) {
        let State::Giving(giving) = std::mem::replace(&mut self.state, State::Asking) else { return };
        let Giving { giver, by, subscription, second, .. } = *giving;
        tell(subscription, status, hands);
        let outcome = TransferOutcome::Failed { status };
        match (giver, second) {
            (Some(giver), None) => self.return_to_caller(giver, by, outcome, hands),
            (Some(giver), Some(second)) => {
                self.refuse_second(second, status, hands);
                self.return_to_caller(giver, by, outcome, hands);
            }
            (None, second) => {
                self.drop_second(second, hands);
                self.journal.write(hands, Event::TransferEnded { outcome });
                self.ring_on(Plan::again(by, hands.now.mono), hands);
            }
        }
    }

    /// She wants the caller back.
    pub(in crate::call) fn wants_back(&mut self, hands: &mut Hands<'_>) {
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Giving(mut giving) if giving.giver.is_some() => {
                let (outcome, why) = (RingOutcome::TimedOut, reasons::caller_gone());
                let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
                giving.lines.give_up(&outcome, &why, journal, aftermath, hands);
                let Giving { giver, by, subscription, second, .. } = *giving;
                tell(subscription, 487, hands);
                self.drop_second(second, hands);
                if let Some(giver) = giver {
                    self.return_to_caller(giver, by, TransferOutcome::Returned, hands);
                }
            }
            State::Consulting(consulting) => {
                self.end_consultation(*consulting, TransferOutcome::Returned, hands);
            }
            other => self.state = other,
        }
    }

    /// She wants to leave: whoever was reached, or is being reached, takes over.
    pub(super) fn wants_through(&mut self, subscription: Option<Subscription>, hands: &mut Hands<'_>) {
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Giving(mut giving) => {
                giving.manner = Manner::Through;
                giving.subscription = subscription.or(giving.subscription);
                self.state = State::Giving(giving);
                for side in [Side::Caller, Side::Attendant] {
                    self.settle_sound(side, hands);
                }
            }
            State::Consulting(consulting) => {
                let Consulting { giver, guest, by, second } = *consulting;
                let giver = Some(giver);
                self.hand_over(HandOver { giver, guest, by, subscription, second }, hands);
            }
            other => self.state = other,
        }
    }

    /// The one whom she asked is given up, and she is back with the caller.
    fn end_consultation(&mut self, consulting: Consulting, outcome: TransferOutcome, hands: &mut Hands<'_>) {
        let Consulting { giver, guest, by, second } = consulting;
        self.journal.write(hands, Event::Left { party: guest.leg.party });
        self.release(guest, reasons::normal(), hands);
        self.drop_second(second, hands);
        self.return_to_caller(giver, by, outcome, hands);
    }

    /// Whoever was asked has hung up, or was lost.
    pub(in crate::call) fn guest_gone(&mut self, hands: &mut Hands<'_>) {
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Consulting(consulting) => {
                self.end_consultation(*consulting, TransferOutcome::HungUp, hands);
            }
            State::Three(three) => self.guest_leaves(*three, hands),
            other => self.state = other,
        }
    }

    /// She has hung up, or was lost, while the caller was to be put through or she talked apart.
    pub(in crate::call) fn giver_gone(&mut self, hands: &mut Hands<'_>) {
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Giving(mut giving) => {
                let (giver, second) = (giving.giver.take(), giving.second.take());
                giving.manner = Manner::Through;
                giving.subscription = None;
                self.state = State::Giving(giving);
                if let Some(giver) = giver {
                    let party = giver.leg.party;
                    self.consent(Input::Leave { party }, hands);
                    self.journal.write(hands, Event::Left { party });
                    self.release(giver, reasons::normal(), hands);
                }
                self.drop_second(second, hands);
                self.settle_sound(Side::Caller, hands);
            }
            // Who hangs up while she asks somebody leaves the caller to them.
            State::Consulting(consulting) => {
                let Consulting { giver, guest, by, second } = *consulting;
                let giver = Some(giver);
                self.hand_over(HandOver { giver, guest, by, subscription: None, second }, hands);
            }
            State::Three(three) => self.attendant_leaves(*three, hands),
            other => self.state = other,
        }
    }

    /// Her second call is over, and with it the consultation.
    pub(in crate::call) fn second_gone(&mut self, session: SessionId, hands: &mut Hands<'_>) {
        hands.forget_session(session);
        let second = match &mut self.state {
            State::Giving(giving) => giving.second.take(),
            State::Consulting(consulting) => consulting.second.take(),
            _ => None,
        };
        if let Some(second) = second {
            self.aftermath.close(second.leg, hands);
            self.wants_back(hands);
        }
    }

    fn drop_second(&mut self, second: Option<Box<Second>>, hands: &mut Hands<'_>) {
        if let Some(second) = second {
            self.aftermath.hang_up(second.session, reasons::normal(), hands);
            self.aftermath.close(second.leg, hands);
        }
    }

    pub(super) fn refuse_second(&mut self, second: Box<Second>, status: u16, hands: &mut Hands<'_>) {
        let Second { session, leg, .. } = *second;
        hands.refuse(session, status, None);
        hands.forget_session(session);
        self.aftermath.close(leg, hands);
    }

    /// The call ends while somebody is being reached or asked: everybody else is given up.
    pub(in crate::call) fn disband(&mut self, before: State, hands: &mut Hands<'_>) {
        match before {
            State::Giving(mut giving) => {
                let (outcome, why) = (RingOutcome::CallerGone, reasons::caller_gone());
                let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
                giving.lines.give_up(&outcome, &why, journal, aftermath, hands);
                tell(giving.subscription, 487, hands);
                self.journal.write(hands, Event::TransferEnded { outcome: TransferOutcome::HungUp });
                if let Some(giver) = giving.giver {
                    self.release(giver, reasons::normal(), hands);
                }
                self.drop_second(giving.second, hands);
            }
            State::Consulting(consulting) => {
                hands.media(MediaCommand::Unbridge { call: self.id });
                self.journal.write(hands, Event::TransferEnded { outcome: TransferOutcome::HungUp });
                let Consulting { giver, guest, second, .. } = *consulting;
                self.release(giver, reasons::normal(), hands);
                self.release(guest, reasons::normal(), hands);
                self.drop_second(second, hands);
            }
            State::Three(three) => {
                hands.media(MediaCommand::Unbridge { call: self.id });
                self.release(three.attendant, reasons::normal(), hands);
                self.release(three.guest, reasons::normal(), hands);
            }
            _ => {}
        }
    }
}

/// Tells the phone that asked by REFER.
fn tell(subscription: Option<Subscription>, status: u16, hands: &mut Hands<'_>) {
    if let Some(Subscription { session, refer }) = subscription {
        hands.sip(Command::Notify { session, refer, status });
    }
}
