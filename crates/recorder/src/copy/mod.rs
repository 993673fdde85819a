//! After the call: a recording encoded again to Opus, in fewer pages, each party still on a track of its own.
//!
//! [`Copier`] plays a closed recording a page at a time and gives out the sealed pages of its copy; [`Verifier`] plays the
//! copy as anybody would, and says whether it may take the original's place: the same recording under the same consent
//! with the same ending and gaps, as long, as loud from second to second, and much smaller. Neither touches a file.
//!
//! A copy's frames last 60 ms and stand on a grid; where a party's track was silent there is none. Sound above 8 kHz is
//! not kept.

mod loudness;
mod pack;
mod verify;
mod voice;

use std::io::{Read, Seek};

use vorzimmer_types::{Entropy, PartyId};
use vorzimmer_vault::SlotSecret;
use vorzimmer_vault::callrec::{Context, Ending, Form, Header, Reader, SlotGaps};

use crate::error::Result;
use crate::export;
use crate::export::render::{Play, Sink};
use crate::frame::Codec;
use loudness::Loudness;
use pack::Packer;
pub use verify::Verifier;
use voice::Voice;

/// A copy may have one byte for so many of the original's, or fewer.
pub const SMALLER_BY: u64 = 4;
/// Sound above half of this is not kept: a telephone's own does not reach further.
const MAX_HZ: u32 = 16_000;

/// Where a copier's pages go, in order: the header page first, the final page last.
pub type PageSink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// A recording that is being copied.
pub struct Copier<R> {
    reader: Reader<R>,
    play: Play,
    tape: Tape,
    packer: Packer,
}

/// What is known of the original once it was played to its end.
#[derive(Clone, Debug)]
pub struct Played {
    header: Header,
    ending: Ending,
    hz: u32,
    gaps: Vec<SlotGaps>,
    heard: Loudness,
}

/// Every party's voice on its way into Opus.
struct Tape {
    voices: Vec<Voice>,
    heard: Loudness,
}

impl Sink for Tape {
    fn slot(&mut self, slot: usize, samples: &[i16]) {
        self.heard.slot(slot, samples);
        if let Some(voice) = self.voices.get_mut(slot) {
            voice.take(samples);
        }
    }

    fn end_block(&mut self) -> Result<()> {
        self.heard.end_block();
        self.voices.iter_mut().try_for_each(Voice::encode)
    }
}

impl<R: Read + Seek> Copier<R> {
    /// Begins a copy of an accepted recording of these parties, sealed with the same secrets under streams of its own.
    ///
    /// # Errors
    /// [`Error::Table`], [`Error::TooLong`], [`Error::Opus`]; [`Error::Vault`] if parties and secrets do not make a
    /// recording; what `out` says.
    pub fn start(
        mut reader: Reader<R>,
        parties: Vec<PartyId>,
        secrets: &[SlotSecret],
        entropy: &mut dyn Entropy,
        out: PageSink<'_>,
    ) -> Result<Self> {
        let hz = export::rate(&mut reader)?.min(MAX_HZ);
        let play = Play::start(&reader, hz)?;
        let header = reader.header();
        let context = Context {
            recording: header.recording,
            customer: header.customer,
            expiry: header.expiry,
            key_version: header.key_version,
            codec: Codec::Opus.code(),
            form: Form::Copy,
            parties,
            receipts_hash: header.receipts_hash,
        };
        let slots = context.parties.len();
        let voices = (0..slots).map(|_| Voice::new(hz)).collect::<Result<_>>()?;
        let tape = Tape { voices, heard: Loudness::new(hz, slots) };
        let packer = Packer::start(&context, secrets, entropy, out)?;
        Ok(Self { reader, play, tape, packer })
    }

    /// Copies what one page of the original adds. Says whether there is more to do.
    ///
    /// # Errors
    /// As [`Copier::start`].
    pub fn step(&mut self, entropy: &mut dyn Entropy, out: PageSink<'_>) -> Result<bool> {
        let more = self.play.step(&mut self.reader, &mut self.tape)?;
        if more {
            for (slot, table) in self.play.tables() {
                self.packer.note_gaps(slot, &table?.gaps);
            }
        } else {
            self.tape.voices.iter_mut().try_for_each(Voice::finish)?;
        }
        self.pack(entropy, out)?;
        Ok(more)
    }

    /// Ends the copy after the last step.
    ///
    /// # Errors
    /// As [`Copier::start`].
    pub fn finish(self, entropy: &mut dyn Entropy, out: PageSink<'_>) -> Result<Played> {
        let gaps = self.packer.finish(self.reader.ending(), entropy, out)?;
        Ok(Played {
            header: self.reader.header().clone(),
            ending: self.reader.ending().clone(),
            hz: self.tape.heard.hz(),
            gaps,
            heard: self.tape.heard,
        })
    }

    fn pack(&mut self, entropy: &mut dyn Entropy, out: PageSink<'_>) -> Result<()> {
        while self.tape.voices.iter().all(Voice::has_frame) {
            let frames: Vec<_> = self.tape.voices.iter_mut().filter_map(Voice::next_frame).collect();
            self.packer.add(&frames, entropy, out)?;
        }
        Ok(())
    }
}

/// Whether a copy of `copy` bytes is worth its place, beside `original` bytes.
#[must_use]
pub const fn is_smaller(copy: u64, original: u64) -> bool {
    copy.saturating_mul(SMALLER_BY) <= original
}
