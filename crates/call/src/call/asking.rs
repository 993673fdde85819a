//! Between the consent gate and the call: what the gate wants done is done here, and nothing else starts a recording.
//!
//! The rules (what counts as a yes, for whom it is good, when it dies) are the gate's. Here stands how the call sounds:
//! which words ask whom, and what is said of the outcome.

use vorzimmer_consent::{Input, Newcomer, Outcome, Output, StopReason, Verdict, Who, Why};
use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Policy, PromptVersion, Role};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{EndedBy, Event};

use super::{Call, State};
use crate::aim::Person;
use crate::api::StopWhy;
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Purpose;
use crate::{prompts, reasons};

impl Call {
    /// The caller is on the call; if the policy says so, they are asked now.
    pub(super) fn ask_caller(&mut self, hands: &mut Hands<'_>) {
        self.state = State::Asking;
        if !self.join(Side::Caller, Who::Caller, hands) {
            self.finish(EndedBy::Vorzimmer, "the caller could not join", reasons::ended_by_us(), hands);
        }
    }

    /// Somebody joins. A new epoch begins; whoever must be asked is asked. False: they must not be connected.
    pub(super) fn join(&mut self, side: Side, who: Who, hands: &mut Hands<'_>) -> bool {
        let Some(party) = self.leg(side).map(|leg| leg.party) else { return false };
        let question = self.question_for(side, hands);
        self.consent(Input::Join(Newcomer { party, who, question }), hands)
    }

    /// Tells the gate what happened, and does what it wants. False if it does not fit who is on the call, which for a
    /// key or a prompt's end is an ordinary race: that party has just left, or has not joined yet.
    pub(super) fn consent(&mut self, input: Input, hands: &mut Hands<'_>) -> bool {
        let taken = self.gate.handle(input, hands.now).is_ok();
        while let Some(output) = self.gate.poll() {
            self.carry_out(output, hands);
        }
        taken
    }

    fn carry_out(&mut self, output: Output, hands: &mut Hands<'_>) {
        match output {
            Output::Ask { party, prompt, repeat } => self.ask(party, &prompt, repeat, hands),
            Output::Overhear { party, prompt } => {
                if let Some(side) = self.side_of(party) {
                    self.play(side, &prompt, Purpose::Overheard, hands);
                }
            }
            Output::StopPrompt { party } => self.stop_question(party, hands),
            Output::Receipt(receipt) => {
                let receipt = hands.world.sign(receipt);
                self.journal.write(hands, Event::Consented { receipt });
            }
            Output::Record(permit) => self.record(permit, hands),
            Output::Pause => self.recordings.pause(hands),
            Output::Resume => self.recordings.resume(hands),
            Output::Stop { reason, destroy } => self.stop_recording(reason, destroy, hands),
            Output::Settled { outcome } => self.settled(outcome, hands),
            Output::Blocked { why } => self.say_blocked(why, hands),
            Output::Ended { verdict: Verdict::Blocked { why } } => {
                let why = self.in_words(why);
                self.blocked(why, hands);
            }
            // Each recording that began has an end of its own to report.
            Output::Ended { .. } => {}
        }
    }

    fn ask(&mut self, party: PartyId, question: &PromptVersion, repeat: u8, hands: &mut Hands<'_>) {
        let shorter = (repeat > 0 && question.name == prompts::CONSENT_ASK)
            .then(|| hands.world.prompt(prompts::CONSENT_REPEAT, question.language))
            .flatten();
        let shipped = hands.world.prompt(&question.name, question.language);
        let words = shorter.or(shipped);
        let side = self.side_of(party);
        let played = match (side, words) {
            (Some(side), Some(words)) => self.play(side, &words, Purpose::Question, hands),
            _ => false,
        };
        if !played {
            // Who cannot be asked has not agreed.
            self.consent(Input::PromptCut { party }, hands);
        }
    }

    fn stop_question(&mut self, party: PartyId, hands: &mut Hands<'_>) {
        let Some(side) = self.side_of(party) else { return };
        let playing = self.leg(side).and_then(|leg| leg.playing.as_ref()).map(|playing| playing.purpose);
        if matches!(playing, Some(Purpose::Question | Purpose::Overheard)) {
            self.settle_sound(side, hands);
        }
    }

    /// Everybody who is on the call has agreed.
    fn record(&mut self, permit: vorzimmer_consent::Permit, hands: &mut Hands<'_>) {
        let in_talk = self.is_bridged();
        self.connect(hands);
        self.join_three(hands);
        let legs = [Side::Caller, Side::Attendant, Side::Guest].map(|side| self.leg(side));
        let tracks: Vec<_> = legs.into_iter().flatten().map(|leg| (leg.id, leg.party)).collect();
        if tracks.len() < 2 {
            return;
        }
        self.recordings.begin(permit, tracks, &mut self.journal, hands);
        if in_talk {
            self.notice(prompts::CONSENT_THANKS, hands);
        } else {
            self.hold_as_connected(hands);
        }
    }

    fn stop_recording(&mut self, reason: StopReason, destroy: bool, hands: &mut Hands<'_>) {
        let why = match reason {
            StopReason::CallEnded | StopReason::MessageEnded => StopWhy::CallEnded,
            StopReason::CompanyChanged | StopReason::TooMany | StopReason::ConsentGone => StopWhy::EpochEnded,
            StopReason::Withdrawn { .. } if destroy => StopWhy::Withdrawn(OnWithdrawal::Destroy),
            StopReason::Withdrawn { .. } => StopWhy::Withdrawn(OnWithdrawal::Keep),
        };
        self.recordings.stop(why, hands);
        if destroy {
            self.recordings.destroy_all(hands);
        }
    }

    /// Nobody is being asked any more.
    fn settled(&mut self, outcome: Outcome, hands: &mut Hands<'_>) {
        match &self.state {
            State::Asking => self.tell_and_ring(outcome, hands),
            State::Taken { .. } => {
                self.connect(hands);
                self.hold_as_connected(hands);
            }
            State::Three(_) => {
                self.join_three(hands);
                self.hold_as_connected(hands);
            }
            // Between two who talk, what came of a question is said when it begins to count: see `record`, `say_blocked`.
            _ => {}
        }
    }

    fn tell_and_ring(&mut self, outcome: Outcome, hands: &mut Hands<'_>) {
        let told = match outcome {
            Outcome::Agreed => self.prompt(Side::Caller, prompts::CONSENT_THANKS, Purpose::Told, hands),
            Outcome::Declined => self.prompt(Side::Caller, prompts::CONSENT_DECLINED, Purpose::Told, hands),
            Outcome::NotAsked => false,
        };
        if !told {
            self.ring(hands);
        }
    }

    /// Two who talk hear that they are not recorded, or no longer.
    fn say_blocked(&mut self, why: Why, hands: &mut Hands<'_>) {
        if !self.is_bridged() {
            return;
        }
        let words = match why {
            Why::Answered { answer: Answer::Withdrawn, .. } => prompts::WITHDRAWN,
            _ => prompts::CONSENT_DECLINED,
        };
        self.notice(words, hands);
    }

    /// The words in which this side is asked. What is not shipped in that language is named as version 0, is never
    /// played, and so is never agreed to.
    pub(super) fn question_for(&self, side: Side, hands: &Hands<'_>) -> PromptVersion {
        let name = match (self.customer.recording, side) {
            (Policy::AskInCall, _) | (Policy::Attested, Side::Caller) => prompts::CONSENT_IN_CALL,
            (_, Side::Caller) => prompts::CONSENT_ASK,
            (_, Side::Attendant) => self.question_by_role(self.attendant()),
            (_, Side::Guest) => self.question_by_role(self.guest()),
        };
        let language = self.language(side);
        let unshipped =
            || PromptVersion { name: name.to_owned(), version: 0, language, sha256: String::new() };
        hands.world.prompt(name, language).unwrap_or_else(unshipped)
    }

    /// Ours are asked in other words than anybody else.
    fn question_by_role(&self, person: Option<&super::Attendant>) -> &'static str {
        match person.map(|known| known.person) {
            Some(Person::Contact { .. }) => prompts::CONSENT_ASK,
            Some(Person::Receptionist { .. }) | None => prompts::CONSENT_ASK_RECEPTIONIST,
        }
    }

    fn side_of(&self, party: PartyId) -> Option<Side> {
        let is = |side: &Side| self.leg(*side).is_some_and(|leg| leg.party == party);
        [Side::Caller, Side::Attendant, Side::Guest].into_iter().find(is)
    }

    fn in_words(&self, why: Why) -> String {
        let Why::Answered { party, answer } = why else {
            return match why {
                Why::TooMany => "more people were on the call than could be asked",
                Why::NobodyToAttest => "nobody was there to ask the caller",
                _ => "nobody was asked",
            }
            .to_owned();
        };
        let role = self.gate.machine().party(party).map(vorzimmer_consent::machine::Party::role);
        let who = match role {
            Some(Role::Caller) => "the caller",
            Some(Role::Receptionist) => "the receptionist",
            Some(Role::Contact) => "the contact",
            None => "somebody who has left",
        };
        let what = match answer {
            Answer::Yes => "said yes, and somebody else did not answer",
            Answer::No => "said no",
            Answer::Silence => "said nothing",
            Answer::CutShort => "did not hear the question to its end",
            Answer::HungUp => "hung up while being asked",
            Answer::Withdrawn => "took the consent back",
        };
        format!("{who} {what}")
    }
}
