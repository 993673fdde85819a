//! One incoming RTP stream: order, duplicates, loss and jitter (RFC 3550 §A.1, §A.3, §A.8).

use std::time::{Duration, Instant};

use super::outgoing::units;

/// A step forward larger than this is a new start, not loss (RFC 3550 §A.1: `MAX_DROPOUT`).
pub(crate) const MAX_DROPOUT: u16 = 3000;
/// Packets this far behind the newest can still be told from duplicates; older ones are too late to be heard.
pub(crate) const WINDOW: u16 = 64;
/// Packets in a row that another synchronization source must send before it is heard.
pub(crate) const SOURCE_PROBATION: u8 = 3;

/// What a packet is in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not seen before.
    New(u64),
    /// The first after a jump in sequence numbers: the stream begins anew here.
    Restart(u64),
    /// Seen before.
    Duplicate,
    /// Too old to be heard.
    Late,
    /// So far off that the next packet must confirm it.
    Jump,
}

/// Order, loss and jitter of one synchronization source.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) ssrc: u32,
    /// Extended sequence number of the newest packet; starts one cycle up, so that there is room below.
    newest: u64,
    first: u64,
    /// Bit n: the packet n before the newest was seen.
    seen: u64,
    received: u64,
    /// Lost before the last jump.
    lost_before: u64,
    jump: Option<u16>,
    transit: Option<u32>,
    /// Scaled by 16, in timestamp units (§A.8).
    jitter: u32,
    /// Timestamp units a second.
    clock_hz: u32,
    expected_prior: u64,
    received_prior: u64,
}

impl Incoming {
    /// A stream that begins with this packet.
    pub(crate) fn new(ssrc: u32, sequence: u16) -> Self {
        let first = 0x1_0000 + u64::from(sequence);
        Self {
            ssrc,
            newest: first,
            first,
            seen: 0,
            received: 0,
            lost_before: 0,
            jump: None,
            transit: None,
            jitter: 0,
            clock_hz: 8000,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    /// Whether a packet with this number is one of the next of this stream.
    pub(crate) fn goes_on(&self, ssrc: u32, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.newest as u16);
        ssrc == self.ssrc && (1..MAX_DROPOUT).contains(&ahead)
    }

    /// Places a packet.
    pub(crate) fn place(&mut self, sequence: u16) -> Place {
        if self.received == 0 {
            self.seen = 1;
            self.received = 1;
            return Place::New(self.newest);
        }
        let ahead = sequence.wrapping_sub(self.newest as u16);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.newest += u64::from(ahead);
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            return self.count(self.newest);
        }
        let behind = ahead.wrapping_neg();
        if behind < WINDOW {
            return self.place_behind(behind);
        }
        if behind < MAX_DROPOUT {
            return Place::Late;
        }
        // §A.1: two packets in a row from afar mean that the sender started again.
        if self.jump != Some(sequence) {
            self.jump = Some(sequence.wrapping_add(1));
            return Place::Jump;
        }
        self.restart(sequence)
    }

    fn place_behind(&mut self, behind: u16) -> Place {
        let bit = 1_u64 << behind;
        if self.seen & bit != 0 {
            return Place::Duplicate;
        }
        self.seen |= bit;
        let extended = self.newest - u64::from(behind);
        self.first = self.first.min(extended);
        self.count(extended)
    }

    fn count(&mut self, extended: u64) -> Place {
        self.jump = None;
        self.received += 1;
        Place::New(extended)
    }

    fn restart(&mut self, sequence: u16) -> Place {
        let cycle = (self.newest >> 16) + 2;
        let next = Self { lost_before: self.lost(), ..Self::new(self.ssrc, sequence) };
        let newest = cycle << 16 | u64::from(sequence);
        *self = Self {
            newest,
            first: newest,
            seen: 1,
            received: 1,
            jitter: self.jitter,
            clock_hz: self.clock_hz,
            ..next
        };
        Place::Restart(newest)
    }

    /// Takes the arrival of an audio packet, whose codec has this clock, into the jitter (§A.8).
    pub(crate) fn arrived(&mut self, timestamp: u32, clock_hz: u32, epoch: Instant, now: Instant) {
        if clock_hz != self.clock_hz {
            self.jitter = (u64::from(self.jitter) * u64::from(clock_hz) / u64::from(self.clock_hz)) as u32;
            (self.transit, self.clock_hz) = (None, clock_hz);
        }
        let arrival = units(now.duration_since(epoch), clock_hz);
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A leap of more than ten seconds is a new start of the clock, not jitter.
            if difference < 10 * clock_hz {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
    }

    fn expected(&self) -> u64 {
        self.newest - self.first + 1
    }

    /// Packets that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// Jitter in timestamp units.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Jitter as a time.
    pub(crate) fn jitter_time(&self) -> Duration {
        Duration::from_micros(u64::from(self.jitter()) * 1_000_000 / u64::from(self.clock_hz))
    }

    /// Highest sequence number received, with its cycles, as a report says it (§6.4.1).
    pub(crate) fn highest(&self) -> u32 {
        (self.newest - 0x1_0000) as u32
    }

    /// The fraction lost since the last report, in 256ths (§A.3).
    pub(crate) fn fraction_lost(&mut self) -> u8 {
        let (expected, received) = (self.expected(), self.received);
        let expected_since = expected.saturating_sub(std::mem::replace(&mut self.expected_prior, expected));
        let received_since = received.saturating_sub(std::mem::replace(&mut self.received_prior, received));
        let lost = expected_since.saturating_sub(received_since);
        let fraction = (lost << 8).checked_div(expected_since).unwrap_or(0);
        u8::try_from(fraction).unwrap_or(u8::MAX)
    }
}
