//! What is played to a party: prompts from files, tones made here.

mod clip;
mod player;
mod prompt;
mod tones;

use std::sync::Arc;

pub use clip::{Clip, MAX_CLIP_SAMPLES};
pub(crate) use player::{Frame, Player};
pub use prompt::Prompt;
pub use tones::RingBack;

/// Something to play.
#[derive(Clone, Debug)]
pub enum Sound {
    /// A spoken announcement.
    Prompt(Arc<Prompt>),
    /// The tone that says that a telephone is ringing somewhere.
    RingBack(RingBack),
    /// Soft notes for whoever waits.
    Hold,
    /// Packets of silence, which keep a path open.
    Silence,
}

impl Sound {
    /// The samples to play.
    #[must_use]
    pub fn clip(&self) -> Arc<Clip> {
        match self {
            Self::Prompt(prompt) => Arc::clone(prompt.clip()),
            Self::RingBack(country) => country.clip(),
            Self::Hold => tones::hold(),
            Self::Silence => tones::silence(),
        }
    }
}
