//! Datagrams in and out of many UDP sockets for one thread: by `io_uring` where the kernel allows it, else by epoll.
//!
//! With a ring, receives stay armed, the kernel fills buffers of ours, sends are handed over in batches, and sockets are
//! known by number. Whether the kernel allows that, [`probe`] finds out by doing it; many containers forbid it. Epoll does
//! the same with a call for each datagram. What is in a datagram is not known here.
//!
//! This is the only place in the house with `unsafe`, for the ring, since memory is shared with the kernel, and for
//! [`soon`], a hint to the processor; each block says why that is sound.

mod address;
mod ahead;
mod buffers;
mod came;
mod epoll;
mod error;
mod outbox;
mod uring;
mod wire;

pub use ahead::soon;
pub use came::{Came, Pause};
pub use error::Error;
pub use uring::probe;
pub use wire::{Driver, Key, Waker, Wire};

/// Largest datagram that is received whole or sent; what is longer is cut, or refused.
pub const DATAGRAM: usize = 2_000;
