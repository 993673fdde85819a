//! A bad network in virtual time: what is lost, late, out of order, twice or oddly dressed; and exactly that is counted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;
use vorzimmer_media::{Channel, Codec, Stats};
use vorzimmer_types::entropy::{self, Entropy, Seeded};
use world::{A, B, Phone, World, agreed};

const ANN: &str = "203.0.113.1:10000";
const BOB: &str = "198.51.100.2:20000";

fn call() -> (World, Phone) {
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma));
    world.bridge();
    (world, Phone::new(A, ANN, Codec::Pcma))
}

fn stats(world: &World) -> Stats {
    world.session.stats(A).unwrap()
}

/// The first codes of what was taped, which tell packets apart.
fn taped(world: &World) -> Vec<u16> {
    world.said.taps.iter().map(|tap| tap.sequence).collect()
}

/// The same packet with contributing sources, an extension of so many words, and padding.
fn dressed(packet: &[u8], sources: u8, words: u16, padding: u8) -> Vec<u8> {
    let (head, payload) = packet.split_at(12);
    let mut out = head.to_vec();
    out[0] |= sources | 0x10 | if padding > 0 { 0x20 } else { 0 };
    out.extend(vec![9; 4 * usize::from(sources)]);
    out.extend([0xbe, 0xde]);
    out.extend(words.to_be_bytes());
    out.extend(vec![7; 4 * usize::from(words)]);
    out.extend(payload);
    if padding > 0 {
        out.extend(vec![0; usize::from(padding) - 1]);
        out.push(padding);
    }
    out
}

#[test]
fn whatever_a_packet_wears_its_voice_is_heard_and_nothing_of_the_rest() {
    let (mut world, mut ann) = call();
    let cases = [(0, 0, 0), (15, 0, 0), (15, 35, 0), (0, 250, 0), (3, 1, 255), (15, 30, 200)];
    for (sources, words, padding) in cases {
        let plain = ann.next();
        let packet = dressed(&plain, sources, words, padding);
        world.receive(A, Channel::Rtp, ann.addr, &packet);
        world.until(world.now_ms() + 20);
        let heard = world.heard_by(B).pop().unwrap();
        assert_eq!(
            heard.payload,
            plain[12..],
            "{sources} sources, {words} words, {padding} bytes of padding"
        );
        assert!(heard.header.csrc.is_empty() && !heard.header.extension && !heard.header.padding);
        assert_eq!(world.said.taps.last().unwrap().payload, plain[12..]);
    }
    assert_eq!(stats(&world).lost, 0);
}

#[test]
fn a_packet_that_lies_about_itself_is_refused_and_counted() {
    let (mut world, mut ann) = call();
    ann.talk_on(&mut world, 3);
    let plain = ann.next();
    let lies: Vec<Vec<u8>> = vec![
        plain[..12].iter().copied().chain([0; 3]).map(|b| b | 0x0f).take(11).collect(),
        // More sources than there are bytes.
        {
            let mut p = plain[..20].to_vec();
            p[0] |= 0x0f;
            p
        },
        // An extension beyond the end.
        {
            let mut p = plain.clone();
            p[0] |= 0x10;
            p[14] = 0xff;
            p[15] = 0xff;
            p
        },
        // Padding of none, and of more than everything.
        {
            let mut p = plain.clone();
            p[0] |= 0x20;
            *p.last_mut().unwrap() = 0;
            p
        },
        {
            let mut p = plain.clone();
            p[0] |= 0x20;
            *p.last_mut().unwrap() = 255;
            p
        },
        // Another version, and nothing at all.
        {
            let mut p = plain.clone();
            p[0] = 0x40;
            p
        },
        Vec::new(),
        vec![0x80],
        // Longer than any packet is.
        [plain.clone(), vec![0xd5; 1_500]].concat(),
    ];
    for (at, lie) in lies.iter().enumerate() {
        let before = stats(&world);
        world.receive(A, Channel::Rtp, ann.addr, lie);
        let now = stats(&world);
        assert_eq!((now.received, now.malformed), (before.received, before.malformed + 1), "lie {at}");
    }
    assert_eq!(world.heard_by(B).len(), 3);
    world.receive(A, Channel::Rtp, ann.addr, &plain);
    assert_eq!((world.heard_by(B).len(), stats(&world).lost), (4, 0), "and the peer goes on");
}

/// Some telephones keep a NAT open with packets that hold nothing: they have numbers, but no time passes in them.
#[test]
fn packets_without_a_voice_are_no_loss_and_leave_no_hole() {
    let (mut world, mut ann) = call();
    for _ in 0..20 {
        ann.talk(&mut world);
        let empty = ann.packet(8, false, Vec::new(), 0);
        world.receive(A, Channel::Rtp, ann.addr, &empty);
        // Nothing but padding is nothing too.
        let mut padded = ann.packet(8, false, vec![0, 0, 0, 4], 0);
        padded[0] |= 0x20;
        world.receive(A, Channel::Rtp, ann.addr, &padded);
        world.until(world.now_ms() + 20);
    }
    let stats = stats(&world);
    assert_eq!((stats.received, stats.lost, stats.malformed), (60, 0, 0));
    assert_eq!(world.said.taps.len(), 20);
    let steps = world::steps(&world.heard_by(B));
    assert!(steps.iter().all(|step| *step == 160), "{steps:?}");
}

#[test]
fn a_peer_that_stops_its_reports_is_heard_on_and_the_last_round_trip_stays() {
    let (mut world, mut ann) = call();
    ann.talk_on(&mut world, 3_000);
    let stats = stats(&world);
    assert_eq!((stats.received, stats.lost, stats.rtt), (3_000, 0, None));
    assert_eq!(stats.mos.map(|mos| mos.value()), Some(4.41));
}

/// One packet on its way.
fn draw(dice: &mut Seeded, below: u32) -> u32 {
    u32::from_be_bytes(entropy::array(dice as &mut dyn Entropy)) % below
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_lost_is_counted_to_the_packet(seed in any::<u64>(), loss in 0..20_u32, jitter in 0..41_u64, twice in 0..20_u32) {
        let (mut world, mut ann) = call();
        let mut dice = Seeded::new(seed);
        let mut arrivals = Vec::new();
        let mut lost = BTreeSet::new();
        for n in 0..500_u64 {
            let packet = ann.next();
            // The first and the last come: what is lost before or behind them nobody can count.
            if (1..499).contains(&n) && draw(&mut dice, 100) < loss {
                lost.insert(n);
                continue;
            }
            let copies = 1 + u64::from(draw(&mut dice, 100) < twice);
            for _ in 0..copies {
                let late = if n == 0 || n == 499 { 41 } else { u64::from(draw(&mut dice, 41)) * jitter / 40 };
                arrivals.push((20 * n + late + if n == 0 { 0 } else { 41 }, n, packet.clone()));
            }
        }
        arrivals.sort_by_key(|(at, n, _)| (*at, *n));
        for (at, _, packet) in &arrivals {
            world.until(*at);
            world.receive(A, Channel::Rtp, ann.addr, packet);
        }
        let stats = stats(&world);
        let came = 500 - lost.len();
        prop_assert_eq!(stats.lost, lost.len() as u64);
        prop_assert_eq!(stats.received, came as u64);
        prop_assert_eq!(stats.duplicate, (arrivals.len() - came) as u64);
        prop_assert_eq!(stats.late, 0);
        let heard: BTreeSet<u16> = taped(&world).into_iter().collect();
        prop_assert_eq!(heard.len(), came, "each once");
        let numbers: BTreeSet<u16> = world.heard_by(B).iter().map(|packet| packet.header.sequence_number).collect();
        prop_assert_eq!(numbers.len(), came, "the other side is told of each once");
        prop_assert!(stats.jitter.as_millis() <= u128::from(jitter) + 12);
    }
}
