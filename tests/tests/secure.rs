//! SIP over TLS and secure WebSockets against the running server: real clients, certificates, flows.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::crowd::words::{Message, tail};
use vorzimmer_tests::line::{self, Desk, Line};
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::{tone, wait};

const OFF: &str = "+493023125010";
const LONG: Duration = Duration::from_secs(60);
/// Somebody who is not at the trunk's address.
const ELSEWHERE: &str = "127.0.0.7";

fn caller<'a>(server: &'a Server, more: &'a [&'a str]) -> Run<'a> {
    Run {
        scenario: "trunk-talk",
        server: &server.sip,
        transport: "u1",
        service: OFF,
        calls: 1,
        rate: 1,
        port: None,
        more,
    }
}

fn options(transport: &str, id: &str) -> String {
    format!(
        "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;branch=z9hG4bK{id}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: {id}\r\n\
         CSeq: 1 OPTIONS\r\n{}",
        tail("")
    )
}

/// A self-signed certificate for these names, and its key.
fn issue(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(names).expect("parameters").self_signed(&key).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn openssl_is_answered_over_tls_1_2_and_1_3_and_nothing_older() {
    let server = Server::start(&Setup::default());
    for (version, shown, answered) in
        [("-tls1_2", "TLSv1.2", true), ("-tls1_3", "TLSv1.3", true), ("-tls1_1", "", false)]
    {
        let mut client = Command::new("openssl")
            .args(["s_client", "-connect", &server.tls, version, "-verify_return_error", "-CAfile"])
            .arg(server.certificate())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let mut input = client.stdin.take().expect("piped");
        // It may have ended already where nothing is to be answered.
        drop(input.write_all(options("TLS", version).as_bytes()));
        let lines = BufReader::new(client.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut seen = String::new();
        for line in lines {
            seen.push_str(&line);
            seen.push('\n');
            if line.starts_with("SIP/2.0 200") {
                break;
            }
        }
        drop(client.kill());
        drop(client.wait());
        assert_eq!(seen.contains("SIP/2.0 200"), answered, "{version}:\n{seen}");
        assert!(seen.contains(shown), "{version}:\n{seen}");
    }
}

#[test]
fn softphones_over_tls_are_rung_and_heard() {
    let server = Server::start(&Setup::default());
    let folder = tempfile::tempdir().expect("a folder");
    let voice = folder.path().join("voice.wav");
    tone::write_sine(&voice, 1_015.0, 60.0);
    let setup = Phone {
        user: "anna",
        password: Some(PASSWORD),
        server: &server.tls,
        transport: "tls",
        codecs: "PCMA",
        speaks: &voice,
        answers: true,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    let mut anna = Baresip::registered(folder.path(), &setup);
    let talk = Sipp::start(server.folder(), &caller(&server, &["-d", "4000"]));
    anna.event("CALL_ESTABLISHED", LONG);
    talk.passed(LONG);
    anna.event("CALL_CLOSED", LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
}

#[test]
fn telephones_behind_tls_and_websockets_are_rung_over_the_flow_that_they_opened() {
    let server = Server::start(&Setup::default());
    for open in [Line::tls, Line::wss] {
        let mut anna = Desk::register(open(&server, ELSEWHERE), "anna");
        let talk = Sipp::start(server.folder(), &caller(&server, &["-d", "1500"]));
        anna.take_one_call();
        talk.passed(LONG);
        // RFC 5626 §4.4.1.
        anna.line.send("\r\n\r\n").expect("a keep-alive");
        assert_eq!(anna.line.receive().as_deref(), Some("\r\n"));
        drop(anna);
        // The binding goes with the flow, at once.
        wait::until("the binding to be gone", LONG, || {
            let bound = server.json(&["registrations"]);
            bound.as_array().is_some_and(Vec::is_empty).then_some(())
        });
    }
}

#[test]
fn a_trunk_is_known_by_its_certificate_and_called_back_over_its_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, key) = issue(&["carrier.example"]);
    let ours = line::keep(folder.path(), "carrier", &chain, &key);
    let (chain, key) = issue(&["carrier.example"]);
    let strangers = line::keep(folder.path(), "stranger", &chain, &key);
    let more = format!(
        "[trunks.carrier.certificate]\nname = \"carrier.example\"\nca = {:?}\n",
        ours.0.to_string_lossy()
    );
    let server = Server::start(&Setup { more, ..Setup::default() });
    let open = |shows: Option<(&Path, &Path)>| {
        let config = line::trusting(&server, shows);
        let tls = line::secure(line::connect(ELSEWHERE, &server.tls), config);
        Line::Tls(Box::new(tls.expect("a TLS handshake")))
    };
    let mut nobody = [open(None), open(Some((&strangers.0, &strangers.1)))];
    for line in &mut nobody {
        line.send(&options("TLS", "nobody")).expect("sent");
    }
    let mut carrier = open(Some((&ours.0, &ours.1)));
    carrier.send(&options("TLS", "known")).expect("sent");
    let answer = carrier.receive().expect("an answer");
    assert_eq!(Message(&answer).status(), Some(200), "{answer}");

    let body = vorzimmer_tests::crowd::words::sdp(vorzimmer_tests::ports::block(2));
    let invite = format!(
        "INVITE sips:{OFF}@{} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bKtrunk;alias\r\n\
         Max-Forwards: 70\r\nFrom: <sips:+493023125900@carrier.example>;tag=1\r\nTo: <sips:{OFF}@{}>\r\n\
         Call-ID: over-tls\r\nCSeq: 1 INVITE\r\nContact: <sips:gw@127.0.0.1:1>\r\n{}",
        server.tls,
        server.tls,
        tail(&body)
    );
    carrier.send(&invite).expect("sent");
    // Nobody is at the desk: it is answered, told so, and ended.
    let (mut contact, mut over) = (String::new(), false);
    while !over {
        let next = carrier.receive().expect("the call goes on");
        let next = Message(&next);
        match (next.status(), next.method()) {
            (Some(200), _) if next.of() == Some("INVITE") => {
                contact = next.header("Contact").unwrap_or_default().to_owned();
                let to = next.header("To").unwrap_or_default();
                let ack = format!(
                    "ACK {} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bKack\r\nMax-Forwards: 70\r\n\
                     From: <sips:+493023125900@carrier.example>;tag=1\r\nTo: {to}\r\nCall-ID: over-tls\r\n\
                     CSeq: 1 ACK\r\n{}",
                    next.contact().unwrap_or_default(),
                    tail("")
                );
                carrier.send(&ack).expect("sent");
            }
            (_, Some("BYE")) => {
                carrier.send(&next.answer("200 OK", "x", "", "")).expect("sent");
                over = true;
            }
            (Some(status), _) => assert!(status < 300, "{}", next.0),
            _ => {}
        }
    }
    assert!(contact.starts_with("<sips:127.0.0.1:") && contact.contains("transport=tls"), "{contact}");
}

#[test]
fn certificates_are_renewed_without_dropping_a_call_and_bad_ones_refused_loudly() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |(chain, key): &(String, String)| line::keep(folder.path(), "ours", chain, key);
    let (first, second) = (issue(&["127.0.0.1"]), issue(&["127.0.0.1"]));
    let (chain, key) = put(&first);
    let more = format!("[[tls.certificates]]\nchain = {chain:?}\nkey = {key:?}\n");
    let server = Server::start(&Setup { more, ..Setup::default() });
    let meets = |pair: &(String, String)| {
        let file = folder.path().join("believed.pem");
        std::fs::write(&file, &pair.0).expect("written");
        line::secure(line::connect(ELSEWHERE, &server.tls), line::trusting_file(&file, None))
    };
    let mut anna = Desk::register(Line::Tls(Box::new(meets(&first).expect("the first"))), "anna");
    let talk = Sipp::start(server.folder(), &caller(&server, &["-d", "9000"]));
    let taken = std::thread::spawn(move || {
        anna.take_one_call();
        anna
    });

    put(&(second.0.clone(), first.1.clone()));
    hang_up(&server);
    wait::until("the bad pair to be refused", LONG, || {
        server.output().contains("new certificates are refused").then_some(())
    });
    meets(&first).expect("the old one is still shown");
    put(&second);
    // Without a signal: the files are looked at.
    wait::until("the new one to be shown", LONG, || meets(&second).ok());
    assert!(meets(&first).is_err());
    talk.passed(LONG);
    let mut anna = taken.join().expect("the call on the old connection");
    assert_eq!(Message(&anna.refresh()).status(), Some(200), "and the connection is still there");
}

fn hang_up(server: &Server) {
    let sent = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}
