//! The rules of consent, each in one place.
//!
//! [`Machine`](crate::Machine) asks this page at every point where a decision could go wrong. [`House`] is what ships
//! and changes nothing. The model in `tests/model` replaces one rule at a time to prove that the checker would
//! notice. No such replacement can ever record anything: [`Gate`](crate::Gate), the only maker of permits, is built
//! on `Machine<House>` and on nothing else.

use std::fmt::Debug;
use std::hash::Hash;

use vorzimmer_types::consent::{Answer, Policy, Role};

use crate::who::Who;

/// Where the machine decides. The provided bodies are the rules.
pub trait Rules: Clone + Debug + Eq + Hash {
    /// Whether anything may be recorded under a policy: never under `off`, whatever anyone says.
    #[must_use]
    fn may_record(policy: Policy) -> bool {
        policy != Policy::Off
    }

    /// Whether an answer lets the recording run: a yes does; silence, a prompt cut short and hanging up do not.
    #[must_use]
    fn agrees(answer: Answer) -> bool {
        answer == Answer::Yes
    }

    /// Whether a yes counts that was given before the question was heard to its end. It does not: who has not heard
    /// what is asked has not agreed to it (informed consent, GDPR Art. 4(11)). A no needs no reasons and counts at once.
    #[must_use]
    fn yes_before_the_end() -> bool {
        false
    }

    /// Whether a `1` after a no makes it a yes. It does not: only a new question can.
    #[must_use]
    fn yes_after_no() -> bool {
        false
    }

    /// Whether somebody's voice needs a yes. Everybody's does, the receptionist's too.
    #[must_use]
    fn must_agree(_role: Role) -> bool {
        true
    }

    /// Whether a change of who is on the call ends the epoch, and with it whatever was permitted in it.
    #[must_use]
    fn change_ends_epoch() -> bool {
        true
    }

    /// Whether nothing is recorded while somebody has left the talk for a while: those who are left talk to nobody, and
    /// the one who is apart may be talking to somebody who was never asked.
    #[must_use]
    fn aside_interrupts() -> bool {
        true
    }

    /// Whether a newcomer makes void what the others agreed to. The question names our staff, and nobody else.
    #[must_use]
    fn voids_earlier_yes(newcomer: Who) -> bool {
        newcomer.role() == Role::Contact
    }

    /// Whether taking a yes back undoes it. It does, at once and without reasons (GDPR Art. 7(3)).
    #[must_use]
    fn withdrawal_counts() -> bool {
        true
    }
}

/// The rules that ship.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct House;

impl Rules for House {}
