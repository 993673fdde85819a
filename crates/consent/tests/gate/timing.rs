//! Deadlines, in virtual time.

use std::time::Duration;

use vorzimmer_consent::keys::KEY_GAP;
use vorzimmer_consent::{ANSWER_WITHIN, Input, PROMPT_WITHIN, Who};
use vorzimmer_types::consent::Policy;

use crate::lobby::{ANNA, CALLER, Lobby, anna};

const A_MOMENT: Duration = Duration::from_millis(1);
const SILENCE: [&str; 3] = ["receipt caller silence no key", "blocked caller silence", "settled declined"];

fn heard() -> Lobby {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    lobby.join(CALLER, Who::Caller);
    lobby.later(Duration::from_secs(11));
    lobby.does(Input::PromptEnded { party: CALLER });
    lobby
}

#[test]
fn silence_is_a_no_when_its_time_is_up() {
    let mut lobby = heard();
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + ANSWER_WITHIN));
    lobby.later(ANSWER_WITHIN - A_MOMENT);
    assert!(lobby.does(Input::Wake).is_empty());
    lobby.later(A_MOMENT);
    assert_eq!(lobby.does(Input::Wake), SILENCE);
    assert_eq!(lobby.gate.next_wake(), None);
}

#[test]
fn a_yes_in_the_last_moment_counts_and_one_too_late_does_not() {
    let mut lobby = heard();
    lobby.later(ANSWER_WITHIN - A_MOMENT);
    assert_eq!(lobby.press(CALLER, "1"), ["receipt caller yes key 1", "settled agreed"]);
    let mut lobby = heard();
    lobby.later(ANSWER_WITHIN);
    assert_eq!(lobby.press(CALLER, "1"), SILENCE, "even if the wake-up came late");
}

#[test]
fn a_repeated_question_gives_the_whole_time_again() {
    let mut lobby = heard();
    lobby.later(ANSWER_WITHIN - A_MOMENT);
    lobby.press(CALLER, "3");
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + PROMPT_WITHIN));
    lobby.later(Duration::from_secs(11));
    lobby.does(Input::PromptEnded { party: CALLER });
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + ANSWER_WITHIN));
}

#[test]
fn a_prompt_whose_end_is_never_reported_keeps_nobody_waiting() {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    lobby.join(CALLER, Who::Caller);
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + PROMPT_WITHIN));
    lobby.later(PROMPT_WITHIN);
    let said = lobby.does(Input::Wake);
    assert_eq!(said[1..], ["receipt caller cutshort no key", "blocked caller cutshort", "settled declined"]);
}

#[test]
fn each_party_has_its_own_clock() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(false));
    lobby.press(ANNA, "*5");
    lobby.does(Input::PromptEnded { party: CALLER });
    lobby.later(Duration::from_secs(2));
    lobby.does(Input::PromptEnded { party: ANNA });
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + ANSWER_WITHIN - Duration::from_secs(2)));
    lobby.press(CALLER, "1");
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + ANSWER_WITHIN));
}

#[test]
fn a_half_typed_sequence_is_given_up() {
    let mut lobby = heard();
    assert!(lobby.press(CALLER, "*").is_empty());
    assert_eq!(lobby.gate.next_wake(), Some(lobby.now.mono + KEY_GAP));
    lobby.later(KEY_GAP);
    assert_eq!(lobby.does(Input::Wake), ["ask caller 1"], "as any key that means nothing");
}

#[test]
fn a_withdrawal_typed_across_a_deadline_still_counts() {
    let mut lobby = heard();
    lobby.later(ANSWER_WITHIN - A_MOMENT);
    lobby.press(CALLER, "1");
    lobby.press(CALLER, "*");
    lobby.join(ANNA, anna(true));
    assert!(lobby.permit().is_live());
    lobby.later(KEY_GAP - A_MOMENT);
    let said = lobby.press(CALLER, "9");
    assert_eq!(said[1], "stop caller withdrew, destroy");
}

#[test]
fn when_the_call_is_over_nothing_is_waited_for() {
    let mut lobby = heard();
    lobby.press(CALLER, "*");
    lobby.does(Input::End);
    assert_eq!(lobby.gate.next_wake(), None);
}
