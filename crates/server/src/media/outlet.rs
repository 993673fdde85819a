//! What a worker lends to a call's media for a moment.

use std::collections::VecDeque;
use std::net::SocketAddr;

use vorzimmer_call::api::MediaEvent;
use vorzimmer_media::LegKey;
use vorzimmer_types::CallId;

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
    /// Addresses that have proven themselves to a leg: the door is told.
    pub proven: &'a mut Vec<(CallId, LegKey, SocketAddr)>,
    /// What is counted for all.
    pub counters: &'a Counters,
    /// What is counted for this turn.
    pub turn: &'a mut Turn,
}
