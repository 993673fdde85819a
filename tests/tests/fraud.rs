//! Who wants to call on somebody else's bill: stolen digests, stolen words, and telephones that name whom to call.
//!
//! Played against the running server, like `attacks.rs`; what is sent stays on loopback.

use std::time::Duration;

use serde_json::Value;
use vorzimmer_tests::crowd::words::{Message, sdp, tail};
use vorzimmer_tests::datagrams::{Peer, proof_of};
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::{ports, wait};

const OFF: &str = "+493023125010";
const TRUNK: &str = "127.0.0.1";
const DESK: &str = "127.0.0.66";
const FRAUD: &str = "127.0.0.68";
const PROVIDER: &str = "127.0.0.5";
const ROAMING: &str = "127.0.0.77";
const UNAUTHORIZED: &str = "401 Unauthorized";
const PROXY_UNAUTHORIZED: &str = "407 Proxy Authentication Required";
const ASKED: &str = "WWW-Authenticate";
const PROXY_ASKED: &str = "Proxy-Authenticate";
const LONG: Duration = Duration::from_secs(30);
/// Long enough for whatever would come at once, and for what would be sent again after half a second and one more.
const A_WHILE: Duration = Duration::from_millis(1_800);

fn calls(server: &Server) -> Vec<Value> {
    server.json(&["call", "list"]).as_array().cloned().unwrap_or_default()
}

fn is_register(message: Message<'_>) -> bool {
    message.method() == Some("REGISTER")
}

/// A challenge as it stands in a 401, or in a 407.
fn challenge(header: &str, realm: &str, nonce: &str, qop: &str) -> String {
    format!("{header}: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"{qop}\"\r\n")
}

#[test]
fn a_providers_password_answers_that_provider_alone() {
    let port = ports::block(2);
    let server = Server::start(&Setup {
        more: format!(
            "[trunks.carrier.provider]\ndomain = \"carrier.example\"\nserver = \"{PROVIDER}:{port}\"\ntransport = \"udp\"\n\
             register = true\nlogin = \"account\"\nlogin_password_env = \"CARRIER_LOGIN\"\noptions_s = 0\n"
        ),
        environment: vec![("CARRIER_LOGIN".to_owned(), "geheim-wie-nie".to_owned())],
        ..Setup::default()
    });
    let provider = Peer::on(PROVIDER, port, &server);
    let thief = Peer::at(FRAUD, &server);
    let state = |wanted: &str| {
        wait::until(wanted, LONG, || {
            let rows = server.json(&["trunks"]);
            let row = rows.as_array()?.iter().find(|row| row["name"] == "carrier")?.clone();
            (row["registration"] == wanted).then_some(())
        });
    };
    // Somebody who has seen the REGISTER go by answers first, word for word as the provider would.
    let asked = provider.expect("a REGISTER", is_register);
    assert!(!asked.contains("uthorization:"), "{asked}");
    for (status, header) in [(UNAUTHORIZED, ASKED), (PROXY_UNAUTHORIZED, PROXY_ASKED)] {
        let forged = challenge(header, "carrier.example", "stolen", "auth");
        thief.send(Message(&asked).answer(status, "thief", &forged, ""));
    }
    assert_eq!(thief.hear(A_WHILE), None, "the thief is told nothing");
    let again = provider.expect("the REGISTER again", is_register);
    assert!(!again.contains("uthorization:"), "a stranger's challenge was answered: {again}");
    // The provider itself.
    let own = challenge(ASKED, "carrier.example", "own", "auth");
    provider.answer(&again, UNAUTHORIZED, &own, "");
    let proven =
        provider.expect("the proof", |message| is_register(message) && message.0.contains("uthorization:"));
    assert!(proven.contains("realm=\"carrier.example\"") && proven.contains("nonce=\"own\""), "{proven}");
    let contact = Message(&proven).header("Contact").expect("a contact").to_owned();
    provider.answer(&proven, "200 OK", &format!("Contact: {contact};expires=600\r\n"), "");
    state("registered");
    // From then on another realm gets nothing, not even from the provider's address.
    server.cli_ok(&["trunks", "drain", "carrier"]);
    let leaving =
        provider.expect("the de-registration", |message| is_register(message) && message.0 != proven);
    provider.answer(
        &leaving,
        PROXY_UNAUTHORIZED,
        &challenge(PROXY_ASKED, "bank.example", "other", "auth"),
        "",
    );
    let heard = provider.hear(A_WHILE);
    assert!(heard.as_ref().is_none_or(|text| !text.contains("bank.example")), "{heard:?}");
    // Nor does a body's integrity, which we cannot vouch for: refused, not left out (RFC 7616 §3.4).
    server.cli_ok(&["trunks", "resume", "carrier"]);
    let asked = provider.expect("a REGISTER", |message| {
        is_register(message) && message.header("CSeq") != Message(&leaving).header("CSeq")
    });
    provider.answer(&asked, UNAUTHORIZED, &challenge(ASKED, "carrier.example", "newest", "auth-int"), "");
    let heard = provider.hear(A_WHILE);
    assert!(heard.as_ref().is_none_or(|text| !text.contains("newest")), "{heard:?}");
    assert_eq!(thief.hear(Duration::from_millis(5)), None);
    assert!(!server.output().contains("geheim-wie-nie"));
}

#[test]
fn a_digest_that_was_overheard_makes_no_second_call() {
    let trunk = "[trunks.roaming]\nuser = \"roaming\"\nha1_md5 = \"HA1-MD5\"\nha1_sha256 = \"HA1-SHA256\"\n";
    let server = Server::start(&Setup {
        more: trunk.replace("HA1-MD5", MD5).replace("HA1-SHA256", SHA256),
        ..Setup::default()
    });
    let roaming = Peer::at(ROAMING, &server);
    let thief = Peer::at(FRAUD, &server);
    let uri = format!("sip:{OFF}@{};user=phone", server.sip);
    let asking = roaming.invite(OFF, "roaming", "");
    roaming.send(&asking);
    let asked = roaming.expect("a challenge", |message| message.status() == Some(401));
    roaming.acknowledge(&asked);
    let proof = proof_of("INVITE", &uri, &asked, "roaming", PASSWORD);
    let proven = |peer: &Peer, id: &str| {
        let text = peer.invite(OFF, id, &proof);
        text.replace(&format!("z9hG4bK{id}"), &format!("z9hG4bK{id}proven")).replace("CSeq: 1", "CSeq: 2")
    };
    let good = proven(&roaming, "roaming");
    roaming.send(&good);
    let answer = roaming.expect("an answer", |message| message.status().is_some_and(|status| status >= 200));
    assert_eq!(Message(&answer).status(), Some(200), "{answer}");
    assert_eq!(calls(&server).len(), 1);
    // Overheard, and said by somebody else: as it was, as a call of his own, and to a number that costs more.
    thief.send(&good);
    thief.send(proven(&thief, "stolen"));
    thief.send(proven(&thief, "dear").replace(OFF, "+493023125013"));
    while let Some(answer) = thief.hear(A_WHILE) {
        let status = Message(&answer).status();
        assert_eq!(status, Some(401), "{answer}");
        assert!(answer.len() <= good.len(), "{} bytes back for {}", answer.len(), good.len());
    }
    // And from the trunk's own address, as a thief behind the same router would.
    let neighbour = Peer::at(ROAMING, &server);
    neighbour.send(proven(&neighbour, "neighbour"));
    while let Some(answer) = neighbour.hear(A_WHILE) {
        assert_eq!(Message(&answer).status(), Some(401), "{answer}");
    }
    assert_eq!(calls(&server).len(), 1);
}

/// HA1 of `roaming:vorzimmer:only-in-tests`.
const MD5: &str = "aaedfa49b711ae6f7de2a0bf22537b1c";
const SHA256: &str = "fc1c003ec4e51004ebeec2aee5d28f57fe40181b1182c42181b1793c28dae2eb";

/// A talk of the trunk with Anna, whose telephone does what it is told: what rang her, and what the trunk was answered.
fn talk(server: &Server, trunk: &Peer, anna: &Peer) -> (String, String) {
    anna.registered("anna", PASSWORD);
    trunk.send(trunk.invite(OFF, "talk", ""));
    let answer = trunk.expect("an answer", |message| message.status() == Some(200));
    trunk.acknowledge(&answer);
    let rung = anna.expect("to be rung", |message| message.method() == Some("INVITE"));
    anna.answer(&rung, "200 OK", &format!("Contact: <sip:anna@{}>\r\n", anna.address), &sdp(ports::block(2)));
    anna.expect("an ACK", |message| message.method() == Some("ACK"));
    assert_eq!(calls(server).len(), 1);
    (rung, answer)
}

/// A request within the dialog that this INVITE of the server's has made.
fn within(peer: &Peer, method: &str, rung: &str, cseq: u32, more: &str) -> String {
    let rung = Message(rung);
    let copied = |name| rung.header(name).unwrap_or_default();
    format!(
        "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bK{method}{cseq}\r\nFrom: {};tag=desk\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:anna@{address}>\r\n{more}{}",
        rung.contact().unwrap_or_default(),
        copied("To"),
        copied("From"),
        copied("Call-ID"),
        tail(""),
        address = peer.address,
    )
}

#[test]
fn no_telephone_and_no_trunk_chooses_a_number_by_refer() {
    let port = ports::block(2);
    let contact = "[[customer.contact]]\nshort = \"21\"\nname = \"The Boss\"\nreach = [\"+493023125999\"]\ntransfer = false\n\n[[customer]]\nkey = \"ask\"";
    let server = Server::start(&Setup {
        directory: DIRECTORY.replacen("[[customer]]\nkey = \"ask\"", contact, 1),
        // There is a way out, and numbers of Berlin may be called on it.
        more: format!(
            "[trunks.out]\naddresses = [\"127.0.0.2/32\"]\n[trunks.out.provider]\ndomain = \"out.example\"\n\
             server = \"{FRAUD}:{port}\"\ntransport = \"udp\"\noptions_s = 0\n[trunks.out.outbound]\n\
             [transfer]\nallowed = [\"+4930\"]\n"
        ),
        ..Setup::default()
    });
    let fraud = Peer::on(FRAUD, port, &server);
    let (trunk, anna) = (Peer::at(TRUNK, &server), Peer::at(DESK, &server));
    let (rung, answered) = talk(&server, &trunk, &anna);
    let (own, fraud_at) = (&server.sip, &fraud.address);
    let targets = [
        format!("<sip:+4990012345@{own}>"),
        format!("<sip:+4990012345@{fraud_at}>"),
        format!("<sip:%2b4990012345@{own};user=phone>"),
        format!("<sip:004990012345@{own};user=phone>"),
        format!("<sip:09001234567@{own};user=phone>"),
        "<tel:+4990012345>".to_owned(),
        "<tel:+49-900-12345;phone-context=+4930>".to_owned(),
        format!("<sip:+4990012345;phone-context=+4930@{own};user=phone>"),
        format!("<sip:+4990012345@{own};maddr={FRAUD}>"),
        format!("<sip:boss@{fraud_at};transport=udp>"),
        format!("<sips:boss@{fraud_at}>"),
        format!("<sip:zora@{own}?Route=%3Csip:{fraud_at};lr%3E>"),
        format!("<sip:21@{own}>"),
        format!("<sip:zora@{own};method=BYE>"),
        "<mailto:boss@example.org>".to_owned(),
        format!("<sip:a@{own}>, <sip:ben@{own}>"),
    ];
    for (cseq, target) in (2..).zip(&targets) {
        anna.send(within(&anna, "REFER", &rung, cseq, &format!("Refer-To: {target}\r\n")));
        let own = format!("{cseq} REFER");
        let answer = anna.expect(target, |message| message.header("CSeq") == Some(own.as_str()));
        assert!(Message(&answer).status().is_some_and(|status| status >= 400), "{target}: {answer}");
    }
    // Outside any dialog, by a telephone, by the trunk, by a stranger.
    let dear = format!("Refer-To: <sip:+4990012345@{own}>\r\n");
    for (who, peer) in
        [("anna", &anna), ("the trunk", &trunk), ("a stranger", &Peer::at("127.0.0.69", &server))]
    {
        let uri = format!("sip:{OFF}@{own}");
        peer.send(peer.request("REFER", &uri, &uri, &format!("refer{}", who.len()), &dear));
        let answer = peer.hear(A_WHILE);
        let refused = |text: &String| Message(text).status().is_some_and(|status| status >= 400);
        assert!(answer.as_ref().is_none_or(refused), "{who}: {answer:?}");
    }
    // By the trunk, within the call.
    let (to, uri) = (Message(&answered).header("To"), Message(&answered).contact());
    let text =
        trunk.request("REFER", uri.unwrap_or_default(), "x", "talk", &dear).replace("CSeq: 1", "CSeq: 2");
    trunk.send(text.replace("To: <x>", &format!("To: {}", to.unwrap_or_default())));
    let answer = trunk.expect("a refusal", |message| message.of() == Some("REFER"));
    assert!(Message(&answer).status().is_some_and(|status| status >= 400), "{answer}");

    let dialled = fraud.hear(A_WHILE);
    assert_eq!(dialled, None, "somebody was called");
    let all = calls(&server);
    assert!(all.len() == 1 && all[0]["ended_at"].is_null(), "the talk goes on: {all:?}");
}

/// Each line of a message that is not the server's to say.
fn smuggled(text: &str) -> Vec<&str> {
    text.split(['\r', '\n'])
        .filter(|line| line.trim_start().to_ascii_lowercase().starts_with("x-evil"))
        .collect()
}

#[test]
fn what_one_leg_says_becomes_no_line_of_the_other() {
    let server = Server::start(&Setup::default());
    let (trunk, anna) = (Peer::at(TRUNK, &server), Peer::at(DESK, &server));
    anna.registered("anna", PASSWORD);
    let evil = "%0d%0aX-Evil:%20yes%0d%0a";
    let quoted = format!("\"a{evil}b\\\" c\"");
    let mut more = String::new();
    for name in [
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
        "Referred-By",
        "Reply-To",
        "Call-Info",
        "Alert-Info",
    ] {
        more.push_str(&format!(
            "{name}: {quoted} <sip:+4930{evil}@carrier.example>;index=1;reason=\"x{evil}\";cause=302\r\n"
        ));
    }
    for name in
        ["Subject", "Organization", "User-Agent", "Reason", "Privacy", "Priority", "Session-ID", "X-Own"]
    {
        more.push_str(&format!("{name}: a{evil}\r\n X-Evil: folded\r\n"));
    }
    let invite = trunk.invite(OFF, "evil", &more);
    let invite = invite.replace("<sip:+493023125900@", &format!("{quoted} <sip:+493023125900@"));
    // The same in the description: what is said of a session and its lines.
    let (head, body) = invite.split_once("\r\n\r\n").expect("a body");
    let body = body
        .replace("o=crowd", "o=X-Evil")
        .replace("s=-", "s=X-Evil: yes\r\ni=X-Evil\r\nu=http://x-evil.example\r\ne=X-Evil")
        .replace("a=fmtp:101 0-15", "a=fmtp:101 0-15 X-Evil\r\na=X-Evil:yes\r\na=label:X-Evil")
        + "m=X-Evil 9 TCP/X-Evil X-Evil\r\n";
    let head: String = head
        .lines()
        .filter(|line| !line.starts_with("Content-Length"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    trunk.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    let answer = trunk.expect("an answer", |message| message.status().is_some_and(|status| status >= 200));
    assert_eq!(Message(&answer).status(), Some(200), "{answer}");
    trunk.acknowledge(&answer);
    let rung = anna.expect("to be rung", |message| message.method() == Some("INVITE"));
    assert_eq!(smuggled(&rung), Vec::<&str>::new(), "{rung}");
    let body = rung.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!(!body.to_ascii_lowercase().contains("x-evil"), "{body}");

    // And back: what the telephone says of itself, and why it hangs up.
    let more = format!(
        "Contact: {quoted} <sip:anna@{}>\r\nServer: a{evil}\r\n X-Evil: folded\r\nWarning: 399 x \"a{evil}\"\r\n",
        anna.address
    );
    let evil_body = sdp(ports::block(2)).replace("o=crowd", "o=X-Evil").replace("s=-", "s=X-Evil: yes");
    anna.answer(&rung, "200 Fine%0d%0aX-Evil: yes", &more, &evil_body);
    anna.expect("an ACK", |message| message.method() == Some("ACK"));
    let why = format!("Reason: Q.850;cause=16;text=\"a{evil}b\\\"\"\r\nSubject: a\r\n X-Evil: folded\r\n");
    anna.send(within(&anna, "BYE", &rung, 7, &why));
    anna.expect("that it is over", |message| message.of() == Some("BYE") && message.status() == Some(200));
    let mut heard = 0;
    while let Some(text) = trunk.hear(A_WHILE) {
        heard += 1;
        assert_eq!(smuggled(&text), Vec::<&str>::new(), "{text}");
        if Message(&text).method() == Some("BYE") {
            trunk.answer(&text, "200 OK", "", "");
            break;
        }
    }
    assert!(heard > 0, "the caller is told that it is over");
}

#[test]
fn the_ports_for_voices_say_nothing_to_strangers() {
    let server = Server::start(&Setup::default());
    let (trunk, anna) = (Peer::at(TRUNK, &server), Peer::at(DESK, &server));
    let (rung, _) = talk(&server, &trunk, &anna);
    let voices = Message(&rung).media().expect("an offer").port();
    let browsers =
        server.wss.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).expect("a port") + 1;
    let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding.extend([7; 12]);
    // A check for a browser's leg, without the password: USERNAME alone.
    let mut check = binding.clone();
    check.extend([0, 6, 0, 8]);
    check.extend(b"00ab:cde");
    check[3] = 12;
    let hello = [vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1], vec![3; 59]].concat();
    let report = [vec![0x80, 200, 0, 6], vec![1; 24]].concat();
    for (what, bytes) in [
        ("STUN", binding),
        ("a check", check),
        ("a ClientHello", hello),
        ("voice", [vec![0x80, 8], vec![1; 170]].concat()),
        ("a report", report),
        ("SIP", trunk.request("OPTIONS", "sip:x", "sip:x", "x", "").into_bytes()),
        ("junk", vec![0xff; 1_400]),
        ("nothing", Vec::new()),
    ] {
        let stranger = Peer::at(FRAUD, &server);
        for port in [voices, voices + 1, browsers] {
            stranger.send_to(&bytes, port);
        }
        assert_eq!(stranger.bytes_within(Duration::from_millis(300)), 0, "{what} was answered");
    }
    let all = calls(&server);
    assert!(all.len() == 1 && all[0]["ended_at"].is_null(), "the talk goes on: {all:?}");
}
