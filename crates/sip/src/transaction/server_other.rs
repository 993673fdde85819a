//! The server transaction of everything but INVITE and ACK: RFC 3261 §17.2.2.
//!
//! ```text
//!  Trying ──1xx──▶ Proceeding ──200–699──▶ Completed ──J──▶ gone
//! ```

use bytes::Bytes;

use super::timer::{PATIENCE, Timer};
use super::{Steps, step};

/// Where a request of theirs stands.
pub struct ServerOther {
    reliable: bool,
    state: State,
}

enum State {
    Trying,
    Proceeding { last: Bytes },
    Completed { response: Bytes },
}

impl ServerOther {
    /// A request has come.
    #[must_use]
    pub fn new(reliable: bool) -> Self {
        Self { reliable, state: State::Trying }
    }

    /// The same request came again.
    pub fn again(&mut self) -> Steps {
        match &self.state {
            State::Trying => Steps::new(),
            State::Proceeding { last: response } | State::Completed { response } => {
                Steps::from_iter([step::send(response)])
            }
        }
    }

    /// The core answers with a 1xx.
    pub fn provisional(&mut self, response: Bytes) -> Steps {
        if matches!(self.state, State::Completed { .. }) {
            return Steps::new();
        }
        let steps = Steps::from_iter([step::send(&response)]);
        self.state = State::Proceeding { last: response };
        steps
    }

    /// The core answers finally.
    pub fn last(&mut self, response: Bytes) -> Steps {
        if matches!(self.state, State::Completed { .. }) {
            return Steps::new();
        }
        // §17.2.2: 64·T1 on unreliable transports, zero on reliable ones.
        let end = if self.reliable { step::DONE } else { step::arm(Timer::J, PATIENCE) };
        let steps = Steps::from_iter([step::send(&response), end]);
        self.state = State::Completed { response };
        steps
    }

    /// A timer fired.
    pub fn timer(&mut self, timer: Timer) -> Steps {
        match (&self.state, timer) {
            (State::Completed { .. }, Timer::J) => Steps::from_iter([step::DONE]),
            _ => Steps::new(),
        }
    }

    /// Whether no final answer was given yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !matches!(self.state, State::Completed { .. })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Step, Timer};
    use super::{PATIENCE, ServerOther};

    fn text(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn retransmissions_get_the_last_answer_until_timer_j() {
        let mut machine = ServerOther::new(false);
        assert!(machine.again().is_empty(), "in Trying they are discarded");
        machine.provisional(text("100"));
        assert_eq!(machine.again().as_slice(), [Step::Send(text("100"))]);
        let steps = machine.last(text("200"));
        assert_eq!(steps.as_slice(), [Step::Send(text("200")), Step::Arm(Timer::J, PATIENCE)]);
        assert_eq!(machine.again().as_slice(), [Step::Send(text("200"))]);
        assert!(machine.last(text("500")).is_empty() && machine.provisional(text("100")).is_empty());
        assert_eq!(machine.timer(Timer::J).as_slice(), [Step::Done]);
    }

    #[test]
    fn on_a_reliable_transport_it_ends_with_its_answer() {
        let mut machine = ServerOther::new(true);
        assert_eq!(machine.last(text("200")).as_slice(), [Step::Send(text("200")), Step::Done]);
    }
}
