//! Frames on a grid into as few sealed pages as hold them.

use vorzimmer_types::Entropy;
use vorzimmer_vault::SlotSecret;
use vorzimmer_vault::callrec::{COPY_SEGMENT_MS, Context, Ending, MAX_SLOTS, SlotGaps, Writer};

use super::PageSink;
use super::voice::{FRAME, Frame};
use crate::error::Result;
use crate::frame::{Codec, SAMPLES_PER_MS};
use crate::gaps;
use crate::table::SlotPage;

/// Samples of the timeline that a page covers at most.
const SPAN: u64 = COPY_SEGMENT_MS as u64 * SAMPLES_PER_MS;

/// The pages of a copy.
pub(super) struct Packer {
    writer: Writer,
    slots: Vec<Slot>,
    buffer: Vec<u8>,
    /// Where on the timeline the next frames belong.
    next: u64,
    /// Where the page that fills began.
    began: Option<u64>,
}

struct Slot {
    page: SlotPage,
    /// All gaps, and those that no page tells of yet.
    gaps: SlotGaps,
    untold: SlotGaps,
}

impl Packer {
    pub(super) fn start(
        context: &Context,
        secrets: &[SlotSecret],
        entropy: &mut dyn Entropy,
        out: PageSink<'_>,
    ) -> Result<Self> {
        let (writer, header) = Writer::start(context, secrets, entropy)?;
        out(&header)?;
        let slot = |_| Slot { page: SlotPage::new(), gaps: SlotGaps::default(), untold: SlotGaps::default() };
        let slots = context.parties.iter().map(slot).collect();
        let buffer = vec![0; writer.page_len()];
        Ok(Self { writer, slots, buffer, next: 0, began: None })
    }

    /// Takes note of gaps that the original tells of; the next page does, too.
    pub(super) fn note_gaps(&mut self, slot: usize, found: &SlotGaps) {
        if let Some(slot) = self.slots.get_mut(slot) {
            gaps::add(&mut slot.gaps, found);
            gaps::add(&mut slot.untold, found);
        }
    }

    /// Adds the next place on the grid, one entry for each slot.
    pub(super) fn add(
        &mut self,
        frames: &[Frame],
        entropy: &mut dyn Entropy,
        out: PageSink<'_>,
    ) -> Result<()> {
        let mut pairs = self.slots.iter().zip(frames);
        let fits = pairs.all(|(slot, frame)| frame.as_ref().is_none_or(|frame| slot.page.fits(frame)));
        let ends = self.began.is_some_and(|began| self.next + FRAME > began + SPAN);
        if !fits || ends {
            self.seal(entropy, out)?;
        }
        for (slot, frame) in self.slots.iter_mut().zip(frames) {
            let Some(frame) = frame else { continue };
            let began = *self.began.get_or_insert(self.next);
            // Within SPAN.
            slot.page.push((self.next - began) as i32, Codec::Opus, frame);
        }
        self.next += FRAME;
        Ok(())
    }

    /// Seals what is left and the final page. Gives each slot's gaps.
    pub(super) fn finish(
        mut self,
        ending: &Ending,
        entropy: &mut dyn Entropy,
        out: PageSink<'_>,
    ) -> Result<Vec<SlotGaps>> {
        if self.slots.iter().any(|slot| slot.untold != SlotGaps::default()) {
            self.began.get_or_insert(self.next.saturating_sub(FRAME));
        }
        self.seal(entropy, out)?;
        self.writer.seal_final(ending, &mut self.buffer, entropy)?;
        out(&self.buffer)?;
        Ok(self.slots.iter().map(|slot| slot.gaps).collect())
    }

    /// Seals the page that fills, if there is one.
    fn seal(&mut self, entropy: &mut dyn Entropy, out: PageSink<'_>) -> Result<()> {
        let Some(began) = self.began.take() else { return Ok(()) };
        let mut texts: [&[u8]; MAX_SLOTS] = [&[]; MAX_SLOTS];
        let count = self.slots.len().min(MAX_SLOTS);
        for (slot, text) in self.slots.iter_mut().zip(&mut texts) {
            *text = slot.page.text(began, &slot.untold);
        }
        self.writer.seal_page(texts.get(..count).unwrap_or_default(), &mut self.buffer, entropy)?;
        for slot in &mut self.slots {
            slot.page.clear();
            slot.untold = SlotGaps::default();
        }
        out(&self.buffer)
    }
}
