//! The torture messages of RFC 4475, by its table of contents: what each holds, and what an element must do with it.
//!
//! The messages are written from what the RFC says about each, not copied byte by byte; names are its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod application_3_3;
mod invalid_3_1_2;
mod valid_3_1_1;

use rsip::StatusCode;
use vorzimmer_sip::fault::Fault;
use vorzimmer_sip::header;
use vorzimmer_sip::uri::{Scheme, Uri};
use vorzimmer_sip::wire::{self, Framing, ParseError, Parsed, Skeleton, Untrusted, parse};

/// A message whose lines are joined by CRLF. The usual headers are added for names that no line has.
fn message(start: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let method = start.split(' ').next().unwrap_or_default();
    let cseq = format!("CSeq: 8 {}", if start.starts_with("SIP/") { "INVITE" } else { method });
    let usual = [
        ("via", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw"),
        ("max-forwards", "Max-Forwards: 70"),
        ("from", "From: <sip:caller@example.net>;tag=1928"),
        ("to", "To: <sip:user@example.com>"),
        ("call-id", "Call-ID: torture.1@192.0.2.1"),
        ("cseq", cseq.as_str()),
    ];
    let has = |name: &str| {
        lines.iter().any(|line| {
            let own = line.split(':').next().unwrap_or_default().trim();
            own.eq_ignore_ascii_case(name) || wire::name(&wire::header(own, "")).eq_ignore_ascii_case(name)
        })
    };
    let missing: Vec<_> = usual.iter().filter(|(name, _)| !has(name)).map(|(_, line)| *line).collect();
    let length = format!("Content-Length: {}", body.len());
    let length = (!has("content-length")).then_some(length.as_str());
    let mut text = [start].into_iter().chain(missing).chain(lines.iter().copied()).chain(length).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push_str("\r\n");
            text
        },
    );
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

fn read(bytes: &[u8]) -> Result<Parsed, ParseError> {
    parse(Untrusted::new(bytes), Framing::Datagram)
}

fn request(bytes: &[u8]) -> rsip::Request {
    match read(bytes) {
        Ok(Parsed::Request(request)) => {
            let mut out = Vec::new();
            wire::print(&request, &mut out).unwrap();
            match read(&out) {
                Ok(Parsed::Request(again)) => assert_eq!(without_length(&again), without_length(&request)),
                other => panic!("what we printed cannot be read: {other:?}"),
            }
            request
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn without_length(request: &rsip::Request) -> rsip::Request {
    let mut bare = request.clone();
    bare.headers.retain(|h| !matches!(h, rsip::Header::ContentLength(_)));
    bare
}

/// The message is refused, and with this status if `answer`, which it must not be otherwise.
fn refused(name: &str, bytes: &[u8], fault: Fault, answer: Option<u16>) {
    let error = match read(bytes) {
        Err(error) => error,
        Ok(parsed) => panic!("{name} was taken: {parsed:?}"),
    };
    assert_eq!(error.fault, fault, "{name}");
    let response = error.response("tag");
    assert_eq!(response.as_ref().map(|r| r.status_code.code()), answer, "{name}");
    if let Some(response) = response {
        let mut out = Vec::new();
        wire::print(&response, &mut out).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

const OPTIONS: &str = "OPTIONS sip:user@example.com SIP/2.0";
const INVITE: &str = "INVITE sip:user@example.com SIP/2.0";
const REGISTER: &str = "REGISTER sip:example.com SIP/2.0";

mod transaction_3_2 {
    use super::*;

    /// 3.2.1: the cookie alone is no unique branch.
    #[test]
    fn badbranch() {
        let request = request(&message(OPTIONS, &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"], b""));
        assert_eq!(header::top_via(&request.headers).unwrap().unique_branch(), None);
    }
}

mod backward_3_4 {
    use super::*;

    /// 3.4.1: a request of RFC 2543: no branch, no tag, no Max-Forwards, Content-Length in the datagram's hands.
    #[test]
    fn inv2543() {
        let bytes = b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n\
            From: <sip:+13035551111@ift.client.example.net;user=phone>\r\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\n\
            To: sip:+16505552222@ss1.example.net;user=phone\r\nCall-ID: inv2543.1717@ift.client.example.com\r\n\
            CSeq: 56 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        let request = request(bytes);
        assert_eq!(request.body, b"v=0\r\n");
        assert_eq!(header::from(&request.headers).unwrap().tag(), None);
        assert_eq!(header::top_via(&request.headers).unwrap().branch(), None);
        let answer = Skeleton::of(&request).unwrap().response(StatusCode::BusyHere, "t1");
        assert_eq!(header::to(&answer.headers).unwrap().tag(), Some("t1"));
    }
}
