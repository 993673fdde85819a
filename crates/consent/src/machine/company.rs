//! Who is on the call: joins, leaves, transfers, stepping aside, hold, voicemail, the end.

use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Policy};

use super::{Consent, Effect, Machine, Party, StopReason, Who, Why};
use crate::MAX_PARTIES;
use crate::error::ConsentError;
use crate::rules::Rules;

impl<R: Rules> Machine<R> {
    pub(super) fn join(&mut self, party: PartyId, who: Who) -> Result<(), ConsentError> {
        self.fits(party, who)?;
        if self.parties.len() >= MAX_PARTIES {
            self.bar();
            return Err(ConsentError::TooMany { limit: MAX_PARTIES });
        }
        self.enter(party, who);
        Ok(())
    }

    pub(super) fn leave(&mut self, party: PartyId) -> Result<(), ConsentError> {
        self.here(party)?;
        self.depart(party);
        Ok(())
    }

    pub(super) fn transfer(&mut self, from: PartyId, to: PartyId, who: Who) -> Result<(), ConsentError> {
        let leaving = self.here(from)?.who;
        if leaving != Who::Caller || who != Who::Caller {
            self.fits(to, who)?;
        } else if self.party(to).is_some() {
            return Err(ConsentError::AlreadyHere { party: to });
        }
        self.depart(from);
        self.enter(to, who);
        Ok(())
    }

    /// A hold cuts short whatever question is being played: those on hold hear music instead.
    pub(super) fn hold(&mut self, party: PartyId) -> Result<(), ConsentError> {
        self.here_mut(party)?.held = true;
        self.cut(|consent| matches!(consent, Consent::Hearing { .. }));
        Ok(())
    }

    pub(super) fn resume(&mut self, party: PartyId) -> Result<(), ConsentError> {
        self.here_mut(party)?.held = false;
        Ok(())
    }

    /// Somebody leaves the talk for a while, to bring somebody or to talk apart: whoever is left talks to nobody. A
    /// question that is being asked is taken back: they were not given the time.
    pub(super) fn step_aside(&mut self, party: PartyId) -> Result<(), ConsentError> {
        if self.here(party)?.aside {
            return Ok(());
        }
        self.company_changes();
        self.abandon_question();
        self.here_mut(party)?.aside = true;
        Ok(())
    }

    /// And comes back, alone: the same people as before, and what they agreed to is good for them.
    pub(super) fn step_back(&mut self, party: PartyId) -> Result<(), ConsentError> {
        if !self.here(party)?.aside {
            return Ok(());
        }
        self.company_changes();
        self.here_mut(party)?.aside = false;
        self.unsettled = true;
        if self.policy == Policy::AskBeforeConnect && !self.somebody_is_aside() {
            self.open_question();
        }
        Ok(())
    }

    /// The caller alone is one whole company: a message is recorded on the caller's yes only.
    pub(super) fn leave_a_message(&mut self, on: bool) -> Result<(), ConsentError> {
        if !on {
            self.voicemail = false;
            self.stop(StopReason::MessageEnded, false);
            return Ok(());
        }
        let alone = self.parties.len() == 1 && self.parties.iter().all(|party| party.who == Who::Caller);
        if !alone {
            return Err(ConsentError::NotAlone { present: self.parties.len() });
        }
        self.voicemail = true;
        self.unsettled = true;
        if self.policy != Policy::Attested {
            self.open_question();
        } else if self.parties.iter().any(|party| party.consent == Consent::Unasked) {
            self.block(Why::NobodyToAttest);
        }
        Ok(())
    }

    /// Whoever is being asked has hung up; what was running stops; the call says what became of it.
    pub(super) fn end(&mut self) -> Result<(), ConsentError> {
        let asked: Vec<_> = self.pending().collect();
        for party in asked {
            self.note(party, Answer::HungUp);
            self.set(party, Consent::No);
        }
        self.stop(StopReason::CallEnded, false);
        self.over = true;
        self.effects.push_back(Effect::Ended { kept: self.kept });
        Ok(())
    }

    fn enter(&mut self, id: PartyId, who: Who) {
        self.company_changes();
        if R::voids_earlier_yes(who) {
            self.cut(Consent::is_pending);
            for party in self.parties.iter_mut().filter(|party| party.consent == Consent::Yes) {
                party.consent =
                    if party.who.has_standing_consent() { Consent::Yes } else { Consent::Unasked };
            }
        }
        // Whoever stood aside has fetched the newcomer, and is back with them.
        for party in &mut self.parties {
            party.aside = false;
        }
        let asking = self.is_asking();
        let consent = if who.has_standing_consent() { Consent::Standing } else { Consent::Unasked };
        let place = if who == Who::Caller { 0 } else { self.parties.len() };
        self.parties.insert(place, Party { id, who, consent, held: false, aside: false });
        self.unsettled = true;
        if asking || self.policy == Policy::AskBeforeConnect {
            self.open_question();
        }
    }

    fn depart(&mut self, id: PartyId) {
        if self.pending().any(|pending| pending == id) {
            self.note(id, Answer::HungUp);
        }
        let was_caller = self.party(id).is_some_and(|party| party.who == Who::Caller);
        self.company_changes();
        self.parties.retain(|party| party.id != id);
        if was_caller {
            // Without the caller there is nothing to record, so nobody needs to answer.
            self.abandon_question();
        }
    }

    /// The next company of people: what was permitted to the last one ends here.
    fn company_changes(&mut self) {
        self.voicemail = false;
        if R::change_ends_epoch() {
            self.stop(StopReason::CompanyChanged, false);
            self.effects.push_back(Effect::NextEpoch);
        }
    }

    fn bar(&mut self) {
        self.crowded = true;
        self.stop(StopReason::TooMany, false);
        self.abandon_question();
        self.block(Why::TooMany);
    }

    fn fits(&self, party: PartyId, who: Who) -> Result<(), ConsentError> {
        if self.party(party).is_some() {
            return Err(ConsentError::AlreadyHere { party });
        }
        if who == Who::Caller && self.parties.iter().any(|other| other.who == Who::Caller) {
            return Err(ConsentError::SecondCaller { party });
        }
        Ok(())
    }

    pub(super) fn here(&self, party: PartyId) -> Result<&Party, ConsentError> {
        self.party(party).ok_or(ConsentError::NotHere { party })
    }

    pub(super) fn here_mut(&mut self, id: PartyId) -> Result<&mut Party, ConsentError> {
        self.parties.iter_mut().find(|party| party.id == id).ok_or(ConsentError::NotHere { party: id })
    }
}
