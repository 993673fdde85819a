//! What is being recorded, and what the peer would rather have (RFC 7866 §7.1).
//!
//! Read from the session or from its first audio line, written for the session as a whole: there is one voice.

/// `a=record`: whether we record, in our descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Nothing is recorded.
    Off,
    /// What is said is recorded.
    On,
    /// A recording is under way, and takes nothing at the moment.
    Paused,
}

/// `a=recordpref`: what a peer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// To be recorded.
    On,
    /// Not to be recorded.
    Off,
    /// That the recording pauses.
    Pause,
    /// Nothing in particular.
    None,
}

impl Recording {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::On, Self::Paused].into_iter().find(|state| state.name() == text.trim())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Paused => "paused",
        }
    }
}

impl Preference {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Pause, Self::None].into_iter().find(|wish| wish.name() == text.trim())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Pause => "pause",
            Self::None => "nopreference",
        }
    }
}
