//! Reliable provisional answers as values (RFC 3262): what an INVITE wants of them, and the one that waits for its PRACK.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rsip::Headers;

use super::Turn;
use crate::header::{self, RAck};
use crate::transaction::TransactionId;

/// What the caller said about `100rel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Unknown,
    Supported,
    Required,
}

/// Reliable answers to one INVITE.
pub(super) struct Reliably {
    pub demand: Demand,
    /// The RSeq of the next one.
    pub next: u32,
    pub waiting: VecDeque<(u16, Option<Bytes>)>,
    /// A description of ours was sent reliably, and is acknowledged: offer and answer are complete (§5).
    pub settled: bool,
    /// An Accept that waits for the PRACK of a description (§3).
    pub accepted: Option<Bytes>,
}

/// A reliable answer without its PRACK.
pub(super) struct Provisional {
    pub transaction: TransactionId,
    pub rack: RAck,
    pub status: u16,
    pub bytes: Bytes,
    pub described: bool,
    pub interval: Duration,
    pub until: Instant,
}

impl Reliably {
    /// As the INVITE with these headers wants it. §7.1: the first RSeq is anything below 2³¹.
    pub fn wanted(headers: &Headers, turn: &mut Turn<'_>) -> Self {
        let says = |name| header::has_token(headers, name, "100rel");
        let demand = match (says("Require"), says("Supported")) {
            (true, _) => Demand::Required,
            (false, true) => Demand::Supported,
            (false, false) => Demand::Unknown,
        };
        let random = u32::from_be_bytes(vorzimmer_types::entropy::array(turn.entropy));
        Self { demand, next: (random >> 1).max(1), waiting: VecDeque::new(), settled: false, accepted: None }
    }

    /// Whether an answer is to be reliable.
    pub fn wants(&self, described: bool) -> bool {
        self.demand == Demand::Required || (self.demand == Demand::Supported && described)
    }
}
