//! What a worker lends to a call's media for a moment.

use std::collections::VecDeque;
use std::net::SocketAddr;

use vorzimmer_call::api::MediaEvent;
use vorzimmer_media::LegKey;
use vorzimmer_recorder::queue::Stock;
use vorzimmer_types::CallId;
use vorzimmer_wire::Wire;

use super::counters::{Counters, Turn};
use super::prompts::Prompts;
use super::writer::Pages;

/// A browser was found, for the first time or again.
pub struct Proven {
    /// The call.
    pub call: CallId,
    /// Whose browser.
    pub leg: LegKey,
    /// Where.
    pub peer: SocketAddr,
    /// Where it was found longest ago, if that is too many addresses to remember.
    pub instead_of: Option<SocketAddr>,
}

/// What a call's media may reach besides itself.
pub struct Outlet<'a> {
    /// What legs with ports of their own send by.
    pub wire: &'a mut Wire,
    /// Events on their way to the control task.
    pub events: &'a mut VecDeque<MediaEvent>,
    /// The way to the writer.
    pub pages: &'a Pages,
    /// The empty pages of its recordings.
    pub stock: &'a Stock,
    /// What can be played.
    pub prompts: &'a Prompts,
    /// Addresses that have proven themselves to a leg: the door is told.
    pub proven: &'a mut Vec<Proven>,
    /// What is counted for all.
    pub counters: &'a Counters,
    /// What is counted for this turn.
    pub turn: &'a mut Turn,
}
