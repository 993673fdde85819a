//! Rules broken on purpose, one at a time, in the machine that ships. The checker has to find each of them.
//!
//! None of these can ever make a permit: a gate is built on `Machine<House>` only.

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use vorzimmer_consent::{Rules, Who};
use vorzimmer_types::consent::{Answer, Policy, Role};

use crate::hall::Hall;

/// A type whose rules are those of the house but for one.
macro_rules! seeded {
    ($(#[$doc:meta])* $name:ident: fn $rule:ident($($arg:ident: $type:ty),*) -> bool $body:block) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        struct $name;

        impl Rules for $name {
            fn $rule($($arg: $type),*) -> bool $body
        }
    };
}

seeded! { /// Who presses 1 while the prompt still plays has "agreed".
EarlyYes: fn yes_before_the_end() -> bool { true } }
seeded! { /// Who says nothing has "agreed".
SilenceAgrees: fn agrees(answer: Answer) -> bool { matches!(answer, Answer::Yes | Answer::Silence) } }
seeded! { /// A prompt that broke off counts as heard and agreed to.
CutAgrees: fn agrees(answer: Answer) -> bool { matches!(answer, Answer::Yes | Answer::CutShort) } }
seeded! { /// A 1 pressed after a no, with nobody asking, turns it around.
SecondThoughts: fn yes_after_no() -> bool { true } }
seeded! { /// The receptionist's voice is recorded without her yes.
StaffExempt: fn must_agree(role: Role) -> bool { role != Role::Receptionist } }
seeded! { /// Joins and leaves go unnoticed by the running recording.
OneEpoch: fn change_ends_epoch() -> bool { false } }
seeded! { /// What was agreed among staff is taken to hold in front of strangers.
StrangersWelcome: fn voids_earlier_yes(_newcomer: Who) -> bool { false } }
seeded! { /// The recording goes on while somebody talks apart.
AbsentMinded: fn aside_interrupts() -> bool { false } }
seeded! { /// *9 leaves a receipt and nothing else.
DeafToWithdrawal: fn withdrawal_counts() -> bool { false } }
seeded! { /// The policy off is not looked at.
OffIsOn: fn may_record(_policy: Policy) -> bool { true } }

/// Whether the checker sees a machine with this bug break this promise.
fn breaks<R: Rules + Send + Sync + 'static>(policy: Policy, promise: &'static str) -> bool {
    let hall = Hall::<R>::new(policy);
    let is_promise = |it: &Property<_>| it.name == promise && matches!(it.expectation, Expectation::Always);
    assert!(hall.properties().iter().any(is_promise), "{promise:?} is not promised");
    let enough = HasDiscoveries::AllOf([promise].into());
    hall.checker().threads(2).finish_when(enough).spawn_bfs().join().discovery(promise).is_some()
}

const AGREED: &str = "whoever is recorded has agreed, in this company";
const WITHDRAWAL: &str = "nothing is recorded after a withdrawal until a new yes";
const SPANS: &str = "a permit never spans a join or a leave";
const ASIDE: &str = "nothing is recorded while somebody stands aside";
const OFF: &str = "policy off never records and never asks";
const NO_STAYS: &str = "a no becomes a yes only by a new question";

#[test]
fn a_yes_before_the_question_was_heard_is_found() {
    assert!(breaks::<EarlyYes>(Policy::AskBeforeConnect, AGREED));
}

#[test]
fn silence_taken_for_a_yes_is_found() {
    assert!(breaks::<SilenceAgrees>(Policy::AskBeforeConnect, AGREED));
}

#[test]
fn a_broken_off_prompt_taken_for_a_yes_is_found() {
    assert!(breaks::<CutAgrees>(Policy::AskInCall, AGREED));
}

#[test]
fn a_no_turned_around_without_a_question_is_found() {
    assert!(breaks::<SecondThoughts>(Policy::AskInCall, NO_STAYS));
}

#[test]
fn a_receptionist_who_was_not_asked_is_found() {
    assert!(breaks::<StaffExempt>(Policy::AskBeforeConnect, AGREED));
}

#[test]
fn a_permit_that_outlives_its_company_is_found() {
    assert!(breaks::<OneEpoch>(Policy::AskBeforeConnect, SPANS));
}

#[test]
fn a_yes_stretched_to_strangers_is_found() {
    assert!(breaks::<StrangersWelcome>(Policy::Attested, AGREED));
}

#[test]
fn a_recording_while_somebody_is_apart_is_found() {
    assert!(breaks::<AbsentMinded>(Policy::AskBeforeConnect, ASIDE));
}

#[test]
fn a_withdrawal_that_stops_nothing_is_found() {
    assert!(breaks::<DeafToWithdrawal>(Policy::AskInCall, WITHDRAWAL));
}

#[test]
fn a_recording_under_policy_off_is_found() {
    assert!(breaks::<OffIsOn>(Policy::Off, OFF));
}
