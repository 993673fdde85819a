//! RFC 4475 §3.3: right messages that ask for judgement.

use super::*;

/// 3.3.1: without From, To and Call-ID there is nothing to make an answer of.
#[test]
fn insuf() {
    let bytes = b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\n\
        Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\nl: 0\r\n\r\n";
    refused("insuf", bytes, Fault::Missing { header: "From" }, None);
}

/// 3.3.2, 3.3.3: schemes nobody follows; the user agent answers 416.
#[test]
fn unkscm_novelsc() {
    for (uri, scheme) in [
        ("nobodyKnowsThisScheme:totallyopaquecontent", "nobodyknowsthisscheme"),
        ("soap.beep://192.0.2.103:3002", "soap.beep"),
    ] {
        let request = request(&message(&format!("OPTIONS {uri} SIP/2.0"), &[], b""));
        assert_eq!(Uri::from(&request.uri).scheme, Scheme::Other(scheme.into()));
    }
}

/// 3.3.4: the same in headers.
#[test]
fn unksm2() {
    let lines =
        ["To: isbn:2983792873", "From: <http://www.example.com>;tag=3234233", "Contact: <name:John_Smith>"];
    let request = request(&message(REGISTER, &lines, b""));
    assert_eq!(header::to(&request.headers).unwrap().uri.scheme(), Scheme::Other("isbn".into()));
}

/// 3.3.5: extensions asked for are all visible, for the 420.
#[test]
fn bext01() {
    let lines = [
        "Require: nothingSupportsThis, nothingSupportsThisEither",
        "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
    ];
    let request = request(&message(OPTIONS, &lines, b""));
    let asked: Vec<_> = header::tokens(&request.headers, "Require").collect();
    assert_eq!(asked, ["nothingSupportsThis", "nothingSupportsThisEither"]);
}

/// 3.3.6: a type of body nobody knows is a matter for the user agent.
#[test]
fn invut() {
    let request = request(&message(INVITE, &["Content-Type: application/unknownformat"], b"<audio/>"));
    assert_eq!(header::first(&request.headers, "Content-Type"), Some("application/unknownformat"));
}

/// 3.3.7: an authentication scheme nobody knows is no authentication.
#[test]
fn regaut01() {
    let request = request(&message(REGISTER, &["Authorization: NoOneKnowsThisScheme opaque-data=here"], b""));
    let value = header::first(&request.headers, "Authorization").unwrap();
    assert!(vorzimmer_sip::digest::Credentials::parse(value).is_err());
}

/// 3.3.8, 3.3.9: headers that may be there once are there twice.
#[test]
fn multi01_mcl01() {
    let lines = [
        "Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKa",
        "CSeq: 5 INVITE",
        "CSeq: 59 INVITE",
        "Call-ID: a",
        "Call-ID: b",
        "From: <sip:a@b>;tag=1",
        "From: <sip:c@d>;tag=2",
        "To: <sip:a@b>",
        "To: <sip:c@d>",
        "Max-Forwards: 70",
        "Max-Forwards: 12",
    ];
    let bytes = message(INVITE, &lines, b"");
    refused("multi01", &bytes, Fault::Duplicate { header: "CSeq" }, Some(400));
    let bytes = message(OPTIONS, &["Content-Length: 13", "Content-Length: 5"], b"There's no way");
    refused("mcl01", &bytes, Fault::Duplicate { header: "Content-Length" }, Some(400));
}

/// 3.3.10: a response to somebody else: its top Via tells.
#[test]
fn bcast() {
    let lines = [
        "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
        "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
    ];
    let Ok(Parsed::Response(response)) = read(&message("SIP/2.0 200 OK", &lines, b"")) else { panic!() };
    let top = header::top_via(&response.headers).unwrap();
    assert_eq!(top.branch(), Some("z9hG4bK1324923"));
}

/// 3.3.11: the last hop.
#[test]
fn zeromf() {
    let request = request(&message(OPTIONS, &["Max-Forwards: 0"], b""));
    assert_eq!(header::max_forwards(&request.headers), Ok(Some(0)));
}

/// 3.3.12 to 3.3.14: parameters of the Contact, of its URI, and headers in its URI.
#[test]
fn cparam01_cparam02_regescrt() {
    let contact = |line: &str| {
        let request = request(&message(REGISTER, &[line], b""));
        header::address(&request.headers, "Contact").unwrap().to_name_addr()
    };
    let one = contact("Contact: sip:+19725552222@gw1.example.net;unknownparam");
    assert_eq!((one.params.len(), one.uri.params.len()), (1, 0));
    let two = contact("Contact: <sip:+19725552222@gw1.example.net;unknownparam>");
    assert_eq!((two.params.len(), two.uri.params.len()), (0, 1));
    let three = contact("Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
    assert_eq!(three.uri.rest.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
}

/// 3.3.15: what the caller accepts instead of a session description is his matter.
#[test]
fn sdp01() {
    let request = request(&message(INVITE, &["Accept: text/nobodyKnowsThis"], b"v=0\r\n"));
    assert_eq!(header::tokens(&request.headers, "Accept").collect::<Vec<_>>(), ["text/nobodyKnowsThis"]);
}
