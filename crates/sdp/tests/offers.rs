//! Offers as they are seen in the field, and what we answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

use std::sync::Arc;

use vorzimmer_sdp::{Codec, Description, Direction, Local, Negotiated, Refusal, Session};
use vorzimmer_types::entropy::Seeded;

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn local() -> Local {
    Local::new("198.51.100.7:40000".parse().unwrap())
}

fn answer_to(offer: &[u8], local: &Local) -> Result<(Arc<Description>, Negotiated), Refusal> {
    Session::new(&mut Seeded::new(1)).answer(&Description::parse(offer)?, local, &mut Seeded::new(2))
}

/// What was agreed on, in one line: codec, payload type, telephone-event, packet length, our direction, where to.
fn gist(agreed: &Negotiated) -> String {
    let format = &agreed.format;
    let events = format.events.map_or("-".to_owned(), |events| {
        let clock = if events.clock_hz == 8000 { String::new() } else { format!("@{}", events.clock_hz) };
        format!("{}/{}{clock}", events.send, events.receive)
    });
    let events = events + if format.noise.is_some() { " cn" } else { "" };
    format!(
        "{}={} te={events} {}ms {} {} {}",
        format.send.codec.name(),
        format.send.payload_type,
        format.ptime_ms,
        agreed.direction.name(),
        agreed.rtp,
        agreed.rtcp.port(),
    )
}

fn result(offer: &[u8]) -> String {
    match answer_to(offer, &local()) {
        Ok((_, agreed)) => gist(&agreed),
        Err(refusal) => format!("{} {} {refusal}", refusal.status(), refusal.warning()),
    }
}

/// Offers that differ from a plain one in their media lines only.
const MEDIA_CASES: &[(&str, &str, &str)] = &[
    (
        "a German carrier's trunk",
        "m=audio 10000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        "PCMA=8 te=101/101 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "static payload types without a map",
        "m=audio 10000 RTP/AVP 0 8\r\n",
        "PCMU=0 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "the offerer's order decides",
        "m=audio 10000 RTP/AVP 18 9 0 8\r\na=rtpmap:0 PCMU/8000\r\n",
        "PCMU=0 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "a browser-like list: Opus, G.722, three telephone-events",
        "m=audio 10000 RTP/AVP 111 9 0 8 110 112 126\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=rtpmap:112 telephone-event/16000\r\n\
         a=rtpmap:126 telephone-event/8000\r\n",
        "PCMU=0 te=126/126 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "Opus alone, with telephone-event on its clock and on others",
        "m=audio 10000 RTP/AVP 111 110 112 126\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:112 telephone-event/16000\r\na=rtpmap:126 telephone-event/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\n",
        "opus=111 te=110/110@48000 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "Opus with telephone-event for G.711 only, as baresip has it",
        "m=audio 10000 RTP/AVP 96 101\r\na=rtpmap:96 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
        "opus=96 te=101/101 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "Opus that forgot its channels",
        "m=audio 10000 RTP/AVP 96\r\na=rtpmap:96 opus/48000\r\n",
        "opus=96 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "G.722 on its clock of 8 kHz, which stands for 16",
        "m=audio 10000 RTP/AVP 9 112 101\r\na=rtpmap:112 telephone-event/16000\r\na=rtpmap:101 telephone-event/8000\r\n",
        "G722=9 te=101/101 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "G.722 on a clock of 16 kHz, which RFC 3551 does not have",
        "m=audio 10000 RTP/AVP 96\r\na=rtpmap:96 G722/16000\r\n",
        "488 305 no codec in common",
    ),
    (
        "wideband offered before what every phone has",
        "m=audio 10000 RTP/AVP 111 9 8\r\na=rtpmap:111 opus/48000/2\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "comfort noise",
        "m=audio 10000 RTP/AVP 8 13 101\r\na=rtpmap:13 CN/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        "PCMA=8 te=101/101 cn 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "comfort noise on other clocks, and beside Opus, which has its own",
        "m=audio 10000 RTP/AVP 111 105 13\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:105 CN/16000\r\n",
        "opus=111 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "telephone-event at other clock rates only: better than none",
        "m=audio 10000 RTP/AVP 8 100\r\na=rtpmap:100 telephone-event/16000\r\n",
        "PCMA=8 te=100/100@16000 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "A-law under a dynamic payload type",
        "m=audio 10000 RTP/AVP 96\r\na=rtpmap:96 PCMA/8000\r\n",
        "PCMA=96 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "odd casing, one channel spelled out",
        "m=AUDIO 10000 rtp/avp 8 101\r\na=RTPMAP:8 pcma/8000/1\r\na=rtpmap:101 Telephone-Event/8000\r\n",
        "PCMA=8 te=101/101 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "telephone-event without ranges and listed first",
        "m=audio 10000 RTP/AVP 101 8\r\na=rtpmap:101 telephone-event/8000\r\n",
        "PCMA=8 te=101/101 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "packets of 30 ms",
        "m=audio 10000 RTP/AVP 8\r\na=ptime:30\r\n",
        "PCMA=8 te=- 30ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "packets beyond what we make",
        "m=audio 10000 RTP/AVP 8\r\na=ptime:200\r\n",
        "PCMA=8 te=- 60ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "no packet above 10 ms",
        "m=audio 10000 RTP/AVP 8\r\na=maxptime:10\r\n",
        "PCMA=8 te=- 10ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "packet lengths of 0, and in fractions",
        "m=audio 10000 RTP/AVP 8\r\na=ptime:0\r\na=maxptime:40.0\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "hold by sendonly",
        "m=audio 10000 RTP/AVP 8\r\na=sendonly\r\n",
        "PCMA=8 te=- 20ms recvonly 192.0.2.1:10000 10001",
    ),
    (
        "hold by inactive",
        "m=audio 10000 RTP/AVP 8\r\na=inactive\r\n",
        "PCMA=8 te=- 20ms inactive 192.0.2.1:10000 10001",
    ),
    (
        "only listening",
        "m=audio 10000 RTP/AVP 8\r\na=recvonly\r\n",
        "PCMA=8 te=- 20ms sendonly 192.0.2.1:10000 10001",
    ),
    (
        "hold by an address of nowhere",
        "m=audio 10000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\n",
        "PCMA=8 te=- 20ms recvonly 0.0.0.0:10000 10001",
    ),
    (
        "nowhere, and only listening",
        "m=audio 10000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n",
        "PCMA=8 te=- 20ms inactive 0.0.0.0:10000 10001",
    ),
    (
        "nowhere by name",
        "m=audio 10000 RTP/AVP 8\r\nc=IN IP6 host.invalid\r\n",
        "PCMA=8 te=- 20ms recvonly [::]:10000 10001",
    ),
    (
        "the media's own address",
        "m=audio 10000 RTP/AVP 8\r\nc=IN IP4 203.0.113.9\r\n",
        "PCMA=8 te=- 20ms sendrecv 203.0.113.9:10000 10001",
    ),
    (
        "RTCP elsewhere",
        "m=audio 10000 RTP/AVP 8\r\na=rtcp:53020 IN IP4 203.0.113.9\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 53020",
    ),
    (
        "feedback profile",
        "m=audio 10000 RTP/AVPF 8\r\na=rtcp-fb:8 nack\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "encrypted first, plain as second choice",
        "m=audio 9998 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\nm=audio 10000 RTP/AVP 8\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "two ports, double spaces, numbers that are none, doubles",
        "m=audio  10000/2  RTP/AVP 8 8 x 300 0\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "video and fax beside it",
        "m=video 20000 RTP/AVP 96\r\na=sendonly\r\nm=audio 10000 RTP/AVP 8\r\nm=image 30000 udptl t38\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    ("only encrypted", "m=audio 10000 RTP/SAVP 8\r\n", "488 302 SRTP is switched off here"),
    ("only DTLS", "m=audio 10000 UDP/TLS/RTP/SAVPF 8\r\n", "488 302 SRTP is switched off here"),
    (
        "another transport",
        "m=audio 10000 TCP/MRCPv2 1\r\n",
        "488 302 the transport is none of RTP/AVP, RTP/SAVP and UDP/TLS/RTP/SAVP",
    ),
    (
        "formats that are no payload types",
        "m=audio 10000 RTP/AVP 0c=IN IP4 300\r\n",
        "488 304 no audio is offered",
    ),
    (
        "a map without a name: the static payload type's",
        "m=audio 10000 RTP/AVP 8\r\na=rtpmap:8 /8000\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    ("a map without a name", "m=audio 1 RTP/AVP 97\r\na=rtpmap:97 /8000/2\r\n", "488 305 no codec in common"),
    ("no codec of ours", "m=audio 10000 RTP/AVP 18 3\r\n", "488 305 no codec in common"),
    (
        "wide-band A-law is not A-law",
        "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 PCMA/16000\r\n",
        "488 305 no codec in common",
    ),
    (
        "two-channel A-law is not A-law",
        "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 PCMA/8000/2\r\n",
        "488 305 no codec in common",
    ),
    (
        "only telephone-event",
        "m=audio 1 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        "488 305 no codec in common",
    ),
    ("only video", "m=video 10000 RTP/AVP 96\r\n", "488 304 no audio is offered"),
    ("no media at all", "", "488 304 no audio is offered"),
    ("port 0", "m=audio 0 RTP/AVP 8\r\n", "488 304 no audio is offered"),
    (
        "a name for an address",
        "m=audio 1 RTP/AVP 8\r\nc=IN IP4 sip.example.org\r\n",
        "488 301 no usable address for audio",
    ),
    ("multicast", "m=audio 1 RTP/AVP 8\r\nc=IN IP4 224.2.1.1/127\r\n", "488 301 no usable address for audio"),
    (
        "the other IP version",
        "m=audio 1 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n",
        "488 301 the address is of the other IP version",
    ),
    (
        "a port beyond sixteen bits",
        "m=audio 70000 RTP/AVP 8\r\n",
        "400 399 not a session description: Media port",
    ),
    ("no formats", "m=audio 10000 RTP/AVP\r\n", "400 399 not a session description: Media fmt"),
];

#[test]
fn media_lines() {
    for (what, media, expected) in MEDIA_CASES {
        assert_eq!(result(format!("{HEAD}{media}").as_bytes()), *expected, "{what}");
    }
}

/// Whole descriptions that are odd above their media lines.
const WHOLE_CASES: &[(&str, &[u8], &str)] = &[
    (
        "bare line feeds, Latin-1 in the name, numbers beyond 64 bits",
        b"v=0\no=B\xfcro 99999999999999999999 99999999999999999999 IN IP4 192.0.2.1\ns=Anlage B\xfcro\n\
          c=IN IP4 192.0.2.1\nt=0 0\nm=audio 10000 RTP/AVP 8\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "no origin, no name, no time, spaces at line ends",
        b"v=0 \r\nc=IN IP4 192.0.2.1 \r\nm=audio 10000 RTP/AVP 8 \r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "an origin with too few fields, a broken bandwidth and time",
        b"v=0\r\no=- 1\r\ns=\r\nb=nonsense\r\nt=now later\r\nz=x\r\nc=IN IP4 192.0.2.1\r\nm=audio 10000 RTP/AVP 8\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "hold said once for the whole session",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\nm=audio 10000 RTP/AVP 8\r\n",
        "PCMA=8 te=- 20ms recvonly 192.0.2.1:10000 10001",
    ),
    (
        "a blank line in the middle and a NUL at the end",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8\r\n\0",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "an IPv4 address in IPv6 clothes",
        b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::ffff:192.0.2.1\r\nm=audio 10000 RTP/AVP 8\r\n",
        "PCMA=8 te=- 20ms sendrecv 192.0.2.1:10000 10001",
    ),
    (
        "no address anywhere",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 10000 RTP/AVP 8\r\n",
        "488 301 no usable address for audio",
    ),
    ("nothing", b"", "400 399 not a session description: version"),
    ("another version", b"v=1\r\ns=-\r\n", "400 399 not a session description: version"),
    ("something else", b"<xml/>", "400 399 not a session description: version"),
];

#[test]
fn whole_descriptions() {
    for (what, offer, expected) in WHOLE_CASES {
        assert_eq!(result(offer), *expected, "{what}");
    }
}

#[test]
fn ipv6_is_answered_with_ipv6() {
    let offer = b"v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8\r\n";
    let (answer, agreed) = answer_to(offer, &Local::new("[2001:db8::7]:40000".parse().unwrap())).unwrap();
    assert_eq!(gist(&agreed), "PCMA=8 te=- 20ms sendrecv [2001:db8::1]:10000 10001");
    let text = String::from_utf8(answer.to_bytes()).unwrap();
    assert!(text.contains("c=IN IP6 2001:db8::7\r\n"), "{text}");
}

#[test]
fn the_answer_on_the_wire() {
    let offer = format!(
        "{HEAD}m=video 20000 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\n\
         m=audio 10000 RTP/AVP 9 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\na=sendonly\r\n"
    );
    let (answer, _) = answer_to(offer.as_bytes(), &local()).unwrap();
    let text = String::from_utf8(answer.to_bytes()).unwrap();
    let (origin, rest) = text.split_once("s=").unwrap();
    assert!(origin.starts_with("v=0\r\no=- ") && origin.ends_with(" 1 IN IP4 198.51.100.7\r\n"), "{origin}");
    assert_eq!(
        rest,
        "-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
         m=video 0 RTP/AVP 96 97\r\n\
         m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:30\r\na=recvonly\r\n"
    );
}

#[test]
fn the_other_legs_codec_is_chosen_where_it_is_offered() {
    let offer = format!("{HEAD}m=audio 10000 RTP/AVP 8 0\r\n");
    let prefer = |codec| Local { prefer: Some(codec), ..local() };
    let (_, agreed) = answer_to(offer.as_bytes(), &prefer(Codec::Pcmu)).unwrap();
    assert_eq!(agreed.format.send.codec, Codec::Pcmu);
    let offer = format!("{HEAD}m=audio 10000 RTP/AVP 8\r\n");
    let (_, agreed) = answer_to(offer.as_bytes(), &prefer(Codec::Pcmu)).unwrap();
    assert_eq!(agreed.format.send.codec, Codec::Pcma);
}

#[test]
fn our_own_hold_is_answered_too() {
    let offer = format!("{HEAD}m=audio 10000 RTP/AVP 8\r\n");
    let held = Local { direction: Direction::SendOnly, ..local() };
    let (_, agreed) = answer_to(offer.as_bytes(), &held).unwrap();
    assert_eq!(agreed.direction, Direction::SendOnly);
    let offer = format!("{HEAD}m=audio 10000 RTP/AVP 8\r\na=sendonly\r\n");
    let (_, agreed) = answer_to(offer.as_bytes(), &held).unwrap();
    assert_eq!(agreed.direction, Direction::Inactive);
    assert!(agreed.peer_holds());
}

#[test]
fn no_debug_output_holds_an_address_or_a_key() {
    let offer = format!(
        "{HEAD}m=audio 10987 RTP/AVP 8\r\na=rtcp:10988 IN IP4 203.0.113.9\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"
    );
    let offer = Description::parse(offer.as_bytes()).unwrap();
    let mut session = Session::new(&mut Seeded::new(1));
    let (answer, agreed) = session.answer(&offer, &local(), &mut Seeded::new(2)).unwrap();
    let all = format!("{offer:?} {answer:?} {agreed:?} {session:?} {:?}", local());
    for secret in ["192.0", "203.0", "198.51", "10987", "10988", "40000", "c2VjcmV0"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// What we answer with: payload types and `fmtp` of the audio line.
fn answered(media: &str, local: &Local) -> String {
    let (answer, _) = answer_to(format!("{HEAD}{media}").as_bytes(), local).unwrap();
    let text = String::from_utf8(answer.to_bytes()).unwrap();
    let wanted = ["m=audio", "a=rtpmap", "a=fmtp"];
    text.lines()
        .filter(|line| wanted.iter().any(|start| line.starts_with(start)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn opus_is_answered_as_it_is_wanted() {
    let offer = "m=audio 10000 RTP/AVP 109 9 0 8 101 13\r\na=rtpmap:109 opus/48000/2\r\n\
                 a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\n";
    let wide = Local { codecs: vec![Codec::Opus, Codec::Pcma], ..local() };
    assert_eq!(
        answered(offer, &wide),
        "m=audio 40000 RTP/AVP 109 101\na=rtpmap:109 opus/48000/2\n\
         a=fmtp:109 minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15"
    );
    let (_, agreed) = answer_to(format!("{HEAD}{offer}").as_bytes(), &wide).unwrap();
    assert!(agreed.format.opus.fec && !agreed.format.opus.dtx);
}

/// Which codec is chosen: what we take, what the other leg has, what is offered, what comes of it.
#[test]
fn the_choice_keeps_both_legs_alike() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    type Case = (&'static [Codec], Option<Codec>, &'static str, Result<Codec, Refusal>);
    let all = &Codec::ALL;
    let cases: &[Case] = &[
        (all, None, "111 9 0 8", Ok(Pcmu)),
        (all, None, "111 9", Ok(G722)),
        (all, None, "111", Ok(Opus)),
        (all, Some(Opus), "8 0 9 111", Ok(Opus)),
        (all, Some(G722), "8 0 9 111", Ok(G722)),
        (all, Some(Pcma), "111 9 0", Ok(Pcmu)),
        (all, Some(Pcma), "111 9", Ok(G722)),
        (&[Opus, G722, Pcma], None, "8 9 111", Ok(Opus)),
        (&[G722, Pcma, Opus], None, "111 0 8 9", Ok(G722)),
        (&[Pcma], None, "111 9 0 8", Ok(Pcma)),
        (&[Pcma], Some(Opus), "111 9 0", Err(Refusal::NoCommonCodec)),
        (&[Opus], Some(Pcma), "111 8", Ok(Opus)),
    ];
    for (codecs, prefer, types, expected) in cases {
        let offer = format!("{HEAD}m=audio 10000 RTP/AVP {types}\r\na=rtpmap:111 opus/48000/2\r\n");
        let local = Local { codecs: codecs.to_vec(), prefer: *prefer, ..local() };
        let chosen = answer_to(offer.as_bytes(), &local).map(|(_, agreed)| agreed.format.send.codec);
        assert_eq!(chosen, *expected, "{codecs:?}, other leg {prefer:?}, offered {types}");
    }
}
