//! From a sealed recording to sound that people can play: stereo, the caller on the left, the receptionist on the
//! right, every gap kept as silence of its length. Every codec is decoded, at the rate that the richest frame needs: 8, 16
//! or 48 kHz.

mod ogg_opus;
mod track;
mod wav;

use std::io::{Read, Seek};

use vorzimmer_vault::callrec::{Page, Reader};
use zeroize::Zeroizing;

pub use ogg_opus::ogg_opus;
pub use wav::wav;

use crate::error::{Error, Result};
use crate::frame::{CLOCK_HZ, Codec, SAMPLES_PER_MS};
use crate::table::{AUDIO_LEN, Table};
use crate::timeline::REANCHOR_AFTER;
use track::{EARLY, Track, rate_of};

/// No recording is longer than this: a day.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// Left and right.
const CHANNELS: usize = 2;
/// So much of the timeline is given out at a time: one second.
const BLOCK: u64 = CLOCK_HZ as u64;
/// A frame stands at most this far from the beginning of its page, on either side.
const REACH: u64 = REANCHOR_AFTER + 2 * AUDIO_LEN as u64;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Samples of each channel.
    pub samples: u64,
    /// Of these so many a second.
    pub hz: u32,
}

impl Written {
    /// How long it is, in milliseconds.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.samples * 1000 / u64::from(self.hz.max(1))
    }
}

/// What each slot's pages hold, in the order in which it first comes. A slot whose secret was destroyed holds nothing.
///
/// # Errors
/// As [`rate`].
pub fn codecs<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Vec<Codec>>> {
    let mut page = reader.blank();
    let mut found = vec![Vec::new(); page.slot_count()];
    for index in 0..reader.pages() {
        reader.read(index, &mut page)?;
        for (slot, table) in tables(index, &page) {
            let Some(known) = found.get_mut(slot) else { continue };
            for frame in table?.frames() {
                if !known.contains(&frame.codec) {
                    known.push(frame.codec);
                }
            }
        }
    }
    Ok(found)
}

/// Samples a second that an accepted recording is exported with: as many as its richest frame holds.
///
/// # Errors
/// [`Error::Table`] if a page was not written by a recorder; [`Error::Vault`] if the file was changed since it was accepted.
pub fn rate<R: Read + Seek>(reader: &mut Reader<R>) -> Result<u32> {
    let mut page = reader.blank();
    let mut rate = CLOCK_HZ;
    for index in 0..reader.pages() {
        reader.read(index, &mut page)?;
        for (_, table) in tables(index, &page) {
            rate = table?.frames().map(|frame| rate_of(&frame)).fold(rate, u32::max);
        }
    }
    Ok(rate)
}

/// Gives an accepted recording's sound to `sink`, in order, as blocks of interleaved samples at `hz`, which is
/// [`rate`]'s (left, right). A slot whose secret was destroyed is silent. Says how many samples each channel had.
///
/// # Errors
/// What `sink` says; [`Error::Table`] if a page was not written by a recorder; [`Error::Vault`] if the file was changed
/// since it was accepted.
pub fn samples<R: Read + Seek>(
    reader: &mut Reader<R>,
    hz: u32,
    sink: &mut dyn FnMut(&[i16]) -> Result<()>,
) -> Result<u64> {
    let ms = reader.ending().duration_ms;
    if ms > MAX_DURATION_MS {
        return Err(Error::TooLong { ms });
    }
    let mut page = reader.blank();
    let mut mix = Mix::new(hz, page.slot_count());
    for index in 0..reader.pages() {
        reader.read(index, &mut page)?;
        mix.add_page(index, &page, sink)?;
    }
    mix.emit_until((ms * SAMPLES_PER_MS).max(mix.end), sink)?;
    Ok(mix.emitted * mix.times)
}

/// Each slot's table that can be opened.
fn tables(index: u64, page: &Page) -> impl Iterator<Item = (usize, Result<Table<'_>>)> {
    (0..page.slot_count()).filter_map(move |slot| {
        let text = page.slot(slot)?;
        let table = Table::parse(text).filter(|table| table.began <= MAX_DURATION_MS * SAMPLES_PER_MS);
        Some((slot, table.ok_or(Error::Table { page: index, slot })))
    })
}

/// The part of the timeline that pages may still add to.
struct Mix {
    tracks: Vec<Track>,
    block: Zeroizing<Vec<i16>>,
    times: u64,
    /// How much of the timeline the sink has.
    emitted: u64,
    /// Where the last frame so far ends.
    end: u64,
}

impl Mix {
    fn new(hz: u32, slots: usize) -> Self {
        let times = u64::from(hz / CLOCK_HZ).max(1);
        Self {
            tracks: (0..slots).map(|_| Track::new(hz, BLOCK as usize)).collect(),
            block: Zeroizing::new(vec![0; (BLOCK * times) as usize * CHANNELS]),
            times,
            emitted: 0,
            end: 0,
        }
    }

    fn add_page(
        &mut self,
        index: u64,
        page: &Page,
        sink: &mut dyn FnMut(&[i16]) -> Result<()>,
    ) -> Result<()> {
        for (slot, table) in tables(index, page) {
            let table = table?;
            self.emit_until(table.began.saturating_sub(REACH + EARLY), sink)?;
            for frame in table.frames() {
                let refused = Error::Table { page: index, slot };
                if frame.position.abs_diff(table.began) > REACH {
                    return Err(refused);
                }
                self.end = self.end.max(frame.position + frame.codec.samples(frame.payload));
                self.tracks.get_mut(slot).and_then(|track| track.add(&frame)).ok_or(refused)?;
            }
        }
        Ok(())
    }

    fn emit_until(&mut self, until: u64, sink: &mut dyn FnMut(&[i16]) -> Result<()>) -> Result<()> {
        while self.emitted < until {
            let next = until.min(self.emitted + BLOCK);
            let count = ((next - self.emitted) * self.times) as usize * CHANNELS;
            let Some(block) = self.block.get_mut(..count) else { break };
            block.fill(0);
            for (slot, track) in self.tracks.iter_mut().enumerate() {
                // A conference's further parties share the right channel.
                let channel = slot.min(CHANNELS - 1);
                for (place, sample) in block.chunks_exact_mut(CHANNELS).zip(track.render(next)) {
                    place[channel] = place[channel].saturating_add(*sample);
                }
                track.taken(next);
            }
            sink(block)?;
            self.emitted = next;
        }
        Ok(())
    }
}
