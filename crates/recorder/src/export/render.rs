//! Every party's track side by side, page after page, in blocks of a second.

use std::io::{Read, Seek};

use vorzimmer_vault::callrec::{Form, Page, Reader};

use super::track::{EARLY, Track};
use super::{MAX_DURATION_MS, tables};
use crate::error::{Error, Result};
use crate::frame::{CLOCK_HZ, SAMPLES_PER_MS};
use crate::table::{AUDIO_LEN, Table};
use crate::timeline::REANCHOR_AFTER;

/// So much of the timeline is given out at a time: one second.
const BLOCK: u64 = CLOCK_HZ as u64;
/// A frame stands at most this far from the beginning of its page, on either side.
const REACH: u64 = REANCHOR_AFTER + 2 * AUDIO_LEN as u64;

/// Takes the sound of all slots, block by block.
pub(crate) trait Sink {
    /// One slot's part of the block. Every slot's has the same length, at most [`block_len`].
    fn slot(&mut self, slot: usize, samples: &[i16]);

    /// The block is whole.
    ///
    /// # Errors
    /// Whatever ends the work.
    fn end_block(&mut self) -> Result<()>;
}

/// Samples of one slot in a block at most.
pub(crate) fn block_len(hz: u32) -> usize {
    (BLOCK * times(hz)) as usize
}

/// Samples for one of the timeline.
fn times(hz: u32) -> u64 {
    u64::from(hz / CLOCK_HZ).max(1)
}

/// A recording that is being played, a page at a time.
pub(crate) struct Play {
    page: Page,
    next: u64,
    tracks: Tracks,
}

/// The part of the timeline that pages may still add to.
struct Tracks {
    tracks: Vec<Track>,
    /// How much of the timeline the sink has.
    emitted: u64,
    /// Where the last frame so far ends.
    end: u64,
}

impl Play {
    /// From the beginning, at `hz`.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub(crate) fn start<R: Read + Seek>(reader: &Reader<R>, hz: u32) -> Result<Self> {
        let ms = reader.ending().duration_ms;
        if ms > MAX_DURATION_MS {
            return Err(Error::TooLong { ms });
        }
        let page = reader.blank();
        let tracks = (0..page.slot_count()).map(|_| Track::new(hz, BLOCK as usize)).collect();
        Ok(Self { page, next: 0, tracks: Tracks { tracks, emitted: 0, end: 0 } })
    }

    /// Reads the next page and gives out what nothing can be added to any more; after the last page, all that is left.
    /// Says whether there is more to do.
    ///
    /// # Errors
    /// What `sink` says; [`Error::Table`] if a page was not written by a recorder; [`Error::Vault`] if the file was
    /// changed since it was accepted.
    pub(crate) fn step<R: Read + Seek>(
        &mut self,
        reader: &mut Reader<R>,
        sink: &mut dyn Sink,
    ) -> Result<bool> {
        if self.next < reader.pages() {
            reader.read(self.next, &mut self.page)?;
            for (slot, table) in tables(self.next, &self.page) {
                self.tracks.add(self.next, slot, &table?, sink)?;
            }
            self.next += 1;
            return Ok(true);
        }
        let length = reader.ending().duration_ms * SAMPLES_PER_MS;
        // A copy's frames are longer than a recording may be in the end: what is too much is nobody's sound.
        let until = if reader.header().form == Form::Copy { length } else { length.max(self.tracks.end) };
        self.tracks.emit_until(until, sink)?;
        Ok(false)
    }

    /// The page that was read last, slot by slot.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, Result<Table<'_>>)> {
        tables(self.next.saturating_sub(1), &self.page)
    }
}

impl Tracks {
    fn add(&mut self, page: u64, slot: usize, table: &Table<'_>, sink: &mut dyn Sink) -> Result<()> {
        self.emit_until(table.began.saturating_sub(REACH + EARLY), sink)?;
        for frame in table.frames() {
            let refused = Error::Table { page, slot };
            if frame.position.abs_diff(table.began) > REACH {
                return Err(refused);
            }
            self.end = self.end.max(frame.position + frame.codec.samples(frame.payload));
            self.tracks.get_mut(slot).and_then(|track| track.add(&frame)).ok_or(refused)?;
        }
        Ok(())
    }

    fn emit_until(&mut self, until: u64, sink: &mut dyn Sink) -> Result<()> {
        while self.emitted < until {
            let next = until.min(self.emitted + BLOCK);
            for (slot, track) in self.tracks.iter_mut().enumerate() {
                sink.slot(slot, track.render(next));
                track.taken(next);
            }
            sink.end_block()?;
            self.emitted = next;
        }
        Ok(())
    }
}
