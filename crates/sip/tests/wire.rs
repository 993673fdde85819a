//! Bytes in, bytes out: what is printed is what was read, nothing panics, nothing grows without bound.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use rsip::{Header, Headers, Request, StatusCode};
use vorzimmer_sip::fault::Fault;
use vorzimmer_sip::fuzz;
use vorzimmer_sip::header;
use vorzimmer_sip::uri::{Host, NameAddr, Uri};
use vorzimmer_sip::wire::{
    self, Frame, Framing, MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_VIAS, Parsed, Role, StreamFramer,
    Untrusted, parse,
};

const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
    Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";

fn options(more: &str, body: &[u8]) -> Vec<u8> {
    [b"OPTIONS sip:c@d SIP/2.0\r\n", HEAD.as_bytes(), more.as_bytes(), b"\r\n", body].concat()
}

fn fault(bytes: &[u8]) -> Fault {
    match parse(Untrusted::new(bytes), Framing::Datagram) {
        Err(error) => error.fault,
        Ok(parsed) => panic!("taken: {parsed:?}"),
    }
}

fn request(bytes: &[u8]) -> Request {
    match parse(Untrusted::new(bytes), Framing::Datagram) {
        Ok(Parsed::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_fall_apart_into_headers_that_are_all_reachable() {
    let more = "Route: <sip:a;lr>, <sip:b,c@d;lr>\r\nrEcOrD-rOuTe:<sip:r1>,<sip:r2>\r\nv: SIP/2.0/TCP h;x=\"a,b\" , SIP/2.0/UDP i\r\n\
        Diversion: \"A, B\" <sip:1@x>, <sip:2@x>\r\nHistory-Info: <sip:3@x>;index=1,<sip:4@x>;index=1.1\r\n\
        P-Asserted-Identity: <sip:5@x>, <tel:+493023125001>\r\nAllow: INVITE, ACK,BYE\r\nk: timer ,100rel\r\n";
    let request = request(&options(more, b""));
    let count = |name: &str| request.headers.iter().filter(|h| wire::name(h) == name).count();
    for (name, expected) in [
        ("Route", 2),
        ("Record-Route", 2),
        ("Via", 3),
        ("Diversion", 2),
        ("History-Info", 2),
        ("P-Asserted-Identity", 2),
    ] {
        assert_eq!(count(name), expected, "{name}");
    }
    assert_eq!(header::tokens(&request.headers, "Allow").collect::<Vec<_>>(), ["INVITE", "ACK", "BYE"]);
    assert!(header::has_token(&request.headers, "Supported", "100REL"));
}

#[test]
fn views_read_unsplit_headers_too() {
    let headers =
        Headers::from(vec![Header::Other("Diversion".into(), "<sip:1@x>, <sip:2@x>;counter=2".into())]);
    assert_eq!(header::diversions(&headers).filter(Result::is_ok).count(), 2);
}

#[test]
fn a_fault_that_can_be_answered_is() {
    let bytes = options("Content-Length: 10\r\n", b"short");
    let error = parse(Untrusted::new(&bytes), Framing::Datagram).unwrap_err();
    let response = error.response("tag1").unwrap();
    assert_eq!(response.status_code, StatusCode::BadRequest);
    let mut out = Vec::new();
    wire::print(&response, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>;tag=tag1\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    // RFC 3261 §17: an ACK is never answered; a response neither.
    let ack = String::from_utf8(bytes.clone()).unwrap().replace("OPTIONS", "ACK");
    assert_eq!(parse(Untrusted::new(ack.as_bytes()), Framing::Datagram).unwrap_err().reply, None);
    let response = String::from_utf8(bytes).unwrap().replace("OPTIONS sip:c@d SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(parse(Untrusted::new(response.as_bytes()), Framing::Datagram).unwrap_err().reply, None);
}

#[test]
fn what_could_be_read_two_ways_is_refused() {
    for (more, expected) in [
        ("Subject: a\nX: y\r\n", Fault::LineEnding),
        ("Subject: a\rX: y\r\n", Fault::LineEnding),
        ("Subject: a\0b\r\n", Fault::Control { header: "Subject" }),
        ("X-Own: a\u{1b}[2J\r\n", Fault::Control { header: "a header" }),
        ("no colon\r\n", Fault::HeaderName),
        (": no name\r\n", Fault::HeaderName),
        ("Two Words: x\r\n", Fault::HeaderName),
        ("l: 0\r\nContent-Length: 0\r\n", Fault::Duplicate { header: "Content-Length" }),
        ("Content-Length: 0x5\r\n", Fault::Value { header: "Content-Length" }),
        ("Content-Length: +5\r\n", Fault::Value { header: "Content-Length" }),
        ("Content-Length: 5, 5\r\n", Fault::Value { header: "Content-Length" }),
        ("Content-Length: 99999999999999999999999\r\n", Fault::Range { header: "Content-Length" }),
        ("t: <sip:e@f>\r\n", Fault::Duplicate { header: "To" }),
        ("Route: <sip:a\r\n", Fault::Value { header: "Route" }),
        ("Max-Forwards: 256\r\n", Fault::Range { header: "Max-Forwards" }),
    ] {
        assert_eq!(fault(&options(more, b"")), expected, "{more:?}");
    }
    assert_eq!(fault(b"OPTIONS sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"), Fault::NoBlankLine);
    assert_eq!(fault(b"OPTIONS sip:c@d SIP/2.0\r\n Via: SIP/2.0/UDP h\r\n\r\n"), Fault::StartLine);
    for missing in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text = String::from_utf8(options("", b"")).unwrap();
        let without: String =
            text.split_inclusive("\r\n").filter(|line| !line.starts_with(missing)).collect();
        assert_eq!(fault(without.as_bytes()), Fault::Missing { header: missing });
    }
}

#[test]
fn latin_1_names_are_read_and_utf_8_stays() {
    let mut bytes = options("X-Utf8: Jörg\r\n", b"");
    let at = bytes.windows(4).position(|w| w == b"<sip").unwrap();
    bytes.splice(at..at, *b"\"J\xf6rg\" ");
    let request = request(&bytes);
    assert_eq!(header::from(&request.headers).unwrap().display().as_deref(), Some("Jörg"));
    assert_eq!(header::first(&request.headers, "X-Utf8"), Some("Jörg"));
}

#[test]
fn every_limit_holds() {
    let line = format!("X: {}\r\n", "a".repeat(MAX_LINE + 1));
    assert_eq!(fault(&options(&line, b"")), Fault::TooLong { part: "a header", limit: MAX_LINE });
    let folded = format!("X: a\r\n{}", format!(" {}\r\n", "b".repeat(900)).repeat(10));
    assert_eq!(fault(&options(&folded, b"")), Fault::TooLong { part: "a header", limit: MAX_LINE });
    let head =
        "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
            .repeat(200);
    assert_eq!(
        fault(&options(&head, b"")),
        Fault::TooLong { part: "the head of the message", limit: MAX_HEAD }
    );
    let many = "X-Y: a\r\n".repeat(MAX_HEADERS);
    assert_eq!(fault(&options(&many, b"")), Fault::TooMany { part: "the headers", limit: MAX_HEADERS });
    let contacts = format!("m: {}\r\n", vec!["<sip:a>"; MAX_HEADERS].join(","));
    assert_eq!(fault(&options(&contacts, b"")), Fault::TooMany { part: "the headers", limit: MAX_HEADERS });
    let vias = "v: SIP/2.0/UDP h\r\n".repeat(MAX_VIAS);
    assert_eq!(fault(&options(&vias, b"")), Fault::TooMany { part: "the Vias", limit: MAX_VIAS });
    let uri = String::from_utf8(options("", b"")).unwrap().replacen(
        "sip:c",
        &format!("sip:{}", "c".repeat(2048)),
        1,
    );
    let error = parse(Untrusted::new(uri.as_bytes()), Framing::Datagram).unwrap_err();
    assert_eq!(error.fault.status(), StatusCode::RequestUriTooLong);
    let huge = options("", &vec![b'x'; 70_000]);
    assert!(matches!(fault(&huge), Fault::TooLong { part: "the datagram", .. }));
}

mod stream {
    use super::*;

    fn drain(framer: &mut StreamFramer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next()).collect()
    }

    fn message(body: &[u8]) -> Vec<u8> {
        options(&format!("l: {}\r\n", body.len()), body)
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let (one, two) = (message(b"v=0\r\n\r\n"), message(b""));
        let all = [&b"\r\n"[..], &one, b"\r\n\r\n", &two, &one].concat();
        for size in 1..all.len() {
            let mut framer = StreamFramer::new(Role::Accepted);
            let mut frames = Vec::new();
            for piece in all.chunks(size) {
                assert_eq!(framer.push(piece), piece.len());
                frames.extend(drain(&mut framer));
            }
            let whole = |bytes: &[u8]| Frame::Message(Bytes::copy_from_slice(bytes));
            assert_eq!(frames, [whole(&one), Frame::Ping, whole(&two), whole(&one)], "in pieces of {size}");
            assert!(!framer.is_amid_message());
            for frame in &frames {
                if let Frame::Message(bytes) = frame {
                    assert!(parse(Untrusted::new(bytes), Framing::Stream).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_lone_crlf_is_a_pong_to_who_connected() {
        let mut framer = StreamFramer::new(Role::Connected);
        framer.push(b"\r");
        assert_eq!(drain(&mut framer), []);
        framer.push(b"\n");
        assert_eq!(drain(&mut framer), [Frame::Pong]);
    }

    #[test]
    fn a_stream_that_cannot_be_framed_ends_with_what_can_be_answered() {
        for (more, expected) in [
            ("", Fault::Missing { header: "Content-Length" }),
            ("Content-Length: -1\r\n", Fault::Value { header: "Content-Length" }),
            ("Content-Length: 1\r\nl: 2\r\n", Fault::Duplicate { header: "Content-Length" }),
            ("Content-Length: 65537\r\n", Fault::TooLong { part: "the body", limit: MAX_BODY }),
        ] {
            let mut framer = StreamFramer::new(Role::Accepted);
            framer.push(&options(more, b"more"));
            let frames = drain(&mut framer);
            let [Frame::Broken { head, fault }] = frames.as_slice() else { panic!("{frames:?}") };
            assert_eq!(*fault, expected);
            let error = parse(Untrusted::new(head), Framing::Stream).unwrap_err();
            assert!(error.response("t").is_some(), "{more}: {error}");
            assert_eq!(framer.push(b"whatever"), 8);
            assert_eq!(drain(&mut framer), []);
        }
    }

    #[test]
    fn a_head_of_the_largest_size_is_taken_wherever_it_is_cut() {
        let head = |length: usize| {
            let start = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n";
            let rest = length - start.len();
            let (first, second) = (rest / 2, rest - rest / 2);
            let line = |length: usize| format!("X: {}", "x".repeat(length - 3));
            format!("{start}{}\r\n{}\r\n\r\n", line(first - 2), line(second))
        };
        for cut in [1, 100, MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1, MAX_HEAD + 3] {
            for (length, taken) in [(MAX_HEAD - 1, true), (MAX_HEAD, true), (MAX_HEAD + 1, false)] {
                let text = head(length);
                assert_eq!(text.len(), length + 4);
                let (first, second) = text.as_bytes().split_at(cut);
                let mut framer = StreamFramer::new(Role::Accepted);
                framer.push(first);
                let mut frames = drain(&mut framer);
                framer.push(second);
                frames.extend(drain(&mut framer));
                let whole = matches!(frames.as_slice(), [Frame::Message(_)]);
                assert_eq!(whole, taken, "{length} cut at {cut}: {frames:?}");
            }
        }
    }

    #[test]
    fn no_head_without_end_and_no_more_than_one_message_is_held() {
        let mut framer = StreamFramer::new(Role::Accepted);
        framer.push(b"OPTIONS sip:a SIP/2.0\r\n");
        for _ in 0..MAX_HEAD / 8 {
            framer.push(b"X: abc\r\n");
        }
        assert!(matches!(drain(&mut framer).as_slice(), [Frame::Broken { .. }]));
        let mut framer = StreamFramer::new(Role::Accepted);
        let flood = [options("l: 65536\r\n", b""), vec![b'x'; 200_000]].concat();
        let taken = framer.push(&flood);
        assert_eq!(taken, StreamFramer::CAPACITY);
        assert!(matches!(framer.next(), Some(Frame::Message(_))), "room again after draining");
        assert!(framer.push(&flood[taken..]) > 0);
    }
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,5}){0,2}".prop_map(Host::Name),
        any::<std::net::Ipv4Addr>().prop_map(|ip| Host::Ip(ip.into())),
        any::<std::net::Ipv6Addr>().prop_map(|ip| Host::Ip(ip.into())),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let params = prop::collection::vec(("[a-z]{1,6}", prop::option::of("[A-Za-z0-9]{1,6}")), 0..3);
    (prop::option::of(".{1,8}"), host(), prop::option::of(any::<u16>()), params).prop_map(
        |(user, host, port, params)| {
            let bare = Uri::sip(user.as_deref(), host, port);
            params.iter().fold(bare, |uri, (name, value)| uri.with_param(name, value.as_deref()))
        },
    )
}

fn address() -> impl Strategy<Value = NameAddr> {
    (prop::option::of("[^\\x00-\\x1f\\x7f]{1,20}"), uri(), token()).prop_map(|(display, uri, tag)| {
        let address = NameAddr::new(uri).with_tag(&tag);
        match display.filter(|name| !name.trim().is_empty()) {
            Some(name) => address.with_display(&name),
            None => address,
        }
    })
}

prop_compose! {
    fn any_request()(
        method in prop::sample::select(rsip::Method::all()),
        target in uri(),
        from in address(),
        to in address(),
        contacts in prop::collection::vec(address(), 0..3),
        vias in prop::collection::vec((token(), host(), token()), 1..4),
        call_id in token(),
        seq in 0..=header::MAX_SEQ,
        other in prop::collection::vec((token(), "[^\\x00-\\x1f\\x7f]{0,40}"), 0..4),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) -> Request {
        let mut headers: Vec<Header> = vias
            .iter()
            .map(|(transport, host, branch)| wire::header("Via", format!("SIP/2.0/{transport} {host};branch={branch}")))
            .collect();
        headers.push(wire::header("From", from.to_string()));
        headers.push(wire::header("To", to.to_string()));
        headers.push(wire::header("Call-ID", call_id));
        headers.push(wire::header("CSeq", format!("{seq} {}", wire::method_name(method))));
        headers.extend(contacts.iter().map(|contact| wire::header("Contact", contact.to_string())));
        headers.extend(other.into_iter().map(|(name, value)| {
            Header::Other(format!("X-{name}"), value.trim_matches([' ', '\t']).to_owned())
        }));
        Request { method, uri: target.without_headers().into(), version: rsip::Version::V2, headers: headers.into(), body }
    }
}

fn printed(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    wire::print(request, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_printed_is_read_the_same(request in any_request()) {
        let bytes = printed(&request);
        for framing in [Framing::Datagram, Framing::Stream] {
            let Ok(Parsed::Request(mut again)) = parse(Untrusted::new(&bytes), framing) else {
                panic!("{}", String::from_utf8_lossy(&bytes));
            };
            again.headers.retain(|h| !matches!(h, Header::ContentLength(_)));
            prop_assert_eq!(&again, &request);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(fuzz::message(&bytes) && fuzz::stream(&bytes) && fuzz::uri(&bytes) && fuzz::address(&bytes));
        prop_assert!(fuzz::via(&bytes) && fuzz::digest(&bytes) && fuzz::whose(&bytes) && fuzz::stun(&bytes));
        let length = u8::try_from(bytes.len() % 256).unwrap();
        let stun = [&[0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12], &bytes].concat();
        prop_assert!(fuzz::stun(&stun));
    }

    /// A sound message with some bytes changed: what is still taken can be printed and read again, to the same message.
    #[test]
    fn damaged_messages_are_refused_or_sound(
        request in any_request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        syntax in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"\r\n \t\"<>;,:@%\\[]=?".to_vec())), 0..6),
    ) {
        let mut bytes = printed(&request);
        for (at, byte) in damage.into_iter().chain(syntax) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert!(fuzz::message(&bytes), "{}", String::from_utf8_lossy(&bytes));
        prop_assert!(fuzz::stream(&bytes) && fuzz::whose(&bytes), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn uris_and_addresses_survive(address in address()) {
        let text = address.to_string();
        prop_assert_eq!(NameAddr::parse(&text), Ok(address.clone()));
        prop_assert!(address.uri.same_as(&Uri::parse(&address.uri.to_string()).unwrap()));
    }

    /// Texts made of what the grammars are made of.
    #[test]
    fn every_door_holds(
        words in prop::collection::vec(prop::sample::select(vec![
            "sip:", "tel:", "sips:", "+4930", "a", "@", "b.example", "[::1]", ":", "5060", ";", "=", "lr", "tag", "?", "%41",
            "%00", "<", ">", "\"", "\\", ",", " ", "SIP/2.0/UDP", "rport", "received", "Digest", "realm", "nonce", "\"x\"",
            "qop", "auth", "é", "-", "(0)",
        ]), 0..14),
        name in prop::sample::select(vec![
            "Via", "CSeq", "From", "Contact", "Max-Forwards", "Expires", "Retry-After", "Session-Expires", "Privacy",
            "Diversion", "History-Info", "P-Asserted-Identity", "Reason", "Require", "Subject",
        ]),
    ) {
        let text = words.concat();
        let bytes = text.as_bytes();
        prop_assert!(fuzz::uri(bytes) && fuzz::address(bytes) && fuzz::via(bytes) && fuzz::digest(bytes), "{}", text);
        let message = options(&format!("{name}: {text}\r\n"), b"");
        prop_assert!(fuzz::message(&message) && fuzz::whose(&message), "{}", text);
    }
}
