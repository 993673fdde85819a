//! Who is to be rung next: a customer's plan, followed place by place.
//!
//! Knows places and time only. Which devices a place has, and how they are rung, is `call::ringing`'s.

use std::time::Instant;

use vorzimmer_types::ReceptionistId;
use vorzimmer_types::directory::{RingOrder, RingPlan};

use crate::limits::{PLAN_AT_MOST, RING_AT_MOST, RINGS_AGAIN_FOR};

/// One place of the plan, by its position in the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlaceId(usize);

/// How far a plan has come.
#[derive(Debug)]
pub(crate) struct Plan {
    order: RingOrder,
    places: Vec<Place>,
    /// When the whole plan is over, whatever is still ringing.
    until: Instant,
}

#[derive(Debug)]
struct Place {
    receptionist: ReceptionistId,
    timeout: std::time::Duration,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Ringing { until: Instant },
    Done,
}

impl Plan {
    /// A plan that nobody of was rung yet.
    pub(crate) fn new(plan: &RingPlan, now: Instant) -> Self {
        let places = plan.team.iter().map(|place| Place {
            receptionist: place.receptionist,
            timeout: place.timeout().min(RING_AT_MOST),
            stage: Stage::Waiting,
        });
        Self { order: plan.order, places: places.collect(), until: now + PLAN_AT_MOST }
    }

    /// One receptionist again, to whom a call comes back.
    pub(crate) fn again(receptionist: ReceptionistId, now: Instant) -> Self {
        let place = Place { receptionist, timeout: RINGS_AGAIN_FOR, stage: Stage::Waiting };
        Self { order: RingOrder::InOrder, places: vec![place], until: now + PLAN_AT_MOST }
    }

    /// Nobody: a plan that is over.
    pub(crate) fn nobody(now: Instant) -> Self {
        Self { order: RingOrder::InOrder, places: Vec::new(), until: now }
    }

    /// The next place to ring, if one is to be rung now; its time starts. Ask again until there is none.
    pub(crate) fn start_next(&mut self, now: Instant) -> Option<(PlaceId, ReceptionistId)> {
        let somebody_rings = self.places.iter().any(|place| matches!(place.stage, Stage::Ringing { .. }));
        if now >= self.until || (self.order == RingOrder::InOrder && somebody_rings) {
            return None;
        }
        let (at, place) =
            self.places.iter_mut().enumerate().find(|(_, place)| place.stage == Stage::Waiting)?;
        place.stage = Stage::Ringing { until: (now + place.timeout).min(self.until) };
        Some((PlaceId(at), place.receptionist))
    }

    /// Nothing more comes from this place.
    pub(crate) fn done(&mut self, place: PlaceId) {
        if let Some(place) = self.places.get_mut(place.0) {
            place.stage = Stage::Done;
        }
    }

    /// A place whose time is over, if there is one; it is done. Ask again until there is none.
    pub(crate) fn time_out(&mut self, now: Instant) -> Option<PlaceId> {
        let due = |place: &Place| matches!(place.stage, Stage::Ringing { until } if until <= now);
        let at = self.places.iter().position(due)?;
        self.done(PlaceId(at));
        Some(PlaceId(at))
    }

    /// Whether nobody rings and nobody is left to ring.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let rings = |place: &Place| matches!(place.stage, Stage::Ringing { .. });
        let waits = |place: &Place| place.stage == Stage::Waiting;
        !self.places.iter().any(rings) && (now >= self.until || !self.places.iter().any(waits))
    }

    /// When the next place's time is over.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let ends = self.places.iter().filter_map(|place| match place.stage {
            Stage::Ringing { until } => Some(until),
            Stage::Waiting | Stage::Done => None,
        });
        ends.min()
    }
}

#[cfg(test)]
mod tests {
    use super::{PlaceId, Plan};
    use crate::limits::{PLAN_AT_MOST, RING_AT_MOST};
    use std::time::{Duration, Instant};
    use vorzimmer_types::ReceptionistId;
    use vorzimmer_types::directory::{Place, RingOrder, RingPlan};

    fn team(order: RingOrder, timeouts: &[u16]) -> RingPlan {
        let place = |(n, timeout_s): (usize, &u16)| Place {
            receptionist: ReceptionistId::from_bytes([u8::try_from(n).unwrap_or(0); 16]),
            timeout_s: *timeout_s,
        };
        RingPlan { order, team: timeouts.iter().enumerate().map(place).collect() }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only be had from the clock; nothing waits on it"
    )]
    fn zero() -> Instant {
        Instant::now()
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn started(plan: &mut Plan, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| plan.start_next(now).map(|(place, _)| place.0)).collect()
    }

    #[test]
    fn together_rings_all_and_each_has_her_own_time() {
        let now = zero();
        let mut plan = Plan::new(&team(RingOrder::Together, &[10, 20]), now);
        assert_eq!(started(&mut plan, now), [0, 1]);
        assert_eq!(plan.next_wake(), Some(now + seconds(10)));
        assert_eq!(plan.time_out(now + seconds(10)), Some(PlaceId(0)));
        assert_eq!(plan.time_out(now + seconds(10)), None);
        assert!(!plan.is_over(now + seconds(10)));
        assert_eq!(plan.time_out(now + seconds(20)), Some(PlaceId(1)));
        assert!(plan.is_over(now + seconds(20)));
        assert_eq!(plan.next_wake(), None);
    }

    #[test]
    fn in_order_rings_the_next_when_the_one_before_is_done() {
        let now = zero();
        let mut plan = Plan::new(&team(RingOrder::InOrder, &[10, 20, 5]), now);
        assert_eq!(started(&mut plan, now), [0]);
        plan.done(PlaceId(0));
        assert_eq!(started(&mut plan, now + seconds(1)), [1]);
        assert_eq!(plan.next_wake(), Some(now + seconds(21)));
        assert_eq!(plan.time_out(now + seconds(21)), Some(PlaceId(1)));
        assert_eq!(started(&mut plan, now + seconds(21)), [2]);
    }

    #[test]
    fn nobody_in_the_team_is_over_at_once() {
        assert!(Plan::new(&team(RingOrder::Together, &[]), zero()).is_over(zero()));
    }

    #[test]
    fn no_plan_rings_without_end() {
        let now = zero();
        let mut plan = Plan::new(&team(RingOrder::InOrder, &[u16::MAX; 500]), now);
        assert_eq!(started(&mut plan, now), [0]);
        assert_eq!(plan.next_wake(), Some(now + RING_AT_MOST));
        let mut at = now;
        while !plan.is_over(at) {
            at = plan.next_wake().expect("something rings");
            assert!(plan.time_out(at).is_some());
            started(&mut plan, at);
        }
        assert!(at <= now + PLAN_AT_MOST);
    }
}
