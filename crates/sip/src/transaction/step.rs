//! What a transaction machine wants done: values, in order.

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::timer::Timer;

/// One thing to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes over the transaction's flow.
    Send(Bytes),
    /// Let this timer fire after that time.
    Arm(Timer, Duration),
    /// Let this timer not fire.
    Stop(Timer),
    /// Hand the message that came up to the core.
    Deliver,
    /// Tell the core that nothing came in time.
    Timeout,
    /// The transaction is over; forget it.
    Done,
}

/// What one event leads to.
pub type Steps = SmallVec<[Step; 4]>;

pub(super) const DELIVER: Step = Step::Deliver;
pub(super) const TIMEOUT: Step = Step::Timeout;
pub(super) const DONE: Step = Step::Done;

pub(super) fn send(bytes: &Bytes) -> Step {
    Step::Send(bytes.clone())
}

pub(super) const fn arm(timer: Timer, after: Duration) -> Step {
    Step::Arm(timer, after)
}

pub(super) const fn stop(timer: Timer) -> Step {
    Step::Stop(timer)
}

impl std::fmt::Debug for Step {
    /// Without the message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Arm(timer, after) => write!(f, "Arm({timer:?}, {after:?})"),
            Self::Stop(timer) => write!(f, "Stop({timer:?})"),
            Self::Deliver => f.write_str("Deliver"),
            Self::Timeout => f.write_str("Timeout"),
            Self::Done => f.write_str("Done"),
        }
    }
}
