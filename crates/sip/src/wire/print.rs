//! From a message to bytes. What would break out of its line or its place is refused, so no header can be smuggled.

use std::io::Write as _;

use rsip::common::uri::{Param, Scheme};
use rsip::{Header, Headers, Host, Request, Response, SipMessage, Uri};

use super::names::{name, value};
use super::reason::reason;
use super::start::method_name;
use crate::chars::{has_control, token, uri_bytes};
use crate::fault::Fault;

/// What can be sent.
pub trait Printable {
    /// Appends the message to `out`; on an error `out` is as it was.
    ///
    /// # Errors
    /// [`Fault::Unsendable`] if a part contains a character that would end its line or its place.
    fn print(&self, out: &mut Vec<u8>) -> Result<(), Fault>;
}

/// Appends a message to `out`, with the Content-Length that its body has.
///
/// # Errors
/// [`Fault::Unsendable`] if a part contains a character that would end its line or its place; `out` is then as it was.
pub fn print(message: &impl Printable, out: &mut Vec<u8>) -> Result<(), Fault> {
    message.print(out)
}

impl Printable for Request {
    fn print(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        all_or_nothing(out, |out| {
            out.extend_from_slice(method_name(self.method).as_bytes());
            out.push(b' ');
            request_uri(&self.uri, out)?;
            out.extend_from_slice(b" SIP/2.0\r\n");
            headers_and_body(&self.headers, &self.body, out)
        })
    }
}

impl Printable for Response {
    fn print(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        all_or_nothing(out, |out| {
            let code = self.status_code.code();
            if !(100..=699).contains(&code) {
                return Err(Fault::StatusCode);
            }
            let phrase = match &self.status_code {
                rsip::StatusCode::Other(_, phrase) => phrase,
                _ => reason(code),
            };
            push(out, format_args!("SIP/2.0 {code} "));
            text(phrase, "the reason phrase", out)?;
            out.extend_from_slice(b"\r\n");
            headers_and_body(&self.headers, &self.body, out)
        })
    }
}

impl Printable for SipMessage {
    fn print(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Request(request) => request.print(out),
            Self::Response(response) => response.print(out),
        }
    }
}

fn all_or_nothing(
    out: &mut Vec<u8>,
    print: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let before = out.len();
    print(out).inspect_err(|_| out.truncate(before))
}

fn headers_and_body(headers: &Headers, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    for header in headers.iter().filter(|header| !is_content_length(header)) {
        let name = name(header);
        if !token(name) {
            return Err(Fault::Unsendable { part: "a header name" });
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        text(value(header), "a header", out)?;
        out.extend_from_slice(b"\r\n");
    }
    push(out, format_args!("Content-Length: {}\r\n\r\n", body.len()));
    out.extend_from_slice(body);
    Ok(())
}

/// Ours is written instead: it is always true.
fn is_content_length(header: &Header) -> bool {
    match header {
        Header::ContentLength(_) => true,
        Header::Other(name, _) => {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
        }
        _ => false,
    }
}

fn text(text: &str, part: &'static str, out: &mut Vec<u8>) -> Result<(), Fault> {
    if has_control(text.as_bytes(), [0x7f; 2]) {
        return Err(Fault::Unsendable { part });
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writing into memory does not fail.
fn push(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let Ok(()) = out.write_fmt(arguments) else { return };
}

fn request_uri(uri: &Uri, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    push_uri(uri, out);
    // RFC 3261 §25.1: a space would end the Request-URI, a quote or bracket is never part of one.
    let sound = out.get(start..).is_some_and(|written| !written.is_empty() && uri_bytes(written));
    if sound { Ok(()) } else { Err(Fault::Unsendable { part: "the Request-URI" }) }
}

fn push_uri(uri: &Uri, out: &mut Vec<u8>) {
    match &uri.scheme {
        None | Some(Scheme::Sip) => out.extend_from_slice(b"sip:"),
        Some(Scheme::Sips) => out.extend_from_slice(b"sips:"),
        Some(Scheme::Other(scheme)) => push(out, format_args!("{scheme}:")),
    }
    if let Some(auth) = &uri.auth {
        push(out, format_args!("{auth}@"));
    }
    match &uri.host_with_port.host {
        Host::IpAddr(std::net::IpAddr::V6(v6)) => push(out, format_args!("[{v6}]")),
        host => push(out, format_args!("{host}")),
    }
    if let Some(port) = &uri.host_with_port.port {
        push(out, format_args!(":{}", port.value()));
    }
    for param in &uri.params {
        match param {
            // Written as most of the field writes it, for those who compare it with regard to case.
            Param::Transport(transport) => {
                push(out, format_args!(";transport={}", transport.to_string().to_ascii_lowercase()));
            }
            param => push(out, format_args!("{param}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rsip::{Header, Response, StatusCode};

    use super::print;
    use crate::fault::Fault;

    fn printed(response: &Response) -> Result<String, Fault> {
        let mut out = b"before".to_vec();
        let result = print(response, &mut out);
        let text = String::from_utf8(out).unwrap();
        if result.is_err() {
            assert_eq!(text, "before", "nothing of a refused message is left");
        }
        result.map(|()| text["before".len()..].to_owned())
    }

    #[test]
    fn content_length_is_always_the_truth() {
        let mut response =
            Response { status_code: StatusCode::OK, body: b"hello".to_vec(), ..Default::default() };
        response.headers.push(Header::ContentLength("17".to_owned().into()));
        response.headers.push(Header::Other("l".into(), "18".into()));
        assert_eq!(printed(&response).unwrap(), "SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        for header in [
            Header::Subject("a\r\nX: y".to_owned().into()),
            Header::Subject("a\nb".to_owned().into()),
            Header::Subject("a\rb".to_owned().into()),
            Header::Subject("a\0b".to_owned().into()),
            Header::Other("X:y\r\nZ".into(), "v".into()),
            Header::Other("X Y".into(), "v".into()),
            Header::Other(String::new(), "v".into()),
        ] {
            let mut response = Response { status_code: StatusCode::OK, ..Default::default() };
            response.headers.push(header);
            assert!(printed(&response).is_err());
        }
        let phrase = StatusCode::Other(299, "fine\r\nX: y".into());
        assert!(printed(&Response { status_code: phrase, ..Default::default() }).is_err());
        let code = StatusCode::Other(99, String::new());
        assert!(printed(&Response { status_code: code, ..Default::default() }).is_err());
    }
}
