//! What the caller hears, second by second: whole calls as readable timelines.

use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder;
use vorzimmer_types::event::{EndedBy, RecordingResult};
use vorzimmer_types::record::Disposition;

use crate::stage::{Stage, alaw};
use crate::world::FakeWorld;

#[test]
fn a_call_that_is_never_recorded() {
    let mut stage = Stage::new(FakeWorld::new(Policy::Off).team(RingOrder::Together, &[("anna", 20)]));
    stage.invite(Some(&alaw()));
    stage.until(7.0);
    stage.answers("anna-desk");
    stage.until(60.0);
    stage.hangs_up("caller");
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears greeting-default (De)
         3.0 caller hears ring-back
         3.0 ring anna-desk
         7.0 caller hears the line
         7.0 bridge caller anna-desk
         60.0 unbridge
         60.0 bye anna-desk (Q.850 16)",
    );
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!(record.disposition, Disposition::Handled);
    assert_eq!(record.ended_by, Some(EndedBy::Caller));
    assert!(record.consent.is_empty() && record.recordings.is_empty());
    assert_eq!(record.legs.len(), 1);
    assert!(record.legs[0].connected_at.is_some() && record.legs[0].outcome.is_none());
}

#[test]
fn a_call_that_is_asked_and_recorded() {
    let world =
        FakeWorld::new(Policy::AskBeforeConnect).team(RingOrder::Together, &[("anna", 20), ("ben", 20)]);
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(9.0);
    stage.presses("caller", "1");
    stage.until(14.0);
    stage.answers("ben-desk");
    stage.until(60.0);
    stage.hangs_up("ben-desk");
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears greeting-default (De)
         3.0 caller hears consent-ask (De)
         9.0 caller presses 1
         9.0 receipt: caller Yes
         9.0 caller hears consent-thanks (De)
         11.0 caller hears ring-back
         11.0 ring anna-desk
         11.0 ring ben-desk
         14.0 cancel anna-desk (SIP 200)
         14.0 receipt: receptionist Yes
         14.0 caller hears the line
         14.0 bridge caller ben-desk
         14.0 record caller and ben-desk
         60.0 stop recording (the call ended)
         60.0 unbridge
         60.0 bye caller (Q.850 16)",
    );
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!(record.ended_by, Some(EndedBy::Receptionist));
    assert_eq!(record.recordings.len(), 1);
    assert_eq!(record.recordings[0].result, Some(RecordingResult::Ok));
    assert_eq!((record.recordings[0].duration_ms, record.recordings[0].gaps), (9000, [0, 1]));
}

#[test]
fn a_no_never_costs_the_caller_the_call() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(RingOrder::Together, &[("anna", 20)]);
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(4.0);
    stage.presses("caller", "2");
    stage.until(8.0);
    stage.answers("anna-desk");
    stage.until(30.0);
    stage.hangs_up("caller");
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears greeting-default (De)
         3.0 caller hears consent-ask (De)
         4.0 caller presses 2
         4.0 caller hears the line
         4.0 receipt: caller No
         4.0 caller hears consent-declined (De)
         6.0 caller hears ring-back
         6.0 ring anna-desk
         8.0 caller hears the line
         8.0 bridge caller anna-desk
         30.0 unbridge
         30.0 bye anna-desk (Q.850 16)",
    );
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!(record.disposition, Disposition::Handled);
    assert_eq!(record.recordings.len(), 1);
    assert_eq!(record.recordings[0].result, Some(RecordingResult::Blocked));
    assert_eq!(record.recordings[0].why, "the caller said no");
}

#[test]
fn nobody_is_there() {
    let world = FakeWorld::new(Policy::Off).team(RingOrder::InOrder, &[("anna", 10), ("ben", 5)]);
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(60.0);
    stage.expect(
        "0.0 180 to caller
         0.0 200 to caller
         0.0 caller hears greeting-default (De)
         3.0 caller hears ring-back
         3.0 ring anna-desk
         13.0 cancel anna-desk (Q.850 19)
         13.0 ring ben-desk
         18.0 cancel ben-desk (Q.850 19)
         18.0 caller hears nobody-there (De)
         23.0 bye caller (Q.850 19)",
    );
    stage.expect_nothing_left();
    assert_eq!(stage.record().disposition, Disposition::Unanswered);
}
