//! What others had to patch, tried against the running server: each test is an attack, and what it must not get.
//!
//! Who wants our sockets and our time is in `siege.rs`, who wants the voices in `spray.rs`. 127.0.0.1 is the trunk; the attacker is at another address of loopback, and what is sent goes nowhere else.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "attackers measure in real time")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vorzimmer_tests::crowd::words::{Message, sdp};
use vorzimmer_tests::datagrams::{Peer, proof};
use vorzimmer_tests::line::connect;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::{ports, wait};

const OFF: &str = "+493023125010";
const TRUNK: &str = "127.0.0.1";
const ATTACKER: &str = "127.0.0.66";
/// Long enough for whatever would come at once, and for what would be sent again after half a second and one more.
const A_WHILE: Duration = Duration::from_millis(1_800);

fn calls(server: &Server) -> usize {
    server.json(&["call", "list"]).as_array().map_or(0, Vec::len)
}

#[test]
fn no_datagram_of_a_stranger_is_answered_by_as_many_bytes() {
    let server = Server::start(&Setup::default());
    let at = |what: &str| (what.to_owned(), Peer::at(ATTACKER, &server));
    let uri = format!("sip:anna@{}", server.sip);
    let mut sent: Vec<(String, Peer, Vec<u8>)> = Vec::new();
    for method in ["OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "REFER", "PUBLISH", "WINK"] {
        let (what, peer) = at(method);
        let text = peer.request(method, &uri, &uri, method, "");
        sent.push((what, peer, text.into_bytes()));
    }
    let (what, peer) = at("INVITE");
    let invite = peer.invite(OFF, "stranger", "").into_bytes();
    sent.push((what, peer, invite));
    let (what, peer) = at("a REGISTER with a wrong password");
    let wrong = "Authorization: Digest username=\"anna\", realm=\"vorzimmer\", nonce=\"x\", uri=\"sip:vorzimmer\", \
                 response=\"00000000000000000000000000000000\", algorithm=MD5\r\n";
    let text = peer.register("anna", "anna", 1, wrong);
    sent.push((what, peer, text.into_bytes()));
    let (what, peer) = at("a long REGISTER");
    let text = peer.register("anna", "anna", 1, "");
    sent.push((what, peer, text.into_bytes()));
    let short = "REGISTER sip:h SIP/2.0\r\nv:SIP/2.0/UDP h;rport;branch=z9hG4bK1\r\nf:<sip:a@h>;tag=1\r\nt:<sip:a@h>\r\n\
                 i:1\r\nCSeq:1 REGISTER\r\n\r\n";
    let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding.extend([7; 12]);
    for (what, bytes) in [
        ("a short REGISTER", short.as_bytes().to_vec()),
        ("a broken REGISTER", short.replace("f:<sip:a@h>", "f:<<<").into_bytes()),
        ("a response", short.replace("REGISTER sip:h SIP/2.0", "SIP/2.0 200 OK").into_bytes()),
        ("a keep-alive", b"\r\n\r\n".to_vec()),
        ("STUN", binding),
        ("an RTP packet", [vec![0x80, 8], vec![1; 170]].concat()),
        ("a DTLS record", [vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1], vec![3; 59]].concat()),
        ("one byte", vec![b'x']),
        ("junk", vec![0xff; 900]),
        ("nothing but lines", b"\r\n".repeat(4_000)),
    ] {
        let (what, peer) = at(what);
        sent.push((what, peer, bytes));
    }
    for (_, peer, bytes) in &sent {
        peer.send(bytes);
    }
    let mut answered = Vec::new();
    for (at, (what, peer, bytes)) in sent.iter().enumerate() {
        // They wait all at once: only the first has to wait long.
        let limit = if at == 0 { A_WHILE } else { Duration::from_millis(5) };
        let back = peer.bytes_within(limit);
        assert!(back < bytes.len(), "{what}: {back} bytes back for {}", bytes.len());
        if back > 0 {
            answered.push(what.as_str());
        }
    }
    // A telephone that says a word about itself can register; nobody else is told that anybody is here.
    assert!(answered.contains(&"a long REGISTER"), "{answered:?}");
    let may = ["REGISTER", "a long REGISTER", "a REGISTER with a wrong password"];
    assert!(answered.iter().all(|what| may.contains(what)), "{answered:?}");
}

#[test]
fn a_challenge_says_the_same_of_those_who_exist_and_those_who_do_not() {
    let server = Server::start(&Setup::default());
    let peer = Peer::at(ATTACKER, &server);
    let mut cseq = 0;
    let mut ask = |user: &str, more: &str| {
        cseq += 1;
        let text = peer.register(user, user, cseq, more);
        let begun = Instant::now();
        peer.send(&text);
        let answer = peer.expect("a challenge", |message| message.status().is_some());
        (begun.elapsed(), answer)
    };
    let gist = |answer: &str, user: &str| -> Vec<String> {
        let fresh = |line: &&str| !line.starts_with("Call-ID") && !line.starts_with("Via");
        let nonce = |line: &str| line.split("nonce=").next().unwrap_or_default().to_owned();
        answer
            .lines()
            .filter(fresh)
            .map(|line| nonce(&line.replace(user, "X").replace("tag=", "tag\n")))
            .collect()
    };
    let without_tag = |lines: Vec<String>| -> Vec<String> {
        let cut = |line: String| line.split("tag\n").next().unwrap_or_default().to_owned();
        lines.into_iter().filter(|line| !line.starts_with("CSeq")).map(cut).collect()
    };
    let (_, challenge) = ask("anna", "");
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..60 {
        let answers = ["anna", "zora"].map(|user| {
            let guess = format!("guess {round}");
            let more = if round % 2 == 0 { String::new() } else { proof(&challenge, user, &guess) };
            ask(user, &more)
        });
        let [anna, zora] = [0, 1].map(|at| without_tag(gist(&answers[at].1, ["anna", "zora"][at])));
        assert_eq!(anna, zora, "in round {round}");
        for (took, (time, _)) in took.iter_mut().zip(&answers) {
            took.push(*time);
        }
    }
    let [anna, zora] = took.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let off = anna.max(zora) - anna.min(zora);
    assert!(off < anna.min(zora) + Duration::from_millis(1), "{anna:?} for her, {zora:?} for nobody");
}

#[test]
fn sipvicious_learns_nothing() {
    // svwar and svcrack send from 127.0.0.1 whatever they are told, so the trunk is elsewhere.
    let trunk = ("VORZIMMER_TRUNKS__LOOPBACK__ADDRESSES".to_owned(), "[\"127.0.0.9/32\"]".to_owned());
    let server = Server::start(&Setup { environment: vec![trunk], ..Setup::default() });
    let words = server.folder().join("words");
    std::fs::write(&words, "anna\nben\ncarol\nzora\n100\n101\nadmin\nonly-in-tests\n").expect("a dictionary");
    let words = words.to_string_lossy().into_owned();
    let port = server.sip.rsplit(':').next().expect("a port").to_owned();
    let scan = |tool: &str, more: &[&str]| {
        let out = Command::new(tool)
            .args(["-b", ATTACKER, "-x", ATTACKER, "-p", &port])
            .args(more)
            .arg("127.0.0.1")
            .env("HOME", server.folder())
            .stdin(Stdio::null())
            .output()
            .expect("SIPVicious runs: install Debian's sipvicious");
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    };
    let scanned = scan("svmap", &[]);
    assert!(!scanned.contains("127.0.0.1:"), "svmap found a server:\n{scanned}");
    for method in ["REGISTER", "OPTIONS", "INVITE"] {
        let scanned = scan("svwar", &["-m", method, "-d", &words, "--force", "--maximumtime=3"]);
        for name in ["anna", "ben", "carol", "zora", "admin", "101"] {
            assert!(!scanned.contains(&format!("| {name} ")), "svwar told {name} from others:\n{scanned}");
        }
    }
    // The nonce is used once for each guess; a list without her password finds nothing.
    let guesses = server.folder().join("guesses");
    std::fs::write(&guesses, "anna\n1234\nsecret\n").expect("a dictionary");
    let cracked = scan("svcrack", &["-u", "anna", "-d", &guesses.to_string_lossy(), "--maximumtime=3"]);
    assert!(!cracked.contains("| anna "), "svcrack found a password:\n{cracked}");
    assert_eq!(calls(&server), 0);
}

#[test]
fn nobody_registers_for_somebody_else_or_with_somebody_elses_words() {
    let server = Server::start(&Setup::default());
    let anna = Peer::at(ATTACKER, &server);
    let accepted = anna.registered("anna", PASSWORD);
    let ben = Peer::at("127.0.0.67", &server);
    ben.registered("ben", PASSWORD);
    // Ben's password, Carol's address of record.
    ben.send(ben.register("ben", "carol", 1, ""));
    let asked = ben.expect("a challenge", |message| message.status() == Some(401));
    ben.send(ben.register("ben", "carol", 2, &proof(&asked, "ben", PASSWORD)));
    let refused = ben.expect("a refusal", |message| message.status() != Some(401));
    assert_eq!(Message(&refused).status(), Some(403), "{refused}");
    // What Anna's telephone said, heard on the way and said again for another Contact.
    let thief = Peer::at("127.0.0.68", &server);
    let own = accepted.replace(&anna.address, &thief.address).replace("CSeq: 2", "CSeq: 3");
    thief.send(&own);
    let refused = thief.expect("a refusal", |message| message.status().is_some());
    assert_eq!(Message(&refused).status(), Some(401), "{refused}");
    // They are written down a moment after they are answered.
    let bound = wait::until("both registrations", Duration::from_secs(10), || {
        let bound = server.json(&["registrations"]);
        (bound.as_array().map(Vec::len) == Some(2)).then_some(bound)
    });
    let logins: Vec<_> =
        bound.as_array().expect("registrations").iter().map(|one| one["login"].clone()).collect();
    assert!(logins.contains(&"anna".into()) && logins.contains(&"ben".into()), "{bound}");
    assert!(!bound.to_string().contains("127.0.0.68"), "{bound}");
}

#[test]
fn an_invite_that_is_said_again_makes_no_second_call() {
    let server = Server::start(&Setup::default());
    let trunk = Peer::at(TRUNK, &server);
    let invite = trunk.invite(OFF, "replayed", "");
    trunk.send(&invite);
    let answer = trunk.expect("an answer", |message| message.status() == Some(200));
    let thief = Peer::at(ATTACKER, &server);
    let another = Peer::at(TRUNK, &server);
    // Word for word while it rings and talks, from elsewhere.
    thief.send(&invite);
    trunk.acknowledge(&answer);
    thief.send(&invite);
    // In a new transaction: for a stranger nothing, for the trunk a loop (RFC 3261 §8.2.2.2).
    let branch =
        |to: &Peer| invite.replace("z9hG4bKreplayed", "z9hG4bKagain").replace(&trunk.address, &to.address);
    thief.send(branch(&thief));
    another.send(branch(&another));
    let refused = another.expect("a refusal", |message| message.status().is_some_and(|status| status >= 200));
    assert_eq!(Message(&refused).status(), Some(482), "{refused}");
    // Nobody is at the desk: the call ends by itself, and then it is said once more.
    let bye = trunk.expect("the BYE", |message| message.method() == Some("BYE"));
    trunk.answer(&bye, "200 OK", "", "");
    thief.send(&invite);
    thief.send(branch(&thief));
    assert_eq!(thief.hear(A_WHILE), None, "the thief is told nothing");
    assert_eq!(calls(&server), 1);
}

/// What is sent over TCP from the trunk's address, and all that comes back until it is closed or quiet.
fn over_tcp(server: &Server, bytes: &[u8]) -> String {
    let mut line = connect(TRUNK, &server.sip);
    line.set_read_timeout(Some(A_WHILE)).expect("a timeout");
    line.write_all(bytes).expect("sent");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(length @ 1..) = line.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_message_is_smuggled_in_another_and_no_line_into_a_header() {
    let server = Server::start(&Setup::default());
    let trunk = Peer::at(TRUNK, &server);
    let hidden = trunk.invite(OFF, "hidden", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let carrier = |length: &str| {
        let uri = format!("sip:{}", server.sip);
        let text = trunk.request("OPTIONS", &uri, &uri, "carrier", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        text.replace("Content-Length: 0\r\n", length) + &hidden
    };
    let whole = hidden.len();
    for (what, length, status) in [
        ("a body that is a message", format!("Content-Length: {whole}\r\n"), "200"),
        ("two lengths", format!("Content-Length: {whole}\r\nl: 0\r\n"), "400"),
        ("a length twice", format!("Content-Length: {whole}, 0\r\n"), "400"),
        ("a negative length", "Content-Length: -1\r\n".to_owned(), "400"),
        ("a length in another notation", "Content-Length: 0x0\r\n".to_owned(), "400"),
        ("no length", String::new(), "400"),
        ("a length behind a bare line feed", format!("X: a\nContent-Length: {whole}\r\n"), "400"),
        ("a length behind a bare return", format!("X: a\rContent-Length: {whole}\r\n"), "400"),
        ("a name with a blank", format!("Content-Length : 0\r\nContent-Length\t: {whole}\r\n"), "400"),
    ] {
        let answer = over_tcp(&server, carrier(&length).as_bytes());
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("SIP/2.0 {status}")), "{what}: {answer}");
        assert!(!answer.contains(" INVITE\r\n"), "{what}: {answer}");
    }
    assert_eq!(calls(&server), 0);

    // What a caller says of itself goes into no line of ours.
    let anna = Peer::at(ATTACKER, &server);
    anna.registered("anna", PASSWORD);
    let evil = "%0d%0aX-Evil:%20yes%0d%0a";
    let more = format!(
        "P-Asserted-Identity: \"x\\\r\n X-Evil: yes\" <sip:{evil}@carrier.example>\r\n\
         Diversion: <sip:+4930{evil}@carrier.example>;reason=\"unconditional{evil}\"\r\nSubject: a\r\n X-Evil: yes\r\n"
    );
    let invite = trunk.invite(OFF, "evil", &more);
    trunk.send(invite.replace("<sip:+493023125900@", &format!("\"{evil}\" <sip:{evil}@")));
    let answer = trunk.expect("an answer", |message| message.status() == Some(200));
    trunk.acknowledge(&answer);
    let rung = anna.expect("to be rung", |message| message.method() == Some("INVITE"));
    assert!(rung.lines().all(|line| !line.trim_start().starts_with("X-Evil")), "{rung}");
    assert!(!rung.contains("\n X-Evil") && !rung.contains("\"x"), "{rung}");
    anna.answer(&rung, "486 Busy Here", "", "");
}

#[test]
fn a_forged_407_gets_no_digest_and_a_302_no_call() {
    let server = Server::start(&Setup::default());
    let trunk = Peer::at(TRUNK, &server);
    let anna = Peer::at(ATTACKER, &server);
    let ben = Peer::at("127.0.0.67", &server);
    let fraud = Peer::at("127.0.0.68", &server);
    anna.registered("anna", PASSWORD);
    ben.registered("ben", PASSWORD);
    let challenge = "Digest realm=\"vorzimmer\", nonce=\"0123456789abcdef\", algorithm=MD5, qop=\"auth\"";
    let asks = format!("Proxy-Authenticate: {challenge}\r\nWWW-Authenticate: {challenge}\r\n");

    // Toll fraud by Diversion as well: whom the caller names there is nobody that is ever called.
    let diversion = format!("Diversion: <sip:+4990012345@{}>;reason=unconditional\r\n", fraud.address);
    trunk.send(trunk.invite(OFF, "forged", &diversion));
    let answer = trunk.expect("an answer", |message| message.status() == Some(200));
    trunk.acknowledge(&answer);
    for (desk, status) in [(&anna, "407 Proxy Authentication Required"), (&ben, "302 Moved Temporarily")] {
        let rung = desk.expect("to be rung", |message| message.method() == Some("INVITE"));
        let elsewhere = format!("Contact: <sip:+4990012345@{}>\r\n{asks}", fraud.address);
        desk.answer(&rung, status, &elsewhere, "");
        desk.expect("an ACK", |message| message.method() == Some("ACK"));
    }
    assert_eq!(fraud.hear(A_WHILE), None, "nobody calls where a telephone points");
    for desk in [&anna, &ben] {
        assert_eq!(
            desk.hear(Duration::from_millis(5)),
            None,
            "nobody is rung again, with a digest or without"
        );
    }
    let bye = trunk.expect("nobody is there", |message| message.method() == Some("BYE"));
    trunk.answer(&bye, "407 Proxy Authentication Required", &asks, "");
    assert_eq!(trunk.hear(A_WHILE), None, "a BYE is not said again with a digest");

    // In a talk: the digest is asked for at its end.
    trunk.send(trunk.invite(OFF, "talk", ""));
    let answer = trunk.expect("an answer", |message| message.status() == Some(200));
    trunk.acknowledge(&answer);
    let rung = anna.expect("to be rung", |message| message.method() == Some("INVITE"));
    let contact = format!("Contact: <sip:anna@{}>\r\n", anna.address);
    anna.answer(&rung, "200 OK", &contact, &sdp(ports::block(2)));
    anna.expect("an ACK", |message| message.method() == Some("ACK"));
    let (to, from) = (Message(&answer).header("To"), Message(&answer).header("From"));
    let uri = Message(&answer).contact().expect("a contact").to_owned();
    let text = trunk.request("BYE", &uri, "x", "talk", "").replace("CSeq: 1", "CSeq: 2");
    let to = format!("To: {}\r\n", to.unwrap_or_default());
    assert!(from.is_some_and(|from| text.contains(from)));
    trunk.send(text.replace("To: <x>\r\n", &to));
    let bye = anna.expect("the BYE", |message| message.method() == Some("BYE"));
    anna.answer(&bye, "401 Unauthorized", &asks, "");
    let again = anna.hear(A_WHILE);
    assert!(again.as_ref().is_none_or(|text| !text.contains("uthorization:")), "{again:?}");
    let records = server.json(&["call", "list"]);
    let ended = |call: &serde_json::Value| !call["ended_at"].is_null();
    assert!(records.as_array().is_some_and(|calls| calls.len() == 2 && calls.iter().all(ended)), "{records}");
}
