//! What a transaction machine wants done: values, in order.

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::timer::Timer;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
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
