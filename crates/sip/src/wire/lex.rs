//! Lines: where the headers end, folding undone, names told from values (RFC 3261 §7.3.1).

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::{memchr, memchr2, memmem};

use super::{MAX_HEAD, MAX_LINE};
use crate::chars::{has_control, trim};
use crate::fault::Fault;

/// A message cut in two, its head as text.
pub(super) struct Cut<'a> {
    /// Start line and headers, without the empty line.
    pub head: Cow<'a, str>,
    /// Everything after the empty line.
    pub body: &'a [u8],
    /// Why the cut is not where it should be.
    pub fault: Option<Fault>,
}

/// Searching is prepared once.
pub(super) static EMPTY_LINE: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

/// Cuts a message after its head. Empty lines before the start line are passed over (RFC 3261 §7.5).
pub(super) fn cut(bytes: &[u8]) -> Cut<'_> {
    let bytes = skip_empty_lines(bytes);
    let reach = bytes.len().min(MAX_HEAD + 4);
    let (near, _) = bytes.split_at(reach);
    let (head, body, fault) = match EMPTY_LINE.find(near) {
        Some(at) => (&near[..at], bytes.get(at + 4..).unwrap_or_default(), None),
        None if reach < bytes.len() => (near, &[][..], Some(too_long())),
        None => (near.strip_suffix(b"\r\n").unwrap_or(near), &[][..], Some(Fault::NoBlankLine)),
    };
    Cut { head: text(head), body, fault }
}

/// The fault of a head that does not end in time.
pub(super) const fn too_long() -> Fault {
    Fault::TooLong { part: "the head of the message", limit: MAX_HEAD }
}

/// The bytes after any CRLFs (RFC 3261 §7.5).
pub(super) fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

/// The head as text. Lines that are not UTF-8 are read as Latin-1, which old PBXs send in display names.
pub(super) fn text(head: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(head) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut repaired = String::with_capacity(head.len() * 2);
            for line in head.split_inclusive(|&b| b == b'\n') {
                match std::str::from_utf8(line) {
                    Ok(line) => repaired.push_str(line),
                    Err(_) => repaired.extend(line.iter().map(|&b| char::from(b))),
                }
            }
            Cow::Owned(repaired)
        }
    }
}

/// One header, unfolded, its name as written and not checked.
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub value: Cow<'a, str>,
}

/// The lines after the start line.
pub(super) struct Lines<'a>(&'a str);

/// The start line, and the lines that follow it.
pub(super) fn lines(head: &str) -> (Result<&str, Fault>, Lines<'_>) {
    let (start, rest) = physical(head);
    let start = if rest.starts_with([' ', '\t']) { Err(Fault::StartLine) } else { start };
    (start, Lines(rest))
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (first, rest) = physical(self.0);
        self.0 = rest;
        let mut line = first.and_then(named);
        // RFC 3261 §7.3.1: a line that starts with white space continues the one before.
        while self.0.starts_with([' ', '\t']) {
            let (more, rest) = physical(self.0);
            self.0 = rest;
            line = line.and_then(|line| continued(line, more?));
        }
        Some(line)
    }
}

/// One physical line and the text after its CRLF. After a CR or LF on its own, reading goes on with the next line.
fn physical(text: &str) -> (Result<&str, Fault>, &str) {
    let bytes = text.as_bytes();
    let Some(end) = memchr2(b'\r', b'\n', bytes) else { return (Ok(text), "") };
    if bytes.get(end..end + 2) == Some(b"\r\n") {
        return (Ok(text.get(..end).unwrap_or_default()), text.get(end + 2..).unwrap_or_default());
    }
    let next = memmem::find(bytes, b"\r\n").map_or(bytes.len(), |at| at + 2);
    (Err(Fault::LineEnding), text.get(next..).unwrap_or_default())
}

/// Splits a header at its colon.
fn named(line: &str) -> Result<Line<'_>, Fault> {
    let colon = memchr(b':', line.as_bytes()).ok_or(Fault::HeaderName)?;
    let (name, value) = line.split_at(colon);
    let name = trim(name);
    let value = trim(value.get(1..).unwrap_or_default());
    if value.len() > MAX_LINE { Err(LINE_TOO_LONG) } else { Ok(Line { name, value: Cow::Borrowed(value) }) }
}

const LINE_TOO_LONG: Fault = Fault::TooLong { part: "a header", limit: MAX_LINE };

/// The header with one more line of its value: the fold is a single space (RFC 3261 §7.3.1).
fn continued<'a>(line: Line<'a>, more: &'a str) -> Result<Line<'a>, Fault> {
    let more = trim(more);
    if line.value.is_empty() {
        return Ok(Line { value: Cow::Borrowed(more), ..line });
    }
    let mut value = line.value.into_owned();
    if !more.is_empty() {
        value.push(' ');
        value.push_str(more);
    }
    if value.len() > MAX_LINE { Err(LINE_TOO_LONG) } else { Ok(Line { value: Cow::Owned(value), ..line }) }
}

/// Whether a head has control characters beside those that make lines. Asked once, so that few values need a look.
pub(super) fn suspicious(head: &str) -> bool {
    has_control(head.as_bytes(), *b"\r\n")
}

/// A value without control characters; none if it has them where no grammar allows any.
///
/// A quoted string may hold them behind a backslash (RFC 3261 §25.1 `quoted-pair`, RFC 4475 §3.1.1.2). Such a pair is read
/// as a space, so that nothing of the kind ever gets to a log, a terminal or the wire.
pub(super) fn printable(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let mut clean = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if escaped.is_ascii_control() && escaped != '\t' => clean.push(' '),
                Some(escaped) => clean.extend([c, escaped]),
                None => clean.push(c),
            },
            c if c.is_ascii_control() && c != '\t' => return None,
            c => clean.push(c),
        }
    }
    Some(Cow::Owned(trim(&clean).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escaped_control_characters_become_spaces_and_bare_ones_are_refused() {
        let read = |text: &str| printable(text.to_owned().into()).map(|clean| clean.into_owned());
        assert_eq!(read("\"a\\\u{7}b\" c\\d\t\u{7f0}").as_deref(), Some("\"a b\" c\\d\t\u{7f0}"));
        assert_eq!(read("\"a\\\u{7}b\"").as_deref(), Some("\"a b\""));
        assert_eq!(read("end\\\u{e}").as_deref(), Some("end"), "no space is left at the end");
        assert_eq!(read("a\u{7}b"), None);
        assert_eq!(read("a\\\\\u{7}"), None, "an escaped backslash escapes nothing");
    }
}
