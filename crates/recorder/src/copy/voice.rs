//! One party's samples into frames of Opus on a grid.

use std::collections::VecDeque;

use opus::{Application, Bitrate, Channels, Encoder};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::frame::{CLOCK_HZ, SAMPLES_PER_MS};

/// Milliseconds of a frame: the longest that speech is encoded in at once (RFC 6716 §2.1.4), and so the cheapest.
const FRAME_MS: u64 = 60;
/// Samples of the recording's timeline in a frame.
pub(super) const FRAME: u64 = FRAME_MS * SAMPLES_PER_MS;
/// Bits a second on average: speech in telephone quality, and with twice the bandwidth (RFC 6716 §2.1.1).
const BITRATE: i32 = 13_000;
const WIDE_BITRATE: i32 = 15_000;
/// No frame takes more.
const MAX_FRAME: usize = 240;
/// So many silent frames end what Opus still has to say.
const SILENT_FRAMES: u32 = 2;

/// A place on the grid: the frame that stands there, none where all is silent.
pub(super) type Frame = Option<Zeroizing<Vec<u8>>>;

/// One party's voice.
pub(super) struct Voice {
    encoder: Encoder,
    /// Samples in a frame.
    len: usize,
    /// Samples that the encoder is ahead, which are left out at the beginning so that sound stands where it stood.
    ahead: usize,
    waiting: Zeroizing<Vec<i16>>,
    silent: u32,
    frames: VecDeque<Frame>,
}

impl Voice {
    pub(super) fn new(hz: u32) -> Result<Self> {
        let mut encoder = Encoder::new(hz, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(if hz > CLOCK_HZ { WIDE_BITRATE } else { BITRATE }))?;
        let ahead = usize::try_from(encoder.get_lookahead()?).unwrap_or(0);
        let len = hz as usize * FRAME_MS as usize / 1000;
        // Nothing is said before the beginning.
        let silent = SILENT_FRAMES;
        Ok(Self { encoder, len, ahead, waiting: Zeroizing::default(), silent, frames: VecDeque::new() })
    }

    pub(super) fn take(&mut self, samples: &[i16]) {
        let skipped = self.ahead.min(samples.len());
        self.ahead -= skipped;
        self.waiting.extend_from_slice(&samples[skipped..]);
    }

    /// Encodes every frame that is whole.
    pub(super) fn encode(&mut self) -> Result<()> {
        let whole = self.waiting.len() / self.len * self.len;
        for samples in self.waiting[..whole].chunks_exact(self.len) {
            let silent = samples.iter().all(|sample| *sample == 0);
            self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
            let frame = match self.silent {
                SILENT_FRAMES.. => None,
                _ => Some(Zeroizing::new(self.encoder.encode_vec(samples, MAX_FRAME)?)),
            };
            self.frames.push_back(frame);
        }
        self.waiting.drain(..whole);
        Ok(())
    }

    /// Encodes what is left, and what the encoder still holds.
    pub(super) fn finish(&mut self) -> Result<()> {
        let rest = (self.waiting.len() / self.len + 1) * self.len;
        self.waiting.resize(rest, 0);
        self.encode()
    }

    pub(super) fn has_frame(&self) -> bool {
        !self.frames.is_empty()
    }

    pub(super) fn next_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }
}
