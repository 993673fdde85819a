//! Whole exchanges: who offers, who answers, what changes and what stays (RFC 3264 §6–§8).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

use vorzimmer_sdp::{Codec, Description, Direction, Local, Media, Refusal, Session};
use vorzimmer_types::entropy::Seeded;

fn at(addr: &str) -> Local {
    Local::new(addr.parse().unwrap())
}

fn random() -> Seeded {
    Seeded::new(9)
}

fn session(seed: u64) -> Session {
    Session::new(&mut Seeded::new(seed))
}

/// Over the wire and back.
fn sent(description: &Description) -> Description {
    let read = Description::parse(&description.to_bytes()).unwrap();
    assert_eq!(read.to_bytes(), description.to_bytes());
    read
}

fn parse(media: &str) -> Description {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    Description::parse(format!("{head}{media}").as_bytes()).unwrap()
}

#[test]
fn two_of_us_agree() {
    let (mut ann, mut bob) = (session(1), session(2));
    let offer = ann.offer(&at("192.0.2.1:10000"), &mut random()).unwrap();
    let (answer, bobs) = bob.answer(&sent(&offer), &at("192.0.2.2:20000"), &mut random()).unwrap();
    let anns = ann.accept(&sent(&answer)).unwrap();
    assert_eq!(anns.format, bobs.format);
    assert_eq!(anns.format.send.codec, Codec::Pcma);
    assert_eq!(anns.format.events.map(|e| (e.send, e.receive)), Some((101, 101)));
    assert_eq!((anns.rtp.port(), bobs.rtp.port()), (20000, 10000));
    assert_eq!((anns.rtcp.port(), bobs.rtcp.port()), (20001, 10001));
}

#[test]
fn hold_and_resume_by_either_side() {
    let (mut ann, mut bob) = (session(1), session(2));
    let (anns, bobs) = (at("192.0.2.1:10000"), at("192.0.2.2:20000"));
    let mut versions = Vec::new();
    for (direction, ann_has, bob_has) in [
        (Direction::SendRecv, Direction::SendRecv, Direction::SendRecv),
        (Direction::SendOnly, Direction::SendOnly, Direction::RecvOnly),
        (Direction::SendOnly, Direction::SendOnly, Direction::RecvOnly),
        (Direction::Inactive, Direction::Inactive, Direction::Inactive),
        (Direction::SendRecv, Direction::SendRecv, Direction::SendRecv),
    ] {
        let offer = ann.offer(&Local { direction, ..anns.clone() }, &mut random()).unwrap();
        let (answer, agreed) = bob.answer(&sent(&offer), &bobs, &mut random()).unwrap();
        assert_eq!(agreed.direction, bob_has);
        assert_eq!(ann.accept(&sent(&answer)).unwrap().direction, ann_has);
        versions.push((offer.origin.version, answer.origin.version));
    }
    // A repeated description keeps its version, a changed one counts up by one (RFC 3264 §8).
    assert_eq!(versions, [(1, 1), (2, 2), (2, 2), (3, 3), (4, 4)]);
}

#[test]
fn the_codec_stays_when_the_peer_only_turns_its_list_around() {
    let mut ours = session(1);
    let local = at("198.51.100.7:40000");
    let (_, first) = ours.answer(&parse("m=audio 1000 RTP/AVP 8 0\r\n"), &local, &mut random()).unwrap();
    let (_, again) = ours.answer(&parse("m=audio 1000 RTP/AVP 0 8\r\n"), &local, &mut random()).unwrap();
    assert_eq!((first.format.send.codec, again.format.send.codec), (Codec::Pcma, Codec::Pcma));
    let (_, forced) = ours.answer(&parse("m=audio 1000 RTP/AVP 0\r\n"), &local, &mut random()).unwrap();
    assert_eq!(forced.format.send.codec, Codec::Pcmu);
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let mut ours = session(1);
    let local = at("198.51.100.7:40000");
    let (_, before) = ours.answer(&parse("m=audio 1000 RTP/AVP 8\r\n"), &local, &mut random()).unwrap();
    assert_eq!(
        ours.answer(&parse("m=audio 1000 RTP/AVP 18\r\n"), &local, &mut random()).unwrap_err(),
        Refusal::NoCommonCodec
    );
    assert_eq!(ours.agreed(), Some(&before));
    let (answer, _) = ours.answer(&parse("m=audio 1000 RTP/AVP 8\r\n"), &local, &mut random()).unwrap();
    assert_eq!(answer.origin.version, 1);
}

#[test]
fn our_later_offer_keeps_the_lines_and_payload_types_of_the_session() {
    let mut ours = session(1);
    let local = at("198.51.100.7:40000");
    let offer =
        "m=video 5000 RTP/AVP 96\r\nm=audio 1000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/8000\r\n";
    ours.answer(&parse(offer), &local, &mut random()).unwrap();
    let again = ours.offer(&local, &mut random()).unwrap();
    assert_eq!(again.media.len(), 2);
    assert!(matches!(&again.media[0], Media::Other(video) if video.port == 0));
    let Media::Audio(audio) = &again.media[1] else { panic!("{again:?}") };
    assert_eq!(audio.payloads.iter().map(|p| p.pt).collect::<Vec<_>>(), [0, 8, 9, 111, 13, 97, 110]);
    let answered = ours.accept(&parse("m=video 0 RTP/AVP 96\r\nm=audio 1002 RTP/AVP 0\r\n")).unwrap();
    assert_eq!((answered.rtp.port(), answered.format.events), (1002, None));
}

#[test]
fn answers_to_our_offer() {
    type Expected<'a> = Result<&'a str, Refusal>;
    let cases: &[(&str, &str, Expected<'_>)] = &[
        ("one codec", "m=audio 1000 RTP/AVP 0\r\n", Ok("PCMU 0<0 none te -")),
        ("both left open", "m=audio 1000 RTP/AVP 0 8\r\n", Ok("PCMU 0<0 8 te -")),
        (
            "other payload types",
            "m=audio 1000 RTP/AVP 97 100\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:100 telephone-event/8000\r\n",
            Ok("PCMA 97<8 none te 100<101"),
        ),
        ("codecs we did not offer before ours", "m=audio 1000 RTP/AVP 3 18 8\r\n", Ok("PCMA 8<8 none te -")),
        (
            "Opus, under the peer's number and with its events",
            "m=audio 1000 RTP/AVP 96 98\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:98 telephone-event/48000\r\n",
            Ok("opus 96<111 none te 98<110"),
        ),
        ("two codecs, the first of them wide", "m=audio 1000 RTP/AVP 9 0\r\n", Ok("G722 9<9 0 te -")),
        ("refused", "m=audio 0 RTP/AVP 8\r\n", Err(Refusal::NoAudio)),
        ("nothing in common", "m=audio 1000 RTP/AVP 18\r\n", Err(Refusal::NoCommonCodec)),
        ("another line in its place", "m=image 1000 udptl t38\r\n", Err(Refusal::AnswerMismatch)),
        ("no line", "", Err(Refusal::AnswerMismatch)),
        ("encrypted", "m=audio 1000 RTP/SAVP 8\r\n", Err(Refusal::NotEncrypted)),
    ];
    for (what, media, expected) in cases {
        let mut ours = session(1);
        ours.offer(&at("198.51.100.7:40000"), &mut random()).unwrap();
        let got = ours.accept(&parse(media)).map(|agreed| {
            let format = agreed.format;
            let [first, second] =
                format.receive.map(|p| p.map_or("none".into(), |p| p.payload_type.to_string()));
            let events = format.events.map_or("-".to_owned(), |e| format!("{}<{}", e.send, e.receive));
            format!("{} {}<{first} {second} te {events}", format.send.codec.name(), format.send.payload_type)
        });
        assert_eq!(got.as_deref().map_err(|refusal| *refusal), *expected, "{what}");
    }
}

#[test]
fn an_answer_without_an_offer_is_refused() {
    assert_eq!(session(1).accept(&parse("m=audio 1000 RTP/AVP 8\r\n")), Err(Refusal::AnswerMismatch));
}

#[test]
fn the_preferred_codec_leads_our_offer_and_events_can_be_left_out() {
    let local = Local { prefer: Some(Codec::Pcmu), events: false, ..at("198.51.100.7:40000") };
    let offer = session(1).offer(&local, &mut random()).unwrap();
    let (_, audio) = offer.audio().unwrap();
    assert_eq!(audio.payloads.iter().map(|p| p.pt).collect::<Vec<_>>(), [0, 8, 9, 111, 13]);
}

/// The other leg has A-law: of an answer that leaves several open, what can be relayed is sent.
#[test]
fn an_answer_that_leaves_a_choice_is_taken_at_the_other_legs_codec() {
    for (types, codec) in [("9 8", Codec::Pcma), ("9 0", Codec::Pcmu), ("9 111", Codec::G722)] {
        let mut ours = session(1);
        ours.offer(&Local { prefer: Some(Codec::Pcma), ..at("198.51.100.7:40000") }, &mut random()).unwrap();
        let answer = format!("m=audio 1000 RTP/AVP {types}\r\na=rtpmap:111 opus/48000/2\r\n");
        assert_eq!(ours.accept(&parse(&answer)).unwrap().format.send.codec, codec, "{types}");
    }
}

#[test]
fn a_payload_type_keeps_its_meaning_when_we_offer_again() {
    let mut ours = session(1);
    let local = Local { codecs: vec![Codec::Opus, Codec::Pcma], ..at("198.51.100.7:40000") };
    let offer =
        "m=audio 1000 RTP/AVP 96 111\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:111 telephone-event/48000\r\n";
    ours.answer(&parse(offer), &local, &mut random()).unwrap();
    let again = sent(&ours.offer(&local, &mut random()).unwrap());
    let (_, audio) = again.audio().unwrap();
    let said: Vec<_> = audio.payloads.iter().map(|p| (p.pt, p.clock_hz)).collect();
    assert_eq!(said, [(96, 48_000), (8, 8000), (13, 8000), (101, 8000), (111, 48_000)]);
}
