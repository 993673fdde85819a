//! A permit is live only while the machine says so, whatever happens in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use vorzimmer_consent::{Input, Tape, Who, receipt};
use vorzimmer_types::PartyId;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::OnWithdrawal;

use crate::lobby::{ANNA, BEA, CALLER, CONTACT, Lobby, anna, bea, newcomer};

#[test]
fn it_says_what_it_is_for() {
    let lobby = Lobby::recording();
    let permit = lobby.permit();
    assert_eq!(permit.parties(), [CALLER, ANNA]);
    assert!(permit.covers(CALLER) && permit.covers(ANNA) && !permit.covers(BEA));
    assert_eq!((permit.epoch(), permit.call()), (lobby.gate.epoch(), lobby.receipts[0].call));
    assert_eq!(permit.receipts_hash(), receipt::root(&lobby.receipts).unwrap());
}

#[test]
fn it_is_dead_before_anybody_sees_why() {
    let steps: [fn(&mut Lobby) -> Input; 4] = [
        |_| Input::Leave { party: ANNA },
        |_| Input::Join(newcomer(BEA, bea(true))),
        |_| Input::End,
        |lobby| {
            lobby.press(CALLER, "*");
            Input::Digit { party: CALLER, digit: '9' }
        },
    ];
    for step in steps {
        let mut lobby = Lobby::recording();
        let input = step(&mut lobby);
        lobby.gate.handle(input.clone(), lobby.now).unwrap();
        assert!(!lobby.permits[0].is_live() && !lobby.permits[0].covers(CALLER), "{input:?}");
    }
}

#[test]
fn it_does_not_outlive_its_gate() {
    let Lobby { gate, mut permits, .. } = Lobby::recording();
    let permit = permits.remove(0);
    drop(gate);
    assert!(!permit.is_live() && !permit.is_running() && !permit.covers(CALLER));
}

#[test]
fn one_that_was_never_taken_dies_with_the_rest() {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    lobby.join(CALLER, Who::Caller);
    lobby.agrees(CALLER);
    lobby.gate.handle(Input::Join(newcomer(ANNA, anna(true))), lobby.now).unwrap();
    lobby.gate.handle(Input::Leave { party: ANNA }, lobby.now).unwrap();
    lobby.said();
    assert_eq!(lobby.permits.len(), 1);
    assert!(!lobby.permit().is_live());
}

fn any_party() -> impl Strategy<Value = PartyId> {
    prop_oneof![4 => Just(CALLER), 4 => Just(ANNA), 2 => Just(BEA), 1 => Just(CONTACT)]
}

fn any_who(party: PartyId) -> BoxedStrategy<Who> {
    match party {
        CALLER => Just(Who::Caller).boxed(),
        ANNA => any::<bool>().prop_map(anna).boxed(),
        BEA => any::<bool>().prop_map(bea).boxed(),
        _ => Just(Who::Contact).boxed(),
    }
}

/// Everything that can reach a gate. What moves a call on is more frequent, so that many of them get recorded.
fn any_input() -> impl Strategy<Value = Input> {
    let joining = || any_party().prop_flat_map(|party| (Just(party), any_who(party)));
    let digit = prop_oneof![6 => Just('1'), 1 => Just('2'), 3 => Just('*'), 1 => Just('9'), 2 => Just('5'), 2 => Just('6'), 1 => Just('0')];
    prop_oneof![
        5 => joining().prop_map(|(party, who)| Input::Join(newcomer(party, who))),
        1 => any_party().prop_map(|party| Input::Leave { party }),
        1 => (any_party(), joining()).prop_map(|(from, (party, who))| Input::Transfer { from, to: newcomer(party, who) }),
        8 => any_party().prop_map(|party| Input::PromptEnded { party }),
        1 => any_party().prop_map(|party| Input::PromptCut { party }),
        12 => (any_party(), digit).prop_map(|(party, digit)| Input::Digit { party, digit }),
        1 => any_party().prop_map(|party| Input::Hold { party }),
        2 => any_party().prop_map(|party| Input::Resume { party }),
        1 => any_party().prop_map(|party| Input::Withdraw { party }),
        1 => any::<bool>().prop_map(|on| Input::Voicemail { on }),
        1 => Just(Input::Wake),
    ]
}

/// What people do in one go: hear the question out and answer, type a sequence; or any single thing.
fn any_doing() -> impl Strategy<Value = Vec<Input>> {
    let agreeing = |party| vec![Input::PromptEnded { party }, Input::Digit { party, digit: '1' }];
    let typing = |(party, digit)| vec![Input::Digit { party, digit: '*' }, Input::Digit { party, digit }];
    prop_oneof![
        8 => any_party().prop_map(agreeing),
        4 => (any_party(), prop_oneof![4 => Just('5'), 4 => Just('6'), 1 => Just('9')]).prop_map(typing),
        8 => any_input().prop_map(|input| vec![input]),
    ]
}

/// A call on which people are, and then anything.
fn any_story() -> impl Strategy<Value = Vec<Input>> {
    let arrivals = any::<(bool, bool)>().prop_map(|(anna_too, standing)| {
        let caller = std::iter::once(Input::Join(newcomer(CALLER, Who::Caller)));
        caller.chain(anna_too.then(|| Input::Join(newcomer(ANNA, anna(standing))))).collect::<Vec<_>>()
    });
    let rest = proptest::collection::vec(any_doing(), 1..40).prop_map(|doings| doings.concat());
    (arrivals, rest).prop_map(|(arrivals, rest)| [arrivals, rest].concat())
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        1 => Just(Policy::Off),
        4 => Just(Policy::AskBeforeConnect),
        4 => Just(Policy::AskInCall),
        4 => Just(Policy::Attested)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn live_means_that_the_machine_says_recording(
        policy in any_policy(),
        keep in any::<bool>(),
        story in any_story(),
        pauses in proptest::collection::vec(0_u64..3_000, 82),
    ) {
        let on_withdrawal = if keep { OnWithdrawal::Keep } else { OnWithdrawal::Destroy };
        let mut lobby = Lobby::new(policy, on_withdrawal);
        for (input, pause) in story.into_iter().zip(pauses) {
            lobby.later(Duration::from_millis(pause));
            // A refused input is part of life: keys of who has left, prompts that nobody plays.
            let _fits = lobby.gate.handle(input, lobby.now).is_ok();
            prop_assert!(old_permits_are_true(&lobby), "before anything was polled");
            lobby.said();
            prop_assert!(old_permits_are_true(&lobby), "after everything was polled");
            let tape = lobby.gate.tape();
            prop_assert_eq!(lobby.is_recording(), tape != Tape::Off);
            prop_assert_eq!(lobby.permits.iter().any(|it| it.is_running()), tape == Tape::Running);
            prop_assert!(tape == Tape::Off || policy != Policy::Off);
            prop_assert!(lobby.gate.next_wake().is_none_or(|at| at > lobby.now.mono), "no wake-up is overdue");
        }
        let _ = lobby.gate.handle(Input::End, lobby.now);
        prop_assert!(!lobby.is_recording() && lobby.gate.next_wake().is_none());
        let said = lobby.said();
        prop_assert!(said.last().is_some_and(|last| last.starts_with("ended")), "{:?}", said);
    }
}

/// Whoever holds a permit that is live may rely on it: the machine records exactly these people in this epoch.
fn old_permits_are_true(lobby: &Lobby) -> bool {
    let present: Vec<_> = lobby.gate.machine().parties().iter().map(|party| party.id()).collect();
    lobby.permits.iter().filter(|permit| permit.is_live()).all(|permit| {
        lobby.gate.tape() != Tape::Off
            && permit.epoch() == lobby.gate.epoch()
            && permit.parties() == present
            && (!permit.is_running() || lobby.gate.tape() == Tape::Running)
    })
}

/// The random stories above are worth something only if many of them get as far as a recording.
#[test]
fn many_random_stories_are_recorded() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let stories = (any_policy(), any_story());
    let recorded = (0..600).filter(|_| {
        let (policy, story) = stories.new_tree(&mut runner).unwrap().current();
        let mut lobby = Lobby::with(policy);
        for input in story {
            lobby.later(Duration::from_millis(1_500));
            let _fits = lobby.gate.handle(input, lobby.now).is_ok();
            lobby.said();
        }
        !lobby.permits.is_empty()
    });
    let recorded = recorded.count();
    assert!(recorded > 60, "{recorded}");
}
