//! What a page's plaintext says: one party's frames, where each belongs, and what is missing.
//!
//! ```text
//! plaintext of one slot, 2016 bytes, big-endian
//!    0 audio: the frames' payloads, one after the other [1600]
//! 1600 u8 version=1 | 1601 u8 frames n | 1602 u16 bytes of audio
//! 1604 u64 when the page began, in samples at 8 kHz since the recording's start
//! 1612 8 × (u16 gaps | u32 milliseconds they cover) since the page before, by kind
//! 1660 n × (i32 place relative to the page's beginning, in samples | u16 bytes | u8 codec | u8 0)
//!      zeros to the end
//! ```
//! Frames stand in the order in which they arrived, which may not be the order of their places.

use std::fmt;

use vorzimmer_vault::callrec::{GAP_KINDS, Gaps, PLAINTEXT_LEN, SlotGaps};
use zeroize::optimization_barrier;

use crate::frame::Codec;

/// Bytes of encoded sound that a page takes from one party: 200 ms of G.711.
pub const AUDIO_LEN: usize = 1600;
/// Frames that a page takes from one party.
pub const MAX_FRAMES: usize = (PLAINTEXT_LEN - ENTRIES_AT) / ENTRY_LEN;

/// A frame's usual bytes: 20 ms of G.711.
const FRAME_BYTES: usize = 160;
const VERSION: u8 = 1;
const BEGAN_AT: usize = AUDIO_LEN + 4;
const GAPS_AT: usize = BEGAN_AT + 8;
const GAP_LEN: usize = 6;
const ENTRIES_AT: usize = GAPS_AT + GAP_KINDS * GAP_LEN;
const ENTRY_LEN: usize = 8;

/// One party's plaintext while a page fills. Wiped when it is cleared or dropped.
pub(crate) struct SlotPage {
    bytes: Box<[u8; PLAINTEXT_LEN]>,
    audio: usize,
    frames: usize,
    samples: u64,
}

impl SlotPage {
    pub(crate) fn new() -> Self {
        Self { bytes: Box::new([0; PLAINTEXT_LEN]), audio: 0, frames: 0, samples: 0 }
    }

    /// Samples that its frames fill.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// Where the next frame's bytes go, and its entry.
    pub(crate) fn next(&self) -> [&[u8]; 2] {
        let [audio, entry] = [(self.audio, FRAME_BYTES), (ENTRIES_AT + self.frames * ENTRY_LEN, ENTRY_LEN)];
        [audio, entry]
            .map(|(at, length)| self.bytes.get(at..(at + length).min(PLAINTEXT_LEN)).unwrap_or_default())
    }

    pub(crate) fn fits(&self, payload: &[u8]) -> bool {
        self.audio + payload.len() <= AUDIO_LEN && self.frames < MAX_FRAMES
    }

    /// Adds a frame at `place` samples from the page's beginning, if it fits.
    pub(crate) fn push(&mut self, place: i32, codec: Codec, payload: &[u8]) {
        if !self.fits(payload) {
            return;
        }
        self.bytes[self.audio..self.audio + payload.len()].copy_from_slice(payload);
        let entry = ENTRIES_AT + self.frames * ENTRY_LEN;
        self.bytes[entry..entry + 4].copy_from_slice(&place.to_be_bytes());
        self.bytes[entry + 4..entry + 6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        self.bytes[entry + 6] = codec.code();
        self.audio += payload.len();
        self.frames += 1;
        self.samples += codec.samples(payload);
    }

    /// The plaintext, with all that is not known before the page is full.
    pub(crate) fn text(&mut self, began: u64, gaps: &SlotGaps) -> &[u8; PLAINTEXT_LEN] {
        self.bytes[AUDIO_LEN] = VERSION;
        self.bytes[AUDIO_LEN + 1] = self.frames as u8;
        self.bytes[AUDIO_LEN + 2..BEGAN_AT].copy_from_slice(&(self.audio as u16).to_be_bytes());
        self.bytes[BEGAN_AT..GAPS_AT].copy_from_slice(&began.to_be_bytes());
        for (place, gap) in self.bytes[GAPS_AT..ENTRIES_AT].chunks_exact_mut(GAP_LEN).zip(gaps) {
            let count = u16::try_from(gap.count).unwrap_or(u16::MAX);
            place[..2].copy_from_slice(&count.to_be_bytes());
            place[2..].copy_from_slice(&gap.ms.to_be_bytes());
        }
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.wipe();
        (self.audio, self.frames, self.samples) = (0, 0, 0);
    }

    /// Overwrites the voice, many bytes at a time: every recording does it every second.
    fn wipe(&mut self) {
        self.bytes.fill(0);
        optimization_barrier(&*self.bytes);
    }
}

impl Drop for SlotPage {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for SlotPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotPage")
            .field("frames", &self.frames)
            .field("audio", &self.audio)
            .finish_non_exhaustive()
    }
}

/// One party's page, read.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// When the page began, in samples at 8 kHz since the recording's start.
    pub began: u64,
    /// Gaps since the page before, by kind.
    pub gaps: SlotGaps,
    audio: &'a [u8],
    entries: &'a [u8],
}

/// One frame of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedFrame<'a> {
    /// Where it begins, in samples at 8 kHz since the recording's start.
    pub position: u64,
    /// How it is encoded.
    pub codec: Codec,
    /// The encoded sound.
    pub payload: &'a [u8],
}

impl<'a> Table<'a> {
    /// Reads a page's plaintext; `None` if a recorder did not write it.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text: &[u8; PLAINTEXT_LEN] = text.try_into().ok()?;
        let audio_len = usize::from(u16::from_be_bytes([text[AUDIO_LEN + 2], text[AUDIO_LEN + 3]]));
        let entries_len = usize::from(text[AUDIO_LEN + 1]) * ENTRY_LEN;
        let mut gaps = SlotGaps::default();
        for (gap, place) in gaps.iter_mut().zip(text[GAPS_AT..ENTRIES_AT].as_chunks::<GAP_LEN>().0) {
            let [a, b, ms @ ..] = *place;
            *gap = Gaps { count: u32::from(u16::from_be_bytes([a, b])), ms: u32::from_be_bytes(ms) };
        }
        let table = Self {
            began: u64::from_be_bytes(text[BEGAN_AT..GAPS_AT].try_into().ok()?),
            gaps,
            audio: text.get(..audio_len).filter(|audio| audio.len() <= AUDIO_LEN)?,
            entries: text.get(ENTRIES_AT..ENTRIES_AT + entries_len)?,
        };
        let unused = text[audio_len..AUDIO_LEN].iter().chain(&text[ENTRIES_AT + entries_len..]);
        let clean = text[AUDIO_LEN] == VERSION && unused.into_iter().all(|byte| *byte == 0);
        (clean && table.is_sound()).then_some(table)
    }

    /// Its frames, in the order in which they arrived.
    pub fn frames(&self) -> impl Iterator<Item = PlacedFrame<'a>> {
        let (began, audio) = (self.began, self.audio);
        let mut at = 0;
        self.entries.as_chunks::<ENTRY_LEN>().0.iter().filter_map(move |entry| {
            let (place, len, codec) = split(entry)?;
            let payload = audio.get(at..at + len)?;
            at += len;
            Some(PlacedFrame { position: began.checked_add_signed(place)?, codec, payload })
        })
    }

    /// Whether every entry gives a frame, and the frames all of the audio.
    fn is_sound(&self) -> bool {
        let (mut count, mut bytes) = (0, 0);
        for frame in self.frames() {
            count += 1;
            bytes += frame.payload.len();
        }
        count == self.entries.len() / ENTRY_LEN && bytes == self.audio.len()
    }
}

fn split(entry: &[u8; ENTRY_LEN]) -> Option<(i64, usize, Codec)> {
    let [a, b, c, d, e, f, codec, zero] = *entry;
    let place = i64::from(i32::from_be_bytes([a, b, c, d]));
    let len = usize::from(u16::from_be_bytes([e, f]));
    Some((place, len, Codec::from_code(codec).filter(|_| zero == 0 && len > 0)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vorzimmer_vault::callrec::{Gaps, SlotGaps};

    use super::{AUDIO_LEN, Codec, MAX_FRAMES, SlotPage, Table};

    proptest! {
        #[test]
        fn what_is_written_is_read(
            frames in proptest::collection::vec((-16_000_i32..17_600, 1_usize..400, any::<bool>(), any::<u8>()), 0..60),
            began in 100_000_u64..1 << 40,
            gap in any::<(u16, u32)>(),
        ) {
            let mut page = SlotPage::new();
            let mut expected = Vec::new();
            for (place, len, a_law, byte) in frames {
                let payload = vec![byte; len];
                let codec = if a_law { Codec::Pcma } else { Codec::Pcmu };
                if page.fits(&payload) {
                    expected.push((began.checked_add_signed(place.into()).unwrap(), codec, payload.clone()));
                }
                page.push(place, codec, &payload);
            }
            prop_assert!(expected.len() <= MAX_FRAMES);
            let mut gaps = SlotGaps::default();
            gaps[3] = Gaps { count: gap.0.into(), ms: gap.1 };
            let text = *page.text(began, &gaps);
            let table = Table::parse(&text).unwrap();
            prop_assert_eq!((table.began, table.gaps), (began, gaps));
            let found: Vec<_> = table.frames().map(|f| (f.position, f.codec, f.payload.to_vec())).collect();
            prop_assert_eq!(found, expected);
            page.clear();
            prop_assert_eq!(page.bytes.iter().filter(|byte| **byte != 0).count(), 0);
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 2016), head in any::<[u8; 4]>()) {
            let mut text = text;
            text[AUDIO_LEN..AUDIO_LEN + 4].copy_from_slice(&head);
            if let Some(table) = Table::parse(&text) {
                prop_assert!(table.frames().count() <= MAX_FRAMES);
            }
        }
    }

    #[test]
    fn what_is_not_used_is_zero() {
        let mut page = SlotPage::new();
        page.push(0, Codec::Pcma, &[0xd5; 160]);
        let text = *page.text(0, &SlotGaps::default());
        assert!(Table::parse(&text).is_some());
        for at in [160, 1599, 1668, 2015] {
            let mut changed = text;
            changed[at] = 1;
            assert!(Table::parse(&changed).is_none(), "byte {at}");
        }
    }
}
