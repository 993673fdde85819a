//! What the final page says.

use super::{MAX_SLOTS, PLAINTEXT_LEN, Refusal};

/// How many kinds of gap a final page can tell apart; the recorder names them.
pub const GAP_KINDS: usize = 8;

const MAGIC: &[u8; 4] = b"LAST";
const VERSION: u16 = 1;

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The call ended.
    HungUp,
    /// A party withdrew its consent.
    Withdrawn,
    /// Who is on the call changed: the permit ended.
    EpochEnded,
    /// It could not go on: disk, keys or queue.
    Failed,
    /// The server shut down.
    Drained,
    /// It was not closed when its server ended; the next start closed it.
    Recovered,
}

impl EndReason {
    const ALL: [Self; 6] =
        [Self::HungUp, Self::Withdrawn, Self::EpochEnded, Self::Failed, Self::Drained, Self::Recovered];

    /// Its number on disk, from 1.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::HungUp => 1,
            Self::Withdrawn => 2,
            Self::EpochEnded => 3,
            Self::Failed => 4,
            Self::Drained => 5,
            Self::Recovered => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Gaps of one kind in one party's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many.
    pub count: u32,
    /// Milliseconds that they cover together.
    pub ms: u32,
}

/// What the final page says of one slot: its gaps by kind.
pub type SlotGaps = [Gaps; GAP_KINDS];

/// What the final page says.
///
/// ```text
/// plaintext of each slot's final segment, big-endian:
///   0 "LAST" | 4 u16 version=1 | 6 u8 reason | 7 u8 slot
///   8 u64 pages of sound before this one
///  16 u64 length of the recording in milliseconds
///  24 receipts root [32]
///  56 8 × (u32 gaps | u32 milliseconds they cover), this slot's, by kind (the recorder's order)
/// 120 zero [1896]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why it ended.
    pub reason: EndReason,
    /// How long it is, from its start to its end, in milliseconds.
    pub duration_ms: u64,
    /// Each slot's gaps.
    pub slots: Vec<SlotGaps>,
    /// SHA-256 root of the consent receipts that permitted it from beginning to end.
    pub receipts_root: [u8; 32],
}

impl Ending {
    /// The plaintext of slot `slot`.
    pub(super) fn encode(&self, slot: usize, pages: u64) -> [u8; PLAINTEXT_LEN] {
        let gaps = self.slots.get(slot).copied().unwrap_or_default();
        let mut out = [0; PLAINTEXT_LEN];
        out[..4].copy_from_slice(MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_be_bytes());
        out[6] = self.reason.code();
        out[7] = slot.min(MAX_SLOTS) as u8;
        out[8..16].copy_from_slice(&pages.to_be_bytes());
        out[16..24].copy_from_slice(&self.duration_ms.to_be_bytes());
        out[24..56].copy_from_slice(&self.receipts_root);
        for (place, Gaps { count, ms }) in out[56..120].chunks_exact_mut(8).zip(gaps) {
            place[..4].copy_from_slice(&count.to_be_bytes());
            place[4..].copy_from_slice(&ms.to_be_bytes());
        }
        out
    }

    /// Reads the plaintexts of a final page that stands behind `pages` pages of sound; slots whose secret is gone are
    /// `None`.
    ///
    /// # Errors
    /// [`Refusal::Ending`] unless writing it again gives the same bytes, in every slot.
    pub(super) fn decode(slots: &[Option<&[u8]>], pages: u64) -> Result<Self, Refusal> {
        let mut ending: Option<Self> = None;
        let mut per_slot = Vec::with_capacity(slots.len());
        for (slot, text) in slots.iter().enumerate() {
            let Some(text) = text else {
                per_slot.push(SlotGaps::default());
                continue;
            };
            let refused = Refusal::Ending { slot };
            let (found, gaps) = Self::decode_slot(text).ok_or(refused)?;
            per_slot.push(gaps);
            let mut whole = found.clone();
            whole.slots.clone_from(&per_slot);
            let agrees = ending.as_ref().is_none_or(|other| *other == found);
            if !agrees || whole.encode(slot, pages) != **text {
                return Err(refused);
            }
            ending = Some(found);
        }
        let ending = ending.ok_or(Refusal::NoSecret)?;
        Ok(Self { slots: per_slot, ..ending })
    }

    /// What one slot says of all, and of itself.
    fn decode_slot(text: &[u8]) -> Option<(Self, SlotGaps)> {
        let reason = EndReason::from_code(*text.get(6)?)?;
        let duration_ms = text.get(16..24)?.try_into().map(u64::from_be_bytes).ok()?;
        let receipts_root = text.get(24..56)?.try_into().ok()?;
        let mut gaps = SlotGaps::default();
        for (gap, place) in gaps.iter_mut().zip(text.get(56..120)?.chunks_exact(8)) {
            let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).ok();
            *gap = Gaps { count: number(place.get(..4)?)?, ms: number(place.get(4..)?)? };
        }
        Some((Self { reason, duration_ms, slots: Vec::new(), receipts_root }, gaps))
    }
}
