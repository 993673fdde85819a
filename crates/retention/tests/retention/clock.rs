//! A clock that leaps ahead stops and asks; one that falls back resurrects nothing.

use vorzimmer_retention::{Clock, Error};
use vorzimmer_types::UnixMillis;

use crate::house::{House, Kind, call, noon, on_both};

on_both! {
    a_leap_of_more_than_a_day_destroys_nothing_until_somebody_has_looked
    a_clock_that_falls_back_resurrects_nothing
}

async fn a_leap_of_more_than_a_day_destroys_nothing_until_somebody_has_looked(kind: Kind) {
    let house = House::new(kind).await;
    house.day(0).await;
    let retention = house.retention();
    retention.run(noon(0), Clock::Checked).await.expect("the first run");
    let before = house.inventory().await;
    for _ in 0..2 {
        let leap = retention.run(noon(90), Clock::Checked).await;
        assert!(matches!(leap, Err(Error::ClockJumped { .. })));
        assert!(matches!(retention.heartbeat(noon(90)).await, Err(Error::ClockJumped { .. })));
        assert!(matches!(retention.plan(noon(90), Clock::Checked).await, Err(Error::ClockJumped { .. })));
    }
    assert!(retention.status(noon(90)).await.expect("status").clock_leapt);
    assert_eq!(house.inventory().await, before);
    // The clock was set right: work goes on.
    retention.run(noon(1), Clock::Checked).await.expect("the next day");
    assert!(house.can_be_heard(0));
    // This time it is true: the server was off for months.
    retention.run(noon(90), Clock::Accepted).await.expect("accepted");
    assert!(!house.can_be_heard(0));
    retention.run(noon(91), Clock::Checked).await.expect("and from then on as usual");
}

async fn a_clock_that_falls_back_resurrects_nothing(kind: Kind) {
    let house = House::new(kind).await;
    for day in [0, 20] {
        house.day(day).await;
    }
    let retention = house.retention();
    retention.run(noon(60), Clock::Accepted).await.expect("a run");
    let after = house.inventory().await;
    let certificate = retention.run(noon(10), Clock::Checked).await.expect("back").certificate;
    assert_eq!(certificate.through, noon(60).day());
    assert_eq!(house.inventory().await, after);
    assert_eq!(house.readable_calls().await, [call(20)].into());
    // The moment that counts is still the latest one: a leap from there is a leap.
    let leap = retention.run(UnixMillis(noon(61).0 + 1), Clock::Checked).await;
    assert!(matches!(leap, Err(Error::ClockJumped { seen, .. }) if seen == noon(60)));
    retention.run(noon(61), Clock::Checked).await.expect("a day later");
}
