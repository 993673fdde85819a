//! What a receptionist says with keys while she talks: the sequences that are not about consent.
//!
//! | keys | meaning |
//! |---|---|
//! | `*1` digits `#` | call the contact with this short number; the caller waits |
//! | `*2` | put the caller through, and leave |
//! | `*3` | all three talk |
//! | `*0` | back to the caller alone |
//!
//! Everything else is handed on unchanged, the `*` of a sequence that is none of these included.

use std::time::{Duration, Instant};

/// How long after `*` its second key may follow, as for the sequences about consent.
const KEY_GAP: Duration = vorzimmer_consent::keys::KEY_GAP;
/// How long each digit of a short number may take.
const DIGIT_GAP: Duration = Duration::from_secs(10);
/// The longest short number.
const MOST_DIGITS: usize = 6;

/// What a receptionist wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To talk to the contact with this short number.
    Ask(String),
    /// To put the caller through.
    PutThrough,
    /// All three to talk.
    Join,
    /// The caller alone.
    Return,
}

/// What a key leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// More is to come, or it meant nothing.
    Nothing,
    /// Not for here: these keys mean something to others.
    Others(Vec<char>),
    /// This.
    Wish(Wish),
}

/// One receptionist's half-typed sequence.
#[derive(Debug, Default)]
pub(crate) struct Shortcuts(Typed);

#[derive(Debug, Default)]
enum Typed {
    #[default]
    Nothing,
    Star {
        until: Instant,
    },
    Short {
        digits: String,
        until: Instant,
    },
}

impl Shortcuts {
    /// Takes one key.
    pub(crate) fn press(&mut self, key: char, now: Instant) -> Heard {
        match (std::mem::take(&mut self.0), key) {
            (Typed::Short { digits, until }, key) if now < until => self.short(digits, key, now),
            (_, '*') => {
                self.0 = Typed::Star { until: now + KEY_GAP };
                Heard::Nothing
            }
            (Typed::Star { until }, key) if now < until => self.starred(key, now),
            (_, key) => Heard::Others(vec![key]),
        }
    }

    fn starred(&mut self, key: char, now: Instant) -> Heard {
        match key {
            '1' => {
                self.0 = Typed::Short { digits: String::new(), until: now + DIGIT_GAP };
                Heard::Nothing
            }
            '2' => Heard::Wish(Wish::PutThrough),
            '3' => Heard::Wish(Wish::Join),
            '0' => Heard::Wish(Wish::Return),
            key => Heard::Others(vec!['*', key]),
        }
    }

    fn short(&mut self, mut digits: String, key: char, now: Instant) -> Heard {
        match key {
            '#' => Heard::Wish(Wish::Ask(digits)),
            '*' => {
                self.0 = Typed::Star { until: now + KEY_GAP };
                Heard::Nothing
            }
            key => {
                // One digit too many makes it a number that nobody has.
                if digits.len() <= MOST_DIGITS {
                    digits.push(key);
                }
                self.0 = Typed::Short { digits, until: now + DIGIT_GAP };
                Heard::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DIGIT_GAP, Duration, Heard, Instant, KEY_GAP, Shortcuts, Wish};

    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only be had from the clock; nothing waits on it"
    )]
    fn typed(keys: &str, gap: Duration) -> String {
        let (mut shortcuts, mut now, mut heard) = (Shortcuts::default(), Instant::now(), String::new());
        for key in keys.chars() {
            heard.push_str(&match shortcuts.press(key, now) {
                Heard::Nothing => String::new(),
                Heard::Others(keys) => keys.into_iter().collect(),
                Heard::Wish(Wish::Ask(digits)) => format!("(ask {digits})"),
                Heard::Wish(wish) => format!("({wish:?})"),
            });
            now += gap;
        }
        heard
    }

    #[test]
    fn sequences_and_everything_else() {
        let cases = [
            ("*121#", "(ask 21)"),
            ("*1#", "(ask )"),
            ("*11234567890#", "(ask 1234567)"),
            ("*2", "(PutThrough)"),
            ("*3", "(Join)"),
            ("*0", "(Return)"),
            ("*9", "*9"),
            ("*5*6", "*5*6"),
            ("**9", "*9"),
            ("**2", "(PutThrough)"),
            ("12#", "12#"),
            ("*12*0", "(Return)"),
            ("*7", "*7"),
        ];
        for (keys, expected) in cases {
            assert_eq!(typed(keys, Duration::from_millis(300)), expected, "{keys}");
        }
    }

    #[test]
    fn nothing_is_waited_for_for_ever() {
        assert_eq!(typed("*2", KEY_GAP), "2");
        assert_eq!(typed("*1#", KEY_GAP - Duration::from_millis(1)), "(ask )");
        assert_eq!(typed("*121#", DIGIT_GAP), "121#");
    }
}
