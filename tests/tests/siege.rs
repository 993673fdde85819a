//! Those who want no telephone call but our memory, our sockets or our time: each is held within its limit, and the server
//! goes on serving everybody else.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "time limits are what is tested")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use vorzimmer_tests::crowd::words::{Message, tail};
use vorzimmer_tests::line::{self, Desk, Line};
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::wait;

/// Where the trunk is: whoever is there is answered.
const TRUNK: &str = "127.0.0.1";
const ATTACKER: &str = "127.0.0.66";
const LONG: Duration = Duration::from_secs(60);
/// Connections from one address in these tests.
const PER_ADDRESS: usize = 12;
const HANDSHAKE: Duration = Duration::from_secs(10);
const MESSAGE: Duration = Duration::from_secs(4);
/// RFC 3261 §7: ours for the start line and headers of one message.
const LARGEST_HEAD: usize = 16 * 1024;

fn server() -> Server {
    let more = format!(
        "[limits]\ntcp_connections = 60\ntcp_connections_per_address = {PER_ADDRESS}\nhandshake_s = {}\nmessage_s = {}\n",
        HANDSHAKE.as_secs(),
        MESSAGE.as_secs()
    );
    Server::start(&Setup { more, ..Setup::default() })
}

/// An OPTIONS whose head, with the empty line, has this many bytes.
fn options(transport: &str, id: &str, head: usize) -> String {
    let text = |padding: &str| {
        format!(
            "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;branch=z9hG4bK{id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: {id}\r\n\
             CSeq: 1 OPTIONS\r\n{padding}{}",
            tail("")
        )
    };
    let mut missing = head.saturating_sub(text("").len());
    let mut padding = String::new();
    // No single header may be longer than 8 KiB.
    while missing > 0 {
        let line = if missing > 4_000 + 100 { 4_000 } else { missing };
        assert!(line > 10, "no room for another header");
        padding.push_str(&format!("X-Pad: {}\r\n", "x".repeat(line - 9)));
        missing -= line;
    }
    let text = text(&padding);
    assert!(head == 0 || text.len() == head, "{} bytes", text.len());
    text
}

/// A line over each transport, of somebody who is answered there: the trunk, or a receptionist in her browser.
fn every_line(server: &Server) -> [Line; 3] {
    [
        Line::Tcp(line::connect(TRUNK, &server.sip)),
        Line::tls(server, TRUNK),
        Desk::register(Line::wss(server, TRUNK), "ben").line,
    ]
}

/// Somebody else is served: over every transport, at once.
fn serves(server: &Server, when: &str) {
    for mut line in every_line(server) {
        let transport = line.transport();
        line.send(&options(transport, &format!("{when}{transport}"), 0)).expect("sent");
        let answer = line.receive().unwrap_or_else(|| panic!("{when}: {transport} was closed"));
        assert_eq!(Message(&answer).status(), Some(200), "{when} {transport}: {answer}");
    }
}

/// How long it takes until the server hangs up.
fn until_closed(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("never closed"),
            Err(_) => return begun.elapsed(),
        }
    }
}

/// What `/metrics` says of a kind of refusal.
fn refused(server: &Server, what: &str) -> u64 {
    let (_, metrics) = server.get("/metrics").expect("metrics");
    let line = metrics.lines().find(|line| line.contains(&format!("\"{what}\"")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn half_open_handshakes_are_cut_off_and_counted() {
    let server = server();
    let mut half = Vec::new();
    for to in [&server.tls, &server.wss] {
        for _ in 0..PER_ADDRESS / 2 {
            let mut stream = line::connect(ATTACKER, to);
            // The first bytes of a ClientHello, and no more.
            stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).expect("sent");
            half.push(stream);
        }
    }
    // Everybody else has a place; one more from there has none.
    serves(&server, "half-open");
    let mut late = line::connect(ATTACKER, &server.tls);
    assert!(until_closed(&mut late) < HANDSHAKE / 2, "not let in at all");
    for stream in &mut half {
        assert!(until_closed(stream) < HANDSHAKE + LONG / 2);
    }
    wait::until("them to be counted", LONG, || (refused(&server, "handshakes") >= 12).then_some(()));
    assert!(refused(&server, "connections") >= 1);

    // A WebSocket handshake that never ends: TLS is done, the headers are not.
    let tls = line::secure(line::connect(ATTACKER, &server.wss), line::trusting(&server, None));
    let mut tls = tls.expect("a TLS handshake");
    tls.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").expect("sent");
    tls.flush().expect("sent");
    assert!(until_closed(&mut tls.sock) < HANDSHAKE + LONG / 2);
    serves(&server, "half-a-websocket");
}

#[test]
fn a_message_that_dribbles_is_cut_off() {
    let server = server();
    let whole = options("TCP", "slow", 0);
    // From the trunk's address, so that it is not for being a stranger that it is cut off.
    let mut tcp = line::connect(TRUNK, &server.sip);
    let tls = line::secure(line::connect(TRUNK, &server.tls), line::trusting(&server, None));
    let mut tls = tls.expect("a TLS handshake");
    let begun = Instant::now();
    let mut closed = [false; 2];
    for byte in whole.as_bytes().iter().cycle() {
        // A write into what the other side has closed fails at the second try at the latest.
        closed[0] |= tcp.write_all(&[*byte]).is_err();
        closed[1] |= tls.write_all(&[*byte]).and_then(|()| tls.flush()).is_err();
        if closed == [true; 2] {
            break;
        }
        assert!(begun.elapsed() < LONG, "still open: {closed:?}");
        std::thread::sleep(Duration::from_millis(50));
        if begun.elapsed() > MESSAGE / 2 && begun.elapsed() < MESSAGE / 2 + Duration::from_millis(60) {
            serves(&server, "dribble");
        }
    }
    assert!(begun.elapsed() + Duration::from_millis(500) > MESSAGE, "not before its time");
    serves(&server, "afterwards");
}

#[test]
fn headers_of_16_kib_are_taken_and_one_byte_more_is_not() {
    let server = server();
    for n in 0..3 {
        // The empty line is not counted among the headers.
        for (head, taken) in [
            (LARGEST_HEAD + 4 - 1, true),
            (LARGEST_HEAD + 4, true),
            (LARGEST_HEAD + 4 + 1, false),
            (3 * LARGEST_HEAD, false),
        ] {
            let mut line = every_line(&server).into_iter().nth(n).expect("one of three");
            let transport = line.transport();
            drop(line.send(&options(transport, &format!("head{head}{transport}"), head)));
            if taken {
                let answer = line.receive().unwrap_or_else(|| panic!("{transport} {head}: closed"));
                assert_eq!(Message(&answer).status(), Some(200), "{transport} {head}: {answer}");
                continue;
            }
            // Refused, and on a stream nobody can tell where the next message would begin.
            drop(line.send(&options(transport, &format!("after{head}{transport}"), 0)));
            let answers: Vec<String> = std::iter::from_fn(|| line.receive())
                .take_while(|answer| !answer.contains(&format!("Call-ID: after{head}")))
                .collect();
            let statuses: Vec<_> = answers.iter().filter_map(|answer| Message(answer).status()).collect();
            assert!(statuses.iter().all(|status| *status >= 400), "{transport} {head}: {statuses:?}");
        }
    }
    serves(&server, "headers");
}

#[test]
fn a_websocket_is_opened_for_the_right_page_and_protocol_alone() {
    let server = server();
    for (origin, subprotocol, expected) in [
        (Some("http://localhost:8080"), Some("sip"), Ok(())),
        (Some("http://localhost:8080"), Some("chat, sip"), Ok(())),
        (None, Some("sip"), Ok(())),
        (Some("https://evil.example"), Some("sip"), Err(403)),
        (Some("http://localhost:8080.evil.example"), Some("sip"), Err(403)),
        (Some("null"), Some("sip"), Err(403)),
        (Some("http://localhost:8080"), Some("chat"), Err(400)),
        (Some("http://localhost:8080"), None, Err(400)),
    ] {
        let tls = line::secure(line::connect(ATTACKER, &server.wss), line::trusting(&server, None));
        let opened = line::open(line::asking(&server, origin, subprotocol), tls.expect("TLS")).map(|_| ());
        assert_eq!(opened, expected, "{origin:?} {subprotocol:?}");
    }
    serves(&server, "doors");
}

#[test]
fn frames_that_are_too_large_or_never_end_close_their_own_websocket_alone() {
    let server = server();
    let mut anna = Desk::register(Line::wss(&server, "127.0.0.7"), "anna");
    let open = || match Line::wss(&server, ATTACKER) {
        Line::Wss(socket) => socket,
        _ => unreachable!("it was asked for"),
    };
    // One frame that announces more than there may be.
    let mut large = open();
    drop(large.send(Frame::text("x".repeat(70_000))));
    assert!(matches!(large.read(), Err(_) | Ok(Frame::Close(_))), "closed");
    // Fragments without end, each small.
    let mut endless = open();
    let fragment = |n: usize| {
        let kind = if n == 0 { Data::Text } else { Data::Continue };
        Frame::Frame(RawFrame::message(vec![b'x'; 1_000], OpCode::Data(kind), false))
    };
    let sent = (0..100_000).take_while(|n| endless.send(fragment(*n)).is_ok()).count();
    assert!(sent < 100_000, "100 MB were taken for one message");
    // One that dribbles: two fragments, and then nothing.
    let mut slow = open();
    for n in 0..2 {
        slow.send(fragment(n)).expect("sent");
    }
    assert!(until_closed(&mut slow.get_mut().sock) < MESSAGE + LONG / 2);
    // Not one of these was anybody else's.
    assert_eq!(Message(&anna.refresh()).status(), Some(200));
    serves(&server, "frames");
}
