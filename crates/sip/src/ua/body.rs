//! What a message carries, by its Content-Type (RFC 3261 §7.4, §20.11, §20.15).

use bytes::Bytes;
use rsip::Headers;

use crate::header;

/// The media type in lower case, without parameters.
pub(super) fn media_type(headers: &Headers) -> Option<String> {
    let value = header::first(headers, "Content-Type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Whether the body is a session description. §20.15 demands a type; without one it can only be that.
pub(super) fn is_sdp(headers: &Headers) -> bool {
    media_type(headers).is_none_or(|kind| kind == "application/sdp")
}

/// Whether the sender does not mind if the body is passed over (§20.11).
pub(super) fn is_optional(headers: &Headers) -> bool {
    header::first(headers, "Content-Disposition").is_some_and(|value| {
        value.split(';').skip(1).any(|param| {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
        })
    })
}

/// The session description, if there is one.
pub(super) fn sdp(headers: &Headers, body: &[u8]) -> Option<Bytes> {
    (!body.is_empty() && is_sdp(headers)).then(|| Bytes::copy_from_slice(body))
}
