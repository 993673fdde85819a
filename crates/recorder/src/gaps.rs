//! Gaps: what is missing in one party's sound, and why.

use vorzimmer_vault::callrec::{Gaps, SlotGaps};

use crate::frame::SAMPLES_PER_MS;

/// Why sound is missing. The numbers are places in [`SlotGaps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapKind {
    /// Packets that the network lost: nobody on the call heard them either.
    Lost,
    /// Pages that the writer had no room for.
    QueueFull,
    /// Pages that the disk did not take.
    Disk,
    /// A hold: sound that was not wanted.
    Hold,
    /// Frames of a form that cannot be kept.
    Unusable,
    /// Pages that could not be sealed.
    Sealing,
}

impl GapKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Lost, Self::QueueFull, Self::Disk, Self::Hold, Self::Unusable, Self::Sealing];

    /// Whether we are to blame: such a gap makes a recording degraded, however short.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        match self {
            Self::QueueFull | Self::Disk | Self::Unusable | Self::Sealing => true,
            Self::Lost | Self::Hold => false,
        }
    }

    /// In a person's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "packets lost on the network",
            Self::QueueFull => "the writer fell behind",
            Self::Disk => "the disk failed or was full",
            Self::Hold => "on hold",
            Self::Unusable => "frames that cannot be kept",
            Self::Sealing => "a page could not be sealed",
        }
    }

    /// This kind's gaps among all of a slot's.
    #[must_use]
    pub const fn of(self, gaps: &SlotGaps) -> Gaps {
        gaps[self as usize]
    }
}

/// Adds `more` to `sum`.
pub(crate) fn add(sum: &mut SlotGaps, more: &SlotGaps) {
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.count = sum.count.saturating_add(more.count);
        sum.ms = sum.ms.saturating_add(more.ms);
    }
}

/// One slot's gaps: all so far, and those that no page tells of yet.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) total: SlotGaps,
    pub(crate) unwritten: SlotGaps,
}

impl Tally {
    /// Counts `count` gaps that cover `samples`; 0 lengthens the last one.
    pub(crate) fn count(&mut self, kind: GapKind, count: u32, samples: u64) {
        let ms = u32::try_from(samples / SAMPLES_PER_MS).unwrap_or(u32::MAX);
        let mut more = SlotGaps::default();
        more[kind as usize] = Gaps { count, ms };
        add(&mut self.total, &more);
        add(&mut self.unwritten, &more);
    }
}
