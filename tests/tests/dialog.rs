//! The whole dialog, played by SIPp: session timers, UPDATE, reliable answers, forks, glare, and what carriers send besides.
#![expect(clippy::expect_used, reason = "helpers of tests may fail the test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use vorzimmer_tests::ports;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::sipp::{self, Run, Sipp};

const OFF: &str = "+493023125010";
const LONG: Duration = Duration::from_secs(90);

fn trunk(server: &Server, scenario: &str, talk_ms: &str) -> Sipp {
    let more = ["-d", talk_ms];
    Sipp::start(server.folder(), &Run { more: &more, ..run(server, scenario, OFF) })
}

fn run<'a>(server: &'a Server, scenario: &'a str, service: &'a str) -> Run<'a> {
    Run { scenario, server: &server.sip, transport: "u1", service, calls: 1, rate: 1, port: None, more: &[] }
}

/// Registers Anna's phone, then plays `scenario` there.
fn anna(server: &Server, scenario: &str) -> Sipp {
    let port = ports::block(2);
    sipp::register(server, "anna", port);
    Sipp::start(server.folder(), &Run { port: Some(port), ..run(server, scenario, "anna") })
}

fn record_of(server: &Server) -> serde_json::Value {
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    shown["record"].clone()
}

#[test]
fn rfc_4028_and_3311_a_trunk_asks_for_too_little_refreshes_holds_and_resumes_by_update() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-answers");
    trunk(&server, "trunk-update", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["disposition"], "handled");
}

#[test]
fn rfc_4028_a_phone_is_refreshed_by_update_and_by_reinvite() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-refreshed");
    trunk(&server, "trunk-talk", "36000").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["ended_by"], "caller");
}

#[test]
fn rfc_4028_a_phone_that_does_not_refresh_is_given_up_with_a_reason() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-expires");
    trunk(&server, "trunk-hears-bye", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["ended_by"], "vorzimmer");
}

#[test]
fn rfc_3262_a_trunk_that_requires_reliable_answers_gets_them() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-answers");
    trunk(&server, "trunk-100rel", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["disposition"], "handled");
}

#[test]
fn rfc_3262_a_phone_answers_in_a_reliable_183() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-reliable");
    trunk(&server, "trunk-talk", "3000").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["disposition"], "handled");
}

#[test]
fn rfc_3264_a_trunk_offers_nothing_and_gets_our_offer() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-answers");
    trunk(&server, "trunk-late-offer", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["disposition"], "handled");
}

#[test]
fn rfc_3261_two_phones_behind_a_fork_answer_and_one_is_ended() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-forks");
    trunk(&server, "trunk-talk", "3000").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["legs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn rfc_3261_glare_and_refused_reinvites_leave_the_talk_alone() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-glares");
    trunk(&server, "trunk-talk", "34000").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["ended_by"], "caller");
}

/// INVITE and CANCEL in one piece, so that no answer of ours can come between them.
#[test]
fn rfc_3261_a_cancel_right_behind_its_invite_ends_everything() {
    let server = Server::start(&Setup::default());
    let mut wire = TcpStream::connect(&server.sip).expect("a connection");
    wire.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    let from = wire.local_addr().expect("an address");
    let message = |method: &str, extra: &str, body: &str| {
        format!(
            "{method} sip:{OFF}@{0} SIP/2.0\r\nVia: SIP/2.0/TCP {from};branch=z9hG4bKhaste\r\nMax-Forwards: 70\r\n\
             From: <sip:+493023125900@{from}>;tag=1\r\nTo: <sip:{OFF}@{0}>\r\nCall-ID: haste\r\nCSeq: 1 {method}\r\n\
             {extra}Content-Length: {1}\r\n\r\n{body}",
            server.sip,
            body.len()
        )
    };
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
    let contact = format!("Contact: <sip:carrier@{from};transport=tcp>\r\nContent-Type: application/sdp\r\n");
    let both = message("INVITE", &contact, sdp) + &message("CANCEL", "Reason: Q.850;cause=31\r\n", "");
    wire.write_all(both.as_bytes()).expect("sent");
    let (mut heard, mut piece) = (String::new(), [0; 4096]);
    while !(heard.contains("SIP/2.0 487") && heard.contains("SIP/2.0 200")) {
        let bytes = wire.read(&mut piece).expect("an answer in time");
        assert!(bytes > 0, "hung up after:\n{heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..bytes]));
    }
    assert_eq!(heard.matches("CSeq: 1 CANCEL").count(), 1, "the 200 is the CANCEL's:\n{heard}");
    wire.write_all(message("ACK", "", "").as_bytes()).expect("sent");
    let record = record_of(&server);
    assert_eq!(
        (&record["disposition"], &record["cause"]["q850"]),
        (&"abandoned".into(), &31.into()),
        "RFC 3326"
    );
}

/// The head of the final answer to a trunk's INVITE for this number.
fn refused(server: &Server, number: &str, extra: &str, body: &str) -> String {
    let mut wire = TcpStream::connect(&server.sip).expect("a connection");
    wire.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    let from = wire.local_addr().expect("an address");
    let invite = format!(
        "INVITE sip:{number}@{0} SIP/2.0\r\nVia: SIP/2.0/TCP {from};branch=z9hG4bKno{1}\r\nMax-Forwards: 70\r\n\
         From: <sip:+493023125900@{from}>;tag=1\r\nTo: <sip:{number}@{0}>\r\nCall-ID: no-{1}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:carrier@{from};transport=tcp>\r\n{extra}Content-Length: {2}\r\n\r\n{body}",
        server.sip,
        from.port(),
        body.len()
    );
    wire.write_all(invite.as_bytes()).expect("sent");
    let (mut heard, mut piece) = (String::new(), [0; 4096]);
    loop {
        let last = heard.rfind("SIP/2.0 ").map_or("", |at| &heard[at..]);
        if last.ends_with("\r\n\r\n") && !last.starts_with("SIP/2.0 1") {
            return last.to_owned();
        }
        let bytes = wire.read(&mut piece).expect("an answer in time");
        assert!(bytes > 0, "hung up after:\n{heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..bytes]));
    }
}

#[test]
fn rfc_3326_and_3261_a_refusal_says_why_to_networks_and_to_people() {
    let server = Server::start(&Setup::default());
    let sdp = |codec: u8| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP {codec}\r\n"
        )
    };
    let described = "Content-Type: application/sdp\r\n";
    let isup = format!("{described}Accept: application/isup\r\n");
    for (number, extra, body, expected) in [
        (
            OFF,
            described,
            sdp(18),
            vec!["SIP/2.0 488", "Reason: Q.850 ;cause=65", "Warning: 305 vorzimmer \""],
        ),
        ("+493023125999", described, sdp(8), vec!["SIP/2.0 404", "Reason: Q.850 ;cause=1\r"]),
        (OFF, isup.as_str(), sdp(8), vec!["SIP/2.0 406", "Warning: 399 vorzimmer"]),
        (
            OFF,
            "Content-Type: text/plain\r\n",
            "hello".to_owned(),
            vec!["SIP/2.0 415", "Accept: application/sdp", "Warning: 399 vorzimmer"],
        ),
    ] {
        let answer = refused(&server, number, extra, &body);
        for words in expected {
            assert!(answer.contains(words), "{words} is missing in:\n{answer}");
        }
    }
}
