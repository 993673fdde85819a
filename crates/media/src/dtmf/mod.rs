//! Digits: as telephone-events (RFC 4733) and as tones in the audio (ITU-T Q.23, Q.24).
//!
//! SIP INFO bodies are read elsewhere; they give the same [`Digit`].

mod events;
mod merge;
mod press;
mod tones;

pub use events::{EventBody, EventReceiver};
pub(crate) use merge::Digits;
pub use press::{Press, Presses};
pub(crate) use tones::HZ as LISTENED_HZ;
pub use tones::ToneDetector;
pub use vorzimmer_types::audio::Digit;

use std::time::Duration;

/// What a detector noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The key went down. Said once a press.
    Down(Digit),
    /// The key came up after this long.
    Up(Digit, Duration),
}
