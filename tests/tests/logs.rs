//! Everything a server writes about itself at its most talkative, while good and bad things happen to it, holds nothing
//! personal: no number, name, password, address, digest, or piece of a message.
//!
//! Every other acceptance test looks through its server's logs too, when the server is dropped.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use vorzimmer_media::Codec;
use vorzimmer_tests::line::{self, Desk, Line};
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::{canary, leaks, ports, wait};

const ASK: &str = "+493023125011";
const UNKNOWN: &str = "+493023125099";
const LONG: Duration = Duration::from_secs(60);
/// Where the ill-behaved peer is: an address that nothing else here has.
const STRANGER: &str = "127.0.0.9";

/// What the callers, the receptionists and the stranger bring along, besides numbers.
const CANARIES: [&str; 9] = [
    "Carrier Caller",
    "Stieglitz Distelfink",
    "Gimpel",
    "gimpel.example",
    "kanarienvogel",
    "b1e5d1e5ca4a41e5",
    "127.0.0.9",
    "anonymous.invalid",
    "playing the telephone",
];

#[test]
fn a_talkative_server_says_nothing_personal() {
    let setup =
        Setup { environment: vec![("VORZIMMER_LOGS__LEVEL".into(), "trace".into())], ..Setup::default() };
    let server = Server::start(&setup);
    let voice = canary::packet(Codec::Pcma, [450, 1_050]).repeat(100);
    std::fs::write(server.folder().join("canary.al"), voice).expect("what the caller says");

    let anna = desk(&server);
    let mut ben = Desk::register(Line::wss(&server, STRANGER), "ben");
    let mut carol = Desk::register(Line::tls(&server, STRANGER), "carol");
    let talk = Sipp::start(server.folder(), &run(&server, "trunk-digit", ASK, &["-d", "8000"]));
    strange_datagrams(&server);
    strange_connections(&server);
    strange_lines(&server);
    for desk in [&mut ben, &mut carol] {
        assert!(desk.refresh().contains("SIP/2.0 200"));
    }
    Sipp::start(server.folder(), &run(&server, "trunk-refused", UNKNOWN, &[])).passed(LONG);
    // Whether its CANCEL comes in time is not what is looked at here.
    let _ = Sipp::start(server.folder(), &run(&server, "trunk-cancel", ASK, &[])).went_well(LONG);
    talk.passed(LONG);
    anna.passed(LONG);
    withheld(&server);
    let ended = wait::until("all calls to end", LONG, || {
        let calls = server.json(&["call", "list"]);
        let calls = calls.as_array()?;
        calls.iter().all(|call| !call["ended_at"].is_null()).then_some(calls.len())
    });
    assert!(ended >= 3, "{ended} calls");
    for word in [
        "a call is offered",
        "recording ended",
        "the call is over",
        "a handshake failed",
        "a WebSocket ended",
        "\"level\":\"DEBUG\"",
    ] {
        assert!(server.output().contains(word), "a talkative server says {word:?}:\n{}", server.output());
    }
    let leaks = leaks::in_text("output", &server.output(), &CANARIES.map(str::to_owned));
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let leaks = leaks::in_folder(&server.folder().join("logs"), &CANARIES.map(str::to_owned));
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let files = std::fs::read_dir(server.folder().join("logs")).expect("a folder of logs").count();
    assert!(files >= 1, "there are log files that were looked through");
    assert_eq!(secrets(&server), Vec::<String>::new());
    // Numbers of both blocks, names and passwords of the directory, and pieces of messages: when it is dropped.
    assert_eq!(server.leaks(), Vec::<String>::new());
}

/// No key, no digest and no description of a session, not even a part of one.
fn secrets(server: &Server) -> Vec<String> {
    let key = std::fs::read_to_string(server.folder().join("tls/own.key")).expect("the key that was made");
    let lines = key.lines().filter(|line| line.len() > 20 && !line.starts_with('-'));
    let mut words: Vec<String> = lines.map(|line| line[..20].to_owned()).collect();
    assert!(!words.is_empty(), "the key has lines");
    words.extend(
        ["PRIVATE KEY", "Digest username", "nonce=", "response=", "cnonce", "v=0", "o=crowd", "a=sendrecv"]
            .map(str::to_owned),
    );
    let mut found = leaks::in_text("output", &server.output(), &words);
    found.extend(leaks::in_folder(&server.folder().join("logs"), &words));
    found
}

fn run<'a>(server: &'a Server, scenario: &'a str, service: &'a str, more: &'a [&'a str]) -> Run<'a> {
    Run { scenario, server: &server.sip, transport: "u1", service, calls: 1, rate: 1, port: None, more }
}

fn desk(server: &Server) -> Sipp {
    let port = Some(ports::block(2));
    let credentials = ["-au", "anna", "-ap", PASSWORD];
    let register = Run { port, ..run(server, "receptionist-register", "anna", &credentials) };
    Sipp::start(server.folder(), &register).passed(LONG);
    Sipp::start(server.folder(), &Run { port, ..run(server, "receptionist-answers", "anna", &[]) })
}

/// A caller who does not want to be known, cut off before anybody answers.
fn withheld(server: &Server) {
    let more = [
        ["-key", "asserted", "+493023125955"],
        ["-key", "display", "Stieglitz Distelfink"],
        ["-key", "shown", "anonymous@anonymous.invalid"],
        ["-key", "privacy", "id"],
        ["-key", "forwarder", "+493023125966"],
    ];
    let more = [&more.concat()[..], &["-d", "100"]].concat();
    let mut call = run(server, "canary-caller", ASK, &more);
    call.transport = "t1";
    Sipp::start(server.folder(), &call).passed(LONG);
}

/// Messages of somebody who is nobody's friend.
fn strange_messages(server: &Server) -> Vec<Vec<u8>> {
    let to = &server.sip;
    let head = |method: &str, uri: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER}:5999;rport;branch=z9hG4bKkanarienvogel{method}\r\n\
             From: \"Gimpel\" <sip:gimpel@gimpel.example>;tag=kanarienvogel\r\nTo: <sip:anna@{to}>\r\n\
             Call-ID: kanarienvogel@{STRANGER}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:gimpel@{STRANGER}:5999>\r\n"
        )
    };
    let digest = format!(
        "Authorization: Digest username=\"gimpel\", realm=\"vorzimmer\", nonce=\"b1e5d1e5ca4a41e5\", \
         uri=\"sip:{to}\", response=\"b1e5d1e5ca4a41e5b1e5d1e5ca4a41e5\", algorithm=MD5, qop=auth, nc=00000001, \
         cnonce=\"kanarienvogel\"\r\n"
    );
    let end = "Content-Length: 0\r\n\r\n";
    let register = head("REGISTER", &format!("sip:{to}"));
    let invite = head("INVITE", &format!("sip:+493023125988@{to}"));
    let known = register.replace("sip:gimpel@", "sip:anna@");
    let texts = [
        format!("{register}{end}"),
        format!("{register}{digest}{end}"),
        format!("{known}{}{end}", digest.replace("\"gimpel\"", "\"anna\"")),
        format!("{invite}{end}"),
        format!("{invite}{digest}{end}"),
        format!("{}{end}", head("BYE", &format!("sip:anna@{to}"))),
        format!("{}{end}", head("KANARIENVOGEL", &format!("sip:anna@{to}"))),
        format!("{invite}Require: kanarienvogel\r\n{end}"),
        format!("{invite}CSeq: kanarienvogel\r\n{end}"),
        format!("{invite}Content-Type: application/sdp\r\nContent-Length: 15\r\n\r\nkanarienvogel\r\n"),
        invite.replace("Call-ID", "Kanarienvogel") + end,
        "SIP/2.0 999 kanarienvogel\r\nVia: kanarienvogel\r\n\r\n".to_owned(),
        "kanarienvogel +493023125988\r\n\r\n".to_owned(),
        format!("{invite}X-Long: {}\r\n{end}", "kanarienvogel".repeat(4_000)),
    ];
    let mut all: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    all.push(vec![0xff; 300]);
    all
}

fn strange_datagrams(server: &Server) {
    let socket = UdpSocket::bind((STRANGER, 0)).expect("a socket of the stranger's");
    for message in strange_messages(server) {
        socket.send_to(&message, &server.sip).expect("a datagram can be sent");
    }
    // Some of them are answered; then all before were handled.
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket.recv(&mut [0; 2_048]).expect("an answer to a REGISTER without credentials");
}

/// The same over TLS and secure WebSockets; a page of the stranger's own; and handshakes that are none.
fn strange_lines(server: &Server) {
    for open in [Line::tls, Line::wss] {
        for message in strange_messages(server) {
            let mut to = open(server, STRANGER);
            // The server may close it in the middle of what it does not like.
            drop(to.send(&String::from_utf8_lossy(&message)));
            drop(to.send("\r\n\r\n"));
        }
    }
    let tls = line::secure(line::connect(STRANGER, &server.wss), line::trusting(server, None)).expect("TLS");
    let page = line::asking(server, Some("https://gimpel.example"), Some("kanarienvogel"));
    assert_eq!(line::open(page, tls).err(), Some(403));
    for to in [&server.tls, &server.wss] {
        let mut plain = line::connect(STRANGER, to);
        plain.write_all(b"kanarienvogel +493023125988\r\n\r\n").expect("sent");
        drop(plain.read(&mut [0; 64]));
    }
}

fn strange_connections(server: &Server) {
    for message in strange_messages(server) {
        let mut to = TcpStream::connect(&server.sip).expect("a connection");
        // The server may close it in the middle of what it does not like.
        drop(to.write_all(&message));
        drop(to.shutdown(std::net::Shutdown::Write));
        to.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        drop(to.read(&mut [0; 2_048]));
    }
}
