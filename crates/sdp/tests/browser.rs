//! What browsers offer and answer, and what we make of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

use std::net::SocketAddr;

use vorzimmer_sdp::{Browser, Description, Direction, Local, Media, Negotiated, Refusal, Session};
use vorzimmer_types::dtls::{Fingerprint, Setup};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::ice::Credentials;
use vorzimmer_types::srtp::Keying;

const THEIRS: &str =
    "sha-256 BB:4F:86:88:F3:09:C1:7E:DB:B8:BB:7F:56:7B:EC:30:3E:B3:19:F7:50:B5:97:96:8A:FA:8A:5B:A6:DC:F0:38";

/// Chromium 156 by JsSIP, shortened where nothing is read.
const OFFER: &str = "v=0\r\no=- 8771581116893904940 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\na=msid-semantic: WMS 04ac1548\r\n\
m=audio 35859 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 127.0.0.1\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
a=candidate:1442869044 1 udp 2122194687 127.0.0.1 35859 typ host generation 0 network-id 3 network-cost 50\r\n\
a=candidate:684690860 1 tcp 1518214911 127.0.0.1 9 typ host tcptype active generation 0 network-id 3\r\n\
a=ice-ufrag:ayq8\r\na=ice-pwd:WA0hMvDhQzPrOjZKhxuMAV6G\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 BB:4F:86:88:F3:09:C1:7E:DB:B8:BB:7F:56:7B:EC:30:3E:B3:19:F7:50:B5:97:96:8A:FA:8A:5B:A6:DC:F0:38\r\n\
a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\n\
a=msid:04ac1548 87a7bb7d\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\na=ssrc:570604712 cname:neccNaf3rMYqsIe0\r\n";

fn local() -> Local {
    let at: SocketAddr = "192.0.2.10:30000".parse().unwrap();
    let ice = Credentials::new("00ourufrag1234", "ourpasswordourpassword00").unwrap();
    let fingerprint = format!("sha-256 {}", ["AB"; 32].join(":")).parse().unwrap();
    Local { browser: Some(Box::new(Browser { ice, fingerprint })), ..Local::new(at) }
}

fn session() -> (Session, Seeded) {
    let mut random = Seeded::new(1);
    (Session::new(&mut random), random)
}

fn parse(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap()
}

fn answered(offer: &str) -> Result<(String, Negotiated), Refusal> {
    let (mut session, mut random) = session();
    let (answer, agreed) = session.answer(&parse(offer), &local(), &mut random)?;
    Ok((String::from_utf8(answer.to_bytes()).unwrap(), agreed))
}

fn theirs() -> Fingerprint {
    THEIRS.parse().unwrap()
}

#[test]
fn chromiums_offer_is_answered_with_one_port_and_nothing_it_did_not_ask_for() {
    let (answer, agreed) = answered(OFFER).unwrap();
    for line in [
        "a=ice-lite",
        "a=group:BUNDLE 0",
        "a=mid:0",
        "a=ice-ufrag:00ourufrag1234",
        "a=ice-pwd:ourpasswordourpassword00",
        "a=candidate:1 1 udp 2130706431 192.0.2.10 30000 typ host",
        "a=end-of-candidates",
        "a=rtcp-mux",
        "a=setup:passive",
        "a=sendrecv",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} is missing in\n{answer}");
    }
    assert!(answer.contains("m=audio 30000 UDP/TLS/RTP/SAVPF "), "{answer}");
    assert!(answer.contains("a=fingerprint:sha-256 AB:AB:"), "{answer}");
    for foreign in ["extmap", "rtcp-fb", "red/", "ssrc", "trickle", "crypto"] {
        assert!(!answer.contains(foreign), "{foreign} in\n{answer}");
    }
    assert_eq!((agreed.rtp, agreed.rtcp), (Negotiated::ANYWHERE, Negotiated::ANYWHERE));
    assert_eq!(agreed.ice.unwrap().theirs.ufrag(), "ayq8");
    assert_eq!(agreed.keying, Keying::Dtls { peer: theirs(), ours: Setup::Passive });
    assert_eq!(agreed.direction, Direction::SendRecv);
    let events = agreed.format.events.unwrap();
    assert_eq!(events.send, 126, "at the clock rate of the codec that was chosen");
}

#[test]
fn an_offer_of_ours_is_one_that_a_browser_can_answer() {
    let (mut session, mut random) = session();
    let offer = session.offer(&local(), &mut random).unwrap();
    let text = String::from_utf8(offer.to_bytes()).unwrap();
    for line in ["a=ice-lite", "a=group:BUNDLE 0", "a=mid:0", "a=rtcp-mux", "a=setup:actpass"] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    let read = parse(&text);
    assert!(read.is_browsers());
    assert_eq!(read.media, offer.media, "it is read as it was meant");

    let answer = OFFER.replace("a=setup:actpass", "a=setup:active");
    let agreed = session.accept(&parse(&answer)).unwrap();
    assert_eq!(agreed.keying, Keying::Dtls { peer: theirs(), ours: Setup::Passive });
    let passive = session.accept(&parse(&OFFER.replace("a=setup:actpass", "a=setup:passive"))).unwrap();
    assert_eq!(passive.keying, Keying::Dtls { peer: theirs(), ours: Setup::Active });
    assert_eq!(session.accept(&parse(OFFER)), Err(Refusal::NoHandshake), "an answer has to decide");
}

#[test]
fn what_cannot_become_a_leg_is_refused_with_the_reason() {
    let without = |line: &str| -> String {
        OFFER.split_inclusive("\r\n").filter(|found| !found.starts_with(line)).collect()
    };
    let cases = [
        ("no certificate", without("a=fingerprint"), Refusal::NoHandshake),
        ("a broken hash", OFFER.replace("sha-256", "sha-1"), Refusal::NoHandshake),
        ("nobody begins", without("a=setup"), Refusal::NoHandshake),
        ("no ICE", without("a=ice-ufrag"), Refusal::NoPath),
        ("a password that is too short", OFFER.replace("WA0hMvDhQzPrOjZKhxuMAV6G", "short"), Refusal::NoPath),
        ("RTCP elsewhere", without("a=rtcp-mux"), Refusal::NoPath),
        ("lite as we are", OFFER.replace("a=extmap-allow-mixed", "a=ice-lite"), Refusal::NoPath),
        ("in the clear", OFFER.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF"), Refusal::Transport),
        ("no codec of ours", OFFER.replace("111 63 9 0 8 13 110 126", "63 126"), Refusal::NoCommonCodec),
    ];
    for (why, offer, refusal) in cases {
        assert_eq!(answered(&offer).map(drop), Err(refusal), "{why}");
        assert_eq!(refusal.status(), 488);
    }
}

#[test]
fn where_a_browser_says_that_it_is_does_not_matter() {
    for address in ["IN IP4 0.0.0.0", "IN IP6 ::1", "IN IP4 6d1b4cd4.local"] {
        let (_, agreed) =
            answered(&OFFER.replace("IN IP4 127.0.0.1\r\na=rtcp:", &format!("{address}\r\na=rtcp:")))
                .unwrap();
        assert_eq!((agreed.rtp, agreed.direction), (Negotiated::ANYWHERE, Direction::SendRecv), "{address}");
    }
}

#[test]
fn hold_and_resume_change_neither_roles_nor_keys() {
    let (mut session, mut random) = session();
    let offer = OFFER.replace("a=setup:actpass", "a=setup:passive");
    let (_, first) = session.answer(&parse(&offer), &local(), &mut random).unwrap();
    let hold = OFFER.replace("a=sendrecv", "a=sendonly");
    let (answer, held) = session.answer(&parse(&hold), &local(), &mut random).unwrap();
    assert_eq!(held.keying, first.keying, "who began goes on as the one who began");
    assert!(held.peer_holds() && String::from_utf8(answer.to_bytes()).unwrap().contains("a=setup:active"));
    let (_, resumed) = session.answer(&parse(OFFER), &local(), &mut random).unwrap();
    assert!(!resumed.peer_holds());
}

#[test]
fn whoever_begins_ice_anew_gets_new_credentials_of_ours_and_nobody_else_does() {
    let (mut session, mut random) = session();
    let again = OFFER.replace("a=ice-ufrag:ayq8", "a=ice-ufrag:bzr9");
    let (_, first) = session.answer(&parse(OFFER), &local(), &mut random).unwrap();
    let (_, same) = session.answer(&parse(OFFER), &local(), &mut random).unwrap();
    assert_eq!(same.ice, first.ice, "a hold or a refresh begins nothing");
    let (answer, anew) = session.answer(&parse(&again), &local(), &mut random).unwrap();
    let (before, ends) = (first.ice.unwrap(), anew.ice.unwrap());
    assert_eq!(ends.theirs.ufrag(), "bzr9");
    assert!(ends.ours.ufrag() != before.ours.ufrag() && ends.ours.password() != before.ours.password());
    assert_eq!(ends.ours.ufrag()[..2], before.ours.ufrag()[..2], "it still leads to the same worker");
    assert_eq!(anew.keying, first.keying, "the handshake's fruit is used on");
    let said = String::from_utf8(answer.to_bytes()).unwrap();
    assert!(said.contains(&format!("a=ice-ufrag:{}\r\n", ends.ours.ufrag())), "{said}");
    // What we say from now on is the new name.
    let offer = session.offer(&local(), &mut random).unwrap();
    let said = String::from_utf8(offer.to_bytes()).unwrap();
    assert!(said.contains(&format!("a=ice-ufrag:{}\r\n", ends.ours.ufrag())), "{said}");
    let accepted = session.accept(&parse(&again.replace("a=setup:actpass", "a=setup:active"))).unwrap();
    assert_eq!(accepted.ice, Some(ends));
}

#[test]
fn of_several_certificates_hashes_the_strongest_is_checked() {
    let strong = format!("a=fingerprint:sha-512 {}\r\na=setup", ["CD"; 64].join(":"));
    let (_, agreed) = answered(&OFFER.replace("a=setup", &strong)).unwrap();
    let Keying::Dtls { peer, .. } = agreed.keying else { panic!("{:?}", agreed.keying) };
    assert_eq!(peer.digest(), [0xcd; 64]);
}

#[test]
fn what_stands_on_top_counts_for_every_line() {
    let lines = ["a=ice-ufrag:ayq8\r\n", "a=ice-pwd:WA0hMvDhQzPrOjZKhxuMAV6G\r\n", "a=setup:actpass\r\n"];
    let mut offer = lines.iter().fold(OFFER.to_owned(), |offer, line| offer.replace(line, ""));
    offer = offer.replace("t=0 0\r\n", &format!("t=0 0\r\n{}", lines.concat()));
    let (_, agreed) = answered(&offer).unwrap();
    assert_eq!(agreed.ice.unwrap().theirs.ufrag(), "ayq8");
}

#[test]
fn a_browser_is_not_taken_for_a_telephone_and_no_telephone_for_a_browser() {
    let (mut session, mut random) = session();
    let telephone = Local { browser: None, ..local() };
    assert!(session.answer(&parse(OFFER), &telephone, &mut random).is_err());
    let plain =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    assert!(!parse(plain).is_browsers());
    assert_eq!(answered(plain).map(drop), Err(Refusal::Transport));
}

#[test]
fn video_is_refused_beside_the_voice() {
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
    let (answer, _) = answered(&format!("{OFFER}{video}")).unwrap();
    assert!(
        answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 96") && answer.contains("a=group:BUNDLE 0\r\n"),
        "{answer}"
    );
    assert!(matches!(parse(&answer).media.as_slice(), [Media::Audio(_), Media::Other(_)]));
}
