//! Why somebody refused, gave up or hung up: it stands in the record, and the network's cause is passed on.

use vorzimmer_sip::ua::Ending;
use vorzimmer_types::cause::Cause;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::{InOrder, Together};
use vorzimmer_types::event::RingOutcome;

use crate::stage::{Stage, alaw};
use crate::world::FakeWorld;

fn ringing(team: &[(&str, u16)]) -> Stage {
    let order = if team.len() > 1 { InOrder } else { Together };
    let world = FakeWorld::new(Policy::Off).team(order, team).without_greeting();
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage
}

fn talking() -> Stage {
    let mut stage = ringing(&[("anna", 20)]);
    stage.answers("anna-desk");
    stage.until(5.0);
    stage.seen();
    stage
}

#[test]
fn the_networks_cause_goes_on_to_the_other_side() {
    for (cause, passed_on) in [
        (Some(Cause::Q850(16)), "Q.850 16"),
        (Some(Cause::Q850(38)), "Q.850 38"),
        (Some(Cause::Sip(480)), "Q.850 16"),
        (None, "Q.850 16"),
    ] {
        for (gone, left) in [("caller", "anna-desk"), ("anna-desk", "caller")] {
            let mut stage = talking();
            if let Some(cause) = cause {
                stage.explains(gone, cause);
            }
            stage.hangs_up(gone);
            let seen = stage.seen();
            assert!(seen.contains(&format!("bye {left} ({passed_on})")), "{cause:?} of {gone}: {seen}");
            let record = stage.record();
            let (caller, hers) = (record.cause, record.legs[0].cause);
            let expected = if gone == "caller" { (cause, None) } else { (None, cause) };
            assert_eq!((caller, hers), expected);
            stage.expect_nothing_left();
        }
    }
}

#[test]
fn a_caller_who_gives_up_while_it_rings_stops_the_ringing_with_his_cause() {
    let mut stage = ringing(&[("anna", 20)]);
    stage.seen();
    stage.explains("caller", Cause::Q850(31));
    stage.session_ends("caller", Ending::PeerHungUp);
    assert!(stage.seen().contains("cancel anna-desk (Q.850 31)"));
    assert_eq!(stage.record().cause, Some(Cause::Q850(31)));
    stage.expect_nothing_left();
}

#[test]
fn a_refusal_keeps_its_cause_and_a_redirection_is_one_like_any_other() {
    let mut stage = ringing(&[("anna", 20), ("ben", 20)]);
    stage.explains("anna-desk", Cause::Q850(21));
    stage.refuses("anna-desk", 302);
    stage.until(2.0);
    assert!(stage.seen().ends_with("ring ben-desk"), "the next in the plan, and nobody whom she named");
    let record = stage.record();
    assert_eq!(record.legs[0].outcome, Some(RingOutcome::Failed { status: 302 }));
    assert_eq!((record.legs[0].cause, record.legs[1].cause), (Some(Cause::Q850(21)), None));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
