//! What can go wrong.

use std::io;

/// Why datagrams cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not make a ring, or not one that can do what we need.
    #[error("the kernel gives no io_uring with {what}: {source}")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// More sockets than the ring has numbers for.
    #[error("no number is free for another socket; there are {limit}")]
    TooManySockets {
        /// How many there are.
        limit: u32,
    },
    /// The kernel did not take what was handed over, or does not let us wait.
    #[error("the kernel moves no datagrams for us: {0}")]
    Wait(#[source] io::Error),
    /// The probe's datagram did not come back.
    #[error("a datagram that was sent through io_uring did not arrive")]
    NothingCame,
}

impl Error {
    /// For [`Result::map_err`].
    pub(crate) fn unavailable(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unavailable { what, source }
    }
}
