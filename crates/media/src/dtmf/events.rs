//! Telephone-events (RFC 4733) as a receiver sees them: each press many times over, some of it lost or late.

use std::time::{Duration, Instant};

use super::{Digit, Key};

/// A press whose end never came is over after this long without a packet of it.
pub const LOST_END: Duration = Duration::from_millis(300);

/// How late a packet of an earlier press may come; after that an earlier timestamp means a new clock.
const REORDERED: Duration = Duration::from_millis(500);

/// The payload of an event packet (RFC 4733 §2.3).
///
/// ```text
/// |     event     |E|R| volume    |          duration             |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventBody {
    /// The event code; keys are 0–15.
    pub event: u8,
    /// The press is over.
    pub end: bool,
    /// Power in −dBm0, 0–63.
    pub volume: u8,
    /// How long the press has lasted, in timestamp units.
    pub duration: u16,
}

impl EventBody {
    /// Reads a payload; none if it is shorter than four bytes. Further events behind it are ignored (§2.5.1.5).
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let ([event, flags, d0, d1], _) = payload.split_first_chunk::<4>()?;
        let duration = u16::from_be_bytes([*d0, *d1]);
        Some(Self { event: *event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | (self.volume & 0x3f), d0, d1]
    }
}

/// The press that packets last told of.
#[derive(Clone, Copy, Debug)]
struct Current {
    digit: Digit,
    /// The timestamp its packets carry: when the press began (§2.1).
    timestamp: u32,
    /// Length of earlier segments of the same press, in timestamp units.
    before: u32,
    duration: u16,
    seen: Instant,
    ended: bool,
}

/// Counts each press once.
#[derive(Clone, Debug)]
pub struct EventReceiver {
    current: Option<Current>,
    clock_hz: u32,
}

impl Default for EventReceiver {
    /// Durations on a clock of 8 kHz.
    fn default() -> Self {
        Self { current: None, clock_hz: 8000 }
    }
}

impl EventReceiver {
    /// In which units durations are said from now on, a second (RFC 4733 §2.1).
    pub fn set_clock(&mut self, clock_hz: u32) {
        self.clock_hz = clock_hz.max(1);
    }

    /// Takes an event packet that was not seen before and says what it adds.
    ///
    /// Gives first the end of a press whose own end was lost, then what this packet tells.
    pub fn receive(
        &mut self,
        marker: bool,
        timestamp: u32,
        body: EventBody,
        now: Instant,
    ) -> [Option<Key>; 3] {
        let Some(digit) = Digit::from_event(body.event) else { return [None; 3] };
        if let Some(current) = &mut self.current {
            if current.timestamp == timestamp {
                return [current.update(body, self.clock_hz, now), None, None];
            }
            // Signed distance: a packet from before the current press tells nothing new (§2.5.1.2: reordering).
            let before = timestamp.wrapping_sub(current.timestamp) > u32::MAX / 2;
            if before && now.duration_since(current.seen) < REORDERED {
                return [None; 3];
            }
            if current.continues(digit, marker, timestamp, body) {
                current.before = current.length_at(timestamp);
                current.timestamp = timestamp;
                current.duration = 0;
                return [current.update(body, self.clock_hz, now), None, None];
            }
        }
        // The start may be lost, and even everything but the last of the three end packets (§2.5.1.4).
        let lost_end = self.end();
        let mut current = Current { digit, timestamp, before: 0, duration: 0, seen: now, ended: false };
        let up = current.update(body, self.clock_hz, now);
        self.current = Some(current);
        [lost_end, Some(Key::Down(digit)), up]
    }

    /// Ends a press whose packets have stopped coming.
    pub fn poll(&mut self, now: Instant) -> Option<Key> {
        if self.next_wake()? <= now { self.end() } else { None }
    }

    /// When [`EventReceiver::poll`] has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.current.filter(|current| !current.ended).map(|current| current.seen + LOST_END)
    }

    /// Ends the press under way, if any, as if its end had come.
    pub fn end(&mut self) -> Option<Key> {
        let current = self.current.as_mut().filter(|current| !current.ended)?;
        current.ended = true;
        Some(Key::Up(current.digit, current.length(self.clock_hz)))
    }
}

impl Current {
    fn update(&mut self, body: EventBody, clock_hz: u32, now: Instant) -> Option<Key> {
        self.seen = now;
        self.duration = self.duration.max(body.duration);
        if !body.end || self.ended {
            return None;
        }
        self.ended = true;
        Some(Key::Up(self.digit, self.length(clock_hz)))
    }

    /// Whether a packet with a later timestamp still belongs to this press.
    ///
    /// Either it is the next segment of a press longer than 16 bits can tell (§2.5.1.3), or it comes from one of
    /// the senders that move the timestamp with each packet, against §2.1, while the duration goes on growing.
    fn continues(&self, digit: Digit, marker: bool, timestamp: u32, body: EventBody) -> bool {
        if self.ended || marker || digit != self.digit {
            return false;
        }
        let later = timestamp.wrapping_sub(self.timestamp);
        let next_segment = self.duration == u16::MAX && later == u32::from(u16::MAX);
        next_segment || (body.duration > self.duration && later <= u32::from(body.duration))
    }

    /// The length of what came before `timestamp`, where that is a new segment.
    fn length_at(&self, timestamp: u32) -> u32 {
        let later = timestamp.wrapping_sub(self.timestamp);
        if self.duration == u16::MAX { self.before.saturating_add(later) } else { self.before }
    }

    fn length(&self, clock_hz: u32) -> Duration {
        let units = u64::from(self.before) + u64::from(self.duration);
        Duration::from_micros(units * 1_000_000 / u64::from(clock_hz))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{EventBody, EventReceiver, LOST_END};
    use crate::dtmf::{Digit, Key};

    /// (marker, timestamp, event, end, duration)
    type Packet = (bool, u32, u8, bool, u16);

    fn keys(packets: &[Packet]) -> String {
        let mut now = std::hint::black_box(crate::testing::start());
        let mut receiver = EventReceiver::default();
        let mut heard = String::new();
        for (marker, timestamp, event, end, duration) in packets {
            now += Duration::from_millis(20);
            let body = EventBody { event: *event, end: *end, volume: 10, duration: *duration };
            for key in receiver.receive(*marker, *timestamp, body, now).into_iter().flatten() {
                tell(&mut heard, key);
            }
        }
        if let Some(key) = receiver.poll(now + LOST_END) {
            tell(&mut heard, key);
        }
        heard
    }

    fn tell(heard: &mut String, key: Key) {
        match key {
            Key::Down(digit) => heard.push(digit.as_char()),
            Key::Up(_, length) => heard.push_str(&format!("({}) ", length.as_millis())),
        }
    }

    #[test]
    fn presses_as_they_arrive() {
        let cases: &[(&str, &[Packet], &str)] = &[
            (
                "a press with three end packets",
                &[
                    (true, 1000, 1, false, 160),
                    (false, 1000, 1, false, 320),
                    (false, 1000, 1, true, 480),
                    (false, 1000, 1, true, 480),
                    (false, 1000, 1, true, 480),
                ],
                "1(60) ",
            ),
            ("only the last end packet came", &[(false, 1000, 9, true, 800)], "9(100) "),
            ("the start was lost", &[(false, 5, 11, false, 320), (false, 5, 11, true, 400)], "#(50) "),
            ("the end was lost", &[(true, 5, 0, false, 160), (false, 5, 0, false, 320)], "0(40) "),
            (
                "the end was lost and the same key pressed again",
                &[(true, 5, 2, false, 160), (true, 2000, 2, false, 160), (false, 2000, 2, true, 320)],
                "2(20) 2(40) ",
            ),
            (
                "the end was lost and so was the next start",
                &[(true, 5, 2, false, 480), (false, 2000, 2, true, 320)],
                "2(60) 2(40) ",
            ),
            (
                "packets overtook each other",
                &[
                    (true, 5, 3, false, 160),
                    (false, 5, 3, true, 480),
                    (false, 5, 3, false, 320),
                    (true, 1000, 4, true, 400),
                    (false, 5, 3, true, 480),
                ],
                "3(60) 4(50) ",
            ),
            (
                "a press longer than sixteen bits",
                &[
                    (true, 0, 10, false, 65_535),
                    (false, 65_535, 10, false, 160),
                    (false, 65_535, 10, true, 800),
                ],
                "*(8291) ",
            ),
            (
                "the timestamp moves with each packet",
                &[
                    (true, 160, 5, false, 160),
                    (false, 320, 5, false, 320),
                    (false, 480, 5, false, 480),
                    (false, 480, 5, true, 480),
                ],
                "5(60) ",
            ),
            (
                "around the end of the timestamp's range",
                &[(true, u32::MAX - 100, 6, true, 160), (true, 60, 7, true, 160)],
                "6(20) 7(20) ",
            ),
            (
                "a hook flash and a fax tone are no keys",
                &[(true, 0, 16, true, 160), (true, 9, 36, true, 160)],
                "",
            ),
        ];
        for (what, packets, heard) in cases {
            assert_eq!(keys(packets), *heard, "{what}");
        }
    }

    #[test]
    fn bodies_survive_the_wire_and_short_ones_are_refused() {
        let body = EventBody { event: 11, end: true, volume: 10, duration: 1234 };
        assert_eq!(EventBody::parse(&body.to_bytes()), Some(body));
        assert_eq!(EventBody::parse(&[11, 0x8a, 4]), None);
        assert_eq!(EventBody::parse(&[]), None);
    }

    #[test]
    fn a_lost_end_is_noticed_in_time() {
        let mut receiver = EventReceiver::default();
        let now: Instant = crate::testing::start();
        let body = EventBody { event: 1, end: false, volume: 10, duration: 160 };
        receiver.receive(true, 0, body, now);
        assert_eq!(receiver.next_wake(), Some(now + LOST_END));
        assert_eq!(receiver.poll(now + Duration::from_millis(299)), None);
        let one = Digit::from_char('1').unwrap();
        assert_eq!(receiver.poll(now + LOST_END), Some(Key::Up(one, Duration::from_millis(20))));
        assert_eq!(receiver.next_wake(), None);
    }
}
