//! From single digits to what a party means by them.
//!
//! One [`Keys`] per party: it holds at most one half-typed `*`. It does not detect tones nor remove doubles of one
//! key press heard in two ways; that is the media's job.

use std::time::{Duration, Instant};

/// The key for yes.
pub const YES: char = '1';
/// The key for no.
pub const NO: char = '2';
/// Starts the sequences below.
pub const STAR: char = '*';
/// After [`STAR`]: any party takes its consent back.
pub const WITHDRAW: char = '9';
/// After [`STAR`]: the receptionist starts the question.
pub const ASK: char = '5';
/// After [`STAR`]: the receptionist confirms the caller's spoken yes.
pub const ATTEST: char = '6';

/// How long after [`STAR`] its second key may follow.
pub const KEY_GAP: Duration = Duration::from_secs(3);

/// What a party pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `1`
    Yes,
    /// `2`
    No,
    /// `*9`
    Withdraw,
    /// `*5`
    Ask,
    /// `*6`
    Attest,
    /// Anything else; of a sequence, its last key.
    Other(char),
}

impl Key {
    /// The key as a receipt names it: of a sequence, the last one.
    #[must_use]
    pub fn digit(self) -> char {
        match self {
            Self::Yes => YES,
            Self::No => NO,
            Self::Withdraw => WITHDRAW,
            Self::Ask => ASK,
            Self::Attest => ATTEST,
            Self::Other(digit) => digit,
        }
    }
}

/// One party's half-typed sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keys {
    /// When the second key of a sequence is no longer waited for.
    until: Option<Instant>,
}

impl Keys {
    /// Takes one digit. A key is returned once it is known; `*` alone is not yet one.
    ///
    /// `*1` is not a yes: whoever types a sequence that does not exist has not answered. After `**` the second star
    /// starts anew, so that a hasty `**9` still withdraws.
    pub fn press(&mut self, digit: char, now: Instant) -> Option<Key> {
        let starred = self.until.take().is_some_and(|until| now < until);
        match (starred, digit) {
            (_, STAR) => {
                self.until = Some(now + KEY_GAP);
                None
            }
            (true, WITHDRAW) => Some(Key::Withdraw),
            (true, ASK) => Some(Key::Ask),
            (true, ATTEST) => Some(Key::Attest),
            (false, YES) => Some(Key::Yes),
            (false, NO) => Some(Key::No),
            (_, other) => Some(Key::Other(other)),
        }
    }

    /// When [`Keys::expire`] will have something to say.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.until
    }

    /// A `*` that nothing followed in time is a key that means nothing.
    pub fn expire(&mut self, now: Instant) -> Option<Key> {
        self.until.take_if(|until| *until <= now).map(|_| Key::Other(STAR))
    }
}

#[cfg(test)]
mod tests {
    use super::{KEY_GAP, Key, Keys};
    use std::time::{Duration, Instant};

    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only be had from the clock; nothing waits on it"
    )]
    fn typed(text: &str, gap: Duration) -> Vec<Key> {
        let (mut keys, mut now, mut heard) = (Keys::default(), Instant::now(), Vec::new());
        for digit in text.chars() {
            heard.extend(keys.expire(now));
            heard.extend(keys.press(digit, now));
            now += gap;
        }
        heard.extend(keys.expire(now + KEY_GAP));
        heard
    }

    #[test]
    fn digits_mean_what_the_prompt_says() {
        let cases: [(&str, &[Key]); 11] = [
            ("1", &[Key::Yes]),
            ("2", &[Key::No]),
            ("7", &[Key::Other('7')]),
            ("#", &[Key::Other('#')]),
            ("*9", &[Key::Withdraw]),
            ("*5", &[Key::Ask]),
            ("*6", &[Key::Attest]),
            ("**9", &[Key::Withdraw]),
            ("*1", &[Key::Other('1')]),
            ("*", &[Key::Other('*')]),
            ("9*91", &[Key::Other('9'), Key::Withdraw, Key::Yes]),
        ];
        for (text, expected) in cases {
            assert_eq!(typed(text, Duration::from_millis(200)), expected, "{text}");
        }
    }

    #[test]
    fn a_star_is_not_waited_for_for_ever() {
        assert_eq!(typed("*9", KEY_GAP), [Key::Other('*'), Key::Other('9')]);
        assert_eq!(typed("*1", KEY_GAP), [Key::Other('*'), Key::Yes]);
        assert_eq!(typed("*9", KEY_GAP - Duration::from_millis(1)), [Key::Withdraw]);
    }
}
