//! From a sealed recording to sound that people can play: stereo, the caller on the left, the receptionist on the
//! right, every gap kept as silence of its length. Every codec is decoded, at the rate that the richest frame needs: 8, 16
//! or 48 kHz.

mod ogg_opus;
pub(crate) mod render;
mod track;
mod wav;

use std::io::{Read, Seek};

use vorzimmer_vault::callrec::{Page, Reader};
use zeroize::Zeroizing;

pub use ogg_opus::ogg_opus;
pub use wav::wav;

use crate::error::{Error, Result};
use crate::frame::{CLOCK_HZ, Codec, SAMPLES_PER_MS};
use crate::table::Table;
use render::{Play, Sink};
use track::rate_of;

/// No recording is longer than this: a day.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// Left and right.
const CHANNELS: usize = 2;

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
    let block = Zeroizing::new(vec![0; render::block_len(hz) * CHANNELS]);
    let mut stereo = Stereo { block, filled: 0, written: 0, sink };
    let mut play = Play::start(reader, hz)?;
    while play.step(reader, &mut stereo)? {}
    Ok(stereo.written)
}

/// Each slot's table that can be opened.
pub(crate) fn tables(index: u64, page: &Page) -> impl Iterator<Item = (usize, Result<Table<'_>>)> {
    (0..page.slot_count()).filter_map(move |slot| {
        let text = page.slot(slot)?;
        let table = Table::parse(text).filter(|table| table.began <= MAX_DURATION_MS * SAMPLES_PER_MS);
        Some((slot, table.ok_or(Error::Table { page: index, slot })))
    })
}

/// Left and right, from every slot's track.
struct Stereo<'a> {
    block: Zeroizing<Vec<i16>>,
    /// Samples of each channel in the block that fills.
    filled: usize,
    written: u64,
    sink: &'a mut dyn FnMut(&[i16]) -> Result<()>,
}

impl Sink for Stereo<'_> {
    fn slot(&mut self, slot: usize, samples: &[i16]) {
        // A conference's further parties share the right channel.
        let channel = slot.min(CHANNELS - 1);
        for (place, sample) in self.block.chunks_exact_mut(CHANNELS).zip(samples) {
            place[channel] = place[channel].saturating_add(*sample);
        }
        self.filled = self.filled.max(samples.len());
    }

    fn end_block(&mut self) -> Result<()> {
        let count = std::mem::take(&mut self.filled);
        let Some(block) = self.block.get_mut(..count * CHANNELS) else { return Ok(()) };
        (self.sink)(block)?;
        block.fill(0);
        self.written += count as u64;
        Ok(())
    }
}
