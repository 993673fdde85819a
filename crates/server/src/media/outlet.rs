//! What a worker lends to a call's media for a moment.

use std::collections::VecDeque;

use vorzimmer_call::api::MediaEvent;

use super::counters::{Counters, Turn};
use super::prompts::Prompts;
use super::writer::Pages;

/// What a call's media may reach besides itself.
pub struct Outlet<'a> {
    /// Events on their way to the control task.
    pub events: &'a mut VecDeque<MediaEvent>,
    /// The way to the writer.
    pub pages: &'a Pages,
    /// What can be played.
    pub prompts: &'a Prompts,
    /// What is counted for all.
    pub counters: &'a Counters,
    /// What is counted for this turn.
    pub turn: &'a mut Turn,
}
