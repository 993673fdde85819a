//! One seat per party: its words, its half-typed keys, its receipt, and until when it is waited for.

use std::time::Instant;

use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{PromptVersion, Receipt};

use crate::keys::Keys;
use crate::machine::{Consent, Machine, Step};
use crate::rules::Rules;
use crate::{ANSWER_WITHIN, PROMPT_WITHIN};

/// What the gate remembers of one party.
#[derive(Debug)]
pub(super) struct Seat {
    party: PartyId,
    pub(super) question: PromptVersion,
    pub(super) keys: Keys,
    /// The receipt of the yes that this party's recording rests on.
    pub(super) yes: Option<Receipt>,
    waiting: Option<Waiting>,
}

/// What is being waited for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    consent: Consent,
    until: Instant,
}

impl Seat {
    pub(super) fn yes(&self) -> Option<&Receipt> {
        self.yes.as_ref()
    }

    fn next_wake(&self) -> Option<Instant> {
        let waiting = self.waiting.map(|waiting| waiting.until);
        waiting.into_iter().chain(self.keys.next_wake()).min()
    }
}

/// The seats of all who are on the call; as many as the machine has parties.
#[derive(Debug, Default)]
pub(super) struct Seats(Vec<Seat>);

impl Seats {
    /// A seat for somebody new. Somebody who is here already keeps theirs.
    pub(super) fn take(&mut self, party: PartyId, question: PromptVersion) {
        if self.at(party).is_none() {
            self.0.reserve_exact(1);
            self.0.push(Seat { party, question, keys: Keys::default(), yes: None, waiting: None });
        }
    }

    pub(super) fn at(&self, party: PartyId) -> Option<&Seat> {
        self.0.iter().find(|seat| seat.party == party)
    }

    pub(super) fn at_mut(&mut self, party: PartyId) -> Option<&mut Seat> {
        self.0.iter_mut().find(|seat| seat.party == party)
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.0.iter().filter_map(Seat::next_wake).min()
    }

    /// What has become overdue by `now`, the earliest first.
    pub(super) fn due(&mut self, now: Instant) -> Option<Step> {
        let seat = self
            .0
            .iter_mut()
            .filter(|seat| seat.next_wake().is_some_and(|at| at <= now))
            .min_by_key(|seat| seat.next_wake())?;
        let party = seat.party;
        let key_is_first = seat.keys.next_wake() == seat.next_wake();
        if key_is_first {
            return seat.keys.expire(now).map(|key| Step::Pressed { party, key });
        }
        let waiting = seat.waiting.take()?;
        Some(match waiting.consent {
            Consent::Hearing { .. } => Step::PromptCut { party },
            _ => Step::Silent { party },
        })
    }

    /// Sets and clears what is waited for, after each step of the machine; who has left leaves the seat.
    pub(super) fn follow<R: Rules>(&mut self, machine: &Machine<R>, now: Instant) {
        self.0.retain(|seat| !machine.is_over() && machine.party(seat.party).is_some());
        for seat in &mut self.0 {
            let consent = machine.party(seat.party).map_or(Consent::No, |party| party.consent());
            if seat.waiting.map(|waiting| waiting.consent) == Some(consent) {
                continue;
            }
            let patience = match consent {
                Consent::Hearing { .. } => Some(PROMPT_WITHIN),
                Consent::Deciding { .. } => Some(ANSWER_WITHIN),
                _ => None,
            };
            seat.waiting = patience.map(|patience| Waiting { consent, until: now + patience });
        }
    }
}
