//! Questions between two who talk: `ask-in-call` and `attested`.

use vorzimmer_types::consent::{Answer, Method, Policy, Role};
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{Event, RecordingResult};

use crate::stage::{Stage, alaw};
use crate::world::{FakeWorld, receptionist};

/// Two who talk since 0.0, and are not recorded.
fn talking(policy: Policy, who: &str) -> Stage {
    let mut stage = Stage::new(FakeWorld::new(policy).team(Together, &[(who, 20)]).without_greeting());
    stage.invite(Some(&alaw()));
    stage.until(0.0);
    stage.answers(&format!("{who}-desk"));
    stage.until(0.0);
    let seen = stage.seen();
    assert!(seen.ends_with(&format!("bridge caller {who}-desk")), "{seen}");
    stage
}

fn results(stage: &Stage) -> Vec<RecordingResult> {
    stage.record().recordings.into_iter().filter_map(|recording| recording.result).collect()
}

#[test]
fn star_five_asks_both_and_both_hear_it() {
    let mut stage = talking(Policy::AskInCall, "anna");
    stage.until(10.0);
    stage.presses("anna-desk", "*5");
    stage.until(16.0);
    stage.presses("caller", "1");
    stage.until(20.0);
    stage.expect(
        "10.0 anna-desk presses *
         10.0 anna-desk presses 5
         10.0 caller hears consent-in-call (De)
         10.0 anna-desk hears consent-in-call (De)
         16.0 caller presses 1
         16.0 receipt: caller Yes
         16.0 receipt: receptionist Yes
         16.0 record caller and anna-desk
         16.0 caller hears consent-thanks (De)
         16.0 anna-desk hears consent-thanks (De)",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Ok]);
}

#[test]
fn a_receptionist_without_a_standing_consent_answers_for_herself() {
    let mut stage = talking(Policy::AskInCall, "carol");
    stage.presses("carol-desk", "*5");
    stage.until(6.0);
    stage.presses("caller", "1");
    assert!(!stage.is_recording(), "she has not answered yet");
    stage.until(7.0);
    stage.presses("carol-desk", "1");
    assert!(stage.is_recording());
    stage.hangs_up("carol-desk");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Ok]);
}

#[test]
fn a_no_in_the_call_is_said_to_both_and_may_be_asked_anew() {
    let mut stage = talking(Policy::AskInCall, "anna");
    stage.presses("anna-desk", "*5");
    stage.until(6.0);
    stage.seen();
    stage.presses("caller", "2");
    stage.expect(
        "6.0 caller presses 2
         6.0 receipt: caller No
         6.0 caller hears consent-declined (De)
         6.0 anna-desk hears consent-declined (De)",
    );
    stage.until(20.0);
    stage.presses("anna-desk", "*5");
    stage.until(26.0);
    stage.presses("caller", "1");
    assert!(stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Ok]);
}

#[test]
fn only_the_receptionist_starts_the_question() {
    let mut stage = talking(Policy::AskInCall, "anna");
    stage.presses("caller", "*5");
    stage.presses("caller", "*6");
    stage.presses("anna-desk", "*6");
    stage.until(10.0);
    assert!(!stage.seen().contains("hears"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Blocked]);
    assert_eq!(stage.record().recordings[0].why, "nobody was asked");
}

#[test]
fn under_off_no_key_does_anything() {
    let mut stage = talking(Policy::Off, "anna");
    for keys in ["*5", "*6", "*9", "1"] {
        stage.presses("anna-desk", keys);
        stage.presses("caller", keys);
    }
    stage.until(10.0);
    assert!(!stage.seen().contains("hears"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert!(results(&stage).is_empty());
}

#[test]
fn an_attested_yes_names_her_who_confirmed_it() {
    let mut stage = talking(Policy::Attested, "anna");
    stage.until(8.0);
    stage.presses("anna-desk", "*6");
    stage.expect(
        "8.0 anna-desk presses *
         8.0 anna-desk presses 6
         8.0 receipt: caller Yes
         8.0 receipt: receptionist Yes
         8.0 record caller and anna-desk
         8.0 caller hears consent-thanks (De)
         8.0 anna-desk hears consent-thanks (De)",
    );
    stage.until(20.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    let caller = &stage.record().consent[0];
    let attested = Method::Attested { receptionist: receptionist("anna") };
    assert_eq!((caller.role, caller.answer, caller.method), (Role::Caller, Answer::Yes, attested));
    assert!(caller.prompt.is_none());
}

#[test]
fn she_cannot_attest_her_own_yes() {
    let mut stage = talking(Policy::Attested, "carol");
    stage.presses("carol-desk", "*6");
    assert!(!stage.is_recording());
    stage.until(6.0);
    stage.presses("carol-desk", "1");
    assert!(stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Ok]);
}

#[test]
fn hold_cuts_the_question_short() {
    let mut stage = talking(Policy::AskInCall, "anna");
    stage.presses("anna-desk", "*5");
    stage.until(2.0);
    stage.seen();
    stage.holds("anna-desk");
    stage.until(10.0);
    let seen = stage.seen();
    assert!(seen.contains("receipt: caller CutShort"), "{seen}");
    assert!(seen.ends_with("4.0 caller hears the hold tone"), "{seen}");
    stage.resumes("anna-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn after_a_withdrawal_a_new_question_starts_a_new_recording() {
    let mut stage = talking(Policy::AskInCall, "anna");
    for round in 0..2 {
        let start = f64::from(round) * 30.0;
        stage.until(start + 1.0);
        stage.presses("anna-desk", "*5");
        stage.until(start + 7.0);
        stage.presses("caller", "1");
        assert!(stage.is_recording());
        stage.until(start + 15.0);
        stage.presses("caller", "*9");
        assert!(!stage.is_recording());
    }
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [RecordingResult::Withdrawn, RecordingResult::Withdrawn]);
    assert_eq!(stage.count(|event| matches!(event, Event::RecordingDestroyed { .. })), 2);
}
