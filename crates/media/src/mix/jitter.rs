//! Packets that wait for their moment, in order, and how long the network makes them wait.
//!
//! Bounded in packets and bytes; all memory is taken when it is made.

use std::time::{Duration, Instant};

use crate::rtp::MAX_PACKET;

/// Packets that wait at most: 640 ms of the shortest ones.
const SLOTS: usize = 64;
/// The spread of the network's delay is looked at over one to two such times.
const SPREAD_OVER: Duration = Duration::from_secs(2);
/// What is taken for the spread before anything is known of it.
const SPREAD_AT_FIRST: Duration = Duration::from_millis(40);

/// What is known of a packet that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its place in its stream.
    pub(crate) extended: u64,
    /// Its timestamp, unwrapped.
    pub(crate) timestamp: i64,
    /// Timestamp units that it covers; 0 for comfort noise.
    pub(crate) units: u32,
    /// When it came.
    pub(crate) at: Instant,
    length: usize,
}

/// A buffer of packets.
pub(crate) struct Jitter {
    slots: Box<[Option<Waiting>]>,
    bytes: Box<[u8]>,
    newest: Option<(u32, i64)>,
    delay: Spread,
}

/// The least and the greatest delay, against a clock that may begin anywhere.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    now: Option<(i64, i64)>,
    before: Option<(i64, i64)>,
    since: Option<Instant>,
}

impl Jitter {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![None; SLOTS].into(),
            bytes: vec![0; SLOTS * MAX_PACKET].into(),
            newest: None,
            delay: Spread::default(),
        }
    }

    /// Takes a packet in; when there is no room the oldest is given up.
    pub(crate) fn push(
        &mut self,
        extended: u64,
        timestamp: u32,
        units: u32,
        clock_hz: u32,
        payload: &[u8],
        now: Instant,
    ) {
        let timestamp = self.unwrapped(timestamp);
        self.delay.arrived(timestamp, clock_hz, now);
        if self.slots.iter().all(Option::is_some)
            && let Some((place, _)) = self.earliest()
        {
            self.clear(place);
        }
        let Some(place) = self.slots.iter().position(Option::is_none) else { return };
        let room = self.bytes.get_mut(place * MAX_PACKET..).and_then(|bytes| bytes.get_mut(..payload.len()));
        let (Some(room), Some(slot)) = (room, self.slots.get_mut(place)) else { return };
        room.copy_from_slice(payload);
        *slot = Some(Waiting { extended, timestamp, units, at: now, length: payload.len() });
    }

    /// The packet with the earliest timestamp.
    pub(crate) fn first(&self) -> Option<Waiting> {
        self.earliest().map(|(_, waiting)| waiting)
    }

    /// What that packet holds.
    pub(crate) fn payload(&self) -> &[u8] {
        let Some((place, waiting)) = self.earliest() else { return &[] };
        let begin = place * MAX_PACKET;
        self.bytes.get(begin..begin + waiting.length).unwrap_or_default()
    }

    /// Gives that packet up.
    pub(crate) fn pop(&mut self) {
        if let Some((place, _)) = self.earliest() {
            self.clear(place);
        }
    }

    /// Where the latest packet ends, in timestamp units.
    pub(crate) fn end(&self) -> Option<i64> {
        self.slots.iter().flatten().map(|waiting| waiting.timestamp + i64::from(waiting.units)).max()
    }

    /// How much later than the quickest the slowest packets of the last seconds came.
    pub(crate) fn spread(&self) -> Duration {
        self.delay.spread()
    }

    fn clear(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = None;
        }
    }

    fn earliest(&self) -> Option<(usize, Waiting)> {
        let waiting = self.slots.iter().enumerate().filter_map(|(place, slot)| Some((place, (*slot)?)));
        waiting.min_by_key(|(_, waiting)| (waiting.timestamp, waiting.extended))
    }

    fn unwrapped(&mut self, timestamp: u32) -> i64 {
        let unwrapped = match self.newest {
            None => i64::from(timestamp),
            Some((last, at)) => at + i64::from(timestamp.wrapping_sub(last).cast_signed()),
        };
        if self.newest.is_none_or(|(_, at)| unwrapped > at) {
            self.newest = Some((timestamp, unwrapped));
        }
        unwrapped
    }
}

impl Spread {
    fn arrived(&mut self, timestamp: i64, clock_hz: u32, now: Instant) {
        let since = *self.since.get_or_insert(now);
        // Where its clock begins does not matter: only differences are looked at.
        let sent_us = timestamp * 1_000_000 / i64::from(clock_hz.max(1));
        let came_us = i64::try_from(now.duration_since(since).as_micros()).unwrap_or(i64::MAX);
        // The zero of `came_us` moves with the window, so what is kept moves, too.
        if now.duration_since(since) > SPREAD_OVER {
            let moved = |seen: (i64, i64)| (seen.0 - came_us, seen.1 - came_us);
            (self.before, self.now) = (self.now.map(moved), None);
            self.since = Some(now);
            return self.note(-sent_us);
        }
        self.note(came_us - sent_us);
    }

    fn note(&mut self, delay: i64) {
        let (least, most) = self.now.unwrap_or((delay, delay));
        self.now = Some((least.min(delay), most.max(delay)));
    }

    fn spread(&self) -> Duration {
        let seen = || [self.before, self.now].into_iter().flatten();
        let least = seen().map(|(least, _)| least).min().unwrap_or(0);
        let most = seen().map(|(_, most)| most).max().unwrap_or(0);
        let spread = Duration::from_micros(u64::try_from(most - least).unwrap_or(0));
        if self.before.is_some() { spread } else { spread.max(SPREAD_AT_FIRST) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Jitter, SLOTS};

    #[test]
    fn packets_come_out_in_order_and_the_oldest_goes_first() {
        let now = crate::testing::start();
        let mut jitter = Jitter::new();
        for number in [2_u32, 0, 1] {
            let timestamp = u32::MAX.wrapping_add(number * 160);
            jitter.push(number.into(), timestamp, 160, 8000, &[number as u8; 160], now);
        }
        for number in 0..3_u8 {
            assert_eq!(jitter.first().map(|waiting| waiting.extended), Some(number.into()));
            assert_eq!(jitter.payload(), [number; 160]);
            jitter.pop();
        }
        assert_eq!((jitter.first(), jitter.payload()), (None, &[][..]));
        for number in 0..SLOTS as u32 + 5 {
            jitter.push(number.into(), 1000 + number * 160, 160, 8000, &[1], now);
        }
        assert_eq!(jitter.first().map(|waiting| waiting.extended), Some(5));
    }

    #[test]
    fn the_spread_follows_the_network() {
        let start = crate::testing::start();
        let mut jitter = Jitter::new();
        let mut at = |from: u32, count: u32, late: u64| {
            for number in from..from + count {
                let delay = if number % 10 == 9 { late } else { 0 };
                let now = start + Duration::from_millis(u64::from(number) * 20 + delay);
                jitter.push(number.into(), number * 160, 160, 8000, &[0], now);
            }
            jitter.spread().as_millis()
        };
        assert_eq!(at(0, 250, 60), 60);
        assert_eq!(at(250, 250, 5), 5);
    }
}
