//! One press of a key, however many ways it comes in.
//!
//! A phone may send a press as telephone-event and by SIP INFO. The media worker already makes one press of
//! telephone-event and tone; this makes one of media and INFO.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{PRESSES_REMEMBERED, SAME_PRESS_WITHIN};

/// The way a press came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// RFC 4733, or heard in-band.
    Media,
    /// SIP INFO.
    Info,
}

/// The presses of one leg whose double may still come.
#[derive(Debug, Default)]
pub(crate) struct Presses(VecDeque<Press>);

#[derive(Debug)]
struct Press {
    digit: char,
    way: Way,
    at: Instant,
}

impl Presses {
    /// Whether this is a press of its own, and not the double of one that came the other way.
    ///
    /// Each press absorbs at most one double, so two quick presses of one key are two whichever way they come.
    pub(crate) fn is_new(&mut self, digit: char, way: Way, now: Instant) -> bool {
        self.0.retain(|press| now.saturating_duration_since(press.at) < SAME_PRESS_WITHIN);
        let double = self.0.iter().position(|press| press.digit == digit && press.way != way);
        if let Some(double) = double {
            self.0.remove(double);
            return false;
        }
        if self.0.len() == PRESSES_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Press { digit, way, at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Presses, Way};
    use std::time::{Duration, Instant};

    /// `m1 i1` are a press of 1 in the media and by INFO; `.` is 100 ms, `-` a second.
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only be had from the clock; nothing waits on it"
    )]
    fn counted(script: &str) -> String {
        let (mut presses, mut now, mut way, mut heard) =
            (Presses::default(), Instant::now(), Way::Media, String::new());
        for sign in script.chars() {
            match sign {
                'm' => way = Way::Media,
                'i' => way = Way::Info,
                '.' => now += Duration::from_millis(100),
                '-' => now += Duration::from_secs(1),
                digit if presses.is_new(digit, way, now) => heard.push(digit),
                _ => {}
            }
        }
        heard
    }

    #[test]
    fn one_press_counts_once_and_two_count_twice() {
        let cases = [
            ("m1", "1"),
            ("i1", "1"),
            ("m1i1", "1"),
            ("i1....m1", "1"),
            ("m1.m1", "11"),
            ("m1.i1.m1.i1", "11"),
            ("m1.m1.i1.i1", "11"),
            ("m*.m9.i*.i9", "*9"),
            ("m1-i1", "11"),
            ("m1.i2", "12"),
            ("i1i1m1m1", "11"),
        ];
        for (script, expected) in cases {
            assert_eq!(counted(script), expected, "{script}");
        }
    }

    #[test]
    fn a_flood_of_keys_is_not_remembered_for_ever() {
        assert_eq!(counted(&format!("m{}", "1".repeat(500))).len(), 500);
    }
}
