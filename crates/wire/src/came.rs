//! What a wait is for, and what it brings: the same for either driver.

use std::net::SocketAddr;

/// For what to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The first datagram, or the waker.
    UntilSomething,
    /// Nothing but time: whatever comes meanwhile is taken at its end, all together.
    Tick,
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// What its socket was called by whoever added it.
    pub name: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its length.
    pub length: usize,
}
