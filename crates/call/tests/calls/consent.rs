//! The question before the receptionist is rung, and taking a yes back.

use vorzimmer_call::{Input, MediaEvent, PlayId};
use vorzimmer_types::consent::{Answer, Method, Policy, Role};
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{Event, RecordingResult};

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::{FakeWorld, receptionist};

fn world() -> FakeWorld {
    FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting()
}

/// A call whose caller hears the question from 0.0 to 5.0.
fn asked(world: FakeWorld) -> Stage {
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(0.0);
    stage.seen();
    stage
}

/// A call that is being recorded since 10.0.
fn recorded(world: FakeWorld) -> Stage {
    let mut stage = asked(world);
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    assert!(stage.is_recording());
    stage.seen();
    stage
}

fn answers(stage: &Stage) -> Vec<(Role, Answer)> {
    stage.record().consent.iter().map(|receipt| (receipt.role, receipt.answer)).collect()
}

fn results(stage: &Stage) -> Vec<(RecordingResult, String)> {
    let recordings = stage.record().recordings.into_iter();
    recordings.filter_map(|recording| Some((recording.result?, recording.why))).collect()
}

#[test]
fn silence_is_no() {
    let mut stage = asked(world());
    stage.until(20.0);
    stage.expect(
        "13.0 receipt: caller Silence
         13.0 caller hears consent-declined (De)
         15.0 caller hears ring-back
         15.0 ring anna-desk",
    );
    stage.answers("anna-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Blocked, "the caller said nothing".into())]);
}

#[test]
fn a_yes_before_the_question_has_ended_is_none() {
    let mut stage = asked(world());
    stage.until(2.0);
    stage.presses("caller", "1");
    stage.until(30.0);
    assert_eq!(answers(&stage), [(Role::Caller, Answer::Silence)]);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_question_cut_short_is_no() {
    let mut stage = asked(world());
    stage.until(2.0);
    let (call, leg) = (stage.call(), stage.leg("caller"));
    let other_play = MediaEvent::PlayEnded { call, leg, play: PlayId(77), complete: false };
    stage.give(Input::Media(other_play));
    stage.expect("");
    stage.give(Input::Media(MediaEvent::PlayEnded { call, leg, play: PlayId(1), complete: false }));
    stage.until(2.0);
    stage.expect(
        "2.0 receipt: caller CutShort
         2.0 caller hears consent-declined (De)",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_question_whose_end_is_never_reported_is_no() {
    let mut stage = asked(world());
    stage.quirks.prompts_never_end = true;
    stage.hangs_up("caller");
    let mut stage = Stage::new(world());
    stage.quirks.prompts_never_end = true;
    stage.invite(Some(&alaw()));
    stage.until(200.0);
    assert_eq!(answers(&stage), [(Role::Caller, Answer::CutShort)]);
    let seen = stage.seen();
    assert!(seen.contains("120.0 ring anna-desk"), "{seen}");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn words_that_are_not_shipped_are_never_agreed_to() {
    let mut stage = asked(world().without_prompt("consent-ask"));
    stage.presses("caller", "1");
    stage.until(3.0);
    stage.answers("anna-desk");
    stage.until(9.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(answers(&stage), [(Role::Caller, Answer::CutShort)]);
    let why = "the caller did not hear the question to its end";
    assert_eq!(results(&stage), [(RecordingResult::Blocked, why.into())]);
}

#[test]
fn a_key_that_means_nothing_is_asked_again_in_fewer_words() {
    let mut stage = asked(world());
    stage.until(6.0);
    stage.presses("caller", "7");
    stage.until(12.0);
    stage.presses("caller", "1");
    stage.until(12.0);
    stage.expect(
        "6.0 caller presses 7
         6.0 caller hears consent-repeat (De)
         12.0 caller presses 1
         12.0 receipt: caller Yes
         12.0 caller hears consent-thanks (De)",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_caller_who_hangs_up_while_asked_has_not_agreed() {
    let mut stage = asked(world());
    stage.until(6.0);
    stage.hangs_up("caller");
    stage.expect("6.0 receipt: caller HungUp");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Blocked, "the caller hung up while being asked".into())]);
}

#[test]
fn a_caller_who_leaves_before_the_question_was_not_asked() {
    let mut stage = Stage::new(FakeWorld::new(Policy::AskBeforeConnect));
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Blocked, "nobody was asked".into())]);
}

#[test]
fn a_digit_counts_once_whichever_way_it_comes() {
    // By INFO alone, by both in either order: one 7 each, so one repetition each.
    for both_ways in [["", "7"], ["7", "7"], ["7", ""]] {
        let mut stage = asked(world());
        stage.until(6.0);
        stage.presses("caller", both_ways[0]);
        stage.until(6.3);
        stage.informs("caller", both_ways[1]);
        stage.until(6.5);
        let repeats = stage.seen().matches("consent-repeat").count();
        assert_eq!(repeats, 1, "{both_ways:?}");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
    let mut stage = asked(world());
    stage.until(6.0);
    stage.informs("caller", "1");
    assert_eq!(answers(&stage), [(Role::Caller, Answer::Yes)]);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_receptionist_without_a_standing_consent_is_asked_before_she_is_connected() {
    let mut stage = asked(world().team(Together, &[("carol", 20)]));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.seen();
    stage.answers("carol-desk");
    stage.until(16.0);
    stage.presses("carol-desk", "1");
    stage.expect(
        "10.0 carol-desk hears consent-ask-receptionist (En)
         16.0 carol-desk presses 1
         16.0 receipt: receptionist Yes
         16.0 caller hears the line
         16.0 bridge caller carol-desk
         16.0 record caller and carol-desk",
    );
    stage.until(20.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(answers(&stage), [(Role::Caller, Answer::Yes), (Role::Receptionist, Answer::Yes)]);
}

#[test]
fn a_receptionist_who_says_no_is_connected_without_a_recording() {
    let mut stage = asked(world().team(Together, &[("carol", 20)]));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("carol-desk");
    stage.until(16.0);
    stage.seen();
    stage.presses("carol-desk", "2");
    stage.expect(
        "16.0 carol-desk presses 2
         16.0 receipt: receptionist No
         16.0 caller hears the line
         16.0 bridge caller carol-desk",
    );
    stage.until(20.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Blocked, "the receptionist said no".into())]);
}

#[test]
fn a_caller_who_said_no_spares_the_receptionist_the_question() {
    let mut stage = asked(world().team(Together, &[("carol", 20)]));
    stage.presses("caller", "2");
    stage.until(4.0);
    stage.seen();
    stage.answers("carol-desk");
    stage.expect("4.0 caller hears the line\n4.0 bridge caller carol-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn star_nine_of_any_party_stops_and_destroys_at_once() {
    for phone in ["caller", "anna-desk"] {
        let mut stage = recorded(world());
        stage.presses(phone, "*9");
        // All this has come out before anything else was handled, let alone 200 ms.
        assert!(!stage.permits[0].is_live());
        let role = if phone == "caller" { "caller" } else { "receptionist" };
        stage.expect(&format!(
            "20.0 {phone} presses *
             20.0 {phone} presses 9
             20.0 receipt: {role} Withdrawn
             20.0 stop recording (withdrawn, to be destroyed)
             20.0 destroy recording (withdrawn)
             20.0 caller hears withdrawn (De)
             20.0 anna-desk hears withdrawn (De)",
        ));
        stage.until(30.0);
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(results(&stage), [(RecordingResult::Withdrawn, String::new())]);
        assert_eq!(stage.record().recordings[0].destroyed.as_deref(), Some("withdrawn"));
        assert_eq!(stage.count(|event| matches!(event, Event::RecordingFinished { .. })), 1);
    }
}

#[test]
fn star_nine_by_info_and_in_the_media_is_one() {
    let mut stage = recorded(world());
    stage.presses("caller", "*");
    stage.informs("caller", "*");
    stage.presses("caller", "9");
    stage.informs("caller", "9");
    stage.until(30.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(answers(&stage).iter().filter(|(_, answer)| *answer == Answer::Withdrawn).count(), 1);
}

#[test]
fn where_the_customer_wants_it_a_withdrawn_recording_is_closed_and_kept() {
    let mut stage = recorded(world().keeping_withdrawn());
    stage.presses("anna-desk", "*9");
    let seen = stage.seen();
    assert!(seen.contains("stop recording (withdrawn, kept)") && !seen.contains("destroy"), "{seen}");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Ok, String::new())]);
}

#[test]
fn a_yes_taken_back_while_it_rings_counts_for_nothing() {
    let mut stage = asked(world());
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(9.0);
    stage.presses("caller", "*9");
    stage.answers("anna-desk");
    stage.until(20.0);
    stage.hangs_up("caller");
    let seen = stage.seen();
    assert!(!seen.contains("record ") && seen.contains("bridge caller anna-desk"), "{seen}");
    stage.expect_nothing_left();
    assert_eq!(results(&stage), [(RecordingResult::Blocked, "the caller took the consent back".into())]);
}

#[test]
fn a_destruction_that_is_never_reported_does_not_keep_the_call() {
    let mut stage = recorded(world());
    stage.quirks.destruction_unreported = true;
    stage.presses("caller", "*9");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(stage.count(|event| matches!(event, Event::RecordingDestroyed { .. })), 0);
}

#[test]
fn receipts_say_what_was_asked_and_how_it_was_answered() {
    let mut stage = recorded(world());
    stage.hangs_up("caller");
    let record = stage.record();
    let [caller, anna] = &record.consent[..] else { panic!("two receipts") };
    let prompt = caller.prompt.as_ref().expect("the caller was asked");
    assert_eq!((prompt.name.as_str(), caller.method), ("consent-ask", Method::Key { digit: '1' }));
    assert_eq!((caller.purpose.as_str(), anna.method), ("Anliegen weitergeben", Method::Standing));
    assert!(anna.prompt.is_none() && caller.epoch < anna.epoch && caller.party != anna.party);
    let connected = stage.events.iter().find_map(|record| match record.event {
        Event::Connected { party, receptionist, .. } => Some((party, receptionist)),
        _ => None,
    });
    assert_eq!(connected, Some((anna.party, receptionist("anna"))));
    stage.expect_nothing_left();
}

#[test]
fn a_phone_that_holds_while_asked_did_not_hear_and_the_call_goes_on() {
    let mut stage = asked(world());
    stage.until(1.0);
    stage.reoffers("caller", Some(&sdp_of("caller", &[8], "sendonly")));
    let (call, leg) = (stage.call(), stage.leg("caller"));
    stage.give(Input::Media(MediaEvent::PlayEnded { call, leg, play: PlayId(1), complete: false }));
    assert_eq!(answers(&stage), [(Role::Caller, Answer::CutShort)]);
    stage.until(10.0);
    assert!(stage.seen().contains("ring anna-desk"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
