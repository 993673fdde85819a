//! Every way in which a call ends.

use std::time::Duration;

use vorzimmer_call::{ExchangeConfig, Input};
use vorzimmer_sip::ua::Ending;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{EndedBy, Event, RecordingResult};
use vorzimmer_types::record::Disposition;

use crate::stage::{Stage, alaw};
use crate::world::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]).without_greeting()
}

/// A call that is being recorded since 10.0; looked at from 20.0 on.
fn recorded(config: ExchangeConfig) -> Stage {
    let mut stage = Stage::with_config(world(), config);
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
fn each_bye_ends_the_other_leg_and_closes_the_recording() {
    for (phone, other, by) in
        [("caller", "anna-desk", EndedBy::Caller), ("anna-desk", "caller", EndedBy::Receptionist)]
    {
        let mut stage = recorded(ExchangeConfig::default());
        stage.hangs_up(phone);
        stage.expect(&format!(
            "20.0 stop recording (the call ended)\n20.0 unbridge\n20.0 bye {other} (Q.850 16)"
        ));
        stage.expect_nothing_left();
        assert_eq!(stage.record().ended_by, Some(by));
        assert_eq!(stage.count(|event| matches!(event, Event::Quality { .. })), 2);
    }
}

#[test]
fn a_caller_who_falls_silent_is_let_go() {
    let mut stage = recorded(ExchangeConfig::default());
    stage.falls_silent("caller");
    stage.expect(
        "20.0 stop recording (the call ended)
         20.0 unbridge
         20.0 bye anna-desk (Q.850 16)
         20.0 bye caller (Q.850 31)",
    );
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!(record.ended_by, Some(EndedBy::Vorzimmer));
    assert_eq!(record.recordings[0].result, Some(RecordingResult::Ok));
}

#[test]
fn a_receptionist_who_is_lost_leaves_the_caller_a_word_of_goodbye() {
    for lost in [Ending::DialogLost, Ending::NoAck] {
        let mut stage = recorded(ExchangeConfig::default());
        stage.session_ends("anna-desk", lost);
        stage.until(30.0);
        stage.expect(
            "20.0 stop recording (the epoch ended)
             20.0 unbridge
             20.0 caller hears goodbye (De)
             25.0 bye caller (Q.850 31)",
        );
        stage.expect_nothing_left();
    }
    let mut stage = recorded(ExchangeConfig::default());
    stage.falls_silent("anna-desk");
    stage.until(30.0);
    stage.expect(
        "20.0 stop recording (the epoch ended)
         20.0 unbridge
         20.0 bye anna-desk (Q.850 31)
         20.0 caller hears goodbye (De)
         25.0 bye caller (Q.850 31)",
    );
    stage.expect_nothing_left();
}

#[test]
fn no_call_lasts_for_ever() {
    let config = ExchangeConfig { max_call: Duration::from_secs(40), ..ExchangeConfig::default() };
    let mut stage = recorded(config.clone());
    stage.until(60.0);
    stage.expect(
        "40.0 stop recording (the epoch ended)
         40.0 unbridge
         40.0 bye anna-desk (Q.850 31)
         40.0 caller hears goodbye (De)
         45.0 bye caller (Q.850 31)",
    );
    stage.expect_nothing_left();

    let mut stage = Stage::with_config(FakeWorld::new(Policy::Off).team(Together, &[("anna", 90)]), config);
    stage.invite(Some(&alaw()));
    stage.until(50.0);
    assert!(stage.seen().ends_with("40.0 bye caller (Q.850 31)"));
    stage.expect_nothing_left();
}

#[test]
fn a_caller_who_gives_up_before_the_answer() {
    let mut stage = Stage::new(world());
    stage.quirks.legs_do_not_open = true;
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.cancels();
    stage.expect("0.0 180 to caller");
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!((record.disposition, record.ended_by), (Disposition::Abandoned, Some(EndedBy::Caller)));
}

#[test]
fn a_caller_whose_network_never_acknowledges() {
    let mut stage = Stage::new(world());
    stage.quirks.no_ack = true;
    stage.invite(Some(&alaw()));
    stage.until(32.0);
    stage.session_ends("caller", Ending::NoAck);
    stage.expect("0.0 180 to caller\n0.0 200 to caller");
    stage.expect_nothing_left();

    // And if the user agent does not say so, there is a bound.
    let mut stage = Stage::new(world());
    stage.quirks.no_ack = true;
    stage.invite(Some(&alaw()));
    stage.until(60.0);
    stage.expect("0.0 180 to caller\n0.0 200 to caller\n40.0 bye caller (Q.850 31)");
    stage.expect_nothing_left();
}

#[test]
fn byes_that_nobody_answers_do_not_keep_the_call() {
    let mut stage = recorded(ExchangeConfig::default());
    stage.quirks.byes_unanswered = true;
    stage.hangs_up("caller");
    stage.until(50.0);
    assert_eq!(stage.exchange.running(), 1);
    stage.expect_nothing_left();
}

#[test]
fn draining_takes_no_new_calls_and_leaves_the_others() {
    let mut stage = recorded(ExchangeConfig::default());
    stage.give(Input::Drain);
    assert!(stage.exchange.overview().draining);
    assert_eq!((stage.exchange.overview().bridged, stage.exchange.overview().recording), (1, 1));
    stage.expect("");
    stage.hangs_up("anna-desk");
    stage.until(21.0);
    stage.seen();
    stage.invite(Some(&alaw()));
    stage.expect("21.0 503 to caller, retry after 30 s");
    stage.expect_nothing_left();
}

#[test]
fn at_the_deadline_every_call_ends_properly_wherever_it_is() {
    for seconds in [0.0, 1.0, 5.5, 6.5, 9.0, 11.0, 15.0, 33.0] {
        let mut stage = Stage::new(world().team(Together, &[("carol", 20)]));
        stage.quirks.no_ack = seconds == 0.0;
        stage.invite(Some(&alaw()));
        for (at, phone) in [(6.0, "caller"), (15.5, "carol-desk")] {
            if at < seconds {
                stage.until(at);
                if at > 10.0 {
                    stage.answers("carol-desk");
                }
                stage.presses(phone, "1");
            }
        }
        stage.until(seconds);
        stage.seen();
        stage.give(Input::EndAll);
        let seen = stage.seen();
        assert!(seen.contains("bye caller (Q.850 31)"), "{seconds}: {seen}");
        assert_eq!(stage.exchange.overview().running, 0);
        stage.expect_nothing_left();
        assert_eq!(stage.count(|event| matches!(event, Event::RecordingFinished { .. })), 1, "{seconds}");
        assert_eq!(stage.count(|event| matches!(event, Event::Ended { .. })), 1, "{seconds}");
    }
    let mut stage = recorded(ExchangeConfig::default());
    stage.give(Input::EndAll);
    stage.expect(
        "20.0 stop recording (the call ended)
         20.0 unbridge
         20.0 bye anna-desk (Q.850 16)
         20.0 bye caller (Q.850 31)",
    );
    stage.expect_nothing_left();

    let mut stage = Stage::new(world());
    stage.quirks.legs_do_not_open = true;
    stage.invite(Some(&alaw()));
    stage.give(Input::EndAll);
    stage.expect("0.0 180 to caller\n0.0 503 to caller, retry after 30 s");
    stage.expect_nothing_left();
}
