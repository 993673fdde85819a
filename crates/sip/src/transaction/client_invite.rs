//! The INVITE client transaction: RFC 3261 §17.1.1 as RFC 6026 §7.2 amends it.
//!
//! ```text
//!  Calling ──1xx──▶ Proceeding ──2xx──▶ Accepted ──M──▶ gone
//!     │ B: timeout      └──300–699──▶ Completed ──D──▶ gone
//! ```
//! Pure: each event gives the [`Step`]s to take. It does not build the ACK, it is given it.

use std::time::Duration;

use bytes::Bytes;

use super::timer::{PATIENCE, T1, Timer};
use super::{Steps, step};

/// Where an INVITE of ours stands.
pub struct ClientInvite {
    reliable: bool,
    state: State,
}

enum State {
    Calling { request: Bytes, interval: Duration },
    Proceeding,
    Completed { ack: Bytes },
    Accepted,
}

impl ClientInvite {
    /// Sends the INVITE.
    pub fn start(request: Bytes, reliable: bool) -> (Self, Steps) {
        let mut steps = Steps::new();
        steps.push(step::send(&request));
        if !reliable {
            steps.push(step::arm(Timer::A, T1));
        }
        steps.push(step::arm(Timer::B, PATIENCE));
        (Self { reliable, state: State::Calling { request, interval: T1 } }, steps)
    }

    /// A 1xx came.
    pub fn provisional(&mut self) -> Steps {
        match self.state {
            State::Calling { .. } => {
                self.state = State::Proceeding;
                Steps::from_iter([step::stop(Timer::A), step::stop(Timer::B), step::DELIVER])
            }
            State::Proceeding => Steps::from_iter([step::DELIVER]),
            State::Completed { .. } | State::Accepted => Steps::new(),
        }
    }

    /// A 2xx came, from whichever fork.
    pub fn success(&mut self) -> Steps {
        match self.state {
            State::Calling { .. } | State::Proceeding => {
                self.state = State::Accepted;
                Steps::from_iter([
                    step::stop(Timer::A),
                    step::stop(Timer::B),
                    step::arm(Timer::M, PATIENCE),
                    step::DELIVER,
                ])
            }
            // RFC 6026 §7.2: each 2xx is passed up, so that the ACK can be repeated and forks be seen.
            State::Accepted => Steps::from_iter([step::DELIVER]),
            State::Completed { .. } => Steps::new(),
        }
    }

    /// A 300–699 came; `ack` makes the ACK that belongs to it (§17.1.1.3), once.
    pub fn failure(&mut self, ack: impl FnOnce() -> Option<Bytes>) -> Steps {
        match &self.state {
            State::Calling { .. } | State::Proceeding => {
                let mut steps = Steps::from_iter([step::stop(Timer::A), step::stop(Timer::B)]);
                let ack = ack().unwrap_or_default();
                if !ack.is_empty() {
                    steps.push(step::send(&ack));
                }
                steps.push(step::DELIVER);
                self.state = State::Completed { ack };
                // §17.1.1.2: at least 32 s on unreliable transports, zero on reliable ones.
                steps.push(if self.reliable { step::DONE } else { step::arm(Timer::D, PATIENCE) });
                steps
            }
            State::Completed { ack } if !ack.is_empty() => Steps::from_iter([step::send(ack)]),
            State::Completed { .. } | State::Accepted => Steps::new(),
        }
    }

    /// A timer fired.
    pub fn timer(&mut self, timer: Timer) -> Steps {
        match (&mut self.state, timer) {
            (State::Calling { request, interval }, Timer::A) => {
                *interval *= 2;
                Steps::from_iter([step::send(request), step::arm(Timer::A, *interval)])
            }
            (State::Calling { .. }, Timer::B) => Steps::from_iter([step::TIMEOUT, step::DONE]),
            (State::Completed { .. }, Timer::D) | (State::Accepted, Timer::M) => {
                Steps::from_iter([step::DONE])
            }
            _ => Steps::new(),
        }
    }

    /// Whether a final answer has not come yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::{Step, Timer};
    use super::{ClientInvite, PATIENCE, T1};

    fn invite() -> Bytes {
        Bytes::from_static(b"INVITE")
    }

    fn ack() -> Option<Bytes> {
        Some(Bytes::from_static(b"ACK"))
    }

    #[test]
    fn timer_a_doubles_until_timer_b() {
        let (mut machine, steps) = ClientInvite::start(invite(), false);
        assert_eq!(
            steps.as_slice(),
            [Step::Send(invite()), Step::Arm(Timer::A, T1), Step::Arm(Timer::B, PATIENCE)]
        );
        for factor in [2, 4, 8, 16, 32, 64] {
            let steps = machine.timer(Timer::A);
            assert_eq!(steps.as_slice(), [Step::Send(invite()), Step::Arm(Timer::A, T1 * factor)]);
        }
        assert_eq!(machine.timer(Timer::B).as_slice(), [Step::Timeout, Step::Done]);
    }

    #[test]
    fn a_reliable_transport_retransmits_nothing() {
        let (_, steps) = ClientInvite::start(invite(), true);
        assert_eq!(steps.as_slice(), [Step::Send(invite()), Step::Arm(Timer::B, Duration::from_secs(32))]);
    }

    #[test]
    fn a_provisional_stops_both_timers() {
        let (mut machine, _) = ClientInvite::start(invite(), false);
        let steps = machine.provisional();
        assert_eq!(steps.as_slice(), [Step::Stop(Timer::A), Step::Stop(Timer::B), Step::Deliver]);
        assert_eq!(machine.provisional().as_slice(), [Step::Deliver]);
        assert!(machine.timer(Timer::A).is_empty() && machine.timer(Timer::B).is_empty());
    }

    #[test]
    fn each_repeated_refusal_is_acknowledged_and_told_once() {
        let (mut machine, _) = ClientInvite::start(invite(), false);
        let steps = machine.failure(ack);
        assert!(steps.contains(&Step::Deliver) && steps.contains(&Step::Arm(Timer::D, PATIENCE)));
        assert_eq!(machine.failure(|| None).as_slice(), [Step::Send(Bytes::from_static(b"ACK"))]);
        assert!(machine.success().is_empty() && machine.provisional().is_empty());
        assert_eq!(machine.timer(Timer::D).as_slice(), [Step::Done]);
    }

    #[test]
    fn on_a_reliable_transport_a_refusal_ends_it_at_once() {
        let (mut machine, _) = ClientInvite::start(invite(), true);
        assert_eq!(machine.failure(ack).last(), Some(&Step::Done));
    }

    #[test]
    fn accepted_passes_every_2xx_up_until_timer_m() {
        let (mut machine, _) = ClientInvite::start(invite(), false);
        assert!(machine.success().contains(&Step::Arm(Timer::M, PATIENCE)));
        assert!(!machine.is_pending());
        assert_eq!(machine.success().as_slice(), [Step::Deliver]);
        assert!(machine.failure(ack).is_empty(), "a refusal from another fork changes nothing");
        assert_eq!(machine.timer(Timer::M).as_slice(), [Step::Done]);
    }
}
