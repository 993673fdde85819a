//! A peer that a NAT has forgotten, and whose packets come from somewhere else in mid-call: followed if they can only be
//! its own. And who is told our reports.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::sync::Arc;

use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_media::{Channel, Codec, Command, Negotiated, Sound, Stats};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{Keying, MasterKey, SrtpKeys, Suite};
use world::{A, B, Phone, World, addr, agreed};

const ANN: &str = "203.0.113.1:10000";
const BESIDE: &str = "203.0.113.1:6000";
const ELSEWHERE: &str = "198.51.100.66:6666";
const BOB: &str = "198.51.100.2:20000";
/// How long a peer must have been silent, in milliseconds.
const SILENT: u64 = 500;

fn ann() -> Phone {
    Phone { ssrc: 0x51ec_e7ed, ..Phone::new(A, ANN, Codec::Pcma) }
}

/// Ann has talked for a while and is silent for so long.
fn plain(silent_ms: u64) -> (World, Phone) {
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma));
    world.bridge();
    let mut ann = ann();
    ann.talk_on(&mut world, 50);
    world.until(world.now_ms() + silent_ms);
    (world, ann)
}

/// Time passes for her too, while nobody hears her.
fn unheard(phone: &mut Phone, packets: u16) {
    phone.sequence = phone.sequence.wrapping_add(packets);
    phone.timestamp = phone.timestamp.wrapping_add(u32::from(packets) * 160);
}

fn heard_of(world: &mut World, phone: &mut Phone, count: u64) -> usize {
    let before = world.said.taps.len();
    phone.talk_on(world, count);
    world.said.taps.len() - before
}

/// Where the leg's own sound goes.
fn answered(world: &mut World) -> String {
    world.play(A, Sound::Silence, 9, true);
    world.tell(Command::Stop { leg: A });
    let last = world.said.sent.iter().rfind(|sent| (sent.1, sent.2) == (A, Channel::Rtp)).unwrap();
    last.3.to_string()
}

fn stats(world: &World) -> Stats {
    world.session.stats(A).unwrap()
}

#[test]
fn in_the_clear_the_same_stream_is_followed_to_another_port_and_nothing_else_is() {
    type Change = fn(&mut Phone);
    let cases: &[(&str, u64, &str, Change, usize)] = &[
        ("the same stream, the next number", 600, BESIDE, |_| {}, 16),
        ("numbers that were lost meanwhile", 600, BESIDE, |phone| unheard(phone, 30), 16),
        ("not silent for long enough", SILENT - 400, BESIDE, |_| {}, 0),
        ("another source", 600, BESIDE, |phone| phone.ssrc ^= 1, 0),
        ("numbers that were heard", 600, BESIDE, |phone| unheard(phone, 0_u16.wrapping_sub(40)), 0),
        ("numbers from nowhere", 600, BESIDE, |phone| unheard(phone, 30_000), 0),
        ("another address", 600, ELSEWHERE, |_| {}, 0),
    ];
    for (what, silent_ms, at, change, heard) in cases {
        let (mut world, ann) = plain(*silent_ms);
        let lost = stats(&world).lost;
        let mut moved = Phone { addr: addr(at), ..ann };
        change(&mut moved);
        assert_eq!(heard_of(&mut world, &mut moved, 20), *heard, "{what}");
        assert_eq!(answered(&mut world), if *heard > 0 { at } else { ANN }, "{what}");
        if *heard > 0 {
            assert!(stats(&world).lost >= lost + 4, "{what}: what was not heard is counted as lost");
            assert!(world.said.taps.iter().skip(1).all(|tap| !tap.restarted), "{what}: its clock goes on");
        } else {
            assert_eq!(stats(&world).foreign, 20, "{what}");
        }
    }
}

#[test]
fn while_the_old_port_still_sends_nobody_moves_anywhere() {
    for sealed in [false, true] {
        let (mut world, mut ann) = plain(0);
        let mut keyed = sealed.then(|| Keyed::new(&mut world));
        let mut thief = Phone { addr: addr(BESIDE), ..ann.clone() };
        for _ in 0..100 {
            // It sees her packets, and is faster.
            let copy = match &mut keyed {
                Some(keyed) => keyed.next(&mut ann),
                None => ann.next(),
            };
            world.receive(A, Channel::Rtp, addr(BESIDE), &copy);
            world.receive(A, Channel::Rtp, addr(ANN), &copy);
            world.until(world.now_ms() + 20);
            thief.sequence = ann.sequence;
        }
        assert_eq!(answered(&mut world), ANN, "sealed: {sealed}");
        // The first is lost where new keys have just opened the gate, and a copy of it came before it.
        let heard = if sealed { 149 } else { 150 };
        assert_eq!(world.said.taps.len(), heard, "sealed: {sealed}: and she is heard");
        let paused = if sealed { 0 } else { heard_of(&mut world, &mut thief, 20) };
        assert_eq!(paused, 0, "nor in a pause of hers that is short");
    }
}

#[test]
fn packets_on_probation_are_in_a_row_and_start_again_when_the_old_port_is_back() {
    let (mut world, ann) = plain(600);
    let mut moved = Phone { addr: addr(BESIDE), ..ann.clone() };
    assert_eq!(heard_of(&mut world, &mut moved, 4), 0);
    let mut back = Phone { addr: addr(ANN), ..moved.clone() };
    assert_eq!(heard_of(&mut world, &mut back, 1), 1);
    unheard(&mut moved, 1);
    assert_eq!(heard_of(&mut world, &mut moved, 20), 0, "silence has to come first again");
    assert_eq!(answered(&mut world), ANN);
}

/// Keys of a leg, and the peer's end of them.
struct Keyed {
    sealer: Sealer,
    opener: Opener,
}

impl Keyed {
    fn new(world: &mut World) -> Self {
        let mut random = Seeded::new(3);
        let suite = Suite::AesCm128HmacSha1Tag80;
        let (send, receive) = (MasterKey::random(suite, &mut random), MasterKey::random(suite, &mut random));
        let (sealer, opener) = (Sealer::new(&receive), Opener::new(&send, SrtpKeys::MAX_LIFETIME));
        let keys = Arc::new(SrtpKeys { send, receive, lifetime: SrtpKeys::MAX_LIFETIME });
        let keying = Keying::Sdes { keys, in_clear: false };
        let negotiated = Negotiated { keying, ..agreed(ANN, Codec::Pcma) };
        world.tell(Command::Remote { leg: A, negotiated, signalling: None });
        Self { sealer, opener }
    }

    fn next(&mut self, phone: &mut Phone) -> Vec<u8> {
        self.sealer.rtp(&phone.next()).unwrap().to_vec()
    }
}

/// The same under keys: she has talked, and is silent.
fn sealed(silent_ms: u64) -> (World, Phone, Keyed) {
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma));
    world.bridge();
    let mut keyed = Keyed::new(&mut world);
    let mut ann = ann();
    for _ in 0..50 {
        let packet = keyed.next(&mut ann);
        world.receive(A, Channel::Rtp, addr(ANN), &packet);
        world.until(world.now_ms() + 20);
    }
    world.until(world.now_ms() + silent_ms);
    (world, ann, keyed)
}

#[test]
fn what_is_authentic_moves_the_peer_anywhere_with_its_first_packet() {
    for at in [BESIDE, ELSEWHERE, "[2001:db8::7]:9000"] {
        let (mut world, mut ann, mut keyed) = sealed(SILENT);
        for _ in 0..20 {
            let packet = keyed.next(&mut ann);
            world.receive(A, Channel::Rtp, addr(at), &packet);
            world.until(world.now_ms() + 20);
        }
        assert_eq!(world.said.taps.len(), 70, "{at}");
        assert_eq!(answered(&mut world), at);
        let mut last = world.said.sent.last().unwrap().4.clone();
        assert!(keyed.opener.rtp(&mut last).is_ok(), "{at}: and it is still sealed");
    }
}

#[test]
fn what_is_not_authentic_or_not_new_moves_nobody() {
    let (mut world, mut ann, mut keyed) = sealed(SILENT);
    let genuine = keyed.next(&mut ann);
    for at in [BESIDE, ELSEWHERE] {
        let forged = [&genuine[..genuine.len() - 1], &[genuine[genuine.len() - 1] ^ 1]].concat();
        world.receive(A, Channel::Rtp, addr(at), &forged);
        let mut clear = ann.clone();
        world.receive(A, Channel::Rtp, addr(at), &clear.next());
    }
    assert_eq!(stats(&world).forged, 4);
    assert_eq!(answered(&mut world), ANN);
    world.receive(A, Channel::Rtp, addr(ANN), &genuine);
    world.until(world.now_ms() + 2 * SILENT);
    world.receive(A, Channel::Rtp, addr(ELSEWHERE), &genuine);
    assert_eq!(answered(&mut world), ANN, "seen before");
    // Whoever guesses neither source nor number is not even deciphered.
    let junk = [&[0x80, 8][..], &[7; 200]].concat();
    (0..1_000).for_each(|_| world.receive(A, Channel::Rtp, addr(ELSEWHERE), &junk));
    assert_eq!((stats(&world).forged, stats(&world).foreign), (4, 1_001));
}

/// A receiver report by this source, about that one if it is given.
fn report(by: u32, about: Option<u32>) -> Vec<u8> {
    let mut report = vec![0x80, 201, 0, 1];
    report.extend(by.to_be_bytes());
    if let Some(about) = about {
        (report[0], report[3]) = (0x81, 7);
        report.extend(about.to_be_bytes());
        report.extend([0; 20]);
    }
    report
}

#[test]
fn reports_go_where_signalling_says_until_the_peer_itself_reports_from_elsewhere() {
    const SIGNALLED: &str = "203.0.113.1:10001";
    let hers = ann().ssrc;
    // From where, by whom, whether about what we send, and whether that is believed.
    let cases = [
        ("where it was signalled", SIGNALLED, 77, false, true),
        ("any other port at her address, without a word of hers", BESIDE, 77, false, false),
        ("the same, her source guessed", BESIDE, hers, false, false),
        ("the same, who knows both sources", BESIDE, hers, true, true),
        ("the same, who knows only ours", BESIDE, 77, true, false),
        ("on the port of her voice", ANN, hers, false, true),
        ("elsewhere, who knows both", ELSEWHERE, hers, true, false),
    ];
    for (what, from, by, about, believed) in cases {
        let (mut world, _) = plain(0);
        Phone::new(B, BOB, Codec::Pcma).talk_on(&mut world, 5);
        let ours = world.heard_by(A).last().unwrap().header.ssrc;
        world.receive(A, Channel::Rtcp, addr(from), &report(by, about.then_some(ours)));
        assert_eq!(stats(&world).foreign, u64::from(!believed), "{what}");
        let before = world.said.sent.len();
        world.until(world.now_ms() + 12_000);
        let sent = world.said.sent[before..].iter().filter(|sent| (sent.1, sent.2) == (A, Channel::Rtcp));
        let to: Vec<String> = sent.map(|sent| sent.3.to_string()).collect();
        let expected = if believed { from } else { SIGNALLED };
        assert!(!to.is_empty() && to.iter().all(|to| to == expected), "{what}: {to:?}");
    }
}

#[test]
fn reports_follow_a_peer_that_has_moved_when_it_reports_from_there() {
    let (mut world, ann) = plain(600);
    world.receive(A, Channel::Rtcp, addr("203.0.113.1:10001"), &report(ann.ssrc, None));
    let mut moved = Phone { addr: addr(BESIDE), ..ann };
    heard_of(&mut world, &mut moved, 20);
    world.receive(A, Channel::Rtcp, addr("203.0.113.1:6001"), &report(moved.ssrc, None));
    let before = world.said.sent.len();
    world.until(world.now_ms() + 12_000);
    let sent = world.said.sent[before..].iter().filter(|sent| (sent.1, sent.2) == (A, Channel::Rtcp));
    assert!(sent.map(|sent| sent.3).all(|to| to == addr("203.0.113.1:6001")));
}

#[test]
fn a_peer_is_settled_while_it_speaks_and_no_longer() {
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma));
    let settled = |world: &World| world.session.settled(A, world.now()).map(|peer| peer.to_string());
    assert_eq!(settled(&world), None, "nobody was heard yet");
    let mut ann = ann();
    for _ in 0..5 {
        ann.talk_on(&mut world, 10);
        assert_eq!(settled(&world).as_deref(), Some(ANN));
        world.until(world.now_ms() + 150);
        assert_eq!(settled(&world), None, "she pauses");
    }
    // What others send does not make her speak.
    Phone::new(A, ELSEWHERE, Codec::Pcma).talk_on(&mut world, 5);
    assert_eq!(settled(&world), None);
    ann.talk_on(&mut world, 1);
    world.tell(Command::Remote { leg: A, negotiated: agreed(ELSEWHERE, Codec::Pcma), signalling: None });
    assert_eq!(settled(&world), None, "she may be elsewhere");
    assert_eq!(world.session.settled(B, world.now()), None, "he was never heard");
}

#[test]
fn whoever_has_moved_is_settled_where_it_is() {
    let (mut world, ann) = plain(600);
    let mut moved = Phone { addr: addr(BESIDE), ..ann };
    assert!(heard_of(&mut world, &mut moved, 20) > 0);
    assert_eq!(world.session.settled(A, world.now()), Some(addr(BESIDE)));
}
