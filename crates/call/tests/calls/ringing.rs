//! Who is rung, when, and what ends it.

use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::{InOrder, Together};
use vorzimmer_types::event::{EndedBy, Event, RingOutcome};
use vorzimmer_types::record::Disposition;

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

/// A call whose receptionists ring from 0.0 on.
fn rung(world: FakeWorld) -> Stage {
    let mut stage = Stage::new(world.without_greeting());
    stage.invite(Some(&alaw()));
    stage.until(0.0);
    stage
}

fn outcomes(stage: &Stage) -> Vec<RingOutcome> {
    let ended = stage.events.iter().filter_map(|record| match &record.event {
        Event::RingEnded { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    ended.collect()
}

fn off() -> FakeWorld {
    FakeWorld::new(Policy::Off)
}

#[test]
fn all_devices_of_all_receptionists_ring_and_the_first_answer_wins() {
    let world = off().devices("anna", &["anna-desk", "anna-cell"]);
    let mut stage = rung(world.team(Together, &[("anna", 20), ("ben", 20)]));
    stage.until(2.0);
    stage.answers("anna-cell");
    stage.until(5.0);
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears ring-back
         0.0 ring anna-desk
         0.0 ring anna-cell
         0.0 ring ben-desk
         2.0 cancel anna-desk (SIP 200)
         2.0 cancel ben-desk (SIP 200)
         2.0 caller hears the line
         2.0 bridge caller anna-cell",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(outcomes(&stage), [RingOutcome::TakenElsewhere, RingOutcome::TakenElsewhere]);
}

#[test]
fn each_receptionist_rings_for_her_own_time() {
    let mut stage = rung(off().team(Together, &[("anna", 5), ("ben", 9)]));
    stage.seen();
    stage.until(20.0);
    stage.expect(
        "5.0 cancel anna-desk (Q.850 19)
         9.0 cancel ben-desk (Q.850 19)
         9.0 caller hears nobody-there (De)
         14.0 bye caller (Q.850 19)",
    );
    stage.expect_nothing_left();
    assert_eq!(outcomes(&stage), [RingOutcome::TimedOut, RingOutcome::TimedOut]);
}

#[test]
fn in_order_a_refusal_rings_the_next_at_once() {
    let mut stage = rung(off().team(InOrder, &[("anna", 20), ("ben", 20), ("carol", 20)]));
    stage.until(1.0);
    stage.refuses("anna-desk", 486);
    stage.until(2.0);
    stage.refuses("ben-desk", 480);
    stage.until(3.0);
    stage.answers("carol-desk");
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears ring-back
         0.0 ring anna-desk
         1.0 ring ben-desk
         2.0 ring carol-desk
         3.0 caller hears the line
         3.0 bridge caller carol-desk",
    );
    stage.hangs_up("carol-desk");
    stage.expect_nothing_left();
    let busy = RingOutcome::Failed { status: 486 };
    assert_eq!(outcomes(&stage), [busy, RingOutcome::Failed { status: 480 }]);
}

#[test]
fn a_refusal_of_every_device_ends_in_an_announcement() {
    for status in [404, 408, 480, 486, 488, 500, 503, 600, 603] {
        let world = off().devices("anna", &["anna-desk", "anna-cell"]);
        let mut stage = rung(world.team(Together, &[("anna", 20), ("ben", 20)]));
        stage.seen();
        stage.until(1.0);
        // Who does not take an offer is asked in another way first.
        for _ in 0..if status == 488 { 2 } else { 1 } {
            stage.refuses("anna-desk", status);
            if status < 600 {
                stage.refuses("anna-cell", status);
            }
            stage.refuses("ben-desk", status);
        }
        stage.until(10.0);
        let seen = stage.seen();
        assert!(
            seen.ends_with("1.0 caller hears nobody-there (De)\n6.0 bye caller (Q.850 19)"),
            "{status}: {seen}"
        );
        stage.expect_nothing_left();
        assert_eq!(outcomes(&stage), vec![RingOutcome::Failed { status }; 3], "{status}");
        assert_eq!(stage.record().disposition, Disposition::Unanswered);
    }
}

#[test]
fn one_busy_device_does_not_end_the_ringing_of_the_other() {
    let world = off().devices("anna", &["anna-desk", "anna-cell"]);
    let mut stage = rung(world.team(InOrder, &[("anna", 20), ("ben", 20)]));
    stage.seen();
    stage.refuses("anna-desk", 486);
    stage.until(3.0);
    stage.answers("anna-cell");
    stage.expect("3.0 caller hears the line\n3.0 bridge caller anna-cell");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_decline_everywhere_ends_her_devices_and_nobody_elses() {
    let world = off().devices("anna", &["anna-desk", "anna-cell"]);
    let mut stage = rung(world.team(Together, &[("anna", 20), ("ben", 20)]));
    stage.seen();
    stage.refuses("anna-desk", 603);
    stage.until(3.0);
    stage.answers("ben-desk");
    stage.expect(
        "0.0 cancel anna-cell (SIP 603)
         3.0 caller hears the line
         3.0 bridge caller ben-desk",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn nobody_is_registered_or_nobody_is_in_the_team() {
    let nobody_registered = off().devices("anna", &[]).team(InOrder, &[("anna", 20)]);
    for world in [nobody_registered, off()] {
        let mut stage = rung(world);
        stage.until(10.0);
        stage.expect(
            "0.0 180 to caller
             0.0 200 to caller
             0.0 caller hears ring-back
             0.0 caller hears nobody-there (De)
             5.0 bye caller (Q.850 19)",
        );
        stage.expect_nothing_left();
    }
}

#[test]
fn without_an_announcement_the_call_ends_all_the_same() {
    let mut stage = rung(off().without_prompt("nobody-there"));
    stage.expect(
        "0.0 180 to caller\n0.0 200 to caller\n0.0 caller hears ring-back\n0.0 bye caller (Q.850 19)",
    );
    stage.expect_nothing_left();
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_stops_the_ringing() {
    let mut stage = rung(off().team(Together, &[("anna", 20), ("ben", 20)]));
    stage.seen();
    stage.until(2.0);
    stage.hangs_up("caller");
    stage.expect("2.0 cancel anna-desk (SIP 487)\n2.0 cancel ben-desk (SIP 487)");
    stage.expect_nothing_left();
    assert_eq!(outcomes(&stage), [RingOutcome::CallerGone, RingOutcome::CallerGone]);
    let record = stage.record();
    assert_eq!((record.disposition, record.ended_by), (Disposition::Abandoned, Some(EndedBy::Caller)));
}

#[test]
fn an_answer_that_crosses_its_cancel_is_hung_up() {
    let mut stage = rung(off().team(Together, &[("anna", 20), ("ben", 20)]));
    stage.seen();
    stage.answers("anna-desk");
    stage.answers("ben-desk");
    stage.expect(
        "0.0 cancel ben-desk (SIP 200)
         0.0 caller hears the line
         0.0 bridge caller anna-desk
         0.0 bye ben-desk (SIP 200)",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn an_answer_that_cannot_be_taken_is_as_good_as_none() {
    let mut stage = rung(off().team(InOrder, &[("anna", 20), ("ben", 20)]));
    stage.seen();
    stage.answers_without_description("anna-desk");
    stage.until(1.0);
    stage.expect("0.0 bye anna-desk (Q.850 88)\n0.0 ring ben-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(outcomes(&stage), [RingOutcome::Failed { status: 488 }, RingOutcome::CallerGone]);
}

#[test]
fn no_directory_makes_it_ring_without_end() {
    let mut stage = rung(off().team(InOrder, &[("anna", u16::MAX); 50]));
    stage.until(700.0);
    let seen = stage.seen();
    assert!(seen.ends_with("600.0 caller hears nobody-there (De)\n605.0 bye caller (Q.850 19)"), "{seen}");
    stage.expect_nothing_left();
}

#[test]
fn a_receptionist_with_very_many_devices_rings_on_some_of_them() {
    const MANY: [&str; 40] = ["anna-desk"; 40];
    let mut stage = rung(off().devices("anna", &MANY).team(Together, &[("anna", 5)]));
    stage.until(1.0);
    assert_eq!(stage.count(|event| matches!(event, Event::Rung { .. })), 8);
    stage.expect_nothing_left();
}

#[test]
fn a_receptionist_who_hangs_up_while_she_is_asked_makes_the_next_one_ring() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(InOrder, &[("carol", 20), ("ben", 20)]);
    let mut stage = rung(world);
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(9.0);
    stage.answers("carol-desk");
    stage.until(10.0);
    stage.seen();
    stage.hangs_up("carol-desk");
    stage.until(12.0);
    stage.answers("ben-desk");
    stage.expect(
        "10.0 receipt: receptionist HungUp
         10.0 caller hears ring-back
         10.0 ring ben-desk
         12.0 receipt: receptionist Yes
         12.0 caller hears the line
         12.0 bridge caller ben-desk
         12.0 record caller and ben-desk",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_device_without_a_port_is_as_if_it_were_not_there() {
    let mut stage = rung(off().team(InOrder, &[("anna", 20), ("ben", 20)]).without_prompt("nobody-there"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();

    let world = off().team(InOrder, &[("anna", 20), ("ben", 20)]);
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(2.0);
    stage.quirks.no_ports = true;
    stage.seen();
    stage.until(10.0);
    stage.expect("3.0 caller hears ring-back\n3.0 caller hears nobody-there (De)\n8.0 bye caller (Q.850 19)");
    stage.expect_nothing_left();
}

#[test]
fn a_leg_that_never_opens_is_given_up() {
    let mut stage = Stage::new(off().team(InOrder, &[("anna", 20), ("ben", 20)]));
    stage.invite(Some(&alaw()));
    stage.until(2.0);
    stage.quirks.legs_do_not_open = true;
    stage.seen();
    stage.until(30.0);
    stage.expect(
        "3.0 caller hears ring-back\n13.0 caller hears nobody-there (De)\n18.0 bye caller (Q.850 19)",
    );
    stage.expect_nothing_left();
}

#[test]
fn early_media_of_a_device_changes_nothing_for_the_caller() {
    let mut stage = rung(off().team(InOrder, &[("anna", 20)]));
    stage.seen();
    let session = stage.session("anna-desk");
    let sdp = Some(bytes::Bytes::from(sdp_of("anna-desk", &[8], "sendrecv")));
    let progressed = vorzimmer_sip::ua::Event::Progressed { session, status: 183, sdp };
    stage.give(vorzimmer_call::Input::Sip(progressed));
    stage.expect("");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
