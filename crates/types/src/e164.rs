//! Telephone numbers in international form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A telephone number as ITU-T E.164 writes it: `+`, then 2 to 15 digits, the first not zero.
///
/// `Debug` and `Display` are redacted; [`E164::as_str`] gives the number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(String);

/// Why a text is not an E.164 number. Holds no digit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum E164Error {
    /// It does not start with `+`.
    #[error("an international number starts with +, for example +4930123456")]
    NoPlus,
    /// A character after `+` is not a digit, or the first digit is zero.
    #[error("an international number is + and digits, the first of them not 0")]
    NotDigits,
    /// Fewer than 2 or more than 15 digits (ITU-T E.164 §6.1).
    #[error("an international number has 2 to 15 digits, this one {0}")]
    Length(usize),
}

impl E164 {
    /// The number with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for E164 {
    type Err = E164Error;

    fn from_str(text: &str) -> Result<Self, E164Error> {
        let digits = text.strip_prefix('+').ok_or(E164Error::NoPlus)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) || digits.starts_with('0') {
            return Err(E164Error::NotDigits);
        }
        if !(2..=15).contains(&digits.len()) {
            return Err(E164Error::Length(digits.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for E164 {
    type Error = E164Error;

    fn try_from(text: String) -> Result<Self, E164Error> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> String {
        number.0
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}
