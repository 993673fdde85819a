//! The media plane as the control task sees it: commands go in and never wait, events come out of a channel.
//!
//! Behind [`MediaPlane`] stand worker threads that own sockets, legs and timers, and the writer that puts sealed pages
//! on disk. What they do inside is not known here.

mod bell;
mod call;
mod calls;
mod counters;
mod door;
mod names;
mod order;
mod outlet;
mod plane;
mod ports;
mod prompts;
mod recording;
mod resting;
mod rhythm;
mod sockets;
mod worker;
mod writer;

use tokio::sync::mpsc;
use vorzimmer_call::api::{MediaCommand, MediaEvent};

pub use plane::{BrowserPort, Parts, Plane, Settings};
pub use prompts::{Prompts, prepare};
pub use writer::{Begun, OncePermitted, RecordingLog};

/// Events that may wait for the control task. Workers that find it full keep the event and offer it again.
pub const EVENT_QUEUE: usize = 16_384;

/// Where the media plane tells what happened.
pub type MediaEvents = mpsc::Receiver<MediaEvent>;

/// What the control task needs of the media plane.
pub trait MediaPlane: Send {
    /// Hands a command over. Never waits. The worker may not look before [`MediaPlane::flush`].
    ///
    /// # Errors
    /// The worker's queue is full or the worker is gone; the command comes back and counts as failed.
    fn send(&mut self, command: MediaCommand) -> Result<(), Rejected>;

    /// Wakes the workers for what was handed over: to be called at the end of a turn, so that each is woken once.
    fn flush(&mut self);

    /// How it is doing; read from counters, so it may be asked at any time.
    fn health(&self) -> MediaHealth;

    /// Stops the workers after they have closed what is still open, and waits for that: only after the last call.
    fn shut_down(self: Box<Self>);
}

/// A command that no worker took.
#[derive(Debug)]
pub struct Rejected(pub Box<MediaCommand>);

/// How the media plane is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaHealth {
    /// Worker threads that run.
    pub workers_alive: usize,
    /// Worker threads that were started.
    pub workers: usize,
    /// `epoll` or `io_uring`.
    pub driver: &'static str,
    /// Legs open now.
    pub legs: usize,
    /// Packets received since the start.
    pub received: u64,
    /// Packets sent since the start.
    pub sent: u64,
    /// Packets dropped since the start: from others than the leg's peer, malformed, or not sendable.
    pub dropped: u64,
    /// Recordings that run now.
    pub recordings: usize,
    /// Gaps in recordings since the start.
    pub gaps: u64,
}

impl MediaHealth {
    /// Whether calls can have media.
    pub fn is_ready(&self) -> bool {
        self.workers > 0 && self.workers_alive == self.workers
    }
}
