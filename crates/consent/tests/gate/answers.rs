//! Who is asked when, and what counts as which answer.

use vorzimmer_consent::{Input, Who};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::OnWithdrawal;

use crate::lobby::{ANNA, CALLER, CONTACT, Lobby, anna};

const NOTHING: [&str; 0] = [];

fn asked() -> Lobby {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    assert_eq!(lobby.join(CALLER, Who::Caller), ["ask caller 0"]);
    lobby
}

fn heard() -> Lobby {
    let mut lobby = asked();
    lobby.does(Input::PromptEnded { party: CALLER });
    lobby
}

#[test]
fn policy_off_asks_nobody_and_records_nothing() {
    let mut lobby = Lobby::with(Policy::Off);
    assert_eq!(lobby.join(CALLER, Who::Caller), ["settled notasked"]);
    assert_eq!(lobby.join(ANNA, anna(true)), ["settled notasked"]);
    for keys in ["1", "*5", "*6", "*9"] {
        assert_eq!(lobby.press(ANNA, keys), NOTHING, "{keys}");
        assert_eq!(lobby.press(CALLER, keys), NOTHING, "{keys}");
    }
    assert_eq!(lobby.does(Input::End), ["ended notwanted"]);
}

#[test]
fn the_caller_is_asked_once_and_before_anybody_is_rung() {
    let mut lobby = asked();
    assert_eq!(lobby.agrees(CALLER), ["receipt caller yes key 1", "settled agreed"]);
    assert!(!lobby.is_recording(), "there is nobody to talk to yet");
    assert_eq!(lobby.join(ANNA, anna(true)), ["receipt anna yes standing", "record 2", "settled agreed"]);
}

#[test]
fn a_receptionist_without_consent_on_file_is_asked_before_she_is_connected() {
    let mut lobby = asked();
    lobby.agrees(CALLER);
    assert_eq!(lobby.join(ANNA, anna(false)), ["ask anna 0"]);
    assert_eq!(lobby.agrees(ANNA), ["receipt anna yes key 1", "record 2", "settled agreed"]);
}

#[test]
fn her_no_connects_the_call_unrecorded() {
    let mut lobby = asked();
    lobby.agrees(CALLER);
    lobby.join(ANNA, anna(false));
    let expected = ["hush anna", "receipt anna no key 2", "blocked anna no", "settled declined"];
    assert_eq!(lobby.press(ANNA, "2"), expected);
    assert_eq!(lobby.does(Input::End), ["ended blocked anna no"]);
}

#[test]
fn after_the_callers_no_nobody_else_is_asked() {
    let mut lobby = heard();
    let expected = ["receipt caller no key 2", "blocked caller no", "settled declined"];
    assert_eq!(lobby.press(CALLER, "2"), expected);
    assert_eq!(lobby.join(ANNA, anna(false)), ["settled declined"]);
    assert_eq!(lobby.press(CALLER, "1"), NOTHING, "a no is not turned around by a key");
    assert_eq!(lobby.does(Input::End), ["ended blocked caller no"]);
}

#[test]
fn a_yes_counts_only_after_the_question_was_heard() {
    let mut lobby = asked();
    assert_eq!(lobby.press(CALLER, "1"), NOTHING);
    assert_eq!(lobby.agrees(CALLER), ["receipt caller yes key 1", "settled agreed"]);
}

#[test]
fn a_no_counts_at_once() {
    let expected = ["hush caller", "receipt caller no key 2", "blocked caller no", "settled declined"];
    assert_eq!(asked().press(CALLER, "2"), expected);
}

#[test]
fn a_question_that_breaks_off_is_a_no() {
    let expected = ["receipt caller cutshort no key", "blocked caller cutshort", "settled declined"];
    let heard = asked().does(Input::PromptCut { party: CALLER });
    assert_eq!(heard[1..], expected);
}

#[test]
fn a_hold_breaks_the_question_off() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    lobby.press(ANNA, "*5");
    let said = lobby.does(Input::Hold { party: ANNA });
    assert!(said.contains(&"receipt caller cutshort no key".to_owned()), "{said:?}");
    assert!(said.contains(&"settled declined".to_owned()), "{said:?}");
}

#[test]
fn hanging_up_is_a_no() {
    assert_eq!(
        heard().does(Input::End),
        ["receipt caller hungup no key", "ended blocked caller hungup"],
        "at the call's end"
    );
    let mut lobby = asked();
    lobby.agrees(CALLER);
    lobby.join(ANNA, anna(false));
    let said = lobby.does(Input::Leave { party: ANNA });
    assert_eq!(
        said,
        ["hush anna", "receipt anna hungup no key", "settled agreed"],
        "the next one may be rung"
    );
}

#[test]
fn other_keys_repeat_the_question_twice_and_then_mean_no() {
    let mut lobby = heard();
    for repeat in 1..=2 {
        assert_eq!(lobby.press(CALLER, "7"), [format!("ask caller {repeat}")]);
        assert_eq!(lobby.press(CALLER, "7"), NOTHING, "while it plays, it simply goes on");
        lobby.does(Input::PromptEnded { party: CALLER });
    }
    let expected = ["receipt caller no key 7", "blocked caller no", "settled declined"];
    assert_eq!(lobby.press(CALLER, "7"), expected);
}

#[test]
fn a_repeated_question_can_be_agreed_to() {
    let mut lobby = heard();
    lobby.press(CALLER, "0");
    assert_eq!(lobby.press(CALLER, "1"), NOTHING, "again only after it was heard");
    assert_eq!(lobby.agrees(CALLER), ["receipt caller yes key 1", "settled agreed"]);
}

#[test]
fn in_the_call_the_receptionist_starts_the_question_and_both_hear_it() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    assert_eq!(lobby.join(CALLER, Who::Caller), ["settled notasked"]);
    assert_eq!(lobby.join(ANNA, anna(true)), ["settled notasked"]);
    assert_eq!(lobby.press(CALLER, "*5"), NOTHING, "only a receptionist can");
    assert_eq!(lobby.press(ANNA, "*6"), NOTHING, "not under this policy");
    assert_eq!(lobby.press(ANNA, "*5"), ["ask caller 0", "overhear anna"]);
    assert_eq!(lobby.press(ANNA, "*5"), NOTHING, "once is enough");
    let expected = ["receipt caller yes key 1", "receipt anna yes standing", "record 2", "settled agreed"];
    assert_eq!(lobby.agrees(CALLER), expected);
}

#[test]
fn in_the_call_each_one_answers_for_himself() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(false));
    assert_eq!(lobby.press(ANNA, "*5"), ["ask caller 0", "ask anna 0"]);
    assert_eq!(lobby.agrees(CALLER), ["receipt caller yes key 1"]);
    assert!(!lobby.is_recording());
    assert_eq!(lobby.agrees(ANNA), ["receipt anna yes key 1", "record 2", "settled agreed"]);
}

#[test]
fn one_no_takes_the_question_back_from_the_others() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(false));
    lobby.press(ANNA, "*5");
    lobby.does(Input::PromptEnded { party: ANNA });
    let expected =
        ["hush caller", "receipt caller no key 2", "hush anna", "blocked caller no", "settled declined"];
    let said = lobby.press(CALLER, "2");
    assert!(expected.iter().all(|line| said.iter().any(|it| it == line)), "{said:?}");
    assert_eq!(lobby.press(ANNA, "1"), NOTHING, "it is not her question any more");
    assert_eq!(lobby.gate.next_wake(), None, "and she is not waited for");
}

#[test]
fn in_the_call_the_question_may_be_put_again_after_a_no() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    lobby.press(ANNA, "*5");
    let said = lobby.press(CALLER, "2");
    assert_eq!(said.last().map(String::as_str), Some("settled declined"));
    assert_eq!(lobby.press(CALLER, "1"), NOTHING);
    assert_eq!(lobby.press(ANNA, "*5"), ["ask caller 0", "overhear anna"]);
    lobby.agrees(CALLER);
    assert!(lobby.is_recording());
}

#[test]
fn a_spoken_yes_is_attested_by_name() {
    let mut lobby = Lobby::with(Policy::Attested);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    assert_eq!(lobby.press(CALLER, "*6"), NOTHING, "nobody attests for himself");
    let expected = ["receipt caller yes attested aa", "receipt anna yes standing", "record 2"];
    assert_eq!(lobby.press(ANNA, "*6"), expected);
}

#[test]
fn she_cannot_attest_for_herself_nor_for_a_contact() {
    let mut lobby = Lobby::with(Policy::Attested);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(false));
    lobby.join(CONTACT, Who::Contact);
    assert_eq!(lobby.press(ANNA, "*6"), ["receipt caller yes attested aa", "ask anna 0", "ask contact 0"]);
    lobby.agrees(ANNA);
    assert!(!lobby.is_recording());
    assert_eq!(lobby.agrees(CONTACT), ["receipt contact yes key 1", "record 3", "settled agreed"]);
}

#[test]
fn anyone_takes_consent_back_and_what_was_recorded_goes() {
    for party in [CALLER, ANNA] {
        let mut lobby = Lobby::recording();
        let said = lobby.press(party, "*9");
        assert!(said[0].ends_with("withdrawn key 9"), "{said:?}");
        assert!(said[1].starts_with("stop ") && said[1].ends_with(" withdrew, destroy"), "{said:?}");
        assert_eq!(said.len(), 3, "nobody is asked again: {said:?}");
        assert!(!lobby.is_recording());
        assert_eq!(lobby.does(Input::End), ["ended withdrawn"]);
    }
}

#[test]
fn a_customer_may_keep_what_was_recorded_before() {
    let mut lobby = Lobby::new(Policy::AskInCall, OnWithdrawal::Keep);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    lobby.press(ANNA, "*5");
    lobby.agrees(CALLER);
    let expected = ["receipt caller withdrawn key 9", "stop caller withdrew", "blocked caller withdrawn"];
    assert_eq!(lobby.press(CALLER, "*9"), expected);
    assert_eq!(lobby.does(Input::End), ["ended recorded"]);
}

#[test]
fn after_a_withdrawal_only_a_new_question_leads_to_a_yes() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    lobby.press(ANNA, "*5");
    lobby.agrees(CALLER);
    lobby.press(CALLER, "*9");
    assert_eq!(lobby.press(CALLER, "1"), NOTHING);
    assert_eq!(lobby.press(ANNA, "*5"), ["ask caller 0", "overhear anna"]);
    lobby.agrees(CALLER);
    assert!(lobby.permit().is_live());
    assert_eq!(lobby.does(Input::End), ["stop callended", "ended recorded"]);
}

#[test]
fn who_objects_beforehand_is_not_recorded_even_with_consent_on_file() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    assert_eq!(lobby.press(ANNA, "*9"), ["receipt anna withdrawn key 9", "blocked anna withdrawn"]);
    assert_eq!(lobby.press(ANNA, "*9"), NOTHING, "once is enough");
    assert_eq!(lobby.press(ANNA, "*5"), ["ask caller 0", "ask anna 0"], "a new question asks her too");
}
