//! Where a frame belongs on the recording's timeline.
//!
//! The timeline counts samples at 8 kHz from the recording's start and is common to all parties. A stream's first frame
//! is anchored where it was begun, as long before it arrived as it lasts; each further one stands where its RTP
//! timestamp says, however late or early it came. A sender that starts a new stream, or whose clock jumps, is anchored
//! again; if only its codec changes, and with it the clock of its timestamps, without a packet missing between, it goes
//! on where it was.

use crate::frame::CLOCK_HZ;

/// How far a frame may stand from where it arrived. Beyond that (two seconds) the sender's clock has jumped, or has
/// drifted that far, and is anchored again. No frame stands further from its arrival than this: export relies on it.
pub(crate) const REANCHOR_AFTER: u64 = 16_000;

/// How early or late a packet may come and still be the one after the last: 200 ms.
const MAX_JITTER: u64 = 1600;

/// One party's place on the timeline.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    anchor: Option<Anchor>,
    /// Nothing stands before this: it would have been spoken before it was permitted.
    floor: u64,
    /// Where the last frame ends.
    end: u64,
}

#[derive(Debug)]
struct Anchor {
    stamp: Stamp,
    position: u64,
}

/// When a frame was taken, by its sender's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    /// Units a second: a multiple of the timeline's.
    pub(crate) clock_hz: u32,
}

impl Timeline {
    /// The place of a frame that arrived at `wall`; `None` if that is before the first permitted one. `follows`: its
    /// packet is the next of its stream, so that nothing was said in between unless its clock tells.
    pub(crate) fn place(&mut self, stamp: Stamp, samples: u64, wall: u64, follows: bool) -> Option<u64> {
        let near = |place: &i64| place.abs_diff(wall.cast_signed()) <= REANCHOR_AFTER;
        let begun = wall.saturating_sub(samples);
        let position = match self.by_clock(stamp).filter(near) {
            // Negative is before the timeline began.
            Some(place) => u64::try_from(place).ok().filter(|place| *place >= self.floor)?,
            None if follows && self.only_the_clock_changes(stamp, begun) => self.end,
            None => self.anchor_at(stamp, begun),
        };
        if position >= self.end {
            // The anchor moves along, so that a day of samples never overflows the 32 bits of a timestamp.
            self.anchor = Some(Anchor { stamp, position });
        }
        self.end = self.end.max(position + samples);
        Some(position)
    }

    /// Forgets the anchor, at `wall`: nothing that comes now stands before that.
    pub(crate) fn lift(&mut self, wall: u64) {
        self.anchor = None;
        self.floor = self.floor.max(wall);
    }

    /// Where the last frame ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    fn by_clock(&self, stamp: Stamp) -> Option<i64> {
        let same =
            |anchor: &&Anchor| (anchor.stamp.ssrc, anchor.stamp.clock_hz) == (stamp.ssrc, stamp.clock_hz);
        let anchor = self.anchor.as_ref().filter(same)?;
        let ahead = stamp.timestamp.wrapping_sub(anchor.stamp.timestamp).cast_signed();
        let ahead = i64::from(ahead).div_euclid(i64::from((stamp.clock_hz / CLOCK_HZ).max(1)));
        Some(anchor.position.cast_signed().saturating_add(ahead))
    }

    /// Whether the same source goes on with another codec, about when that was to be expected.
    fn only_the_clock_changes(&self, stamp: Stamp, begun: u64) -> bool {
        let changed =
            |anchor: &Anchor| anchor.stamp.ssrc == stamp.ssrc && anchor.stamp.clock_hz != stamp.clock_hz;
        self.anchor.as_ref().is_some_and(changed) && self.end.abs_diff(begun) <= MAX_JITTER
    }

    fn anchor_at(&mut self, stamp: Stamp, begun: u64) -> u64 {
        // Behind the stream before, whose last frames may stand a little ahead of their arrival.
        let position = if self.end.abs_diff(begun) <= REANCHOR_AFTER { begun.max(self.end) } else { begun };
        let position = position.max(self.floor);
        self.floor = self.floor.max(if self.anchor.is_none() { position } else { 0 });
        self.anchor = Some(Anchor { stamp, position });
        position
    }
}

#[cfg(test)]
mod tests {
    use super::{Stamp, Timeline};

    fn narrow(ssrc: u32, timestamp: u32) -> Stamp {
        Stamp { ssrc, timestamp, clock_hz: 8000 }
    }

    /// (ssrc, timestamp, arrival, expected place)
    fn run(frames: &[(u32, u32, u64, Option<u64>)]) {
        let mut timeline = Timeline::default();
        for (number, &(ssrc, timestamp, wall, expected)) in frames.iter().enumerate() {
            assert_eq!(timeline.place(narrow(ssrc, timestamp), 160, wall, false), expected, "frame {number}");
        }
    }

    #[test]
    fn jitter_and_reordering_do_not_move_a_frame() {
        run(&[
            (1, 1000, 800, Some(640)),
            (1, 1160, 1100, Some(800)),
            (1, 1480, 1290, Some(1120)),
            (1, 1320, 1291, Some(960)),
            (1, 1640, 1400, Some(1280)),
        ]);
    }

    #[test]
    fn silence_is_kept_as_long_as_it_was() {
        run(&[(1, 0, 0, Some(0)), (1, 80_000, 80_050, Some(80_000))]);
    }

    #[test]
    fn the_timestamp_may_wrap() {
        run(&[(1, u32::MAX - 79, 0, Some(0)), (1, 80, 160, Some(160))]);
    }

    #[test]
    fn a_new_stream_or_a_jump_is_anchored_where_it_arrives() {
        run(&[
            (1, 0, 0, Some(0)),
            (2, 77_000, 150, Some(160)),
            (2, 77_160, 320, Some(320)),
            (2, 900_000_000, 480, Some(480)),
            (2, 900_000_160, 650, Some(640)),
        ]);
    }

    #[test]
    fn a_clock_that_stood_still_is_set_again() {
        run(&[(1, 0, 0, Some(0)), (1, 160, 40_000, Some(39_840)), (1, 320, 40_160, Some(40_000))]);
    }

    #[test]
    fn nobody_speaks_from_the_future() {
        let mut timeline = Timeline::default();
        let mut wall = 0;
        for number in 0..2000_u32 {
            // Ten times as fast as real time.
            let place = timeline.place(narrow(1, number * 160), 160, wall, true).unwrap();
            assert!(place <= wall + super::REANCHOR_AFTER, "frame {number}");
            wall += 16;
        }
    }

    #[test]
    fn nothing_stands_before_the_first_permitted_frame_or_before_a_resume() {
        run(&[(1, 1600, 500, Some(340)), (1, 1440, 510, None), (1, 1760, 660, Some(500))]);
        run(&[(1, 1600, 0, Some(0)), (1, 1440, 10, None), (1, 1760, 160, Some(160))]);
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(narrow(1, 0), 160, 0, false), Some(0));
        timeline.lift(9600);
        assert_eq!(timeline.place(narrow(1, 9600), 160, 9700, true), Some(9600));
        assert_eq!(timeline.place(narrow(1, 9440), 160, 9710, false), None, "spoken during the hold");
    }

    #[test]
    fn a_faster_clock_is_scaled_and_may_wrap() {
        let mut timeline = Timeline::default();
        let wide = |timestamp| Stamp { ssrc: 1, timestamp, clock_hz: 48_000 };
        let first = u32::MAX - 959;
        assert_eq!(timeline.place(wide(first), 160, 160, false), Some(0));
        assert_eq!(timeline.place(wide(0), 160, 500, true), Some(160));
        assert_eq!(timeline.place(wide(2880), 160, 700, false), Some(640));
        assert_eq!(timeline.place(wide(1920), 160, 710, false), Some(480), "it was overtaken");
    }

    #[test]
    fn another_codec_of_the_same_source_goes_on_where_the_one_before_ended() {
        let mut timeline = Timeline::default();
        let wide = |timestamp| Stamp { ssrc: 1, timestamp, clock_hz: 48_000 };
        assert_eq!(timeline.place(narrow(1, 1000), 160, 160, false), Some(0));
        assert_eq!(timeline.place(wide(77), 160, 450, true), Some(160), "jitter leaves no gap");
        assert_eq!(timeline.place(wide(1037), 160, 480, true), Some(320));
        // A packet is missing at the change, or a pause was made: it stands where it arrived.
        assert_eq!(timeline.place(narrow(1, 9000), 160, 850, false), Some(690));
        assert_eq!(timeline.place(wide(5), 160, 9160, true), Some(9000));
    }
}
