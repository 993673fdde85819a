//! Request lines and status lines (RFC 3261 §7.1, §7.2).

use rsip::{Method, StatusCode};

use super::MAX_URI;
use crate::chars::{has_control, token};
use crate::fault::Fault;
use crate::uri::Uri;

/// What the first line says.
pub(super) enum Start<'a> {
    /// A request; its URI may be unreadable while the method is not.
    Request { method: &'a str, uri: Result<rsip::Uri, Fault> },
    /// A response.
    Response { status: Result<StatusCode, Fault> },
}

/// Reads the first line.
pub(super) fn start(line: &str) -> Result<Start<'_>, Fault> {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Ok(Start::Response { status: status_line(line) });
    }
    let (method, rest) = line.split_once(' ').ok_or(Fault::StartLine)?;
    if !token(method) {
        return Err(Fault::StartLine);
    }
    Ok(Start::Request { method, uri: request_target(rest) })
}

/// RFC 3261 §25.1 Request-Line: exactly one space on either side of the URI.
fn request_target(text: &str) -> Result<rsip::Uri, Fault> {
    let (uri, version) = text.rsplit_once(' ').ok_or(Fault::StartLine)?;
    check_version(version)?;
    if uri.len() > MAX_URI {
        return Err(Fault::TooLong { part: "the Request-URI", limit: MAX_URI });
    }
    let uri = Uri::parse(uri).map_err(|_| Fault::RequestUri)?;
    // RFC 3261 §19.1.5, RFC 4475 §3.1.2.11: headers in a Request-URI would be put into other people's requests.
    if uri.rest.is_some() && !matches!(uri.scheme, crate::uri::Scheme::Other(_)) {
        return Err(Fault::RequestUri);
    }
    Ok(uri.into())
}

fn status_line(line: &str) -> Result<StatusCode, Fault> {
    let (version, rest) = line.split_once(' ').ok_or(Fault::StartLine)?;
    check_version(version)?;
    let (code, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::StatusCode);
    }
    match code.parse::<u16>() {
        Ok(code @ 100..=699) => Ok(match StatusCode::from(code) {
            StatusCode::Other(code, _) => StatusCode::Other(code, readable(phrase).to_owned()),
            known => known,
        }),
        _ => Err(Fault::StatusCode),
    }
}

/// A phrase is for people (RFC 3261 §7.2): one with control characters is for nobody.
fn readable(phrase: &str) -> &str {
    if has_control(phrase.as_bytes(), [b'\t'; 2]) { "" } else { phrase }
}

/// RFC 3261 §7.1: `SIP/2.0`, in any case.
fn check_version(text: &str) -> Result<(), Fault> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let version = text.get(..4).filter(|name| name.eq_ignore_ascii_case("SIP/")).and_then(|_| text.get(4..));
    match version.and_then(|version| version.split_once('.')) {
        Some((major, minor)) if digits(major) && digits(minor) => Err(Fault::Version),
        _ => Err(Fault::StartLine),
    }
}

/// The method with this name. Methods are told apart by case (RFC 3261 §7.1); none for one that `rsip` does not know.
#[must_use]
pub fn method(name: &str) -> Option<Method> {
    Some(match name {
        "INVITE" => Method::Invite,
        "ACK" => Method::Ack,
        "BYE" => Method::Bye,
        "CANCEL" => Method::Cancel,
        "OPTIONS" => Method::Options,
        "REGISTER" => Method::Register,
        "PRACK" => Method::PRack,
        "UPDATE" => Method::Update,
        "INFO" => Method::Info,
        "REFER" => Method::Refer,
        "NOTIFY" => Method::Notify,
        "SUBSCRIBE" => Method::Subscribe,
        "MESSAGE" => Method::Message,
        "PUBLISH" => Method::Publish,
        _ => return None,
    })
}

/// How a method is written.
#[must_use]
pub const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        Method::PRack => "PRACK",
        Method::Update => "UPDATE",
        Method::Info => "INFO",
        Method::Refer => "REFER",
        Method::Notify => "NOTIFY",
        Method::Subscribe => "SUBSCRIBE",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
    }
}

#[cfg(test)]
mod tests {
    use rsip::{Method, StatusCode};

    use super::{method, method_name, status_line};

    #[test]
    fn a_phrase_is_kept_where_people_can_read_it() {
        for (line, code, phrase) in [
            ("SIP/2.0 299 So la la, ganz gut", 299, "So la la, ganz gut"),
            ("SIP/2.0 299 grün\tund gut", 299, "grün\tund gut"),
            ("SIP/2.0 299 ", 299, ""),
            ("SIP/2.0 299", 299, ""),
            ("SIP/2.0 220 OK\0\0INVITE sip:x SIP/2.0", 220, ""),
            ("SIP/2.0 699 a\u{1b}[2J", 699, ""),
        ] {
            assert_eq!(status_line(line), Ok(StatusCode::Other(code, phrase.to_owned())), "{line:?}");
        }
    }

    #[test]
    fn every_method_is_known_by_its_exact_name() {
        for known in Method::all() {
            assert_eq!(method(method_name(known)), Some(known));
        }
        assert_eq!(method("invite"), None);
        assert_eq!(method("RE%47IST%45R"), None);
    }
}
