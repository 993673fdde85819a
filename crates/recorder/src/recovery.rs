//! Closing a recording whose server ended before the call did.

use std::io::{Read, Seek};

use vorzimmer_types::Entropy;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::{EndReason, Open, SlotGaps};

use crate::error::{Error, Result};
use crate::finished::judge;
use crate::frame::SAMPLES_PER_MS;
use crate::gaps;
use crate::table::Table;

/// How to close a file, and what is then in it.
#[derive(Debug)]
pub struct Closing {
    /// Cut the file here …
    pub sound_len: u64,
    /// … and append this: `vorzimmer_vault::callrec::file::close` does both.
    pub final_page: Vec<u8>,
    /// Pages of sound.
    pub pages: u64,
    /// How long the sound that is left lasts.
    pub duration_ms: u64,
    /// Each slot's gaps by kind, as far as pages tell.
    pub slots: Vec<SlotGaps>,
    /// How it ended.
    pub result: RecordingResult,
    /// Why it is not simply ok.
    pub why: String,
}

/// Reads what is left of an open recording and seals the page that closes it. Every slot's secret is there: a file
/// without one of them is not closed but kept or destroyed.
///
/// # Errors
/// [`Error::Table`] if a page was not written by a recorder; [`Error::Vault`].
pub fn close<R: Read + Seek>(mut open: Open<R>, entropy: &mut dyn Entropy) -> Result<Closing> {
    let mut page = open.blank();
    let mut slots = vec![SlotGaps::default(); page.slot_count()];
    let (mut end, mut kept) = (0, 0);
    for index in 0..open.pages() {
        open.read(index, &mut page)?;
        for (slot, gaps) in slots.iter_mut().enumerate() {
            let refused = Error::Table { page: index, slot };
            let table = page.slot(slot).and_then(Table::parse).ok_or(refused)?;
            gaps::add(gaps, &table.gaps);
            for frame in table.frames() {
                let samples = frame.codec.samples(frame.payload);
                end = end.max(frame.position + samples);
                kept += samples;
            }
        }
    }
    let duration_ms = end.div_ceil(SAMPLES_PER_MS);
    let (result, why) = judge(EndReason::Recovered, duration_ms, kept, &slots);
    let (sound_len, pages) = (open.sound_len(), open.pages());
    let (_, final_page) = open.final_page(duration_ms, slots.clone(), entropy)?;
    Ok(Closing { sound_len, final_page, pages, duration_ms, slots, result, why })
}
