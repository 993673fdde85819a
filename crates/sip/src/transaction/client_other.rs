//! The client transaction of everything but INVITE: RFC 3261 §17.1.2.
//!
//! ```text
//!  Trying ──1xx──▶ Proceeding ──200–699──▶ Completed ──K──▶ gone          F: timeout
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::timer::{PATIENCE, T1, T2, T4, Timer};
use super::{Steps, step};

/// Where a request of ours stands.
pub struct ClientOther {
    reliable: bool,
    state: State,
}

enum State {
    Trying { request: Bytes, interval: Duration },
    Proceeding { request: Bytes },
    Completed,
}

impl ClientOther {
    /// Sends the request.
    pub fn start(request: Bytes, reliable: bool) -> (Self, Steps) {
        let mut steps = Steps::new();
        steps.push(step::send(&request));
        if !reliable {
            steps.push(step::arm(Timer::E, T1));
        }
        steps.push(step::arm(Timer::F, PATIENCE));
        (Self { reliable, state: State::Trying { request, interval: T1 } }, steps)
    }

    /// A 1xx came.
    pub fn provisional(&mut self) -> Steps {
        match &mut self.state {
            State::Trying { request, .. } => {
                // §17.1.2.2: retransmissions go on, now every T2; Timer E keeps the moment it was set to.
                self.state = State::Proceeding { request: std::mem::take(request) };
                Steps::from_iter([step::DELIVER])
            }
            State::Proceeding { .. } => Steps::from_iter([step::DELIVER]),
            State::Completed => Steps::new(),
        }
    }

    /// A final answer came.
    pub fn last(&mut self) -> Steps {
        if matches!(self.state, State::Completed) {
            return Steps::new();
        }
        self.state = State::Completed;
        let end = if self.reliable { step::DONE } else { step::arm(Timer::K, T4) };
        Steps::from_iter([step::stop(Timer::E), step::stop(Timer::F), step::DELIVER, end])
    }

    /// A timer fired.
    pub fn timer(&mut self, timer: Timer) -> Steps {
        match (&mut self.state, timer) {
            (State::Trying { request, interval }, Timer::E) => {
                *interval = (*interval * 2).min(T2);
                Steps::from_iter([step::send(request), step::arm(Timer::E, *interval)])
            }
            (State::Proceeding { request }, Timer::E) => {
                Steps::from_iter([step::send(request), step::arm(Timer::E, T2)])
            }
            (State::Trying { .. } | State::Proceeding { .. }, Timer::F) => {
                Steps::from_iter([step::TIMEOUT, step::DONE])
            }
            (State::Completed, Timer::K) => Steps::from_iter([step::DONE]),
            _ => Steps::new(),
        }
    }

    /// Whether a final answer has not come yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !matches!(self.state, State::Completed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Step, Timer};
    use super::{ClientOther, PATIENCE, T1, T2, T4};

    fn bye() -> Bytes {
        Bytes::from_static(b"BYE")
    }

    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f() {
        let (mut machine, steps) = ClientOther::start(bye(), false);
        assert_eq!(
            steps.as_slice(),
            [Step::Send(bye()), Step::Arm(Timer::E, T1), Step::Arm(Timer::F, PATIENCE)]
        );
        for interval in [T1 * 2, T1 * 4, T2, T2, T2] {
            assert_eq!(
                machine.timer(Timer::E).as_slice(),
                [Step::Send(bye()), Step::Arm(Timer::E, interval)]
            );
        }
        assert_eq!(machine.timer(Timer::F).as_slice(), [Step::Timeout, Step::Done]);
    }

    #[test]
    fn after_a_provisional_it_retransmits_every_t2_and_may_still_time_out() {
        let (mut machine, _) = ClientOther::start(bye(), false);
        assert_eq!(machine.provisional().as_slice(), [Step::Deliver]);
        assert_eq!(machine.timer(Timer::E).as_slice(), [Step::Send(bye()), Step::Arm(Timer::E, T2)]);
        assert_eq!(machine.timer(Timer::F).as_slice(), [Step::Timeout, Step::Done]);
    }

    #[test]
    fn a_final_answer_is_told_once_and_timer_k_absorbs_the_rest() {
        let (mut machine, _) = ClientOther::start(bye(), false);
        let steps = machine.last();
        assert_eq!(
            steps.as_slice(),
            [Step::Stop(Timer::E), Step::Stop(Timer::F), Step::Deliver, Step::Arm(Timer::K, T4)]
        );
        assert!(!machine.is_pending());
        assert!(machine.last().is_empty() && machine.provisional().is_empty());
        assert_eq!(machine.timer(Timer::K).as_slice(), [Step::Done]);
    }

    #[test]
    fn on_a_reliable_transport_timers_e_and_k_are_not_there() {
        let (mut machine, steps) = ClientOther::start(bye(), true);
        assert_eq!(steps.as_slice(), [Step::Send(bye()), Step::Arm(Timer::F, PATIENCE)]);
        assert_eq!(machine.last().last(), Some(&Step::Done));
    }
}
