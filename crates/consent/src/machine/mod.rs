//! The consent machine: who is on the call, what each was asked and said, whether the tape may run.
//!
//! A pure value. It knows no time (whoever drives it says when an answer is overdue), makes no ids and shares
//! nothing, and it counts nothing that has no end: so it has finitely many states, and the checker in `tests/model`
//! walks through every one of them.
//!
//! * `company`: joins, leaves, transfers, stepping aside, hold, voicemail.
//! * `question`: asking, answers, withdrawal.
//! * this file: the vocabulary, and what follows from both for the tape.

mod company;
mod question;
mod vocabulary;

use std::collections::VecDeque;
use std::marker::PhantomData;

use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Method, Policy};
use vorzimmer_types::directory::OnWithdrawal;

pub use vocabulary::{Consent, Effect, Kept, Outcome, Party, Step, StopReason, Tape, Why};

use crate::error::ConsentError;
use crate::receipt::ReceiptDraft;
use crate::rules::{House, Rules};
pub use crate::who::Who;

/// One call's consent. Feed it [`Step`]s, drain its [`Effect`]s after each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine<R: Rules = House> {
    policy: Policy,
    on_withdrawal: OnWithdrawal,
    /// The caller first, then in the order in which they joined; at most [`crate::MAX_PARTIES`].
    parties: Vec<Party>,
    tape: Tape,
    /// The caller is alone and leaves a message.
    voicemail: bool,
    /// Somebody waits for an [`Effect::Settled`].
    unsettled: bool,
    /// More people are on the call than can be counted: nothing is recorded any more.
    crowded: bool,
    over: bool,
    kept: Kept,
    effects: VecDeque<Effect>,
    rules: PhantomData<R>,
}

impl<R: Rules> Machine<R> {
    /// A call on which nobody is yet.
    #[must_use]
    pub fn new(policy: Policy, on_withdrawal: OnWithdrawal) -> Self {
        Self {
            policy,
            on_withdrawal,
            parties: Vec::with_capacity(crate::MAX_PARTIES),
            tape: Tape::Off,
            voicemail: false,
            unsettled: false,
            crowded: false,
            over: false,
            kept: Kept::Nothing,
            effects: VecDeque::new(),
            rules: PhantomData,
        }
    }

    /// Takes one step. Drain [`Machine::poll`] afterwards.
    ///
    /// # Errors
    /// When the step does not fit who is on the call. Then nothing has changed, but for
    /// [`ConsentError::TooMany`], which bars recording for good: a voice that cannot be counted cannot be asked.
    pub fn handle(&mut self, step: Step) -> Result<(), ConsentError> {
        if self.over {
            return Err(ConsentError::Over);
        }
        let done = match step {
            Step::Join { party, who } => self.join(party, who),
            Step::Leave { party } => self.leave(party),
            Step::Transfer { from, to, who } => self.transfer(from, to, who),
            Step::PromptEnded { party } => self.prompt_ended(party),
            Step::PromptCut { party } => self.prompt_cut(party),
            Step::Pressed { party, key } => self.pressed(party, key),
            Step::Withdraw { party } => self.withdraw_by_signal(party),
            Step::Silent { party } => self.silent(party),
            Step::Hold { party } => self.hold(party),
            Step::Resume { party } => self.resume(party),
            Step::StepAside { party } => self.step_aside(party),
            Step::StepBack { party } => self.step_back(party),
            Step::Voicemail { on } => self.leave_a_message(on),
            Step::End => self.end(),
        };
        self.follow();
        done
    }

    /// The next thing to be done, in order, until there is none.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The customer's policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether something is being recorded.
    #[must_use]
    pub fn tape(&self) -> Tape {
        self.tape
    }

    /// Who is on the call: the caller first, then in the order in which they joined.
    #[must_use]
    pub fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// This party, if it is on the call.
    #[must_use]
    pub fn party(&self, id: PartyId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == id)
    }

    /// Whether somebody is being asked right now.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.parties.iter().any(|party| party.consent.is_pending())
    }

    /// Whether the caller is alone and leaves a message.
    #[must_use]
    pub fn is_voicemail(&self) -> bool {
        self.voicemail
    }

    /// Whether the call has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn somebody_is_aside(&self) -> bool {
        self.parties.iter().any(|party| party.aside)
    }

    /// Whether the tape may run, had nobody pressed hold.
    fn may_record(&self) -> bool {
        R::may_record(self.policy)
            && !self.crowded
            && !self.over
            && (!R::aside_interrupts() || !self.somebody_is_aside())
            && self.parties.iter().any(|party| party.who == Who::Caller)
            && (self.parties.len() > 1 || self.voicemail)
            && self.parties.iter().all(|party| party.consent.is_yes() || !R::must_agree(party.role()))
    }

    /// What a step means for the tape, and whether asking is over. The one place where a recording starts.
    fn follow(&mut self) {
        let held = self.parties.iter().any(|party| party.held);
        match (self.tape, self.may_record()) {
            (Tape::Off, true) if !held => self.start(),
            (Tape::Running, true) if held => self.turn(Tape::Paused, Effect::Pause),
            (Tape::Paused, true) if !held => self.turn(Tape::Running, Effect::Resume),
            // Every path that ends a consent stops the tape itself and says why; this holds the line if one forgets.
            (Tape::Running | Tape::Paused, false) => self.stop(StopReason::ConsentGone, false),
            _ => {}
        }
        if self.unsettled && !self.is_asking() && !self.over {
            self.unsettled = false;
            self.effects.push_back(Effect::Settled { outcome: self.outcome() });
        }
    }

    fn start(&mut self) {
        // A consent on file is written down when a recording first relies on it, not before.
        for party in self.parties.iter_mut().filter(|party| party.consent == Consent::Standing) {
            party.consent = Consent::Yes;
            self.effects.push_back(Effect::Receipt(ReceiptDraft {
                party: party.id,
                role: party.role(),
                answer: Answer::Yes,
                method: Method::Standing,
                prompted: false,
            }));
        }
        let parties = self.parties.iter().map(|party| party.id).collect();
        self.kept = Kept::Something;
        self.turn(Tape::Running, Effect::Record { parties });
    }

    fn stop(&mut self, reason: StopReason, destroy: bool) {
        if self.tape != Tape::Off {
            self.turn(Tape::Off, Effect::Stop { reason, destroy });
        }
    }

    fn turn(&mut self, tape: Tape, effect: Effect) {
        self.tape = tape;
        self.effects.push_back(effect);
    }

    fn block(&mut self, why: Why) {
        self.effects.push_back(Effect::Blocked { why });
    }

    fn outcome(&self) -> Outcome {
        if !R::may_record(self.policy) {
            Outcome::NotAsked
        } else if self.crowded || self.parties.iter().any(|party| party.consent == Consent::No) {
            Outcome::Declined
        } else if self.parties.iter().all(|party| party.consent.is_yes()) {
            Outcome::Agreed
        } else {
            Outcome::NotAsked
        }
    }
}
