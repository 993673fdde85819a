//! Keys pressed, sent by INFO: `application/dtmf-relay` and `application/dtmf`.
//!
//! Neither is an RFC; both are what devices in the field send:
//! ```text
//! application/dtmf-relay        Signal=5              application/dtmf        5
//!                               Duration=160
//! ```

use std::time::Duration;

use rsip::{Header, Request};

use super::body;
use super::compose::ACCEPT_INFO;
use super::inspect::Objection;
use crate::header;

/// The longest press that is believed, in milliseconds.
const LONGEST_MS: u32 = 60_000;

/// A key, and how long it was pressed if that was said.
pub(super) type Pressed = (char, Option<Duration>);

/// Reads an INFO: a key; nothing, if it has no body or a signal that is no key (a hook flash); or what to refuse it with.
pub(super) fn read(request: &Request) -> Result<Option<Pressed>, Objection> {
    if header::first(&request.headers, "Info-Package").is_some() {
        // RFC 6086 §4.2.2: we have asked for no package.
        let none = Header::Other("Recv-Info".into(), String::new());
        return Err(Objection { status: 469, extra: vec![none] });
    }
    if request.body.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| Objection::plain(400))?;
    match body::media_type(&request.headers).as_deref() {
        Some("application/dtmf-relay") => relay(text).ok_or(Objection::plain(400)),
        Some("application/dtmf") => Ok(key(text.trim()).map(|digit| (digit, None))),
        _ => Err(Objection { status: 415, extra: vec![Header::Accept(ACCEPT_INFO.into())] }),
    }
}

/// None without a Signal; `Some(None)` if the signal is no key.
fn relay(text: &str) -> Option<Option<Pressed>> {
    let (mut signal, mut duration) = (None, None);
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "signal" => signal = Some(value.trim()),
            "duration" => duration = value.trim().parse::<u32>().ok(),
            _ => {}
        }
    }
    let duration = duration.filter(|ms| *ms <= LONGEST_MS).map(|ms| Duration::from_millis(u64::from(ms)));
    Some(key(signal?).map(|digit| (digit, duration)))
}

/// A key by its name, or by its RFC 4733 event number above 9.
fn key(text: &str) -> Option<char> {
    let name = match text {
        "10" => "*",
        "11" => "#",
        "12" => "A",
        "13" => "B",
        "14" => "C",
        "15" => "D",
        other => other,
    };
    let mut chars = name.chars();
    let key = chars.next()?.to_ascii_uppercase();
    (chars.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::{Duration, key, relay};

    #[test]
    fn what_devices_send() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (text, expected) in [
            ("Signal=5\r\nDuration=160\r\n", Some(Some(('5', ms(160))))),
            ("Signal= *\r\nDuration= 250", Some(Some(('*', ms(250))))),
            ("Signal=#", Some(Some(('#', None)))),
            ("signal=10\nduration=x", Some(Some(('*', None)))),
            ("Signal=d\r\nDuration=9999999", Some(Some(('D', None)))),
            ("Signal=16\r\nDuration=100", Some(None)),
            ("Signal=hf", Some(None)),
            ("Duration=100", None),
            ("", None),
        ] {
            assert_eq!(relay(text), expected, "{text:?}");
        }
        assert_eq!(key(""), None);
    }
}
