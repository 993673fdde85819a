//! RFC 7866 §6.1.2 and §7.1: telephones that show whether they are recorded, and those that do not want to be.

use vorzimmer_types::consent::{Answer, Method, Policy};
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{Event, RecordingResult};

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting()
}

/// What the latest description for this phone says about recording.
fn told(stage: &Stage, phone: &str) -> String {
    let sdp = String::from_utf8(stage.described[phone].to_vec()).expect("text");
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=record:"));
    line.unwrap_or("nothing").to_owned()
}

/// Both telephones show whether they are recorded; Anna has just answered, and the recorder has not said anything yet.
fn connected() -> Stage {
    let mut stage = Stage::new(world());
    stage.quirks.recorder_is_dead = true;
    stage.invite(Some(&alaw()));
    stage.is_record_aware("caller");
    stage.until(6.0);
    assert_eq!(told(&stage, "caller"), "off");
    stage.presses("caller", "1");
    stage.until(10.0);
    assert_eq!(told(&stage, "anna-desk"), "nothing", "nobody knows yet whether her telephone cares");
    stage.is_record_aware("anna-desk");
    stage.answers("anna-desk");
    stage.seen();
    stage
}

/// The phone takes the offer that was just made.
fn takes(stage: &mut Stage, phone: &str) {
    stage.ends_our_offer(phone, 200, Some(&sdp_of(phone, &[8, 0], "sendrecv")));
}

#[test]
fn on_is_said_when_the_recorder_runs_and_off_when_it_is_closed() {
    let mut stage = connected();
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("off".into(), "nothing".into()));
    stage.recorder_says_started();
    stage.expect("10.0 update caller\n10.0 update anna-desk");
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("on".into(), "on".into()));
    takes(&mut stage, "caller");
    takes(&mut stage, "anna-desk");
    stage.expect("");
    stage.recorder_breaks(RecordingResult::Failed, "the disk is full");
    stage.expect("10.0 update caller\n10.0 update anna-desk");
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("off".into(), "off".into()));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_withdrawal_is_shown_when_the_recording_is_really_closed() {
    let mut stage = connected();
    stage.recorder_says_started();
    takes(&mut stage, "caller");
    takes(&mut stage, "anna-desk");
    stage.seen();
    stage.presses("caller", "*9");
    assert!(!stage.seen().contains("update"), "not before the recorder has said so");
    assert_eq!(told(&stage, "caller"), "on");
    stage.recorder_has_closed();
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("off".into(), "off".into()));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn hold_is_a_pause_for_whoever_looks() {
    let mut stage = connected();
    stage.recorder_says_started();
    takes(&mut stage, "caller");
    takes(&mut stage, "anna-desk");
    stage.seen();
    stage.holds("anna-desk");
    // The answer to her own offer was made before the pause; then both are told.
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("paused".into(), "paused".into()));
    takes(&mut stage, "caller");
    stage.ends_our_offer("anna-desk", 200, Some(&sdp_of("anna-desk", &[8, 0], "sendonly")));
    stage.resumes("anna-desk");
    takes(&mut stage, "caller");
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("on".into(), "on".into()));
    takes(&mut stage, "anna-desk");
    stage.hangs_up("caller");
    stage.recorder_has_closed();
    stage.expect_nothing_left();
}

#[test]
fn what_changes_while_an_offer_is_under_way_is_said_after_it() {
    let mut stage = connected();
    stage.recorder_says_started();
    stage.recorder_breaks(RecordingResult::Failed, "the disk is full");
    assert_eq!(told(&stage, "caller"), "on", "one at a time");
    stage.seen();
    takes(&mut stage, "caller");
    stage.expect("10.0 update caller");
    assert_eq!(told(&stage, "caller"), "off");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_telephone_that_was_busy_is_told_again_and_one_that_refuses_is_not() {
    let mut stage = connected();
    stage.recorder_says_started();
    stage.seen();
    stage.ends_our_offer("caller", 491, None);
    stage.ends_our_offer("anna-desk", 488, None);
    stage.expect("");
    stage.until(13.0);
    stage.expect("12.0 update caller");
    takes(&mut stage, "caller");
    stage.until(60.0);
    stage.expect("");
    stage.hangs_up("caller");
    stage.recorder_has_closed();
    stage.expect_nothing_left();
}

#[test]
fn a_telephone_that_does_not_ask_is_not_bothered() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    assert!(stage.is_recording());
    assert!(!stage.seen().contains("update"));
    assert_eq!((told(&stage, "caller"), told(&stage, "anna-desk")), ("nothing".into(), "nothing".into()));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

fn wants(phone: &str, what: &str) -> String {
    format!("{}a=recordpref:{what}\r\n", sdp_of(phone, &[8, 0], "sendrecv"))
}

#[test]
fn recordpref_off_is_a_withdrawal() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    assert!(stage.is_recording());
    stage.reoffers("caller", Some(&wants("caller", "off")));
    assert!(!stage.is_recording());
    let withdrawn = |event: &Event| {
        matches!(event, Event::Consented { receipt }
            if (receipt.receipt.answer, &receipt.receipt.method) == (Answer::Withdrawn, &Method::Signalled))
    };
    assert_eq!(stage.count(withdrawn), 1);
    stage.reoffers("caller", Some(&wants("caller", "off")));
    stage.reoffers("caller", Some(&wants("caller", "on")));
    assert_eq!(stage.count(withdrawn), 1, "once");
    assert!(!stage.is_recording(), "a telephone cannot say yes for anybody");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn recordpref_off_from_the_beginning_spares_the_question() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&wants("caller", "off")));
    stage.until(8.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    assert!(!stage.is_recording());
    assert!(!stage.seen().contains("record caller"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn recordpref_pause_pauses_for_as_long_as_it_stands() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    stage.seen();
    stage.reoffers("caller", Some(&wants("caller", "pause")));
    stage.expect("20.0 200 to caller\n20.0 pause recording");
    stage.holds("anna-desk");
    stage.resumes("anna-desk");
    assert!(!stage.seen().contains("recording"), "still paused");
    stage.reoffers("caller", Some(&wants("caller", "nopreference")));
    stage.expect("20.0 200 to caller\n20.0 resume recording");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
