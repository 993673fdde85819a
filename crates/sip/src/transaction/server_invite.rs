//! The INVITE server transaction: RFC 3261 §17.2.1 as RFC 6026 §7.1 amends it.
//!
//! ```text
//!  Proceeding ──2xx──▶ Accepted ──L──▶ gone
//!      └──300–699──▶ Completed ──ACK──▶ Confirmed ──I──▶ gone          H: unacknowledged
//! ```
//! A 2xx is not retransmitted here: that is the work of the core above (§13.3.1.4).

use std::time::Duration;

use bytes::Bytes;

use super::timer::{PATIENCE, T1, T2, T4, Timer};
use super::{Steps, step};

/// Where an INVITE of theirs stands.
pub struct ServerInvite {
    reliable: bool,
    state: State,
}

enum State {
    Proceeding { last: Option<Bytes> },
    Completed { response: Bytes, interval: Duration },
    Confirmed,
    Accepted,
}

impl ServerInvite {
    /// An INVITE has come.
    #[must_use]
    pub fn new(reliable: bool) -> Self {
        Self { reliable, state: State::Proceeding { last: None } }
    }

    /// The same INVITE came again.
    pub fn again(&mut self) -> Steps {
        match &self.state {
            State::Proceeding { last: Some(response) } | State::Completed { response, .. } => {
                Steps::from_iter([step::send(response)])
            }
            // RFC 6026 §7.1: in Accepted, retransmissions are absorbed; the core repeats the 2xx by itself.
            State::Proceeding { last: None } | State::Confirmed | State::Accepted => Steps::new(),
        }
    }

    /// The core answers with a 1xx.
    pub fn provisional(&mut self, response: Bytes) -> Steps {
        let State::Proceeding { last } = &mut self.state else { return Steps::new() };
        let steps = Steps::from_iter([step::send(&response)]);
        *last = Some(response);
        steps
    }

    /// The core answers with a 2xx, for the first time or again.
    pub fn success(&mut self, response: &Bytes) -> Steps {
        match self.state {
            State::Proceeding { .. } => {
                self.state = State::Accepted;
                Steps::from_iter([step::send(response), step::arm(Timer::L, PATIENCE)])
            }
            State::Accepted => Steps::from_iter([step::send(response)]),
            State::Completed { .. } | State::Confirmed => Steps::new(),
        }
    }

    /// The core answers with a 300–699.
    pub fn failure(&mut self, response: Bytes) -> Steps {
        if !matches!(self.state, State::Proceeding { .. }) {
            return Steps::new();
        }
        let mut steps = Steps::from_iter([step::send(&response)]);
        if !self.reliable {
            steps.push(step::arm(Timer::G, T1));
        }
        steps.push(step::arm(Timer::H, PATIENCE));
        self.state = State::Completed { response, interval: T1 };
        steps
    }

    /// An ACK with this transaction's branch came: it is for a refusal, or belongs to the core.
    pub fn ack(&mut self) -> Steps {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed;
                let end = if self.reliable { step::DONE } else { step::arm(Timer::I, T4) };
                Steps::from_iter([step::stop(Timer::G), step::stop(Timer::H), end])
            }
            // RFC 6026 §7.1: an RFC 2543 peer acknowledges a 2xx with the INVITE's own branch.
            State::Accepted => Steps::from_iter([step::DELIVER]),
            State::Proceeding { .. } | State::Confirmed => Steps::new(),
        }
    }

    /// A timer fired.
    pub fn timer(&mut self, timer: Timer) -> Steps {
        match (&mut self.state, timer) {
            (State::Completed { response, interval }, Timer::G) => {
                *interval = (*interval * 2).min(T2);
                Steps::from_iter([step::send(response), step::arm(Timer::G, *interval)])
            }
            (State::Completed { .. }, Timer::H) => Steps::from_iter([step::TIMEOUT, step::DONE]),
            (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => Steps::from_iter([step::DONE]),
            _ => Steps::new(),
        }
    }

    /// Whether no final answer was given yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Step, Timer};
    use super::{PATIENCE, ServerInvite, T1, T2, T4};

    fn text(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_retransmitted_invite_gets_the_latest_provisional() {
        let mut machine = ServerInvite::new(false);
        assert!(machine.again().is_empty());
        machine.provisional(text("100"));
        machine.provisional(text("180"));
        assert_eq!(machine.again().as_slice(), [Step::Send(text("180"))]);
    }

    #[test]
    fn a_refusal_is_repeated_by_timer_g_until_timer_h() {
        let mut machine = ServerInvite::new(false);
        assert_eq!(
            machine.failure(text("486")).as_slice(),
            [Step::Send(text("486")), Step::Arm(Timer::G, T1), Step::Arm(Timer::H, PATIENCE)]
        );
        for interval in [T1 * 2, T1 * 4, T2, T2] {
            assert_eq!(
                machine.timer(Timer::G).as_slice(),
                [Step::Send(text("486")), Step::Arm(Timer::G, interval)]
            );
        }
        assert_eq!(machine.again().as_slice(), [Step::Send(text("486"))]);
        assert!(machine.success(&text("200")).is_empty(), "a final answer is final");
        assert_eq!(machine.timer(Timer::H).as_slice(), [Step::Timeout, Step::Done]);
    }

    #[test]
    fn an_ack_confirms_and_timer_i_absorbs_further_ones() {
        let mut machine = ServerInvite::new(false);
        machine.failure(text("486"));
        assert_eq!(
            machine.ack().as_slice(),
            [Step::Stop(Timer::G), Step::Stop(Timer::H), Step::Arm(Timer::I, T4)]
        );
        assert!(machine.ack().is_empty() && machine.again().is_empty());
        assert_eq!(machine.timer(Timer::I).as_slice(), [Step::Done]);
    }

    #[test]
    fn on_a_reliable_transport_timers_g_and_i_are_not_there() {
        let mut machine = ServerInvite::new(true);
        let steps = machine.failure(text("486"));
        assert_eq!(steps.as_slice(), [Step::Send(text("486")), Step::Arm(Timer::H, PATIENCE)]);
        assert_eq!(machine.ack().last(), Some(&Step::Done));
    }

    #[test]
    fn accepted_absorbs_the_invite_and_lets_the_2xx_through_until_timer_l() {
        let mut machine = ServerInvite::new(false);
        let steps = machine.success(&text("200"));
        assert_eq!(steps.as_slice(), [Step::Send(text("200")), Step::Arm(Timer::L, PATIENCE)]);
        assert!(machine.again().is_empty() && machine.failure(text("500")).is_empty());
        assert_eq!(machine.success(&text("200")).as_slice(), [Step::Send(text("200"))]);
        assert_eq!(machine.ack().as_slice(), [Step::Deliver]);
        assert_eq!(machine.timer(Timer::L).as_slice(), [Step::Done]);
    }
}
