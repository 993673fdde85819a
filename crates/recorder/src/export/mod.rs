//! From a sealed recording to sound that people can play: stereo, the caller on the left, the receptionist on the
//! right, every gap kept as silence of its length.

mod ogg_opus;
mod wav;

use std::io::{Read, Seek};

use audio_codec::Decoder;
use audio_codec::pcma::PcmaDecoder;
use audio_codec::pcmu::PcmuDecoder;
use vorzimmer_vault::callrec::{Page, Reader};
use zeroize::Zeroizing;

pub use ogg_opus::ogg_opus;
pub use wav::wav;

use crate::error::{Error, Result};
use crate::frame::{Codec, SAMPLES_PER_MS};
use crate::table::{AUDIO_LEN, PlacedFrame, Table};
use crate::timeline::REANCHOR_AFTER;

/// No recording is longer than this: a day.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// Left and right.
const CHANNELS: usize = 2;
/// How many samples of each channel are kept until no later page can add to them: a frame stands at most
/// [`REANCHOR_AFTER`] from the beginning of its page, on either side, and is no longer than a page.
const WINDOW: usize = 2 * REANCHOR_AFTER as usize + 4 * AUDIO_LEN;

/// Gives an accepted recording's sound to `sink`, in order, as blocks of interleaved samples at 8 kHz (left, right).
/// A slot whose secret was destroyed is silent. Says how many samples each channel had.
///
/// # Errors
/// What `sink` says; [`Error::Table`] if a page was not written by a recorder; [`Error::Vault`] if the file was changed
/// since it was accepted.
pub fn samples<R: Read + Seek>(
    reader: &mut Reader<R>,
    sink: &mut dyn FnMut(&[i16]) -> Result<()>,
) -> Result<u64> {
    let ms = reader.ending().duration_ms;
    if ms > MAX_DURATION_MS {
        return Err(Error::TooLong { ms });
    }
    let mut mix = Mix::new();
    let mut page = reader.blank();
    for index in 0..reader.pages() {
        reader.read(index, &mut page)?;
        mix.add_page(index, &page, sink)?;
    }
    mix.emit_until((ms * SAMPLES_PER_MS).max(mix.end), sink)?;
    Ok(mix.emitted)
}

/// The part of the timeline that pages may still add to.
struct Mix {
    window: Zeroizing<Vec<i16>>,
    /// Samples of each channel that the sink has, and where the window begins.
    emitted: u64,
    /// Where the last frame so far ends.
    end: u64,
    decoded: Zeroizing<[i16; AUDIO_LEN]>,
}

impl Mix {
    fn new() -> Self {
        Self {
            window: Zeroizing::new(vec![0; WINDOW * CHANNELS]),
            emitted: 0,
            end: 0,
            decoded: Zeroizing::new([0; AUDIO_LEN]),
        }
    }

    fn add_page(
        &mut self,
        index: u64,
        page: &Page,
        sink: &mut dyn FnMut(&[i16]) -> Result<()>,
    ) -> Result<()> {
        for slot in 0..page.slot_count() {
            let Some(text) = page.slot(slot) else {
                continue;
            };
            let refused = || Error::Table { page: index, slot };
            let table = Table::parse(text).ok_or_else(refused)?;
            if table.began > MAX_DURATION_MS * SAMPLES_PER_MS {
                return Err(refused());
            }
            self.emit_until(table.began.saturating_sub(REANCHOR_AFTER), sink)?;
            for frame in table.frames() {
                self.add_frame(&frame, slot.min(CHANNELS - 1)).ok_or_else(refused)?;
            }
        }
        Ok(())
    }

    /// Puts a frame's sound in its place; `None` if that is outside the window.
    fn add_frame(&mut self, frame: &PlacedFrame<'_>, channel: usize) -> Option<()> {
        let count = decode(frame, &mut self.decoded)?;
        let at = usize::try_from(frame.position.checked_sub(self.emitted)?).ok()?;
        let places = self.window.get_mut(at * CHANNELS..(at + count) * CHANNELS)?;
        for (place, sample) in places.chunks_exact_mut(CHANNELS).zip(self.decoded.iter()) {
            // A conference's further parties share the right channel.
            place[channel] = if channel == 0 { *sample } else { place[channel].saturating_add(*sample) };
        }
        self.end = self.end.max(frame.position + count as u64);
        Some(())
    }

    fn emit_until(&mut self, until: u64, sink: &mut dyn FnMut(&[i16]) -> Result<()>) -> Result<()> {
        while self.emitted < until {
            let count = usize::try_from(until - self.emitted).unwrap_or(WINDOW).min(WINDOW);
            sink(&self.window[..count * CHANNELS])?;
            self.window.copy_within(count * CHANNELS.., 0);
            self.window[(WINDOW - count) * CHANNELS..].fill(0);
            self.emitted += count as u64;
        }
        Ok(())
    }
}

fn decode(frame: &PlacedFrame<'_>, out: &mut [i16; AUDIO_LEN]) -> Option<usize> {
    let decoded = match frame.codec {
        Codec::Pcmu => PcmuDecoder::new().decode_into(frame.payload, out),
        Codec::Pcma => PcmaDecoder::new().decode_into(frame.payload, out),
    };
    decoded.ok()
}
