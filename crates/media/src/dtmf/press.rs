//! Pressing keys towards a peer as telephone-events (RFC 4733 §2.5.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Digit, EventBody};

/// How long a key of ours is held: long enough for every receiver (ITU-T Q.24: 40 ms), short enough to type.
pub const HELD: Duration = Duration::from_millis(100);
/// Pause after a key.
pub const PAUSE: Duration = Duration::from_millis(100);
/// How often the end is said (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Most keys waiting to be pressed.
pub const MAX_WAITING: usize = 64;
/// Power of the tone the peer may make of it, in −dBm0.
const VOLUME: u8 = 10;
const STEP: Duration = Duration::from_millis(20);
/// [`STEP`] in seconds is one part of so many.
const STEPS_A_SECOND: u32 = 50;

/// One event packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// The payload.
    pub body: EventBody,
    /// Set on the first packet of a press, which also fixes the press's timestamp.
    pub first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    digit: Digit,
    next_at: Instant,
    steps: u16,
    ends_said: u8,
}

/// Keys to press, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    waiting: VecDeque<Digit>,
    held: Option<Held>,
    free_at: Option<Instant>,
}

impl Presses {
    /// Adds a key; false if [`MAX_WAITING`] are waiting already.
    pub fn push(&mut self, digit: Digit) -> bool {
        let room = self.waiting.len() < MAX_WAITING;
        if room {
            self.waiting.push_back(digit);
        }
        room
    }

    /// The next packet that is due, its duration in units of `clock_hz`; call again until none is.
    pub fn poll(&mut self, clock_hz: u32, now: Instant) -> Option<Press> {
        let first = self.held.is_none();
        if first {
            if self.free_at.is_some_and(|at| now < at) {
                return None;
            }
            let digit = self.waiting.pop_front()?;
            self.held = Some(Held { digit, next_at: now, steps: 0, ends_said: 0 });
        }
        let held = self.held.as_mut()?;
        if now < held.next_at {
            return None;
        }
        held.next_at += STEP;
        if held.ends_said == 0 {
            held.steps = held.steps.saturating_add(1);
        }
        let end = STEP * u32::from(held.steps) >= HELD;
        held.ends_said += u8::from(end);
        let units = clock_hz / STEPS_A_SECOND * u32::from(held.steps);
        let duration = u16::try_from(units).unwrap_or(u16::MAX);
        let body = EventBody { event: held.digit.event(), end, volume: VOLUME, duration };
        if held.ends_said >= END_PACKETS {
            self.free_at = Some(now + PAUSE);
            self.held = None;
        }
        Some(Press { body, first })
    }

    /// Whether a key is down: its packets take the place of audio.
    #[must_use]
    pub fn pressing(&self) -> bool {
        self.held.is_some()
    }

    /// When [`Presses::poll`] has something to do; now, if that is not later than `now`.
    #[must_use]
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        match self.held {
            Some(held) => Some(held.next_at),
            None if self.waiting.is_empty() => None,
            None => Some(self.free_at.unwrap_or(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Press, Presses};
    use crate::dtmf::{Digit, EventReceiver, Key};

    #[test]
    fn each_key_is_heard_once_by_our_own_receiver() {
        let start = crate::testing::start();
        let mut presses = Presses::default();
        "*9".chars().for_each(|key| assert!(presses.push(Digit::from_char(key).unwrap())));
        let (mut receiver, mut timestamp, mut heard, mut packets) = (EventReceiver::default(), 0, vec![], 0);
        for ms in 0..1000 {
            let now = start + Duration::from_millis(ms);
            while let Some(Press { body, first }) = presses.poll(8000, now) {
                packets += 1;
                timestamp = if first { ms as u32 * 8 } else { timestamp };
                heard.extend(receiver.receive(first, timestamp, body, now).into_iter().flatten());
            }
        }
        let held = Duration::from_millis(100);
        let key = |c| Digit::from_char(c).unwrap();
        let star = [Key::Down(key('*')), Key::Up(key('*'), held)];
        assert_eq!(heard, [star, [Key::Down(key('9')), Key::Up(key('9'), held)]].concat());
        assert_eq!(packets, 2 * 7, "five steps, the last of them said three times");
        assert_eq!(presses.next_wake(start), None);
    }

    #[test]
    fn waiting_keys_are_bounded() {
        let mut presses = Presses::default();
        let one = Digit::from_char('1').unwrap();
        assert_eq!((0..100).filter(|_| presses.push(one)).count(), super::MAX_WAITING);
    }
}
