//! One party of a running recording: its page that fills, its place on the timeline, what is missing.

use std::mem::offset_of;
use std::ops::Range;

use vorzimmer_types::PartyId;
use vorzimmer_vault::callrec::SlotGaps;

use crate::frame::FrameRef;
use crate::gaps::{GapKind, Tally};
use crate::sequence::{Arrival, Losses, Sequence};
use crate::table::SlotPage;
use crate::timeline::Timeline;

/// One slot's state. Its parts lie in this order: what each frame asks for comes first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) party: PartyId,
    stream: Option<(u32, Sequence)>,
    /// Samples of the stream's last frame: what a lost packet is taken to have held.
    pub(crate) frame_samples: u64,
    pub(crate) page: SlotPage,
    pub(crate) timeline: Timeline,
    pub(crate) tally: Tally,
    pub(crate) kept_samples: u64,
    /// Whether the page before was dropped, so that another dropped one lengthens the gap.
    dropping: Option<GapKind>,
}

impl Slot {
    /// The bytes that each frame needs.
    pub(crate) const NEAR: Range<usize> = 0..offset_of!(Self, tally);

    pub(crate) fn new(party: PartyId) -> Self {
        Self {
            party,
            page: SlotPage::new(),
            timeline: Timeline::default(),
            stream: None,
            frame_samples: 0,
            tally: Tally::default(),
            kept_samples: 0,
            dropping: None,
        }
    }

    /// Whether this frame's packet comes right after the last one of the same stream.
    pub(crate) fn follows(&self, frame: &FrameRef<'_>) -> bool {
        let stream = self.stream.as_ref().filter(|(ssrc, _)| *ssrc == frame.ssrc);
        stream.is_some_and(|(_, sequence)| sequence.is_next(frame.sequence))
    }

    /// Takes note of a packet's number; says whether its frame is new.
    pub(crate) fn arrive(&mut self, frame: &FrameRef<'_>) -> bool {
        match &mut self.stream {
            Some((ssrc, sequence)) if *ssrc == frame.ssrc => match sequence.arrive(frame.sequence) {
                Arrival::New(losses) => {
                    self.count_lost(losses);
                    true
                }
                Arrival::Stale => false,
            },
            _ => {
                self.finish_stream();
                self.stream = Some((frame.ssrc, Sequence::starting_at(frame.sequence)));
                true
            }
        }
    }

    /// Takes note of a packet without voice. Only a stream that has begun is followed.
    pub(crate) fn pass(&mut self, ssrc: u32, number: u16) {
        if let Some((known, sequence)) = &mut self.stream
            && *known == ssrc
            && let Arrival::New(losses) = sequence.arrive(number)
        {
            self.count_lost(losses);
        }
    }

    /// The stream ended, or another begins: what has not come is lost.
    pub(crate) fn finish_stream(&mut self) {
        if let Some((_, mut sequence)) = self.stream.take() {
            self.count_lost(sequence.finish());
        }
    }

    /// What this slot has of the page that fills is sealed.
    pub(crate) fn sealed(&mut self, samples: u64) {
        self.kept_samples += samples;
        self.tally.unwritten = SlotGaps::default();
        self.dropping = None;
    }

    fn count_lost(&mut self, losses: Losses) {
        if losses.packets > 0 {
            self.tally.count(GapKind::Lost, losses.runs, u64::from(losses.packets) * self.frame_samples);
        }
    }

    /// Sound of this slot that was taken is not kept after all.
    pub(crate) fn drop_sound(&mut self, kind: GapKind, samples: u64) {
        if samples > 0 {
            let begins = self.dropping != Some(kind);
            self.tally.count(kind, u32::from(begins), samples);
            self.dropping = Some(kind);
        }
    }
}
