//! RFC 4475 §3.1.2: messages that are wrong.

use super::*;

const VALUE: fn(&'static str) -> Fault = |header| Fault::Value { header };

/// 3.1.2.1: separators without anything between them. The Via cannot be read, so there is nowhere to answer to.
#[test]
fn badinv01() {
    let contact = "Contact: \"Joe\" <sip:joe@example.org>;;;;";
    refused("Via", &message(INVITE, &["Via: SIP/2.0/UDP 192.0.2.15;;,;,,"], b""), VALUE("Via"), None);
    refused("Contact", &message(INVITE, &[contact], b""), VALUE("Contact"), Some(400));
}

/// 3.1.2.2, 3.1.2.3: a body shorter than announced, a negative length.
#[test]
fn clerr_ncl() {
    let bytes = message(INVITE, &["Content-Length: 9999"], b"v=0\r\n");
    refused("clerr", &bytes, Fault::BodyShort { announced: 9999, present: 5 }, Some(400));
    let bytes = message(INVITE, &["Content-Length: -999"], b"v=0\r\n");
    refused("ncl", &bytes, VALUE("Content-Length"), Some(400));
}

/// 3.1.2.4: numbers that fit nowhere.
#[test]
fn scalar02() {
    let bytes = message(REGISTER, &["CSeq: 36893488147419103232 REGISTER"], b"");
    refused("CSeq", &bytes, Fault::Range { header: "CSeq" }, Some(400));
    let bytes = message(REGISTER, &["Max-Forwards: 300"], b"");
    refused("Max-Forwards", &bytes, Fault::Range { header: "Max-Forwards" }, Some(400));
    let lines =
        ["Expires: 1000000000000000000000000000000000000", "Contact: <sip:u@h>;expires=280297596632815"];
    let request = request(&message(REGISTER, &lines, b""));
    assert_eq!(header::expires(&request.headers), Some(u32::MAX));
    assert_eq!(header::address(&request.headers, "Contact").unwrap().expires(), Some(u32::MAX));
}

/// 3.1.2.5: the same in a response, which is dropped.
#[test]
fn scalarlg() {
    let bytes = message(
        "SIP/2.0 503 Service Unavailable",
        &["CSeq: 9292394834772304023312 OPTIONS", "Retry-After: 949302838503028349304023988"],
        b"",
    );
    refused("scalarlg", &bytes, Fault::Range { header: "CSeq" }, None);
}

/// 3.1.2.6: a quoted string that does not end.
#[test]
fn quotbal() {
    let bytes = message(INVITE, &["To: \"Mr. J. User <sip:j.user@example.com>"], b"");
    refused("quotbal", &bytes, VALUE("To"), Some(400));
}

/// 3.1.2.7 to 3.1.2.11: brackets, white space and headers in the request line.
#[test]
fn ltgtruri_lwsruri_lwsstart_trws_escruri() {
    for (name, start, fault) in [
        ("ltgtruri", "INVITE <sip:user@example.com> SIP/2.0", Fault::RequestUri),
        ("lwsruri", "INVITE sip:user@example.com; lr SIP/2.0", Fault::RequestUri),
        ("lwsstart", "INVITE  sip:user@example.com  SIP/2.0", Fault::RequestUri),
        ("trws", "OPTIONS sip:remote-target@example.com SIP/2.0  ", Fault::StartLine),
        ("escruri", "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", Fault::RequestUri),
    ] {
        refused(name, &message(start, &[], b""), fault, Some(400));
    }
}

/// 3.1.2.12: a date in no zone that SIP knows: whoever needs no date takes the request.
#[test]
fn baddate() {
    request(&message(INVITE, &["Date: Fri, 01 Jan 2010 16:00:00 EST"], b""));
}

/// 3.1.2.13: a `?` outside brackets.
#[test]
fn regbadct() {
    let contact = "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E";
    refused("regbadct", &message(REGISTER, &[contact], b""), VALUE("Contact"), Some(400));
}

/// 3.1.2.14, 3.1.2.15: faults in an address whose meaning is plain are passed over.
#[test]
fn badaspec_baddn() {
    let to = "To: \"Watson, Thomas\" < sip:t.watson@example.org >";
    let request_ = request(&message(OPTIONS, &[to], b""));
    assert_eq!(header::to(&request_.headers).unwrap().uri.user, Some("t.watson"));
    let from = "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43";
    let request_ = request(&message(OPTIONS, &[from], b""));
    let from = header::from(&request_.headers).unwrap();
    assert_eq!((from.display().as_deref(), from.tag()), (Some("Bell, Alexander"), Some("43")));
}

/// 3.1.2.16: another protocol version is told which one is spoken.
#[test]
fn badvers() {
    let bytes = message("OPTIONS sip:t.watson@example.org SIP/7.0", &[], b"");
    refused("badvers", &bytes, Fault::Version, Some(505));
    refused("no version", &message("OPTIONS sip:a@b HTTP/1.1", &[], b""), Fault::StartLine, Some(400));
}

/// 3.1.2.17, 3.1.2.18: CSeq and request line disagree.
#[test]
fn mismatch01_mismatch02() {
    refused("mismatch01", &message(OPTIONS, &["CSeq: 8 INVITE"], b""), Fault::CSeqMethod, Some(400));
    let bytes = message("NEWMETHOD sip:user@example.com SIP/2.0", &["CSeq: 8 INVITE"], b"");
    refused("mismatch02", &bytes, Fault::CSeqMethod, Some(400));
}

/// 3.1.2.19: a response code that wraps round.
#[test]
fn bigcode() {
    refused("bigcode", &message("SIP/2.0 4294967301 better not break", &[], b""), Fault::StatusCode, None);
}
