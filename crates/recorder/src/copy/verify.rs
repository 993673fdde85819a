//! Whether a copy may take the original's place.

use std::io::{Read, Seek};

use vorzimmer_vault::callrec::{Form, Reader, SlotGaps};

use super::Played;
use super::loudness::Loudness;
use crate::error::{Error, Result};
use crate::export::render::{Play, Sink};
use crate::frame::Codec;
use crate::gaps;

/// A copy, accepted anew from where it was written, that is compared with the original as it was played.
pub struct Verifier<R> {
    copy: Reader<R>,
    original: Played,
    play: Play,
    listener: Listener,
    gaps: Vec<SlotGaps>,
}

struct Listener(Loudness);

impl Sink for Listener {
    fn slot(&mut self, slot: usize, samples: &[i16]) {
        self.0.slot(slot, samples);
    }

    fn end_block(&mut self) -> Result<()> {
        self.0.end_block();
        Ok(())
    }
}

impl<R: Read + Seek> Verifier<R> {
    /// Compares all that is said about them.
    ///
    /// # Errors
    /// [`Error::CopyDiffers`] with the first thing that is not as it was; [`Error::TooLong`].
    pub fn start(copy: Reader<R>, original: Played) -> Result<Self> {
        let (of, was) = (copy.header(), &original.header);
        let same = (of.recording, of.customer, of.expiry) == (was.recording, was.customer, was.expiry);
        if !same || of.key_version != was.key_version || of.form != Form::Copy {
            return Err(Error::CopyDiffers { what: "the recording" });
        }
        if of.receipts_hash != was.receipts_hash {
            return Err(Error::CopyDiffers { what: "the consent" });
        }
        if *copy.ending() != original.ending {
            return Err(Error::CopyDiffers { what: "the ending" });
        }
        let listener = Listener(Loudness::new(original.hz, original.gaps.len()));
        let gaps = vec![SlotGaps::default(); original.gaps.len()];
        let play = Play::start(&copy, original.hz)?;
        Ok(Self { copy, original, play, listener, gaps })
    }

    /// Listens to one page of the copy. Says whether there is more.
    ///
    /// # Errors
    /// [`Error::CopyDiffers`], [`Error::Table`], [`Error::Vault`].
    pub fn step(&mut self) -> Result<bool> {
        let more = self.play.step(&mut self.copy, &mut self.listener)?;
        if !more {
            return Ok(false);
        }
        for (slot, table) in self.play.tables() {
            let table = table?;
            if table.frames().any(|frame| frame.codec != Codec::Opus) {
                return Err(Error::CopyDiffers { what: "the codec" });
            }
            if let Some(sum) = self.gaps.get_mut(slot) {
                gaps::add(sum, &table.gaps);
            }
        }
        Ok(true)
    }

    /// Compares all that was heard, after the last step. Gives the copy's pages of sound.
    ///
    /// # Errors
    /// [`Error::CopyDiffers`].
    pub fn finish(self) -> Result<u64> {
        let (heard, was) = (&self.listener.0, &self.original.heard);
        let what = if self.gaps != self.original.gaps {
            "the gaps"
        } else if heard.samples() != was.samples() {
            "the length"
        } else if !heard.is_like(was) {
            "the sound"
        } else {
            return Ok(self.copy.pages());
        };
        Err(Error::CopyDiffers { what })
    }
}
