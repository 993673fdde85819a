//! The user agent against scripted peers and against itself, in virtual time.
//!
//! Laid out by what RFC 3261 and its companions demand; each module names its sections.

mod basics;
mod world;
