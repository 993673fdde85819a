//! An independent book of who heard what and said what, kept from inputs and outputs alone.

use vorzimmer_consent::{Effect, Kept, Key, MAX_PARTIES, Step, Who};
use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Policy};

use crate::hall::{party, slot};

/// How far the question has got with one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Question {
    #[default]
    None,
    Playing,
    Heard,
}

/// One party in the book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Entry {
    who: Option<Who>,
    held: bool,
    aside: bool,
    question: Question,
    agreed: bool,
    refused: bool,
    receipt: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Judge {
    policy: Policy,
    book: [Entry; MAX_PARTIES],
    /// A permit is out; whether it is older than the latest change of company.
    permit: Option<Age>,
    paused: bool,
    /// The caller, alone, is leaving a message.
    message: bool,
    spanned: bool,
    /// A voice that nobody can count is, or was, on the call.
    crowded: bool,
    recorded: bool,
    destroyed: bool,
    recorded_again_unasked: bool,
    came_back_unasked: bool,
    waiting: bool,
    ended: Option<Kept>,
    surprised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Age {
    Current,
    Old,
}

impl Judge {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            book: Default::default(),
            permit: None,
            paused: false,
            message: false,
            spanned: false,
            crowded: false,
            recorded: false,
            destroyed: false,
            recorded_again_unasked: false,
            came_back_unasked: false,
            waiting: false,
            ended: None,
            surprised: false,
        }
    }

    /// What was refused must leave no trace.
    pub fn expect_nothing_happened(&mut self, nothing: bool) {
        self.surprised |= !nothing;
    }

    pub fn witness(&mut self, step: Step, too_many: bool, effects: &[Effect]) {
        if too_many {
            self.crowded = true;
        } else {
            self.hear(step);
        }
        // A colleague took over, and that was enough.
        let took_over = matches!(step, Step::Transfer { .. }) && self.permit.is_some();
        for effect in effects {
            self.see(effect);
        }
        self.recorded_again_unasked = took_over && self.permit == Some(Age::Current);
        self.came_back_unasked = matches!(step, Step::StepBack { .. }) && self.permit == Some(Age::Current);
        self.spanned |= self.permit == Some(Age::Old);
    }

    fn hear(&mut self, step: Step) {
        match step {
            Step::Join { party, who } => self.enters(party, who),
            Step::Leave { party } => self.leaves(party),
            Step::Transfer { from, to, who } => {
                self.leaves(from);
                self.enters(to, who);
            }
            Step::PromptEnded { party } => {
                let entry = self.of(party);
                if entry.question == Question::Playing {
                    entry.question = Question::Heard;
                }
            }
            Step::PromptCut { party } => self.refuses_if(party, &[Question::Playing]),
            Step::Silent { party } => self.refuses_if(party, &[Question::Heard]),
            Step::Pressed { party, key } => self.presses(party, key),
            Step::Hold { party } => {
                self.of(party).held = true;
                (0..MAX_PARTIES).for_each(|at| self.refuses_if(self::party(at), &[Question::Playing]));
            }
            Step::Withdraw { party } => self.presses(party, Key::Withdraw),
            Step::Resume { party } => self.of(party).held = false,
            Step::StepAside { party } => self.steps_aside(party),
            Step::StepBack { party } => self.steps_back(party),
            Step::Voicemail { on } => self.message = on,
            Step::End => {}
        }
    }

    fn see(&mut self, effect: &Effect) {
        match effect {
            Effect::Ask { party, .. } => {
                let entry = self.of(*party);
                let in_vain = entry.agreed || entry.who.is_none();
                (entry.question, entry.refused) = (Question::Playing, false);
                self.surprised |= in_vain || self.policy == Policy::Off;
            }
            Effect::Receipt(draft) => self.of(draft.party).receipt = draft.answer == Answer::Yes,
            Effect::Record { parties, .. } => self.records(parties),
            Effect::Pause => self.paused = true,
            Effect::Resume => self.paused = false,
            Effect::Stop { destroy, .. } => {
                (self.permit, self.paused) = (None, false);
                self.destroyed |= destroy;
            }
            Effect::Blocked { .. } => self.book.iter_mut().for_each(|entry| entry.question = Question::None),
            Effect::Settled { .. } => self.waiting = false,
            Effect::Ended { kept } => {
                self.surprised |= self.ended.replace(*kept).is_some();
                self.waiting = false;
            }
            Effect::Overhear { party } => self.surprised |= self.of(*party).who.is_none(),
            Effect::StopPrompt { .. } | Effect::NextEpoch => {}
        }
    }

    fn enters(&mut self, party: PartyId, who: Who) {
        self.company_changes();
        if who == Who::Contact {
            for entry in &mut self.book {
                let standing = matches!(entry.who, Some(Who::Receptionist { standing: true, .. }));
                entry.agreed &= standing;
                entry.receipt &= standing;
                entry.question = Question::None;
            }
        }
        self.book.iter_mut().for_each(|entry| entry.aside = false);
        let standing = matches!(who, Who::Receptionist { standing: true, .. });
        *self.of(party) = Entry { who: Some(who), agreed: standing, ..Entry::default() };
        self.waiting = true;
    }

    fn steps_aside(&mut self, party: PartyId) {
        if !self.of(party).aside {
            self.company_changes();
            self.book.iter_mut().for_each(|entry| entry.question = Question::None);
            self.of(party).aside = true;
        }
    }

    fn steps_back(&mut self, party: PartyId) {
        if self.of(party).aside {
            self.company_changes();
            self.of(party).aside = false;
            self.waiting = true;
        }
    }

    fn leaves(&mut self, party: PartyId) {
        self.company_changes();
        if self.of(party).who == Some(Who::Caller) {
            self.book.iter_mut().for_each(|entry| entry.question = Question::None);
        }
        *self.of(party) = Entry::default();
    }

    fn company_changes(&mut self) {
        self.permit = self.permit.map(|_| Age::Old);
        self.message = false;
    }

    fn presses(&mut self, party: PartyId, key: Key) {
        let caller_is_here = self.book.iter().any(|entry| entry.who == Some(Who::Caller));
        let is_receptionist = matches!(self.of(party).who, Some(Who::Receptionist { .. }));
        match key {
            Key::Withdraw if self.policy != Policy::Off => {
                let entry = self.of(party);
                (entry.refused, entry.agreed) = (true, false);
            }
            Key::No => self.refuses_if(party, &[Question::Playing, Question::Heard]),
            Key::Yes if self.of(party).question == Question::Heard => self.agrees(party),
            Key::Attest
                if self.policy == Policy::Attested
                    && is_receptionist
                    && caller_is_here
                    && self.is_quiet() =>
            {
                self.agrees(self::party(0));
            }
            Key::Yes | Key::Withdraw => {}
            // A question is running already, or need not be asked.
            Key::Ask if self.policy == Policy::AskInCall && is_receptionist => {}
            Key::Attest if self.policy == Policy::Attested && is_receptionist => {}
            // A key that means nothing leads to the question again, or to a no.
            Key::Ask | Key::Attest | Key::Other(_) => self.refuses_if(party, &[Question::Heard]),
        }
    }

    /// Nothing is recorded, nobody is being asked, nobody is on hold or aside: the receptionist can ask.
    fn is_quiet(&self) -> bool {
        let busy = |entry: &Entry| entry.held || entry.aside || entry.question != Question::None;
        self.permit.is_none() && !self.book.iter().any(busy)
    }

    fn agrees(&mut self, party: PartyId) {
        let entry = self.of(party);
        (entry.agreed, entry.refused) = (true, false);
        entry.question = Question::None;
    }

    fn refuses_if(&mut self, party: PartyId, when: &[Question]) {
        let entry = self.of(party);
        if when.contains(&entry.question) {
            (entry.agreed, entry.refused, entry.question) = (false, true, Question::None);
        }
    }

    fn records(&mut self, parties: &[PartyId]) {
        let present = (0..MAX_PARTIES).filter(|at| self.book[*at].who.is_some());
        let mut listed: Vec<_> = parties.iter().map(|party| slot(*party)).collect();
        self.surprised |= self.permit.is_some() || listed.first() != Some(&0);
        listed.sort_unstable();
        self.surprised |= !present.eq(listed);
        (self.permit, self.paused) = (Some(Age::Current), false);
        (self.recorded, self.destroyed) = (true, false);
    }

    fn of(&mut self, party: PartyId) -> &mut Entry {
        &mut self.book[slot(party)]
    }

    fn here(&self) -> impl Iterator<Item = &Entry> {
        self.book.iter().filter(|entry| entry.who.is_some())
    }

    pub fn permit_is_out(&self) -> bool {
        self.permit.is_some()
    }

    pub fn everyone_agreed(&self) -> bool {
        self.here().all(|entry| entry.agreed)
    }

    pub fn everyone_has_a_receipt(&self) -> bool {
        self.here().all(|entry| entry.receipt)
    }

    /// Somebody's last word was no, or somebody has not yet answered.
    pub fn someone_has_not_agreed_since(&self) -> bool {
        self.here().any(|entry| entry.refused || entry.question != Question::None)
    }

    /// A caller who is alone is recorded only while leaving a message.
    pub fn records_a_wait(&self) -> bool {
        self.permit.is_some() && self.present() < 2 && !self.message
    }

    pub fn records_a_crowd(&self) -> bool {
        self.permit.is_some() && self.crowded
    }

    pub fn permit_spanned_a_change(&self) -> bool {
        self.spanned
    }

    pub fn refused_since_last_asked(&self, slot: usize) -> bool {
        self.book[slot].refused
    }

    pub fn outcome_is_due(&self) -> bool {
        self.ended.is_some()
    }

    /// What the call ends with is what happened, and nothing is recorded beyond the end.
    pub fn outcome_is_true(&self) -> bool {
        match self.ended {
            None => true,
            Some(_) if self.permit.is_some() => false,
            Some(Kept::Something) => self.recorded && !self.destroyed,
            Some(Kept::Destroyed) => self.recorded && self.destroyed,
            Some(Kept::Nothing) => !self.recorded,
        }
    }

    /// A join was not answered by `Settled`, though nobody is being asked.
    pub fn waits_in_vain(&self) -> bool {
        self.waiting && !self.here().any(|entry| entry.question != Question::None)
    }

    pub fn takes_frames_on_hold(&self) -> bool {
        self.permit.is_some() && !self.paused && self.here().any(|entry| entry.held)
    }

    pub fn is_surprised(&self) -> bool {
        self.surprised
    }

    pub fn present(&self) -> usize {
        self.here().count()
    }

    pub fn has_contact(&self) -> bool {
        self.here().any(|entry| entry.who == Some(Who::Contact))
    }

    pub fn recorded_again_unasked(&self) -> bool {
        self.recorded_again_unasked
    }

    pub fn came_back_unasked(&self) -> bool {
        self.came_back_unasked
    }

    pub fn somebody_is_aside(&self) -> bool {
        self.here().any(|entry| entry.aside)
    }

    pub fn is_destroyed(&self) -> bool {
        self.destroyed
    }

    pub fn is_recorded(&self) -> bool {
        self.recorded && !self.destroyed
    }
}
