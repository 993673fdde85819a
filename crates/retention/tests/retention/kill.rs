//! Killed after any step, a run or an erasure is finished by the next run, and certified once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use vorzimmer_retention::{Class, Clock, Error, Step};

use crate::house::{House, Kind, noon, on_both, recording};

/// The day of the run: the first call is due altogether, the second one's recording, nothing of the third.
const RUN: u32 = 62;

on_both! {
    a_run_that_is_killed_anywhere_is_finished_by_the_next
    an_erasure_that_is_killed_anywhere_is_finished_by_the_next_run
    a_withdrawal_that_only_reached_the_log_is_finished_by_the_next_run
}

/// A watch that stops after step number `last`.
fn killer(last: usize) -> impl FnMut(&Step) -> ControlFlow<()> + Send {
    let mut done = 0;
    move |_| {
        done += 1;
        if done > last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

async fn furnished(kind: Kind) -> House {
    let house = House::new(kind).await;
    for day in [0, 30, 61] {
        house.day(day).await;
    }
    house.retention().heartbeat(noon(RUN)).await.expect("a heartbeat");
    house
}

/// What all certificates together say was destroyed.
async fn certified(house: &House) -> BTreeMap<Class, (u64, u64, u64, u64)> {
    let mut total: BTreeMap<Class, (u64, u64, u64, u64)> = BTreeMap::new();
    for line in house.retention().certificates(1).await.expect("certificates") {
        let signed = vorzimmer_retention::SignedCertificate::from_line(&line).expect("a certificate");
        for count in signed.certificate.classes {
            let sum = total.entry(count.class).or_default();
            sum.0 += count.keys;
            sum.1 += count.secrets;
            sum.2 += count.files;
            sum.3 += count.rows;
        }
    }
    total
}

async fn a_run_that_is_killed_anywhere_is_finished_by_the_next(kind: Kind) {
    let whole = furnished(kind).await;
    let mut steps = 0;
    let mut count = |_: &Step| {
        steps += 1;
        ControlFlow::Continue(())
    };
    whole.retention().run_watched(noon(RUN), Clock::Checked, &mut count).await.expect("a whole run");
    let (expected, proof) = (whole.inventory().await, certified(&whole).await);
    assert_eq!(proof[&Class::Recordings], (2, 4, 2, 2));
    assert_eq!(proof[&Class::CallData], (2, 0, 0, 9));
    assert!(steps > 12, "{steps} steps");

    for last in 0..steps {
        let house = furnished(kind).await;
        let killed = house.retention().run_watched(noon(RUN), Clock::Checked, &mut killer(last)).await;
        assert!(matches!(killed, Err(Error::Stopped { .. })), "after step {last}");
        house.retention().run(noon(RUN), Clock::Checked).await.expect("the next run");
        assert_eq!(house.inventory().await, expected, "killed after step {last}");
        assert_eq!(certified(&house).await, proof, "killed after step {last}");
        assert!(!house.can_be_heard(0) && !house.can_be_heard(30) && house.can_be_heard(61));
    }
}

async fn an_erasure_that_is_killed_anywhere_is_finished_by_the_next_run(kind: Kind) {
    for last in 0..4 {
        let house = furnished(kind).await;
        let retention = house.retention();
        let mut watch = killer(last);
        let erased =
            retention.destroy_recording_watched(recording(61), "erasure", noon(RUN), &mut watch).await;
        assert_eq!(erased.is_ok(), last == 3, "step {last}");
        let certificate = retention.run(noon(RUN), Clock::Checked).await.expect("a run").certificate;
        assert!(!house.can_be_heard(61));
        assert_eq!(certificate.erasures.get(&recording(61)).map(String::as_str), Some("erasure"));
        let row = house.store.recording(recording(61)).await.expect("the row stays until its day");
        assert_eq!(row.destroyed, Some((noon(RUN), "erasure".to_owned())));
        let record = house.store.call(crate::house::call(61)).await.expect("the call stays");
        assert_eq!(record.recordings[0].destroyed.as_deref(), Some("erasure"));
        let again = retention.run(noon(RUN), Clock::Checked).await.expect("a run").certificate;
        assert_eq!(again.recordings, [], "certified once");
    }
    let house = furnished(kind).await;
    let nothing = house.retention().destroy_recording(recording(5), "erasure", noon(RUN)).await;
    assert!(nothing.is_err());
}

async fn a_withdrawal_that_only_reached_the_log_is_finished_by_the_next_run(kind: Kind) {
    let house = furnished(kind).await;
    house.store.note_destroyed(recording(61), noon(61), "withdrawn").await.expect("noted");
    assert!(house.can_be_heard(61), "the server was killed right here");
    let certificate = house.retention().run(noon(RUN), Clock::Checked).await.expect("a run").certificate;
    assert!(!house.can_be_heard(61));
    assert_eq!(certificate.erasures[&recording(61)], "withdrawn");
}
