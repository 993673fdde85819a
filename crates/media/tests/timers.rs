//! What happens because time passes: silence, reports, lost ends of digits; and digits from both their sources.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::time::Duration;

use vorzimmer_media::rtcp::{self, Compound, Packet, Report, SenderInfo};
use vorzimmer_media::{Channel, Codec, Command, Direction, LegConfig, encode};
use world::{A, B, Phone, World, addr, agreed};

const ANN: &str = "203.0.113.1:10000";
const ANN_RTCP: &str = "203.0.113.1:10001";
const BOB: &str = "198.51.100.2:20000";

fn call() -> (World, Phone) {
    (World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma)), Phone::new(A, ANN, Codec::Pcma))
}

fn silent(leg: u32, at: u64) -> String {
    format!("{at}: Silent {{ leg: LegKey({leg}) }}")
}

#[test]
fn a_leg_that_never_speaks_is_silent_after_thirty_seconds() {
    let (mut world, _) = call();
    world.until(100_000);
    assert_eq!(world.events(), [silent(1, 30_000), silent(2, 30_000)], "said once each");
}

#[test]
fn silence_counts_from_the_last_packet_and_may_come_again() {
    let (mut world, mut ann) = call();
    let mut bob = Phone::new(B, BOB, Codec::Pcma);
    world.until(29_999);
    ann.talk(&mut world);
    for _ in 0..50 {
        bob.talk(&mut world);
        world.until(world.now_ms() + 1000);
    }
    assert_eq!(world.events(), [silent(1, 59_999)]);
    ann.talk(&mut world);
    for _ in 0..40 {
        bob.talk(&mut world);
        world.until(world.now_ms() + 1000);
    }
    assert_eq!(world.events(), [silent(1, 79_999 + 30_000)]);
}

#[test]
fn strangers_do_not_keep_a_leg_alive() {
    let (mut world, mut ann) = call();
    ann.talk(&mut world);
    let mut stranger = Phone { addr: addr("192.0.2.66:4"), ..ann };
    for _ in 0..40 {
        stranger.talk(&mut world);
        world.until(world.now_ms() + 1000);
    }
    assert!(world.events().contains(&silent(1, 30_000)));
}

#[test]
fn whoever_was_told_to_be_silent_may_be() {
    let (mut world, mut ann) = call();
    ann.talk(&mut world);
    let negotiated = |direction| vorzimmer_media::Negotiated { direction, ..agreed(ANN, Codec::Pcma) };
    let remote = |negotiated| Command::Remote { leg: A, negotiated, signalling: None };
    world.tell(Command::Close { leg: B });
    world.events();
    for direction in [Direction::Inactive, Direction::SendOnly, Direction::RecvOnly] {
        world.tell(remote(negotiated(direction)));
        world.until(world.now_ms() + 100_000);
        assert_eq!(world.events(), Vec::<String>::new(), "{direction:?}");
    }
    world.tell(remote(negotiated(Direction::SendRecv)));
    let since = world.now_ms();
    world.until(since + 100_000);
    assert_eq!(world.events(), [silent(1, since + 30_000)], "the whole time anew after hold");
    // Local hold pauses too.
    ann.talk(&mut world);
    world.tell(Command::Hold { leg: A, on: true });
    world.until(world.now_ms() + 100_000);
    assert_eq!(world.events(), Vec::<String>::new());
}

#[test]
fn the_limit_is_configurable() {
    let mut world = World::new();
    let config = LegConfig { silence: Duration::from_secs(5), ..LegConfig::default() };
    world.tell(Command::Open { leg: A, config });
    world.until(20_000);
    world.tell(Command::Remote { leg: A, negotiated: agreed(ANN, Codec::Pcma), signalling: None });
    world.until(60_000);
    assert_eq!(world.events(), [silent(1, 25_000)]);
}

/// The reports that were sent to Ann.
fn reports(world: &World) -> Vec<(u64, String, Vec<Packet>)> {
    let to_ann =
        world.said.sent.iter().filter(|(_, leg, channel, ..)| (*leg, *channel) == (A, Channel::Rtcp));
    to_ann
        .map(|(at, _, _, to, bytes)| (*at, to.to_string(), Compound::parse(bytes).unwrap().collect()))
        .collect()
}

#[test]
fn reports_go_out_every_few_seconds_and_say_what_came() {
    let (mut world, mut ann) = call();
    world.play(A, vorzimmer_media::Sound::Hold, 1, true);
    for n in 0..1000 {
        if n % 10 == 9 {
            ann.next();
        } else {
            ann.talk(&mut world);
        }
        world.until(world.now_ms() + 20);
    }
    let reports = reports(&world);
    assert!((3..=10).contains(&reports.len()), "{} in 20 s", reports.len());
    let (mut last, mut random) = (0, std::collections::BTreeSet::new());
    for (at, to, packets) in &reports {
        assert_eq!(to, ANN_RTCP);
        random.insert(at - last);
        last = *at;
        let Packet::SenderReport { sender, block: Some(block), ssrc } = packets[0] else {
            panic!("{packets:?}")
        };
        let heard: Vec<_> = world.heard_at(A).into_iter().filter(|(sent, _)| sent <= at).collect();
        assert_eq!(ssrc, heard[0].1.header.ssrc);
        assert_eq!(u64::from(sender.packets), heard.len() as u64);
        assert_eq!(u64::from(sender.octets), heard.len() as u64 * 160);
        // The clock of the report and that of the stream are the same.
        let (newest_at, newest) = heard.last().unwrap();
        let ahead = sender.timestamp.wrapping_sub(newest.header.timestamp);
        assert_eq!(u64::from(ahead) / 8, at - newest_at);
        assert_eq!(block.ssrc, ann.ssrc);
        assert!((20..=32).contains(&block.fraction_lost), "{} of 256", block.fraction_lost);
    }
    assert!(random.len() > 2, "not in lock-step: {random:?}");
    let stats = world.session.stats(A).unwrap();
    assert_eq!((stats.received, stats.lost), (900, 99), "the last gap is not known yet");
}

#[test]
fn jitter_and_round_trip_are_measured() {
    let (mut world, mut ann) = call();
    for n in 0..500 {
        // Every other packet 10 ms late.
        world.until(n * 20 + 10 * (n % 2));
        ann.talk(&mut world);
    }
    let jitter = world.session.stats(A).unwrap().jitter;
    assert!((9_000..=10_000).contains(&jitter.as_micros()), "{jitter:?}");

    world.play(A, vorzimmer_media::Sound::Silence, 1, true);
    world.until(20_000);
    let (at, _, packets) = reports(&world).last().cloned().unwrap();
    let Packet::SenderReport { sender, ssrc, .. } = packets[0] else { panic!("{packets:?}") };
    // It answers 80 ms after it got the report; the way took 20 ms each.
    let about = rtcp::Block {
        ssrc,
        last_report: rtcp::middle(sender.ntp),
        delay: 65_536 * 80 / 1000,
        ..rtcp::Block::default()
    };
    let report =
        Report { ssrc: ann.ssrc, sender: None, about: Some(about), cname: *b"abcdefghijklmnop", bye: false };
    let mut bytes = [0; rtcp::MAX_REPORT];
    let length = rtcp::build(&report, &mut bytes).unwrap();
    world.until(at + 120);
    // Not from a stranger, and not about somebody else's stream.
    world.receive(A, Channel::Rtcp, addr("192.0.2.66:4"), &bytes[..length]);
    assert_eq!(world.session.stats(A).unwrap().rtt, None);
    world.receive(A, Channel::Rtcp, addr(ANN_RTCP), &bytes[..length]);
    let rtt = world.session.stats(A).unwrap().rtt.unwrap();
    assert!((38_900..=40_100).contains(&rtt.as_micros()), "{rtt:?}");
}

fn compound(ssrc: u32, bye: bool) -> Vec<u8> {
    let sender = Some(SenderInfo { ntp: 1 << 32, timestamp: 1, packets: 1, octets: 160 });
    let report = Report { ssrc, sender, about: None, cname: *b"abcdefghijklmnop", bye };
    let mut bytes = [0; rtcp::MAX_REPORT];
    let length = rtcp::build(&report, &mut bytes).unwrap();
    bytes[..length].to_vec()
}

#[test]
fn a_goodbye_counts_only_from_the_peer_and_for_its_own_source() {
    let cases = [
        ("the signalled address", ANN_RTCP, 0, true),
        ("the port of the peer's voice, its source", ANN, 0, true),
        ("the peer's address, another port, its source", "203.0.113.1:7777", 0, false),
        ("the peer's address, another port, another source", "203.0.113.1:7777", 1, false),
        ("the signalled address, another source", ANN_RTCP, 1, false),
        ("a stranger with the right source", "192.0.2.66:10001", 0, false),
    ];
    for (what, from, off, counts) in cases {
        let (mut world, mut ann) = call();
        ann.talk(&mut world);
        world.receive(A, Channel::Rtcp, addr(from), &compound(ann.ssrc + off, true));
        let expected: &[&str] = if counts { &["0: RtcpBye { leg: LegKey(1) }"] } else { &[] };
        assert_eq!(world.events(), expected, "{what}");
    }
}

#[test]
fn rtcp_is_learnt_once_too() {
    let (mut world, mut ann) = call();
    ann.talk(&mut world);
    world.receive(A, Channel::Rtcp, addr(ANN), &compound(ann.ssrc, false));
    world.receive(A, Channel::Rtcp, addr(ANN_RTCP), &compound(ann.ssrc, true));
    assert_eq!(world.events(), Vec::<String>::new());
    assert_eq!(world.session.stats(A).unwrap().foreign, 1);
    world.until(10_000);
    assert_eq!(reports(&world)[0].1, ANN);
    world.receive(A, Channel::Rtcp, addr(ANN), b"no RTCP");
    assert_eq!(world.session.stats(A).unwrap().malformed, 1);
}

#[test]
fn rtcp_about_another_source_moves_no_reports() {
    let (mut world, mut ann) = call();
    ann.talk(&mut world);
    world.receive(A, Channel::Rtcp, addr("203.0.113.1:7777"), &compound(ann.ssrc + 1, false));
    assert_eq!(world.session.stats(A).unwrap().foreign, 1);
    world.until(10_000);
    assert_eq!(reports(&world)[0].1, ANN_RTCP);
}

#[test]
fn a_closed_leg_says_goodbye_and_what_it_was_like() {
    let (mut world, mut ann) = call();
    ann.talk_on(&mut world, 5);
    world.tell(Command::Close { leg: A });
    let (_, to, packets) = reports(&world).last().cloned().unwrap();
    assert_eq!(to, ANN_RTCP);
    assert!(matches!(packets[2], Packet::Bye { .. }), "{packets:?}");
    let events = world.events();
    assert!(
        events[0].starts_with("100: Closed { leg: LegKey(1), stats: Stats { received: 5, lost: 0,"),
        "{events:?}"
    );
    assert!(world.session.stats(A).is_none());
    world.tell(Command::Close { leg: B });
    assert!(world.session.is_empty());
    assert_eq!(reports(&world).iter().filter(|(at, ..)| *at > 100).count(), 0);
}

#[test]
fn nobody_who_is_nowhere_gets_reports() {
    let mut world = World::with_peers(agreed("0.0.0.0:10000", Codec::Pcma), agreed(BOB, Codec::Pcma));
    world.until(20_000);
    assert!(reports(&world).is_empty());
}

/// Key down and up events as text: `1E` is a 1 from an event, `1T` one from a tone, `.` any end.
fn digits(world: &mut World) -> String {
    let mut heard = String::new();
    for (_, event) in std::mem::take(&mut world.said.events) {
        match event {
            vorzimmer_media::Event::Digit { digit, source, .. } => {
                heard.push(digit.as_char());
                heard.push(if source == vorzimmer_media::DigitSource::Event { 'E' } else { 'T' });
            }
            vorzimmer_media::Event::DigitEnded { .. } => heard.push('.'),
            _ => {}
        }
    }
    heard
}

const TONES_OF_1: [f64; 2] = [697.0, 1209.0];

/// 20 ms of these tones, or of silence; the timestamp says where in the tone.
fn sound(ann: &mut Phone, world: &mut World, tones: &[f64], events: impl FnOnce(&mut Phone, &mut World)) {
    let sample = |n: u32| -> f64 {
        tones
            .iter()
            .map(|hz| 6000.0 * (std::f64::consts::TAU * hz * f64::from(n % 8000) / 8000.0).sin())
            .sum()
    };
    let from = ann.timestamp.wrapping_add(16_000);
    let payload = (0..160).map(|n| encode(Codec::Pcma, sample(from.wrapping_add(n)) as i16)).collect();
    let packet = ann.packet(8, false, payload, 160);
    world.receive(A, Channel::Rtp, ann.addr, &packet);
    events(ann, world);
    world.until(world.now_ms() + 20);
}

#[test]
fn a_tone_alone_is_a_digit() {
    let (mut world, mut ann) = call();
    (0..5).for_each(|_| sound(&mut ann, &mut world, &TONES_OF_1, |_, _| {}));
    (0..5).for_each(|_| sound(&mut ann, &mut world, &[], |_, _| {}));
    assert_eq!(digits(&mut world), "1T.");
    let (mut world, mut ann) = call();
    world.tell(Command::Close { leg: A });
    world.tell(Command::Open { leg: A, config: LegConfig { tones: false, ..LegConfig::default() } });
    world.tell(Command::Remote { leg: A, negotiated: agreed(ANN, Codec::Pcma), signalling: None });
    (0..5).for_each(|_| sound(&mut ann, &mut world, &TONES_OF_1, |_, _| {}));
    assert_eq!(digits(&mut world), "", "unless nobody listens for tones");
}

#[test]
fn a_press_that_comes_as_event_and_as_tone_counts_once() {
    // When in the tone of 100 ms the event begins, in packets.
    for begins in [0, 1, 2, 3, 4, 5, 8] {
        let (mut world, mut ann) = call();
        let mut press = |first: bool| {
            let mut at = None;
            for n in 0..20 {
                let tones: &[f64] = if n < 5 { &TONES_OF_1 } else { &[] };
                sound(&mut ann, &mut world, tones, |ann, world| {
                    let age = n - begins;
                    if !(0..=4).contains(&age) {
                        return;
                    }
                    let began = *at.get_or_insert(ann.timestamp);
                    let now = std::mem::replace(&mut ann.timestamp, began);
                    ann.event(world, age == 0, 1, age == 4, 160 * (age as u16 + 1));
                    ann.timestamp = now;
                });
            }
            let heard = digits(&mut world);
            // The tone is sure after 40 ms, with the second packet.
            let source = if first && begins > 0 { 'T' } else { 'E' };
            let count = heard.chars().filter(|c| *c == '1').count();
            assert_eq!(count, 1, "event after {begins} packets: {heard}");
            assert_eq!(
                heard.chars().filter(|c| *c == '.').count(),
                1,
                "event after {begins} packets: {heard}"
            );
            assert!(heard.contains(source), "event after {begins} packets: {heard}");
        };
        press(true);
        press(false);
        press(false);
    }
}

#[test]
fn whoever_speaks_events_is_not_searched_for_tones() {
    let (mut world, mut ann) = call();
    ann.press(&mut world, 5);
    (0..5).for_each(|_| sound(&mut ann, &mut world, &TONES_OF_1, |_, _| {}));
    (0..5).for_each(|_| sound(&mut ann, &mut world, &[], |_, _| {}));
    assert_eq!(digits(&mut world), "5E.");
}

#[test]
fn the_same_key_twice_is_two_digits_in_either_way() {
    let (mut world, mut ann) = call();
    ann.talk_on(&mut world, 2);
    ann.press(&mut world, 1);
    ann.talk_on(&mut world, 3);
    ann.press(&mut world, 1);
    ann.talk_on(&mut world, 3);
    assert_eq!(digits(&mut world), "1E.1E.");
    let (mut world, mut ann) = call();
    for _ in 0..2 {
        (0..4).for_each(|_| sound(&mut ann, &mut world, &TONES_OF_1, |_, _| {}));
        (0..4).for_each(|_| sound(&mut ann, &mut world, &[], |_, _| {}));
    }
    assert_eq!(digits(&mut world), "1T.1T.");
}

#[test]
fn a_press_whose_end_is_lost_ends_by_itself() {
    let (mut world, mut ann) = call();
    ann.event(&mut world, true, 9, false, 160);
    world.until(299);
    assert_eq!(digits(&mut world), "9E");
    world.until(300);
    assert_eq!(digits(&mut world), ".");
}

#[test]
fn a_digit_is_told_with_its_first_packet() {
    let (mut world, mut ann) = call();
    world.until(1000);
    ann.event(&mut world, true, 11, false, 160);
    assert_eq!(world.events(), ["1000: Digit { leg: LegKey(1), digit: Digit(#), source: Event }"]);
}
