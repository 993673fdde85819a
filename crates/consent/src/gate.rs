//! The gate of one call: the machine with a clock, keys, receipts and permits around it.
//!
//! It is not `Clone`, and it holds `Machine<House>` and no other: whoever has a [`Permit`] got it from the rules
//! that ship. It draws no randomness and reads no clock; receipts are signed by whoever holds the key.

mod timers;
mod vocabulary;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use vorzimmer_types::consent::{Answer, Epoch, Policy, PromptVersion, Receipt};
use vorzimmer_types::{Now, PartyId};

pub use vocabulary::{Input, Newcomer, Output, Terms, Verdict};

use crate::error::ConsentError;
use crate::machine::{Effect, Kept, Machine, Step, StopReason, Tape, Why};
use crate::permit::{Life, Permit};
use crate::receipt::{self, ReceiptDraft};
use crate::rules::House;
use timers::{Seat, Seats};

/// One call's consent, and the sole maker of its [`Permit`]s.
#[derive(Debug)]
pub struct Gate {
    terms: Terms,
    machine: Machine<House>,
    seats: Seats,
    epoch: Epoch,
    receipts: u32,
    /// The latest reason why nothing is recorded.
    why: Option<Why>,
    life: Option<Arc<Life>>,
    outputs: VecDeque<Output>,
}

impl Gate {
    /// The gate of a call on which nobody is yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let machine = Machine::new(terms.policy, terms.on_withdrawal);
        Self {
            terms,
            machine,
            seats: Seats::default(),
            epoch: Epoch(0),
            receipts: 0,
            why: None,
            life: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`; what was overdue by then happens first. Drain [`Gate::poll`] afterwards.
    ///
    /// When this returns, a permit that lost its ground is dead, whether or not anything was polled.
    ///
    /// # Errors
    /// When the input does not fit who is on the call: see [`Machine::handle`]. A digit of somebody who has just
    /// left is an ordinary race; a refused [`Input::Join`] means that this party must not be connected.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<(), ConsentError> {
        while let Some(step) = self.seats.due(now.mono) {
            self.step(step, now)?;
        }
        match input {
            Input::Join(newcomer) => self.join(newcomer, now),
            Input::Leave { party } => self.step(Step::Leave { party }, now),
            Input::Transfer { from, to } => self.transfer(from, to, now),
            Input::PromptEnded { party } => self.step(Step::PromptEnded { party }, now),
            Input::PromptCut { party } => self.step(Step::PromptCut { party }, now),
            Input::Digit { party, digit } => self.digit(party, digit, now),
            Input::Withdraw { party } => self.step(Step::Withdraw { party }, now),
            Input::Hold { party } => self.step(Step::Hold { party }, now),
            Input::Resume { party } => self.step(Step::Resume { party }, now),
            Input::StepAside { party } => self.step(Step::StepAside { party }, now),
            Input::StepBack { party } => self.step(Step::StepBack { party }, now),
            Input::Voicemail { on } => self.step(Step::Voicemail { on }, now),
            Input::Wake => Ok(()),
            Input::End => self.step(Step::End, now),
        }
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if next.is_none() {
            // A call is long, and consent has little to say.
            self.outputs.shrink_to_fit();
        }
        next
    }

    /// When to come back with [`Input::Wake`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.seats.next_wake()
    }

    /// The machine, to look at.
    #[must_use]
    pub fn machine(&self) -> &Machine<House> {
        &self.machine
    }

    /// Which company of people is on the call.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether something is being recorded.
    #[must_use]
    pub fn tape(&self) -> Tape {
        self.machine.tape()
    }

    fn join(&mut self, newcomer: Newcomer, now: Now) -> Result<(), ConsentError> {
        let Newcomer { party, who, question } = newcomer;
        // Seated first, because joining may ask at once; a refused newcomer loses the seat in the same step.
        self.seats.take(party, question);
        self.step(Step::Join { party, who }, now)
    }

    fn transfer(&mut self, from: PartyId, to: Newcomer, now: Now) -> Result<(), ConsentError> {
        let Newcomer { party, who, question } = to;
        self.seats.take(party, question);
        self.step(Step::Transfer { from, to: party, who }, now)
    }

    fn digit(&mut self, party: PartyId, digit: char, now: Now) -> Result<(), ConsentError> {
        let seat = self.seats.at_mut(party).ok_or(ConsentError::NotHere { party })?;
        match seat.keys.press(digit, now.mono) {
            Some(key) => self.step(Step::Pressed { party, key }, now),
            None => Ok(()),
        }
    }

    /// One step of the machine, with all that follows from it.
    fn step(&mut self, step: Step, now: Now) -> Result<(), ConsentError> {
        let done = self.machine.handle(step);
        // Permits first: no output of this step is in reach before a permit that has lost its ground is dead.
        let mut effects = VecDeque::new();
        while let Some(effect) = self.machine.poll() {
            self.turn_permit(&effect);
            effects.push_back(effect);
        }
        // All of them, also after one that failed: the others stand on their own.
        let mut carried = Ok(());
        for effect in effects {
            carried = carried.and(self.carry_out(effect, now));
        }
        self.seats.follow(&self.machine, now.mono);
        carried.and(done)
    }

    fn turn_permit(&mut self, effect: &Effect) {
        let Some(life) = &self.life else { return };
        match effect {
            Effect::Pause => life.pause(),
            Effect::Resume => life.resume(),
            Effect::Stop { reason: StopReason::Withdrawn { .. } | StopReason::ConsentGone, .. } => {
                life.end();
                self.life = None;
            }
            // The company ends, not the consent: what was said while it lasted was permitted.
            Effect::Stop { .. } | Effect::NextEpoch | Effect::Record { .. } | Effect::Ended { .. } => {
                life.lapse();
                self.life = None;
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, effect: Effect, now: Now) -> Result<(), ConsentError> {
        let output = match effect {
            Effect::Ask { party, repeat } => Output::Ask { party, prompt: self.question(party)?, repeat },
            Effect::Overhear { party } => Output::Overhear { party, prompt: self.question(party)? },
            Effect::StopPrompt { party } => Output::StopPrompt { party },
            Effect::Receipt(draft) => Output::Receipt(self.receipt(draft, now)),
            Effect::NextEpoch => {
                self.epoch = Epoch(self.epoch.0.saturating_add(1));
                return Ok(());
            }
            Effect::Record { parties } => Output::Record(self.permit(parties)?),
            Effect::Pause => Output::Pause,
            Effect::Resume => Output::Resume,
            Effect::Stop { reason, destroy } => Output::Stop { reason, destroy },
            Effect::Settled { outcome } => Output::Settled { outcome },
            Effect::Blocked { why } => {
                self.why = Some(why);
                Output::Blocked { why }
            }
            Effect::Ended { kept } => Output::Ended { verdict: self.verdict(kept) },
        };
        self.outputs.push_back(output);
        Ok(())
    }

    fn question(&self, party: PartyId) -> Result<PromptVersion, ConsentError> {
        Ok(self.seats.at(party).ok_or(ConsentError::NotHere { party })?.question.clone())
    }

    fn receipt(&mut self, draft: ReceiptDraft, now: Now) -> Receipt {
        let ReceiptDraft { party, role, answer, method, prompted } = draft;
        let seat = self.seats.at_mut(party);
        let receipt = Receipt {
            id: receipt::receipt_id(self.terms.call, self.receipts),
            call: self.terms.call,
            customer: self.terms.customer,
            party,
            role,
            prompt: seat.as_ref().filter(|_| prompted).map(|seat| seat.question.clone()),
            answer,
            method,
            at: now.wall,
            purpose: self.terms.purpose.clone(),
            epoch: self.epoch,
        };
        self.receipts = self.receipts.saturating_add(1);
        if answer != Answer::Yes {
            self.why = Some(Why::Answered { party, answer });
        }
        if let Some(seat) = seat {
            seat.yes = (answer == Answer::Yes).then(|| receipt.clone());
        }
        receipt
    }

    fn verdict(&self, kept: Kept) -> Verdict {
        match kept {
            _ if self.terms.policy == Policy::Off => Verdict::NotWanted,
            Kept::Something => Verdict::Recorded,
            Kept::Destroyed => Verdict::Withdrawn,
            Kept::Nothing => Verdict::Blocked { why: self.why.unwrap_or(Why::NobodyAsked) },
        }
    }

    /// The one place where a permit is made: each party must have a receipt to rest it on.
    fn permit(&mut self, parties: Vec<PartyId>) -> Result<Permit, ConsentError> {
        let receipts = parties
            .iter()
            .map(|&party| self.seats.at(party).and_then(Seat::yes).ok_or(ConsentError::NoReceipt { party }))
            .collect::<Result<Vec<_>, _>>()?;
        let hash = receipt::root(receipts)?;
        let life = Life::begin();
        self.life = Some(Arc::clone(&life));
        Ok(Permit::new(self.terms.call, self.epoch, parties, hash, life))
    }
}

impl Drop for Gate {
    /// Nobody watches over consent any more, so nothing may be recorded on it.
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            life.end();
        }
    }
}
