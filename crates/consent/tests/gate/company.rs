//! Who is on the call, and what that does to what was agreed.

use vorzimmer_consent::{ConsentError, Input, Who};
use vorzimmer_types::PartyId;
use vorzimmer_types::consent::Policy;

use crate::lobby::{ANNA, BEA, CALLER, CONTACT, Lobby, anna, bea, newcomer};

#[test]
fn a_colleague_takes_over_and_the_caller_is_not_asked_again() {
    let mut lobby = Lobby::recording();
    let to = newcomer(BEA, bea(true));
    let said = lobby.does(Input::Transfer { from: ANNA, to });
    assert_eq!(said, ["stop companychanged", "receipt bea yes standing", "record 4", "settled agreed"]);
    assert!(!lobby.permits[0].is_live() && lobby.permits[1].is_live());
    assert_eq!(lobby.permits[1].parties(), [CALLER, BEA]);
}

#[test]
fn a_colleague_without_consent_on_file_is_asked_and_until_then_nothing_runs() {
    let mut lobby = Lobby::recording();
    let to = newcomer(BEA, bea(false));
    assert_eq!(lobby.does(Input::Transfer { from: ANNA, to }), ["stop companychanged", "ask bea 0"]);
    assert!(!lobby.is_recording());
    assert_eq!(lobby.agrees(BEA), ["receipt bea yes key 1", "record 4", "settled agreed"]);
}

#[test]
fn a_colleague_who_joins_gets_a_permit_of_three() {
    let mut lobby = Lobby::recording();
    lobby.join(BEA, bea(true));
    assert_eq!(lobby.permit().parties(), [CALLER, ANNA, BEA]);
    assert_eq!(lobby.does(Input::Leave { party: BEA }), ["stop companychanged", "record 4"]);
    assert_eq!(lobby.permits.iter().filter(|permit| permit.is_live()).count(), 1);
}

#[test]
fn somebody_from_outside_makes_earlier_answers_void() {
    let mut lobby = Lobby::recording();
    let said = lobby.join(CONTACT, Who::Contact);
    assert_eq!(
        said,
        ["stop companychanged", "ask caller 0", "ask contact 0"],
        "Anna's is on file for all her calls"
    );
    lobby.agrees(CALLER);
    assert!(!lobby.is_recording());
    assert_eq!(lobby.agrees(CONTACT), ["receipt contact yes key 1", "record 3", "settled agreed"]);
    assert_eq!(lobby.permit().parties(), [CALLER, ANNA, CONTACT]);
}

#[test]
fn who_talks_apart_interrupts_the_recording_and_it_resumes_when_she_is_back() {
    let mut lobby = Lobby::recording();
    let epoch = lobby.gate.epoch();
    assert_eq!(lobby.does(Input::StepAside { party: ANNA }), ["stop companychanged"]);
    assert!(lobby.does(Input::StepAside { party: ANNA }).is_empty(), "she is aside already");
    assert_eq!(lobby.does(Input::StepBack { party: ANNA }), ["record 4", "settled agreed"]);
    assert_eq!(lobby.gate.epoch().0, epoch.0 + 2, "two changes of who hears whom");
    assert!(!lobby.permits[0].is_live() && lobby.permits[1].is_live());
}

#[test]
fn who_was_fetched_is_recorded_once_and_with_everybody() {
    let mut lobby = Lobby::recording();
    lobby.does(Input::StepAside { party: ANNA });
    let said = lobby.join(BEA, bea(true));
    assert_eq!(said, ["receipt bea yes standing", "record 4", "settled agreed"], "Anna is back with her");
    assert_eq!(lobby.permit().parties(), [CALLER, ANNA, BEA]);
}

#[test]
fn a_question_is_taken_back_when_the_receptionist_steps_aside_and_asked_anew_when_she_is_back() {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    lobby.join(CALLER, Who::Caller);
    lobby.agrees(CALLER);
    assert_eq!(lobby.join(ANNA, anna(false)), ["ask anna 0"]);
    assert_eq!(lobby.does(Input::StepAside { party: ANNA }), ["hush anna", "settled notasked"]);
    assert_eq!(lobby.does(Input::StepBack { party: ANNA }), ["ask anna 0"]);
}

#[test]
fn a_question_that_a_stranger_walks_in_on_is_cut_short() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    lobby.join(ANNA, anna(true));
    lobby.press(ANNA, "*5");
    lobby.does(Input::PromptEnded { party: CALLER });
    let said = lobby.join(CONTACT, Who::Contact);
    assert_eq!(said, ["receipt caller cutshort no key", "blocked caller cutshort", "settled declined"]);
    assert!(lobby.press(CALLER, "1").is_empty());
}

#[test]
fn without_the_caller_there_is_nothing_to_record() {
    let mut lobby = Lobby::recording();
    lobby.join(BEA, bea(true));
    assert_eq!(lobby.does(Input::Leave { party: CALLER }), ["stop companychanged"]);
    assert_eq!(lobby.does(Input::End), ["ended recorded"]);
}

#[test]
fn hold_pauses_and_resume_goes_on_in_the_same_epoch() {
    let mut lobby = Lobby::recording();
    let epoch = lobby.gate.epoch();
    assert_eq!(lobby.does(Input::Hold { party: ANNA }), ["pause"]);
    assert!(lobby.permit().is_live() && !lobby.permit().is_running());
    assert!(lobby.does(Input::Hold { party: CALLER }).is_empty());
    assert!(lobby.does(Input::Resume { party: ANNA }).is_empty(), "the caller still holds");
    assert_eq!(lobby.does(Input::Resume { party: CALLER }), ["resume"]);
    assert!(lobby.permit().is_running());
    assert_eq!((lobby.gate.epoch(), lobby.permits.len()), (epoch, 1));
}

#[test]
fn who_leaves_on_hold_holds_nobody_up() {
    let mut lobby = Lobby::recording();
    lobby.does(Input::Hold { party: ANNA });
    let to = newcomer(BEA, bea(true));
    let said = lobby.does(Input::Transfer { from: ANNA, to });
    assert_eq!(said, ["stop companychanged", "receipt bea yes standing", "record 4", "settled agreed"]);
}

#[test]
fn a_recording_that_becomes_possible_on_hold_begins_afterwards() {
    let mut lobby = Lobby::recording();
    lobby.does(Input::Hold { party: CALLER });
    assert_eq!(lobby.join(BEA, bea(true)), ["stop companychanged", "settled agreed"]);
    assert!(!lobby.is_recording());
    assert_eq!(lobby.does(Input::Resume { party: CALLER }), ["receipt bea yes standing", "record 3"]);
}

#[test]
fn a_message_needs_the_callers_yes_alone() {
    let mut lobby = Lobby::with(Policy::AskBeforeConnect);
    lobby.join(CALLER, Who::Caller);
    lobby.agrees(CALLER);
    assert_eq!(lobby.does(Input::Voicemail { on: true }), ["record 1", "settled agreed"]);
    assert_eq!(lobby.permit().parties(), [CALLER]);
    assert_eq!(lobby.does(Input::Voicemail { on: false }), ["stop messageended"]);
    assert_eq!(lobby.does(Input::End), ["ended recorded"]);
}

#[test]
fn a_message_is_asked_for_where_nobody_asked_before() {
    let mut lobby = Lobby::with(Policy::AskInCall);
    lobby.join(CALLER, Who::Caller);
    assert_eq!(lobby.does(Input::Voicemail { on: true }), ["ask caller 0"]);
    assert_eq!(lobby.agrees(CALLER), ["receipt caller yes key 1", "record 1", "settled agreed"]);
    let said = lobby.join(ANNA, anna(false));
    assert_eq!(said, ["stop companychanged", "settled notasked"], "who picks up ends the message");
}

#[test]
fn no_message_without_somebody_to_attest_it() {
    let mut lobby = Lobby::with(Policy::Attested);
    lobby.join(CALLER, Who::Caller);
    let said = lobby.does(Input::Voicemail { on: true });
    assert_eq!(said, ["blocked nobodytoattest", "settled notasked"]);
}

#[test]
fn a_fourth_voice_ends_all_recording() {
    let mut lobby = Lobby::recording();
    lobby.join(BEA, bea(true));
    let fourth = newcomer(PartyId::from_bytes([9; 16]), Who::Contact);
    let refused = lobby.gate.handle(Input::Join(fourth), lobby.now);
    assert!(matches!(refused, Err(ConsentError::TooMany { limit: 3 })));
    assert!(!lobby.is_recording());
    assert_eq!(lobby.said(), ["stop toomany", "blocked toomany"]);
    assert!(lobby.does(Input::Leave { party: BEA }).is_empty(), "for the rest of the call");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut lobby = Lobby::recording();
    let stranger = PartyId::from_bytes([9; 16]);
    let cases = [
        Input::Join(newcomer(ANNA, anna(true))),
        Input::Join(newcomer(stranger, Who::Caller)),
        Input::Leave { party: stranger },
        Input::Digit { party: stranger, digit: '1' },
        Input::Hold { party: stranger },
        Input::Transfer { from: stranger, to: newcomer(BEA, bea(true)) },
        Input::Transfer { from: ANNA, to: newcomer(CALLER, bea(true)) },
        Input::Voicemail { on: true },
    ];
    for input in cases {
        let before = lobby.gate.machine().clone();
        assert!(lobby.gate.handle(input.clone(), lobby.now).is_err(), "{input:?}");
        assert_eq!(lobby.said(), Vec::<String>::new(), "{input:?}");
        assert_eq!(lobby.gate.machine(), &before, "{input:?}");
    }
    assert!(lobby.permit().is_running());
    lobby.does(Input::End);
    assert!(matches!(lobby.gate.handle(Input::Wake, lobby.now), Ok(())), "a late wake-up is harmless");
    assert!(matches!(lobby.gate.handle(Input::End, lobby.now), Err(ConsentError::Over)));
}
