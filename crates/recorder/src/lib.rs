//! From permitted frames to sealed pages, with every gap named; and from sealed pages back to sound.
//!
//! A [`Recorder`] is started with a [`Permit`](vorzimmer_consent::Permit) that it takes by value, fed with encoded
//! frames as they arrive, and lets sealed pages out through a bounded [`queue`]. It draws up no sound of its own: frames
//! are kept as they came, each with its place on the recording's timeline. [`recovery`] says what is left of a
//! recording that was never closed. [`export`] decodes, aligns and writes WAV or Ogg/Opus. After the call,
//! [`copy`] makes a smaller recording of one.
//!
//! This crate does no I/O, reads no clock and draws no randomness. It plays nothing and transcodes nothing while a call
//! runs.

pub mod copy;
pub mod error;
pub mod export;
pub mod finished;
pub mod frame;
pub mod gaps;
pub mod queue;
pub mod recorder;
pub mod recovery;
mod sequence;
mod slot;
pub mod table;
mod timeline;

pub use error::{Error, Result};
pub use finished::Finished;
pub use frame::{Codec, FrameRef};
pub use gaps::GapKind;
pub use queue::{PageDrain, PageQueue, SealedPage};
pub use recorder::{HeaderPage, Kept, Params, Recorder};
