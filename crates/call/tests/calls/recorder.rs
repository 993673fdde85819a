//! A recorder that fails fails audibly: every recording has exactly one end, and the call goes on.

use vorzimmer_call::ExchangeConfig;
use vorzimmer_sip::ua::Ending;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{Event, RecordingResult};

use crate::stage::{Quirks, Stage, alaw};
use crate::world::FakeWorld;

/// Two who talk since 10.0 and are recorded, as far as the recorder does what it is told.
fn recorded(quirks: Quirks) -> Stage {
    recorded_with(quirks, ExchangeConfig::default())
}

fn recorded_with(quirks: Quirks, config: ExchangeConfig) -> Stage {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::with_config(world, config);
    stage.quirks = quirks;
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(12.0);
    stage.seen();
    stage
}

fn ends(stage: &Stage) -> Vec<(RecordingResult, String)> {
    let ends = stage.events.iter().filter_map(|record| match &record.event {
        Event::RecordingFinished { result, why, .. } => Some((*result, why.clone())),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_recorder_that_never_starts() {
    let mut stage = recorded(Quirks { recorder_is_dead: true, ..Quirks::default() });
    stage.until(40.0);
    stage.expect("15.0 stop recording (the call ended)");
    assert_eq!(ends(&stage), [(RecordingResult::Failed, "the recorder did not start in time".into())]);
    stage.hangs_up("caller");
    stage.expect("40.0 unbridge\n40.0 bye anna-desk (Q.850 16)");
    stage.expect_nothing_left();
    assert_eq!(ends(&stage).len(), 1);
}

#[test]
fn a_recorder_that_never_says_it_has_closed() {
    let mut stage = recorded(Quirks { recorder_never_closes: true, ..Quirks::default() });
    stage.until(20.0);
    stage.hangs_up("caller");
    stage.until(49.0);
    assert!(ends(&stage).is_empty() && stage.exchange.overview().closing == 1);
    stage.expect_nothing_left();
    let why = "the recorder did not say in time that it had closed the recording";
    assert_eq!(ends(&stage), [(RecordingResult::Failed, why.into())]);
}

#[test]
fn a_disk_that_takes_its_time_to_close_recordings_keeps_nobody_out() {
    let quirks = Quirks { recorder_never_closes: true, ..Quirks::default() };
    let mut stage = recorded_with(quirks, ExchangeConfig { max_calls: 1, ..ExchangeConfig::default() });
    stage.hangs_up("caller");
    stage.until(13.0);
    assert_eq!((stage.exchange.overview().running, stage.exchange.overview().closing), (0, 1));
    stage.seen();
    stage.invite(Some(&alaw()));
    stage.until(14.0);
    let seen = stage.seen();
    assert!(seen.contains("200 to caller"), "his place is free, whatever the disk does: {seen}");
    stage.until(21.0);
    stage.informs("caller", "1");
    stage.until(25.0);
    stage.answers("anna-desk");
    stage.until(26.0);
    stage.hangs_up("caller");
    stage.until(27.0);
    let seen = stage.seen();
    assert_eq!(stage.exchange.overview().closing, 2, "{seen}");
    stage.invite(Some(&alaw()));
    stage.expect("27.0 503 to caller, retry after 30 s");
    stage.until(60.0);
    stage.invite(Some(&alaw()));
    stage.until(61.0);
    assert!(stage.seen().contains("200 to caller"), "what the disk never closed is given up");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_recording_that_breaks_off_is_told_and_the_call_goes_on() {
    for (result, why) in
        [(RecordingResult::Degraded, "the disk is full"), (RecordingResult::Failed, "no key")]
    {
        let mut stage = recorded(Quirks::default());
        stage.recorder_breaks(result, why);
        stage.until(30.0);
        stage.expect("");
        assert_eq!(ends(&stage), [(result, why.into())]);
        stage.hangs_up("caller");
        stage.expect("30.0 unbridge\n30.0 bye anna-desk (Q.850 16)");
        stage.expect_nothing_left();
        assert_eq!(ends(&stage).len(), 1);
    }
}

#[test]
fn what_broke_off_is_destroyed_too_when_consent_is_withdrawn() {
    let mut stage = recorded(Quirks::default());
    stage.recorder_breaks(RecordingResult::Degraded, "the disk is full");
    stage.presses("caller", "*9");
    assert!(stage.seen().contains("destroy recording (withdrawn)"));
    stage.until(20.0);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(stage.record().recordings[0].destroyed.as_deref(), Some("withdrawn"));
}

#[test]
fn a_yes_taken_back_in_the_last_words_destroys_what_is_being_closed() {
    let mut stage = recorded(Quirks::default());
    stage.session_ends("anna-desk", Ending::DialogLost);
    stage.presses("caller", "*9");
    stage.until(20.0);
    stage.expect(
        "12.0 stop recording (the epoch ended)
         12.0 unbridge
         12.0 caller hears goodbye (De)
         12.0 caller presses *
         12.0 caller presses 9
         12.0 receipt: caller Withdrawn
         12.0 destroy recording (withdrawn)
         17.0 bye caller (Q.850 31)",
    );
    stage.expect_nothing_left();
    assert_eq!(ends(&stage), [(RecordingResult::Withdrawn, String::new())]);
    assert_eq!(stage.record().recordings[0].destroyed.as_deref(), Some("withdrawn"));
}
