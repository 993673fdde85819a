//! Plays one clip in packets, by the clock that is handed in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_types::audio::Format;

use super::clip::{Clip, Piece};
use crate::PlayId;

/// A player this far behind its clock starts anew from here instead of sending everything at once.
const MAX_LAG: Duration = Duration::from_millis(60);

/// One packet of sound.
pub(crate) struct Frame {
    /// Encoded samples; the last packet of a clip may be shorter.
    pub(crate) payload: Bytes,
    /// Milliseconds times eight that it covers.
    pub(crate) samples: usize,
    /// The clip had to wait here, so time has passed that no packet tells of.
    pub(crate) after_gap: bool,
}

/// A clip on its way to a leg.
pub(crate) struct Player {
    /// The name its listener gave it.
    pub(crate) id: PlayId,
    clip: Arc<Clip>,
    looped: bool,
    position: usize,
    next_at: Option<Instant>,
}

impl Player {
    pub(crate) fn new(id: PlayId, clip: Arc<Clip>, looped: bool) -> Self {
        Self { id, clip, looped, position: 0, next_at: None }
    }

    /// When the next packet is due; none before the first.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Whether every sample was sent and has had its time to be heard.
    pub(crate) fn finished(&self, now: Instant) -> bool {
        !self.looped && self.position >= self.clip.samples() && self.next_at.is_none_or(|at| at <= now)
    }

    /// Whether a packet of it was sent.
    pub(crate) fn started(&self) -> bool {
        self.next_at.is_some()
    }

    /// Whether leaving a part of it out would change what was said.
    pub(crate) fn must_be_heard(&self) -> bool {
        !self.looped && self.started()
    }

    /// The next packet, if it is due. Call again until none is.
    pub(crate) fn frame(&mut self, format: &Format, now: Instant) -> Option<Frame> {
        let due = self.next_at.unwrap_or(now);
        if due > now || (!self.looped && self.position >= self.clip.samples()) {
            return None;
        }
        let after_gap = now.duration_since(due) > MAX_LAG;
        let due = if after_gap { now } else { due };
        let count = usize::from(format.ptime_ms) * 8;
        if self.looped && self.position >= self.clip.samples() {
            self.position = 0;
        }
        let Piece { payload, samples } = self.clip.piece(format.send.codec, self.position, count);
        self.position += samples;
        // The last packet may be short; what follows still comes exactly when its last sample has been heard.
        self.next_at = Some(due + Duration::from_micros(samples as u64 * 125));
        Some(Frame { payload, samples, after_gap })
    }
}
