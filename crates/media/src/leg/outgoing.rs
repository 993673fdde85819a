//! The one stream a leg hears, whatever its source: numbers and timestamps go on across every switch.

use std::time::{Duration, Instant};

use vorzimmer_types::Entropy;
use vorzimmer_types::entropy;

use crate::rtp::View;

/// A relayed timestamp that leaps so many seconds further than time did starts a new talkspurt.
const MAX_LEAP_S: u32 = 2;

/// Numbers for outgoing packets.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) ssrc: u32,
    /// The highest sequence number and timestamp sent, and when; the sequence number is extended.
    sequence: u64,
    timestamp: u32,
    /// Timestamp units that the last packet covers.
    length: u32,
    /// Timestamp units a second.
    clock_hz: u32,
    at: Option<Instant>,
    /// Packets and payload octets sent (RFC 3550 §6.4.1).
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// Where a source's numbers lie in the outgoing stream.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// Packets before this one belong to what was heard before, and are not heard any more.
    first: u64,
    sequence_offset: u64,
    timestamp_offset: u32,
    newest: u64,
    newest_timestamp: u32,
    /// The last run of packets that were left out, so that leaving them out leaves no hole.
    left_out: Option<LeftOut>,
}

#[derive(Clone, Copy, Debug)]
struct LeftOut {
    from: u64,
    to: u64,
    offset_before: u64,
}

impl Outgoing {
    /// A stream with random beginnings (RFC 3550 §5.1).
    pub(crate) fn new(random: &mut dyn Entropy) -> Self {
        let [s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = entropy::array(random);
        Self {
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            // Below 2^15, so that no receiver of SRTP misses the first wrap (RFC 3711 §3.3.1).
            sequence: 0x1_0000 | u64::from(u16::from_be_bytes([s0, s1]) >> 1),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            length: 0,
            clock_hz: 8000,
            at: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Another codec is sent from now on. The source and its numbers go on, in units of the new clock (RFC 7160 §4.1).
    pub(crate) fn set_clock(&mut self, clock_hz: u32) {
        self.length = (u64::from(self.length) * u64::from(clock_hz) / u64::from(self.clock_hz)) as u32;
        self.clock_hz = clock_hz;
    }

    /// The timestamp that belongs to this moment.
    pub(crate) fn timestamp_at(&self, now: Instant) -> u32 {
        self.timestamp.wrapping_add(self.at.map_or(0, |at| units(now.duration_since(at), self.clock_hz)))
    }

    /// Sequence number and timestamp for the first packet of a new source: right after what was sent, and as much
    /// later as time has passed.
    fn next(&self, now: Instant) -> (u64, u32) {
        let passed = self.at.map_or(0, |at| units(now.duration_since(at), self.clock_hz));
        (self.sequence + 1, self.timestamp.wrapping_add(passed.max(self.length)))
    }

    /// Numbers for a packet that starts here. `talkspurt`: time passed since the last one that no packet tells of.
    pub(crate) fn own(&mut self, length: u32, octets: usize, talkspurt: bool, now: Instant) -> (u16, u32) {
        let (sequence, by_clock) = self.next(now);
        let exact = self.timestamp.wrapping_add(self.length);
        let timestamp = if talkspurt { by_clock } else { exact };
        self.sent(sequence, timestamp, length, octets, now);
        (sequence as u16, timestamp)
    }

    /// Numbers for one more packet of an event that began at `timestamp` (RFC 4733 §2.5.1.2).
    pub(crate) fn event(&mut self, octets: usize) -> u16 {
        self.sequence += 1;
        self.count(octets);
        self.sequence as u16
    }

    /// Numbers for a relayed packet; none if it belongs to what was heard before. Makes `mapping` if there is none.
    pub(crate) fn relayed(
        &mut self,
        mapping: &mut Option<Mapping>,
        extended: u64,
        view: &View,
        payload: Payload,
        now: Instant,
    ) -> Option<Relayed> {
        if let Some(map) = mapping
            && extended > map.newest
            && self.leaps(map, view, now)
        {
            *mapping = None;
        }
        let talkspurt = mapping.is_none();
        let map = mapping.get_or_insert_with(|| {
            let (sequence, timestamp) = self.next(now);
            Mapping::new(extended, view.timestamp, sequence, timestamp)
        });
        let sequence = map.sequence(extended)?;
        let timestamp = view.timestamp.wrapping_add(map.timestamp_offset);
        if extended >= map.newest {
            map.newest = extended;
            map.newest_timestamp = view.timestamp;
        }
        match payload {
            Payload::Audio { octets, units } => self.sent(sequence, timestamp, units, octets, now),
            // An event's timestamp stands still; the stream's clock does not.
            Payload::Event(octets) => {
                self.sequence = self.sequence.max(sequence);
                self.count(octets);
            }
        }
        Some(Relayed { sequence: sequence as u16, timestamp, talkspurt })
    }

    /// Whether a packet's timestamp is far from where its source's clock should be.
    fn leaps(&self, map: &Mapping, view: &View, now: Instant) -> bool {
        let passed = self.at.map_or(0, |at| units(now.duration_since(at), self.clock_hz));
        let moved = view.timestamp.wrapping_sub(map.newest_timestamp);
        moved.wrapping_sub(passed).cast_signed().unsigned_abs() > MAX_LEAP_S * self.clock_hz
    }

    fn count(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    fn sent(&mut self, sequence: u64, timestamp: u32, length: u32, octets: usize, now: Instant) {
        self.count(octets);
        if sequence > self.sequence {
            self.sequence = sequence;
            self.timestamp = timestamp;
            self.length = length;
            self.at = Some(now);
        }
    }
}

/// What a relayed packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Voice, or noise, that covers so many timestamp units.
    Audio { octets: usize, units: u32 },
    /// A telephone-event.
    Event(usize),
}

/// Numbers for a relayed packet.
pub(crate) struct Relayed {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// The first packet of its source here: bears the marker.
    pub(crate) talkspurt: bool,
}

impl Mapping {
    fn new(extended: u64, in_timestamp: u32, sequence: u64, timestamp: u32) -> Self {
        Self {
            first: extended,
            sequence_offset: sequence.wrapping_sub(extended),
            timestamp_offset: timestamp.wrapping_sub(in_timestamp),
            newest: extended,
            newest_timestamp: in_timestamp,
            left_out: None,
        }
    }

    /// Closes the gap of a packet that is not passed on.
    pub(crate) fn leave_out(&mut self, extended: u64) {
        // A late one: what came after it was numbered already, so its gap stays and only looks like loss.
        if extended <= self.newest {
            return;
        }
        match &mut self.left_out {
            Some(out) if extended == out.to => out.to += 1,
            left_out => {
                self.first = left_out.map_or(self.first, |before| before.to);
                let offset_before = self.sequence_offset;
                *left_out = Some(LeftOut { from: extended, to: extended + 1, offset_before });
            }
        }
        self.sequence_offset = self.sequence_offset.wrapping_sub(1);
        self.newest = extended;
    }

    fn sequence(&self, extended: u64) -> Option<u64> {
        let offset = match self.left_out {
            Some(out) if extended < out.from => out.offset_before,
            Some(out) if extended < out.to => return None,
            _ => self.sequence_offset,
        };
        (extended >= self.first).then(|| extended.wrapping_add(offset))
    }
}

/// Timestamp units in a time; only differences mean something.
pub(crate) fn units(time: Duration, clock_hz: u32) -> u32 {
    let part = u64::from(time.subsec_micros()) * u64::from(clock_hz) / 1_000_000;
    time.as_secs().wrapping_mul(u64::from(clock_hz)).wrapping_add(part) as u32
}
