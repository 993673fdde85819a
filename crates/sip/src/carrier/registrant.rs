//! When to register with a provider, and what its answers mean.
//!
//! Sends nothing itself: [`Registrant::due`] says that a REGISTER is wanted, and what became of it is told with
//! [`Registrant::accepted`], [`Registrant::refused`] or [`Registrant::unreachable`].

use std::time::{Duration, Instant};

use vorzimmer_types::{Entropy, entropy};

/// What is asked for if the operator says nothing.
const USUAL: Duration = Duration::from_secs(3600);
/// The shortest lifetime that is followed: below it nothing but REGISTERs would be sent.
const SHORTEST: Duration = Duration::from_secs(20);
/// The longest Min-Expires that is followed (RFC 3261 §10.2.8): a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A registration is refreshed this long before its end, or at half its time if that is later.
const MARGIN: Duration = Duration::from_secs(600);
/// RFC 5626 §4.5: the first pause if no flow is left, and the longest one.
const BASE: Duration = Duration::from_secs(30);
const MOST: Duration = Duration::from_secs(1800);
/// The first pause after a flow that worked until now: nothing speaks against the provider yet.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The longest Retry-After that is followed.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not asked for yet, or again after a pause.
    Waiting {
        /// When the next REGISTER goes.
        until: Instant,
    },
    /// The first REGISTER, or the first after a failure, is under way.
    Asking,
    /// The provider sends calls here.
    Registered {
        /// Until when, if nothing refreshes it.
        until: Instant,
    },
    /// The provider said no in a way that asking again would only repeat: a person has to look.
    Refused {
        /// What it said.
        status: u16,
    },
    /// Given back, or never to be asked for again.
    Ended,
}

/// What a refusal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same once more, with a longer lifetime (423).
    Again,
    /// Another target, or after the pause.
    Later {
        /// How long the pause is.
        pause: Duration,
    },
    /// Never, until the operator says so.
    Stopped,
}

/// One registration with one provider.
#[derive(Clone, Debug)]
pub struct Registrant {
    asked: Duration,
    standing: Standing,
    /// When the running registration is to be refreshed.
    refresh: Option<Instant>,
    under_way: bool,
    failures: u32,
}

impl Registrant {
    /// A registration that is wanted from now on, for as long as `expires`.
    #[must_use]
    pub fn new(expires: Option<Duration>, now: Instant) -> Self {
        Self {
            asked: expires.unwrap_or(USUAL).max(SHORTEST),
            standing: Standing::Waiting { until: now },
            refresh: None,
            under_way: false,
            failures: 0,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the provider has our address now.
    #[must_use]
    pub fn is_registered(&self, now: Instant) -> bool {
        matches!(self.standing, Standing::Registered { until } if until > now)
    }

    /// The lifetime to ask for.
    #[must_use]
    pub fn asked(&self) -> Duration {
        self.asked
    }

    /// When something is to be done, if nothing is heard before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        match self.standing {
            Standing::Waiting { until } if !self.under_way => Some(until),
            Standing::Registered { until } if self.under_way => Some(until),
            Standing::Registered { until } => Some(self.refresh.unwrap_or(until)),
            _ => None,
        }
    }

    /// Whether a REGISTER is to be sent now; if so it counts as sent.
    pub fn due(&mut self, now: Instant) -> bool {
        if let Standing::Registered { until } = self.standing
            && until <= now
        {
            // The refresh was not answered in time: the provider has forgotten us.
            self.standing = if self.under_way { Standing::Asking } else { Standing::Waiting { until: now } };
        }
        let due = match self.standing {
            Standing::Waiting { until } => until <= now,
            Standing::Registered { .. } => self.refresh.is_some_and(|refresh| refresh <= now),
            Standing::Asking | Standing::Refused { .. } | Standing::Ended => false,
        };
        if !due || self.under_way {
            return false;
        }
        self.under_way = true;
        self.refresh = None;
        if matches!(self.standing, Standing::Waiting { .. }) {
            self.standing = Standing::Asking;
        }
        true
    }

    /// The provider has taken it for `granted`. True if it had not been so before.
    pub fn accepted(&mut self, granted: Duration, now: Instant) -> bool {
        if self.standing == Standing::Ended {
            return false;
        }
        let new = !matches!(self.standing, Standing::Registered { .. });
        let lifetime = granted.max(SHORTEST);
        self.standing = Standing::Registered { until: now + lifetime };
        self.refresh = Some(now + (lifetime / 2).max(lifetime.saturating_sub(MARGIN)));
        self.under_way = false;
        self.failures = 0;
        new
    }

    /// The provider said no.
    pub fn refused(
        &mut self,
        status: u16,
        min_expires: Option<Duration>,
        retry_after: Option<Duration>,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> Outcome {
        self.under_way = false;
        match status {
            _ if self.standing == Standing::Ended => Outcome::Stopped,
            // RFC 3261 §10.2.8.
            423 => match min_expires.filter(|min| *min > self.asked && *min <= LONGEST) {
                Some(min) => {
                    self.asked = min;
                    self.wait(Duration::ZERO, now);
                    Outcome::Again
                }
                None => self.stop(status),
            },
            // Busy, broken or elsewhere: not our doing.
            408 | 430 | 480 | 500..=599 => {
                let pause = retry_after.map(|after| after.min(LONGEST_RETRY));
                let pause = pause.unwrap_or_default().max(self.pause(entropy));
                self.wait(pause, now);
                Outcome::Later { pause }
            }
            // 401 and 407 come here only after an answer that was wrong.
            _ => self.stop(status),
        }
    }

    /// No target answered.
    pub fn unreachable(&mut self, now: Instant, entropy: &mut dyn Entropy) -> Duration {
        self.under_way = false;
        let pause = self.pause(entropy);
        self.wait(pause, now);
        pause
    }

    /// The same REGISTER goes to another target at once (RFC 3263 §4.3).
    pub fn elsewhere(&mut self, now: Instant) {
        self.under_way = false;
        self.wait(Duration::ZERO, now);
    }

    /// The connection that it was made over is gone: the provider may not reach us any more (RFC 5626 §4.5).
    pub fn flow_lost(&mut self, now: Instant) {
        if matches!(self.standing, Standing::Registered { .. }) && !self.under_way {
            self.refresh = Some(now + AT_ONCE);
        }
    }

    /// It is not wanted any more. True if the provider has to be told.
    pub fn end(&mut self) -> bool {
        let there = matches!(self.standing, Standing::Registered { .. } | Standing::Asking);
        (self.standing, self.refresh, self.under_way) = (Standing::Ended, None, false);
        there
    }

    /// The operator wants it again, whatever was before.
    pub fn restart(&mut self, now: Instant) {
        if !matches!(self.standing, Standing::Registered { .. } | Standing::Asking) {
            self.failures = 0;
            self.under_way = false;
            self.standing = Standing::Waiting { until: now };
        }
    }

    fn stop(&mut self, status: u16) -> Outcome {
        self.standing = Standing::Refused { status };
        self.refresh = None;
        Outcome::Stopped
    }

    /// A running registration stays what it is; only its refresh waits.
    fn wait(&mut self, pause: Duration, now: Instant) {
        match self.standing {
            Standing::Registered { until } if until > now => self.refresh = Some(now + pause),
            _ => self.standing = Standing::Waiting { until: now + pause },
        }
    }

    /// RFC 5626 §4.5: `min(max-time, base-time · 2^failures)`, and of that 50 to 100 % by chance.
    fn pause(&mut self, entropy: &mut dyn Entropy) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let longest = BASE.saturating_mul(1 << self.failures.min(10)).min(MOST);
        let [chance] = entropy::array::<1>(entropy);
        longest / 2 + longest.mul_f64(f64::from(chance) / 510.0)
    }
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::entropy::Seeded;

    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn begin(expires: u64) -> (Registrant, Instant, Seeded) {
        let now = Instant::now();
        (Registrant::new(Some(secs(expires)), now), now, Seeded::new(5))
    }

    #[test]
    fn it_is_refreshed_before_its_end() {
        // (granted, refreshed after)
        for (granted, refresh) in [(60, 30), (480, 240), (1200, 600), (3600, 3000), (5, 10)] {
            let (mut one, now, _) = begin(3600);
            assert!(one.due(now) && !one.due(now), "one at a time");
            assert!(one.accepted(secs(granted), now));
            assert_eq!(one.next_wake(), Some(now + secs(refresh)), "{granted}");
            assert!(!one.due(now + secs(refresh - 1)));
            assert!(one.due(now + secs(refresh)));
            assert!(!one.accepted(secs(granted), now + secs(refresh)), "it is no news");
        }
    }

    #[test]
    fn the_pauses_grow_as_rfc_5626_section_4_5_says() {
        let (mut one, mut now, mut entropy) = begin(3600);
        for most in [60, 120, 240, 480, 960, 1800, 1800, 1800] {
            assert!(one.due(now));
            let Outcome::Later { pause } = one.refused(500, None, None, now, &mut entropy) else { panic!() };
            assert!(pause >= secs(most) / 2 && pause <= secs(most), "{pause:?} of {most}");
            assert_eq!(one.next_wake(), Some(now + pause));
            now += pause;
        }
        assert!(one.due(now));
        one.accepted(secs(3600), now);
        now += secs(3000);
        assert!(one.due(now));
        let Outcome::Later { pause } = one.refused(503, None, Some(secs(100)), now, &mut entropy) else {
            panic!()
        };
        assert_eq!(pause, secs(100), "Retry-After, if it is longer");
        assert!(one.is_registered(now), "a failed refresh ends nothing by itself");
        assert!(one.due(now + pause));
        assert!(!one.is_registered(now + secs(700)));
    }

    #[test]
    fn a_longer_lifetime_is_asked_for_once() {
        let (mut one, now, mut entropy) = begin(60);
        assert!(one.due(now));
        assert_eq!(one.refused(423, Some(secs(300)), None, now, &mut entropy), Outcome::Again);
        assert_eq!(one.asked(), secs(300));
        assert!(one.due(now));
        assert_eq!(one.refused(423, Some(secs(300)), None, now, &mut entropy), Outcome::Stopped);
        let (mut one, now, mut entropy) = begin(60);
        assert!(one.due(now));
        assert_eq!(one.refused(423, Some(secs(1_000_000)), None, now, &mut entropy), Outcome::Stopped);
    }

    #[test]
    fn no_is_no_until_a_person_has_looked() {
        for status in [401, 403, 404, 407, 420, 600, 604] {
            let (mut one, now, mut entropy) = begin(60);
            assert!(one.due(now));
            assert_eq!(one.refused(status, None, None, now, &mut entropy), Outcome::Stopped, "{status}");
            assert_eq!(one.standing(), Standing::Refused { status });
            assert_eq!(one.next_wake(), None);
            assert!(!one.due(now + LONGEST));
            one.restart(now);
            assert!(one.due(now));
        }
    }

    #[test]
    fn what_was_given_back_stays_so() {
        let (mut one, now, mut entropy) = begin(60);
        assert!(!one.clone().end(), "nothing to give back");
        assert!(one.due(now));
        one.accepted(secs(60), now);
        assert!(one.end());
        assert!(!one.accepted(secs(60), now));
        assert_eq!(one.refused(500, None, None, now, &mut entropy), Outcome::Stopped);
        assert_eq!((one.standing(), one.next_wake()), (Standing::Ended, None));
    }

    #[test]
    fn a_lost_flow_is_made_good_at_once() {
        let (mut one, now, _) = begin(3600);
        assert!(one.due(now));
        one.accepted(secs(3600), now);
        one.flow_lost(now + secs(5));
        assert!(one.due(now + secs(6)));
    }
}
