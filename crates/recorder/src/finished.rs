//! What became of a recording.

use vorzimmer_types::RecordingId;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::{EndReason, SlotGaps};

use crate::gaps::GapKind;
use crate::queue::SealedPage;

/// A recording of which more than one part in so many was lost on the network counts as degraded.
const LOSS_DEGRADES_FROM: u64 = 100;
/// A recording shorter than this may be empty without having failed.
const EMPTY_IS_FINE_MS: u64 = 1000;

/// A recording that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Which.
    pub recording: RecordingId,
    /// How, as far as the recorder knows. Whoever writes the pages may know worse.
    pub result: RecordingResult,
    /// Why it is not simply ok; empty if it is.
    pub why: String,
    /// From start to end.
    pub duration_ms: u64,
    /// Pages of sound, the last ones included.
    pub pages: u64,
    /// Each slot's gaps by kind ([`GapKind`]).
    pub slots: Vec<SlotGaps>,
    /// Frames that were refused because the permit did not cover them.
    pub blocked: u64,
    /// Pages to be written after those in the queue: the last sound, if any was left, then the final page.
    pub last_pages: Vec<SealedPage>,
}

impl Finished {
    /// Takes note that the disk did not take all of it: `stored` pages of sound are in the file, and it stays open for
    /// the next start to close.
    pub fn not_all_stored(&mut self, stored: u64) {
        self.pages = stored;
        self.result = if stored == 0 { RecordingResult::Failed } else { RecordingResult::Degraded };
        let disk = GapKind::Disk.name();
        self.why = if self.why.is_empty() { disk.into() } else { format!("{}; {disk}", self.why) };
    }

    /// Gaps of the first two slots: caller, receptionist. Holds are not counted.
    #[must_use]
    pub fn gap_counts(&self) -> [u32; 2] {
        let count = |slot: usize| self.slots.get(slot).map_or(0, gap_count);
        [count(0), count(1)]
    }
}

/// A slot's gaps of all kinds but holds.
#[must_use]
pub fn gap_count(gaps: &SlotGaps) -> u32 {
    let unwanted = GapKind::ALL.into_iter().filter(|kind| *kind != GapKind::Hold);
    unwanted.map(|kind| kind.of(gaps).count).sum()
}

/// The result and its reason, from what is known of a recording at its end.
#[must_use]
pub fn judge(
    reason: EndReason,
    duration_ms: u64,
    kept_samples: u64,
    slots: &[SlotGaps],
) -> (RecordingResult, String) {
    if reason == EndReason::Withdrawn {
        return (RecordingResult::Withdrawn, "consent was withdrawn".into());
    }
    let found = |kind: GapKind| slots.iter().any(|gaps| kind.of(gaps).count > 0);
    let too_lossy =
        slots.iter().any(|gaps| u64::from(GapKind::Lost.of(gaps).ms) * LOSS_DEGRADES_FROM > duration_ms);
    let mut why: Vec<&str> =
        GapKind::ALL.into_iter().filter(|kind| kind.is_ours() && found(*kind)).map(GapKind::name).collect();
    if too_lossy {
        why.push(GapKind::Lost.name());
    }
    match reason {
        EndReason::Failed => why.push("recording could not go on"),
        EndReason::Recovered => why.push("the server ended before the call did"),
        _ => {}
    }
    let result = if kept_samples == 0 && (!why.is_empty() || duration_ms >= EMPTY_IS_FINE_MS) {
        why.push("no sound was kept");
        RecordingResult::Failed
    } else if why.is_empty() {
        RecordingResult::Ok
    } else {
        RecordingResult::Degraded
    };
    (result, why.join("; "))
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::event::RecordingResult::{self, Degraded, Failed, Ok, Withdrawn};
    use vorzimmer_vault::callrec::EndReason::{self, HungUp, Recovered};
    use vorzimmer_vault::callrec::{Gaps, SlotGaps};

    use super::judge;
    use crate::gaps::GapKind;

    #[test]
    fn a_recording_is_as_good_as_its_worst_gap() {
        let gap = |kind: GapKind, count, ms| {
            let mut gaps = SlotGaps::default();
            gaps[kind as usize] = Gaps { count, ms };
            gaps
        };
        let table: [(&str, EndReason, u64, u64, SlotGaps, RecordingResult); 11] = [
            ("whole", HungUp, 60_000, 1, SlotGaps::default(), Ok),
            ("a few packets lost", HungUp, 60_000, 1, gap(GapKind::Lost, 3, 60), Ok),
            ("many packets lost", HungUp, 60_000, 1, gap(GapKind::Lost, 3, 700), Degraded),
            ("a hold", HungUp, 60_000, 1, gap(GapKind::Hold, 1, 30_000), Ok),
            ("one page missed", HungUp, 60_000, 1, gap(GapKind::QueueFull, 1, 160), Degraded),
            ("the disk was full", HungUp, 60_000, 1, gap(GapKind::Disk, 1, 160), Degraded),
            ("nothing kept", HungUp, 60_000, 0, gap(GapKind::Disk, 1, 60_000), Failed),
            ("nothing came", HungUp, 60_000, 0, SlotGaps::default(), Failed),
            ("hung up at once", HungUp, 300, 0, SlotGaps::default(), Ok),
            ("recovered", Recovered, 60_000, 1, SlotGaps::default(), Degraded),
            ("withdrawn", EndReason::Withdrawn, 60_000, 1, SlotGaps::default(), Withdrawn),
        ];
        for (what, reason, duration_ms, kept, gaps, expected) in table {
            let (result, why) = judge(reason, duration_ms, kept, &[SlotGaps::default(), gaps]);
            assert_eq!(result, expected, "{what}");
            assert_eq!(why.is_empty(), expected == Ok, "{what}: {why}");
        }
    }
}
