//! Hold, resume, and every other new description within a call.

use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::Event;

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

/// Two who talk and are recorded since 10.0; looked at from 20.0 on.
fn recorded() -> Stage {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    stage.seen();
    stage
}

#[test]
fn the_softphone_holds_and_resumes() {
    for direction in ["sendonly", "inactive"] {
        let mut stage = recorded();
        stage.reoffers("anna-desk", Some(&sdp_of("anna-desk", &[8, 0], direction)));
        stage.until(30.0);
        stage.resumes("anna-desk");
        stage.until(40.0);
        stage.expect(
            "20.0 200 to anna-desk
             20.0 caller hears the hold tone
             20.0 pause recording
             30.0 200 to anna-desk
             30.0 caller hears the line
             30.0 resume recording",
        );
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(stage.count(|event| matches!(event, Event::Held { .. })), 1);
        assert_eq!(stage.count(|event| matches!(event, Event::Resumed { .. })), 1);
    }
}

#[test]
fn an_address_of_nowhere_is_hold_too() {
    let mut stage = recorded();
    let nowhere = sdp_of("anna-desk", &[8, 0], "sendrecv").replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
    stage.reoffers("anna-desk", Some(&nowhere));
    stage.expect("20.0 200 to anna-desk\n20.0 caller hears the hold tone\n20.0 pause recording");
    stage.hangs_up("anna-desk");
    stage.expect_nothing_left();
}

#[test]
fn the_callers_side_holds_likewise() {
    let mut stage = recorded();
    stage.holds("caller");
    stage.until(25.0);
    stage.resumes("caller");
    stage.expect(
        "20.0 200 to caller
         20.0 anna-desk hears the hold tone
         20.0 pause recording
         25.0 200 to caller
         25.0 anna-desk hears the line
         25.0 resume recording",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn both_hold_and_the_recording_waits_for_both() {
    let mut stage = recorded();
    stage.holds("anna-desk");
    stage.holds("caller");
    stage.resumes("anna-desk");
    stage.resumes("caller");
    stage.expect(
        "20.0 200 to anna-desk
         20.0 caller hears the hold tone
         20.0 pause recording
         20.0 200 to caller
         20.0 caller hears the line
         20.0 200 to anna-desk
         20.0 anna-desk hears the hold tone
         20.0 200 to caller
         20.0 anna-desk hears the line
         20.0 resume recording",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_refresh_is_answered_and_changes_nothing() {
    let mut stage = recorded();
    let before = stage.answers.get("caller").cloned();
    stage.reoffers("caller", Some(&alaw()));
    stage.reoffers("caller", Some(&alaw()));
    stage.expect("20.0 200 to caller\n20.0 200 to caller");
    assert_eq!(stage.answers.get("caller").cloned(), before, "the same answer, the same version");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_and_the_call_goes_on() {
    let only_g729 = sdp_of("anna-desk", &[18], "sendrecv");
    let encrypted = alaw().replace("RTP/AVP", "RTP/SAVP");
    for (offer, status) in [(only_g729.as_str(), 488), (encrypted.as_str(), 488), ("nonsense", 400)] {
        let mut stage = recorded();
        let before = stage.connected.get("anna-desk").cloned();
        stage.reoffers("anna-desk", Some(offer));
        stage.until(25.0);
        stage.expect(&format!("20.0 {status} to anna-desk"));
        assert_eq!(stage.connected.get("anna-desk").cloned(), before);
        assert!(stage.is_recording());
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn asked_for_an_offer_we_make_one_and_the_answer_comes_in_the_ack() {
    let mut stage = recorded();
    stage.quirks.no_ack = true;
    stage.reoffers("anna-desk", None);
    stage.until(21.0);
    stage.acknowledges("anna-desk", Some(&sdp_of("anna-desk", &[8], "sendonly")));
    stage.expect("20.0 200 to anna-desk\n21.0 caller hears the hold tone\n21.0 pause recording");
    stage.reoffers("anna-desk", None);
    stage.acknowledges("anna-desk", Some("nonsense"));
    stage.expect("21.0 200 to anna-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn who_answers_while_holding_is_on_hold_from_the_start() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.seen();
    stage.answers_with("anna-desk", "sendonly");
    stage.expect(
        "10.0 receipt: receptionist Yes
         10.0 caller hears the line
         10.0 bridge caller anna-desk
         10.0 record caller and anna-desk
         10.0 caller hears the hold tone
         10.0 pause recording",
    );
    assert!(!stage.permits[0].is_running());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn who_holds_may_be_silent_and_who_listens_may_withdraw() {
    let mut stage = recorded();
    stage.holds("anna-desk");
    stage.falls_silent("anna-desk");
    stage.seen();
    stage.presses("caller", "*9");
    stage.until(30.0);
    let seen = stage.seen();
    assert!(seen.contains("20.0 caller hears withdrawn (De)"), "{seen}");
    assert!(seen.ends_with("22.0 caller hears the hold tone"), "{seen}");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_new_description_before_anybody_talks_is_answered() {
    let world = FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.holds("caller");
    stage.until(2.0);
    stage.seen();
    stage.answers("anna-desk");
    stage.expect(
        "2.0 caller hears the line
         2.0 bridge caller anna-desk
         2.0 anna-desk hears the hold tone",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
