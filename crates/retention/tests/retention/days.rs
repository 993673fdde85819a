//! A hundred days, day by day.

use std::collections::BTreeSet;

use vorzimmer_retention::{Class, Clock, SignedCertificate, verify_chain};
use vorzimmer_store::{AuditEvent, Page};
use vorzimmer_types::{Day, Pii};

use crate::house::{FIRST, House, call, caller, noon, on_both, recording};

/// So many days, one call on each.
const DAYS: u32 = 100;

on_both! {
    a_hundred_days_each_thing_goes_on_its_day
    what_cannot_be_removed_is_told_and_tried_again
    a_dry_run_says_what_a_run_does_and_does_nothing
    audit_and_receipts_go_after_three_years
}

async fn a_hundred_days_each_thing_goes_on_its_day(kind: crate::house::Kind) {
    let house = House::new(kind).await;
    let retention = house.retention();
    let mut certificates = Vec::new();
    for today in 0..DAYS {
        house.day(today).await;
        certificates.push(retention.run(noon(today), Clock::Checked).await.expect("a run"));

        let since = |days: u32| (today + 1).saturating_sub(days)..=today;
        let calls: BTreeSet<_> = since(60).map(call).collect();
        assert_eq!(house.readable_calls().await, calls, "day {today}");
        let names: BTreeSet<_> = since(30).map(|day| format!("{}.callrec", recording(day))).collect();
        assert_eq!(house.files("recordings"), names, "day {today}");
        let logs: BTreeSet<_> = since(14).map(|day| format!("vorzimmer-{}.log", Day(FIRST + day))).collect();
        assert_eq!(house.files("logs"), logs, "day {today}");
        for (days, heard) in [(29, true), (30, false)] {
            let Some(day) = today.checked_sub(days) else { continue };
            assert_eq!(house.can_be_heard(day), heard, "day {day} on day {today}");
        }
        for (days, found) in [(59, 1), (60, 0)] {
            let Some(day) = today.checked_sub(days) else { continue };
            let calls = house.store.find_by_number(&caller(day)).await.expect("find");
            assert_eq!(calls.len(), found, "day {day} on day {today}");
        }
    }
    assert_eq!(house.store.receipts(call(0)).await.expect("receipts").len(), 1, "three years");
    assert_certified(&certificates);
    let lines = retention.certificates(1).await.expect("certificates");
    let key = house.store.signing_key().expect("the signing key").public_key();
    assert_eq!(verify_chain(lines.iter().map(String::as_str), &key).expect("a chain"), u64::from(DAYS));
    assert_tampering_shows(&lines, &key);
}

/// Each thing that went is in one certificate, and in one only.
fn assert_certified(certificates: &[SignedCertificate]) {
    let total = |class: Class, of: fn(&vorzimmer_retention::ClassCount) -> u64| {
        let counts = certificates.iter().flat_map(|signed| &signed.certificate.classes);
        counts.filter(|count| count.class == class).map(of).sum::<u64>()
    };
    // 70 recordings of two parties and 40 days of calls went: six events, a call and two numbers a day.
    assert_eq!(total(Class::Recordings, |count| count.keys), 70);
    assert_eq!(total(Class::Recordings, |count| count.secrets), 140);
    assert_eq!(total(Class::Recordings, |count| count.files), 70);
    assert_eq!(total(Class::Recordings, |count| count.rows), 70);
    assert_eq!(total(Class::CallData, |count| count.keys), 80);
    assert_eq!(total(Class::CallData, |count| count.rows), 40 * 9);
    assert_eq!(total(Class::Logs, |count| count.files), 86);
    assert_eq!(total(Class::Receipts, |count| count.rows), 0);
    let last = &certificates.last().expect("a certificate").certificate;
    assert_eq!(last.recordings, [recording(69)]);
    assert_eq!(last.left_over, Vec::<String>::new());
    let due: Vec<_> = last.classes.iter().map(|count| count.oldest_left_due).collect();
    let day = |day: u32| Some(Day(FIRST + day));
    assert_eq!(due, [day(100), day(100), day(1096), None, day(100)]);
}

fn assert_tampering_shows(lines: &[String], key: &vorzimmer_vault::PublicKey) {
    let verify = |lines: &[String]| verify_chain(lines.iter().map(String::as_str), key);
    let mut missing = lines.to_vec();
    missing.remove(40);
    assert!(verify(&missing).is_err());
    let mut swapped = lines.to_vec();
    swapped.swap(10, 11);
    assert!(verify(&swapped).is_err());
    let mut changed = lines.to_vec();
    changed[99] = changed[99].replace("\"files\":1", "\"files\":2");
    assert_ne!(changed[99], lines[99]);
    assert!(verify(&changed).is_err());
}

async fn what_cannot_be_removed_is_told_and_tried_again(kind: crate::house::Kind) {
    let house = House::new(kind).await;
    house.day(0).await;
    house.day(1).await;
    let retention = house.retention();
    retention.heartbeat(noon(31)).await.expect("a heartbeat");
    // Somebody put a folder in the place of a recording.
    let path = house.path("recordings").join(format!("{}.callrec", recording(0)));
    std::fs::remove_file(&path).expect("remove");
    std::fs::create_dir(&path).expect("a folder");

    let first = retention.run(noon(31), Clock::Checked).await.expect("a run").certificate;
    assert_eq!(first.left_over.len(), 1);
    assert_eq!(first.recordings, [recording(1)], "the others go all the same");
    house.store.recording(recording(0)).await.expect("its row still tells");
    assert!(!house.can_be_heard(0));

    std::fs::remove_dir(&path).expect("remove");
    let second = retention.run(noon(31), Clock::Checked).await.expect("a run").certificate;
    assert_eq!((second.left_over.len(), second.recordings), (0, vec![recording(0)]));
    assert!(house.store.recording(recording(0)).await.is_err());
}

async fn audit_and_receipts_go_after_three_years(kind: crate::house::Kind) {
    let house = House::new(kind).await;
    house.day(0).await;
    let event = AuditEvent {
        at: noon(0),
        actor: Pii::new("cli:operator".to_owned()),
        purpose: Pii::new("Auskunft".to_owned()),
        action: "call-find".into(),
        object: call(0).to_string(),
    };
    house.store.audit(&event).await.expect("audit");
    let retention = house.retention();
    retention.run(noon(1095), Clock::Accepted).await.expect("a run");
    assert_eq!(house.store.receipts(call(0)).await.expect("receipts").len(), 1);
    assert_eq!(house.store.audit_events(Page::newest(9)).await.expect("audit").0, [event]);
    let status = retention.status(noon(1095)).await.expect("status");
    let left: Vec<_> = status.classes.iter().map(|class| class.oldest_due).collect();
    let last = Some(Day(FIRST + 1096));
    assert_eq!(left, [None, None, last, last, None]);

    let certificate = retention.run(noon(1096), Clock::Checked).await.expect("a run").certificate;
    let rows: Vec<_> = certificate.classes.iter().map(|class| (class.keys, class.rows)).collect();
    assert_eq!(rows, [(0, 0), (0, 0), (0, 1), (1, 1), (0, 0)]);
    assert_eq!(house.store.receipts(call(0)).await.expect("receipts"), []);
    assert_eq!(house.store.audit_events(Page::newest(9)).await.expect("audit").0, []);
    assert!(house.store.keys().list().expect("keys").is_empty(), "no key outlives what it sealed");
}

async fn a_dry_run_says_what_a_run_does_and_does_nothing(kind: crate::house::Kind) {
    let house = House::new(kind).await;
    for day in 0..3 {
        house.day(day).await;
    }
    let retention = house.retention();
    let before = house.inventory().await;
    let plan = retention.plan(noon(61), Clock::Accepted).await.expect("a plan");
    assert_eq!(house.inventory().await, before);
    assert_eq!(plan.recordings, [recording(0), recording(1), recording(2)]);
    assert_eq!((plan.of(Class::CallData), plan.of(Class::Logs)), (2 * 2 + 2 * 9, 3));
    let status = retention.status(noon(61)).await.expect("status");
    assert_eq!(status.classes[0].oldest_due, Some(Day(FIRST + 30)));
    assert_eq!((status.classes[1].due, status.last_certificate), (22, None));

    retention.run(noon(61), Clock::Accepted).await.expect("a run");
    assert!(retention.plan(noon(61), Clock::Checked).await.expect("a plan").is_empty());
    let status = retention.status(noon(61)).await.expect("status");
    assert_eq!(status.last_certificate, Some((1, noon(61))));
    assert!(!status.clock_leapt);
}
