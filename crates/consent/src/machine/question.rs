//! The question: who is asked, what counts as which answer, and taking a yes back.

use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Method, Policy};
use vorzimmer_types::directory::OnWithdrawal;

use super::{Consent, Effect, Kept, Machine, Party, StopReason, Tape, Who, Why};
use crate::MAX_REPEATS;
use crate::error::ConsentError;
use crate::keys::Key;
use crate::receipt::ReceiptDraft;
use crate::rules::Rules;

impl<R: Rules> Machine<R> {
    /// Asks everybody on the call who has not agreed. Nobody, if somebody said no: it would be in vain.
    pub(super) fn open_question(&mut self) {
        let in_vain = self.parties.iter().any(|party| party.consent == Consent::No)
            || !self.parties.iter().any(|party| party.who == Who::Caller);
        if in_vain || self.crowded || !R::may_record(self.policy) {
            return;
        }
        let mut asked = false;
        for party in self.parties.iter_mut().filter(|party| party.consent == Consent::Unasked) {
            party.consent = Consent::Hearing { repeats: 0 };
            self.effects.push_back(Effect::Ask { party: party.id, repeat: 0 });
            asked = true;
        }
        if asked {
            self.unsettled = true;
            self.let_bystanders_hear();
        }
    }

    /// In the call everybody hears the question, also who need not answer it.
    fn let_bystanders_hear(&mut self) {
        if self.policy == Policy::AskInCall {
            let bystanders = self.parties.iter().filter(|party| !party.consent.is_pending());
            self.effects.extend(bystanders.map(|party| Effect::Overhear { party: party.id }));
        }
    }

    /// Takes the question back from whoever has not answered. They were not given the time, so this is no answer.
    pub(super) fn abandon_question(&mut self) {
        let all_hear = self.policy == Policy::AskInCall && self.is_asking();
        for party in &mut self.parties {
            if all_hear || matches!(party.consent, Consent::Hearing { .. }) {
                self.effects.push_back(Effect::StopPrompt { party: party.id });
            }
            if party.consent.is_pending() {
                party.consent = Consent::Unasked;
            }
        }
    }

    pub(super) fn prompt_ended(&mut self, party: PartyId) -> Result<(), ConsentError> {
        let party = self.here_mut(party)?;
        if let Consent::Hearing { repeats } = party.consent {
            party.consent = Consent::Deciding { repeats };
        }
        Ok(())
    }

    pub(super) fn prompt_cut(&mut self, party: PartyId) -> Result<(), ConsentError> {
        if matches!(self.here(party)?.consent, Consent::Hearing { .. }) {
            self.answer(party, Answer::CutShort, Method::None);
        }
        Ok(())
    }

    pub(super) fn silent(&mut self, party: PartyId) -> Result<(), ConsentError> {
        if matches!(self.here(party)?.consent, Consent::Deciding { .. }) {
            self.answer(party, Answer::Silence, Method::None);
        }
        Ok(())
    }

    pub(super) fn pressed(&mut self, id: PartyId, key: Key) -> Result<(), ConsentError> {
        let Party { who, consent, .. } = *self.here(id)?;
        let by_key = Method::Key { digit: key.digit() };
        match (key, who, consent) {
            (Key::Withdraw, ..) => self.withdraw(id, by_key),
            (Key::Ask, Who::Receptionist { .. }, _) if self.policy == Policy::AskInCall => self.ask_again(),
            (Key::Attest, Who::Receptionist { id: name, .. }, _) if self.policy == Policy::Attested => {
                self.attest(name);
            }
            (Key::No, _, Consent::Hearing { .. } | Consent::Deciding { .. }) => {
                self.answer(id, Answer::No, by_key)
            }
            (Key::Yes, _, Consent::Deciding { .. }) => self.answer(id, Answer::Yes, by_key),
            (Key::Yes, _, Consent::Hearing { .. }) if R::yes_before_the_end() => {
                self.answer(id, Answer::Yes, by_key);
            }
            (Key::Yes, _, Consent::No) if R::yes_after_no() => self.answer(id, Answer::Yes, by_key),
            (_, _, Consent::Deciding { repeats }) if repeats < MAX_REPEATS => self.repeat(id, repeats + 1),
            (_, _, Consent::Deciding { .. }) => self.answer(id, Answer::No, by_key),
            // A key while the question is still being played, or while nobody asks, says nothing.
            _ => {}
        }
        Ok(())
    }

    /// The receptionist starts the question, for everyone who has not agreed: a new question, so an earlier no may
    /// be answered anew.
    fn ask_again(&mut self) {
        if self.may_ask() {
            self.forget_refusals();
            self.open_question();
        }
    }

    /// The receptionist confirms that the caller said yes to her. For everyone else, herself included, she cannot:
    /// who has not agreed is asked by prompt.
    fn attest(&mut self, receptionist: vorzimmer_types::ReceptionistId) {
        let Some(caller) = self.parties.iter().find(|party| party.who == Who::Caller) else { return };
        let (id, consent) = (caller.id, caller.consent);
        if !self.may_ask() {
            return;
        }
        self.forget_refusals();
        if consent != Consent::Yes {
            self.answer(id, Answer::Yes, Method::Attested { receptionist });
        }
        self.open_question();
    }

    /// A question makes sense while nothing is recorded, nobody is being asked, and everybody is there
    /// and not on hold.
    fn may_ask(&self) -> bool {
        self.tape == Tape::Off
            && !self.is_asking()
            && !self.parties.iter().any(|party| party.held || party.aside)
    }

    fn forget_refusals(&mut self) {
        for party in self.parties.iter_mut().filter(|party| party.consent == Consent::No) {
            party.consent = Consent::Unasked;
        }
    }

    fn repeat(&mut self, id: PartyId, repeat: u8) {
        if let Ok(party) = self.here_mut(id) {
            party.consent = Consent::Hearing { repeats: repeat };
            self.effects.push_back(Effect::Ask { party: id, repeat });
            self.let_bystanders_hear();
        }
    }

    /// One party's answer. Anything but a yes ends the question for everybody.
    fn answer(&mut self, id: PartyId, answer: Answer, method: Method) {
        self.write(id, answer, method);
        let agrees = R::agrees(answer);
        self.set(id, if agrees { Consent::Yes } else { Consent::No });
        if !agrees {
            self.abandon_question();
            self.block(Why::Answered { party: id, answer });
        }
    }

    /// Whoever is being asked, and is in a state that `which` picks, did not hear the question to its end.
    pub(super) fn cut(&mut self, which: impl Fn(Consent) -> bool) {
        let cut: Vec<_> =
            self.parties.iter().filter(|party| which(party.consent)).map(|party| party.id).collect();
        for id in &cut {
            self.note(*id, Answer::CutShort);
            self.set(*id, Consent::No);
        }
        if let Some(party) = cut.first() {
            self.abandon_question();
            self.block(Why::Answered { party: *party, answer: Answer::CutShort });
        }
    }

    pub(super) fn withdraw_by_signal(&mut self, party: PartyId) -> Result<(), ConsentError> {
        self.here(party)?;
        self.withdraw(party, Method::Signalled);
        Ok(())
    }

    /// Takes consent back, or says beforehand that there is none. Good from any party at any time.
    fn withdraw(&mut self, id: PartyId, method: Method) {
        let refused = self.party(id).is_none_or(|party| party.consent == Consent::No);
        if refused || !R::may_record(self.policy) {
            return;
        }
        self.write(id, Answer::Withdrawn, method);
        if R::withdrawal_counts() {
            self.set(id, Consent::No);
            self.stop_for_withdrawal(id);
        }
        self.abandon_question();
        self.block(Why::Answered { party: id, answer: Answer::Withdrawn });
    }

    /// By default what was recorded goes too, also from before an earlier change of company.
    fn stop_for_withdrawal(&mut self, party: PartyId) {
        let destroy = self.on_withdrawal == OnWithdrawal::Destroy && self.kept == Kept::Something;
        if self.tape != Tape::Off || destroy {
            self.turn(Tape::Off, Effect::Stop { reason: StopReason::Withdrawn { party }, destroy });
        }
        if destroy {
            self.kept = Kept::Destroyed;
        }
    }

    /// Writes a receipt for an answer that was not given by key.
    pub(super) fn note(&mut self, id: PartyId, answer: Answer) {
        self.write(id, answer, Method::None);
    }

    fn write(&mut self, id: PartyId, answer: Answer, method: Method) {
        if let Some(party) = self.party(id) {
            let (role, prompted) = (party.role(), party.consent.is_pending());
            // The prompt may still be playing to who answers early.
            if matches!(party.consent, Consent::Hearing { .. }) {
                self.effects.push_back(Effect::StopPrompt { party: id });
            }
            let draft = ReceiptDraft { party: id, role, answer, method, prompted };
            self.effects.push_back(Effect::Receipt(draft));
        }
    }

    pub(super) fn set(&mut self, id: PartyId, consent: Consent) {
        if let Ok(party) = self.here_mut(id) {
            party.consent = consent;
        }
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = PartyId> {
        self.parties.iter().filter(|party| party.consent.is_pending()).map(|party| party.id)
    }
}
