//! Headers that tell a span of time: Expires, Retry-After, Session-Expires, Min-SE.

use rsip::Headers;

use super::first;
use crate::chars::trim;
use crate::uri::Params;

/// `delta-seconds`. What does not fit is the largest that does (RFC 3261 §20.19, RFC 4475 §3.1.2.4).
pub(super) fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Expires in seconds; none if it is missing or malformed, which is treated alike (RFC 3261 §10.2.1.1).
#[must_use]
pub fn expires(headers: &Headers) -> Option<u32> {
    first(headers, "Expires").and_then(seconds)
}

/// Retry-After in seconds, without its comment and parameters (RFC 3261 §20.33).
#[must_use]
pub fn retry_after(headers: &Headers) -> Option<u32> {
    let text = first(headers, "Retry-After")?;
    seconds(trim(text.split(['(', ';']).next().unwrap_or_default()))
}

/// Who sends the refreshes of a session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answered it.
    Uas,
}

/// Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// After how many seconds without a refresh the session is over.
    pub seconds: u32,
    /// Who refreshes, if said.
    pub refresher: Option<Refresher>,
}

/// Session-Expires; none if it is missing or malformed.
#[must_use]
pub fn session_expires(headers: &Headers) -> Option<SessionExpires> {
    let text = first(headers, "Session-Expires")?;
    let (span, params) = text.split_at(text.find(';').unwrap_or(text.len()));
    let refresher = match Params(params).get("refresher").flatten() {
        Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
        Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
        _ => None,
    };
    Some(SessionExpires { seconds: seconds(trim(span))?, refresher })
}

/// Min-SE in seconds (RFC 4028 §5).
#[must_use]
pub fn min_session_expires(headers: &Headers) -> Option<u32> {
    first(headers, "Min-SE").and_then(|text| seconds(trim(text.split(';').next().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use rsip::Headers;

    use super::*;
    use crate::wire;

    fn with(name: &str, value: &str) -> Headers {
        wire::header(name, value).into()
    }

    #[test]
    fn spans_are_read_and_large_ones_capped() {
        assert_eq!(expires(&with("Expires", "3600")), Some(3600));
        assert_eq!(expires(&with("Expires", "1000000000000000000000000000000000000000")), Some(u32::MAX));
        assert_eq!(expires(&with("Expires", "soon")), None);
        assert_eq!(retry_after(&with("Retry-After", "120 (in a meeting);duration=60")), Some(120));
        assert_eq!(
            session_expires(&with("x", "1800 ;refresher=UAS")),
            Some(SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) })
        );
        assert_eq!(session_expires(&with("x", "")), None);
        assert_eq!(min_session_expires(&with("Min-SE", "90;x=y")), Some(90));
    }
}
