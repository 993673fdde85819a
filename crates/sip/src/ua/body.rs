//! What a message carries, by its Content-Type (RFC 3261 §7.4, §20.11, §20.15).

use bytes::Bytes;
use rsip::Headers;

use crate::header;
use crate::uri::Params;

/// The longest boundary (RFC 2046 §5.1.1), in characters.
const LONGEST_BOUNDARY: usize = 70;
/// The most parts that are looked at.
const MOST_PARTS: usize = 16;

/// The media type in lower case, without parameters.
pub(super) fn media_type(headers: &Headers) -> Option<String> {
    let value = header::first(headers, "Content-Type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
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

/// The session description, if there is one: the body, or the part of a `multipart/mixed` or `multipart/alternative`
/// body that is one (RFC 5621 §3.1; some carriers send the ISUP message along).
pub(super) fn sdp(headers: &Headers, body: &[u8]) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    let kind = media_type(headers);
    match kind.as_deref() {
        None | Some("application/sdp") => Some(Bytes::copy_from_slice(body)),
        Some(kind) if kind.starts_with("multipart/") => {
            let boundary = boundary(header::first(headers, "Content-Type")?)?;
            part(body, &boundary).map(Bytes::copy_from_slice)
        }
        Some(_) => None,
    }
}

/// Whether the body is, or holds, a session description.
pub(super) fn has_sdp(headers: &Headers, body: &[u8]) -> bool {
    sdp(headers, body).is_some()
}

/// The `boundary` of a multipart type (RFC 2046 §5.1.1).
fn boundary(content_type: &str) -> Option<String> {
    let params = content_type.get(content_type.find(';')?..)?;
    let value = Params(params).value("boundary")?;
    (1..=LONGEST_BOUNDARY).contains(&value.len()).then(|| value.into_owned())
}

/// The content of the first part that is a session description (RFC 2046 §5.1).
fn part<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let begins_line =
        |at: &usize| *at == 0 || body.get(..*at).is_some_and(|before| before.ends_with(b"\r\n"));
    let found = memchr::memmem::find_iter(body, delimiter.as_bytes());
    let mut starts = found.filter(begins_line).take(MOST_PARTS).peekable();
    while let Some(start) = starts.next() {
        let from = start + delimiter.len();
        let until = starts.peek().copied().unwrap_or(body.len());
        let part = body.get(from..until)?;
        // The delimiter's own line ends before the part's headers, which may be none.
        let Some(split) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
        let (head, content) = part.split_at(split);
        let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
        let is_sdp = head.lines().any(|line| {
            line.strip_prefix("content-type:")
                .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/sdp")
        });
        if is_sdp {
            let content = content.get(4..)?;
            return Some(content.strip_suffix(b"\r\n").unwrap_or(content));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{boundary, part};

    #[test]
    fn a_description_among_other_parts() {
        let body = "preamble\r\n--b 1\r\nContent-Type: application/isup;version=x\r\n\r\n\x01\x02\r\n--b 1\r\n\
                    content-type:APPLICATION/SDP\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=-\r\n\r\n--b 1--\r\n";
        let limit = boundary("multipart/mixed; x=y;Boundary=\"b 1\"").unwrap();
        assert_eq!(part(body.as_bytes(), &limit), Some(&b"v=0\r\ns=-\r\n"[..]));
        assert_eq!(part(body.as_bytes(), "other"), None);
        assert_eq!(boundary("multipart/mixed"), None);
        assert_eq!(boundary("multipart/mixed;boundary=\"\""), None);
        assert_eq!(part(b"--b", "b"), None);
    }
}
