//! Whose packets are heard: the peer's, and nobody else's, whatever others try.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::net::IpAddr;

use vorzimmer_media::{Channel, Codec, Command, Event, LegConfig, Negotiated, Stats};
use world::{A, B, Phone, World, agreed};

const ANN: &str = "203.0.113.1:10000";
const ANN_OTHER_PORT: &str = "203.0.113.1:6000";
const STRANGER: &str = "198.51.100.66:6666";
const BOB: &str = "198.51.100.2:20000";
const PRIVATE: &str = "192.168.1.20:10000";

fn world(signalled: &str, signalling: Option<&str>) -> World {
    let mut world = World::with_peers(agreed(signalled, Codec::Pcma), agreed(BOB, Codec::Pcma));
    let signalling: Option<IpAddr> = signalling.map(|ip| ip.parse().unwrap());
    world.tell(Command::Remote { leg: A, negotiated: agreed(signalled, Codec::Pcma), signalling });
    world.bridge();
    world
}

fn phone(at: &str) -> Phone {
    Phone {
        ssrc: at.len() as u32 * 77 + u32::from(at.as_bytes()[at.len() - 1]),
        ..Phone::new(A, at, Codec::Pcma)
    }
}

fn stats(world: &World) -> Stats {
    world.session.stats(A).unwrap()
}

/// How many of `count` packets from `at` are heard.
fn heard_of(world: &mut World, from: &mut Phone, count: u64) -> usize {
    let (before, taped) = (world.heard_by(B).len(), world.said.taps.len());
    from.talk_on(world, count);
    let heard = world.heard_by(B).len() - before;
    assert_eq!(world.said.taps.len() - taped, heard, "what is heard is what is taped");
    heard
}

/// Where the leg's own sound goes.
fn answered(world: &mut World) -> String {
    world.play(A, vorzimmer_media::Sound::Silence, 9, true);
    world.tell(Command::Stop { leg: A });
    let (.., to, _) = world.said.sent.last().unwrap();
    to.to_string()
}

#[test]
fn the_signalled_address_is_heard_from_its_first_packet() {
    let mut world = world(ANN, None);
    assert_eq!(heard_of(&mut world, &mut phone(ANN), 3), 3);
    assert!(world.said.events.contains(&(0, Event::Latched { leg: A })));
    assert_eq!(answered(&mut world), ANN);
}

/// Who sends in place of the signalled address, and how many of 50 packets are heard: all but five on probation, and
/// those within the first 250 ms.
#[test]
fn who_else_may_be_the_peer() {
    type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, usize);
    let cases: &[Case<'_>] = &[
        ("same address, port changed by a NAT", ANN, None, ANN_OTHER_PORT, 37),
        ("another address, the signalled one public", ANN, None, STRANGER, 0),
        ("the same, though signalling comes from it", ANN, Some("198.51.100.66"), STRANGER, 0),
        ("the signalled one private", PRIVATE, None, STRANGER, 37),
        ("the signalled one private, signalling from there", PRIVATE, Some("198.51.100.66"), STRANGER, 37),
        ("the signalled one private, signalling from elsewhere", PRIVATE, Some("203.0.113.1"), STRANGER, 0),
        ("the signalled one shared by a carrier's NAT", "100.64.3.4:10000", None, STRANGER, 37),
        ("the signalled one nowhere", "0.0.0.0:10000", None, STRANGER, 37),
        ("loopback is no private address", "127.0.0.1:10000", None, STRANGER, 0),
        ("the signalled one in IPv6 clothes", ANN, None, "[::ffff:203.0.113.1]:10000", 50),
        ("IPv6, local to a site", "[fd00::1]:10000", None, "[2001:db8::5]:7000", 37),
        ("IPv6, public", "[2001:db8::1]:10000", None, "[2001:db8::5]:7000", 0),
    ];
    for (what, signalled, signalling, sender, heard) in cases {
        let mut world = world(signalled, *signalling);
        assert_eq!(heard_of(&mut world, &mut phone(sender), 50), *heard, "{what}");
        if *heard > 0 {
            let expected = sender.replace("[::ffff:203.0.113.1]", "203.0.113.1");
            assert_eq!(answered(&mut world), expected, "{what}");
        } else {
            assert_eq!(stats(&world).foreign, 50, "{what}");
            assert_eq!(answered(&mut world), *signalled, "{what}");
        }
    }
}

#[test]
fn the_signalled_address_wins_while_another_is_on_probation() {
    let mut world = world(ANN, None);
    let (mut spoofer, mut ann) = (phone(ANN_OTHER_PORT), phone(ANN));
    assert_eq!(heard_of(&mut world, &mut spoofer, 10), 0, "200 ms: too early");
    assert_eq!(heard_of(&mut world, &mut ann, 1), 1);
    assert_eq!(heard_of(&mut world, &mut spoofer, 100), 0);
    assert_eq!(heard_of(&mut world, &mut ann, 10), 10);
}

#[test]
fn probation_wants_packets_in_a_row_of_one_source() {
    type Spoil = fn(&mut Phone, u64);
    let cases: &[(&str, Spoil)] = &[
        ("every other number left out", |phone, _| phone.sequence = phone.sequence.wrapping_add(1)),
        ("the same number again and again", |phone, _| phone.sequence = 7),
        ("numbers at random", |phone, n| phone.sequence = (n * 7919) as u16),
        ("a new source every four packets", |phone, n| phone.ssrc = (n / 4) as u32),
        ("another port every four packets", |phone, n| phone.addr.set_port(6000 + (n / 4) as u16)),
        ("pauses of a second", |_, _| {}),
    ];
    for (what, spoil) in cases {
        let mut world = world(ANN, None);
        let mut sender = phone(ANN_OTHER_PORT);
        for n in 0..100 {
            spoil(&mut sender, n);
            sender.talk(&mut world);
            let pause = if what.starts_with("pauses") { 1000 } else { 20 };
            world.until(world.now_ms() + pause);
        }
        assert!(world.said.taps.is_empty(), "{what}");
        assert!(!world.said.events.iter().any(|(_, event)| matches!(event, Event::Latched { .. })), "{what}");
    }
}

#[test]
fn a_spray_from_everywhere_neither_gets_in_nor_keeps_the_peer_out() {
    let mut world = world(ANN, None);
    let mut peer = phone(ANN_OTHER_PORT);
    let mut heard = 0;
    for n in 0..50_u64 {
        for port in 0..20 {
            // Without a word of the sequence that the peer sends.
            let mut noise = phone(STRANGER);
            noise.addr.set_port(1000 + port);
            noise.sequence = (n * 31) as u16;
            noise.talk(&mut world);
        }
        heard += heard_of(&mut world, &mut peer, 1);
    }
    assert_eq!(heard, 37);
    assert_eq!(stats(&world).foreign, 50 * 20 + 13);
}

#[test]
fn a_spray_of_ports_of_the_peers_own_address_does_not_displace_it_from_probation() {
    let mut world = world(ANN, None);
    let (mut peer, mut one) = (phone(ANN_OTHER_PORT), phone("203.0.113.1:7001"));
    let mut heard = 0;
    for n in 0..50 {
        one.addr.set_port(7000 + n % 3);
        one.sequence = 5 * n;
        one.talk(&mut world);
        heard += heard_of(&mut world, &mut peer, 1);
    }
    assert_eq!(heard, 37);
}

#[test]
fn after_the_latch_nobody_else_is_heard_or_answered() {
    let strangers = [STRANGER, ANN_OTHER_PORT, "203.0.113.1:10001", "203.0.113.2:10000", BOB];
    for stranger in strangers {
        let mut world = world(ANN, None);
        let mut ann = phone(ANN);
        heard_of(&mut world, &mut ann, 5);
        // With its own numbers, and with the peer's very own, which it must have guessed or seen.
        let mut plain = phone(stranger);
        assert_eq!(heard_of(&mut world, &mut plain, 100), 0, "{stranger}");
        for _ in 0..100 {
            // Ahead of the peer; what follows a peer that has fallen silent is in moves.rs.
            let mut clever = Phone { addr: plain.addr, ..ann.clone() };
            clever.talk(&mut world);
            assert_eq!(heard_of(&mut world, &mut ann, 1), 1, "{stranger}");
        }
        assert_eq!(stats(&world).foreign, 200, "{stranger}");
        assert_eq!(answered(&mut world), ANN);
        assert_eq!(heard_of(&mut world, &mut ann, 5), 5, "and the peer lost nothing to {stranger}");
    }
}

#[test]
fn a_learnt_peer_is_as_exclusive_as_a_signalled_one() {
    let mut world = world(PRIVATE, None);
    let mut peer = phone(STRANGER);
    assert_eq!(heard_of(&mut world, &mut peer, 50), 37);
    for other in [ANN, PRIVATE, "198.51.100.66:6667"] {
        assert_eq!(heard_of(&mut world, &mut phone(other), 50), 0, "{other}");
    }
    assert_eq!(heard_of(&mut world, &mut peer, 5), 5);
}

fn again(world: &mut World, negotiated: Negotiated) {
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
}

#[test]
fn a_re_invite_with_another_address_moves_the_peer_and_leaves_the_old_one_behind() {
    let mut world = world(ANN, None);
    let (mut old, mut new) = (phone(ANN), phone("203.0.113.1:12000"));
    heard_of(&mut world, &mut old, 5);
    again(&mut world, agreed("203.0.113.1:12000", Codec::Pcma));
    assert_eq!(heard_of(&mut world, &mut old, 100), 0, "late packets, however many");
    assert_eq!(heard_of(&mut world, &mut new, 5), 5);
    assert_eq!(answered(&mut world), "203.0.113.1:12000");
}

#[test]
fn a_re_invite_without_change_goes_on_at_once_and_allows_a_new_nat_port() {
    let mut world = world(PRIVATE, None);
    let mut peer = phone(STRANGER);
    heard_of(&mut world, &mut peer, 50);
    again(&mut world, agreed(PRIVATE, Codec::Pcma));
    assert_eq!(answered(&mut world), STRANGER, "no word to the private address in between");
    assert_eq!(heard_of(&mut world, &mut peer, 3), 3);
    again(&mut world, agreed(PRIVATE, Codec::Pcma));
    let mut moved = phone("198.51.100.66:7777");
    assert_eq!(heard_of(&mut world, &mut moved, 50), 37);
    assert_eq!(answered(&mut world), "198.51.100.66:7777");
}

#[test]
fn hold_by_an_address_of_nowhere_keeps_the_peer() {
    let mut world = world(ANN, None);
    let mut ann = phone(ANN);
    heard_of(&mut world, &mut ann, 5);
    world.said.taps.clear();
    again(&mut world, agreed("0.0.0.0:10000", Codec::Pcma));
    assert_eq!(heard_of(&mut world, &mut ann, 5), 5);
    again(&mut world, agreed(ANN, Codec::Pcma));
    assert_eq!(heard_of(&mut world, &mut ann, 5), 5);
    assert!(world.said.taps.iter().all(|tap| !tap.restarted), "and its clock");

    let mut world = self::world(PRIVATE, None);
    let mut peer = phone(STRANGER);
    heard_of(&mut world, &mut peer, 50);
    again(&mut world, agreed("0.0.0.0:10000", Codec::Pcma));
    again(&mut world, agreed(PRIVATE, Codec::Pcma));
    assert_eq!(heard_of(&mut world, &mut peer, 5), 5, "learnt or signalled");
}

#[test]
fn after_a_re_invite_another_source_at_the_same_address_is_heard_at_once() {
    let mut world = world(ANN, None);
    let mut ann = phone(ANN);
    heard_of(&mut world, &mut ann, 5);
    again(&mut world, agreed(ANN, Codec::Pcma));
    let mut transferred = Phone { ssrc: 0x900d, sequence: 40_000, timestamp: 123, ..ann };
    assert_eq!(heard_of(&mut world, &mut transferred, 5), 5);
}

#[test]
fn another_source_at_the_peers_address_is_heard_only_when_the_first_is_silent() {
    let mut world = world(ANN, None);
    let mut ann = phone(ANN);
    heard_of(&mut world, &mut ann, 5);
    // A hijacker that can forge the address, but not silence the peer.
    let mut hijacker = Phone { ssrc: 0xbad, sequence: 100, timestamp: 5, ..ann.clone() };
    for _ in 0..50 {
        assert_eq!(heard_of(&mut world, &mut ann, 1), 1);
        hijacker.talk(&mut world);
    }
    assert_eq!(world.said.taps.len(), 55);
    assert_eq!(stats(&world).other_source, 50);
    // The peer itself begins anew, as gateways do when a call is put through: three packets show it.
    let mut anew = Phone { ssrc: 0x900d, sequence: 40_000, timestamp: 123, ..ann.clone() };
    assert_eq!(heard_of(&mut world, &mut anew, 10), 8);
    assert!(world.said.taps[55].restarted, "the recorder is told that the clock is another one");
    let heard = world.heard_by(B);
    assert!(world::steps(&heard).iter().all(|step| *step >= 160));
    assert_eq!(stats(&world).lost, 0);
}

#[test]
fn a_sender_that_jumps_is_followed_after_two_packets() {
    let mut world = world(ANN, None);
    let mut ann = phone(ANN);
    heard_of(&mut world, &mut ann, 5);
    ann.sequence = ann.sequence.wrapping_add(30_000);
    assert_eq!(heard_of(&mut world, &mut ann, 10), 9);
    assert_eq!(stats(&world).lost, 0);
    world::steps(&world.heard_by(B));
    // One stray number in between moves nothing.
    let stray = Phone { sequence: ann.sequence.wrapping_sub(20_000), ..ann.clone() };
    stray.clone().talk(&mut world);
    assert_eq!(heard_of(&mut world, &mut ann, 5), 5);
}

/// Packets of the peer itself that hold nothing to hear.
#[test]
fn what_is_not_a_voice_packet_is_counted_and_dropped() {
    let good = phone(ANN).next();
    let with = |place: usize, byte: u8| {
        let mut packet = good.clone();
        packet[place] = byte;
        packet
    };
    let header = &good[..12];
    type Counter = fn(&Stats) -> u64;
    let malformed: Counter = |stats| stats.malformed;
    let not_negotiated: Counter = |stats| stats.not_negotiated;
    let cases: Vec<(&str, Vec<u8>, Counter)> = vec![
        ("nothing", vec![], malformed),
        ("half a header", good[..7].to_vec(), malformed),
        ("STUN", vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], malformed),
        ("version 1", with(0, 0x40), malformed),
        ("contributing sources beyond the end", [&with(0, 0x8f)[..12], &[0; 20]].concat(), malformed),
        (
            "an extension beyond the end",
            [&with(0, 0x90)[..12], &[0xbe, 0xde, 0xff, 0xff, 1, 2]].concat(),
            malformed,
        ),
        ("padding of nothing", [&with(0, 0xa0)[..], &[0]].concat(), malformed),
        ("padding beyond the beginning", [&with(0, 0xa0)[..12], &[9, 9, 9, 200]].concat(), malformed),
        ("far too much audio", [header, &[0xd5; 1000]].concat(), malformed),
        ("a datagram beyond any packet", [header, &[0xd5; 9000]].concat(), malformed),
        ("µ-law, not agreed on", with(1, 0), not_negotiated),
        ("comfort noise, not agreed on", with(1, 13), not_negotiated),
        ("RTCP on the wrong port", with(1, 200), not_negotiated),
        ("half an event", [&with(1, 101)[..12], &[1, 2, 3]].concat(), malformed),
    ];
    for (what, packet, counter) in cases {
        let mut world = world(ANN, None);
        world.receive(A, Channel::Rtp, world::addr(ANN), &packet);
        assert!(world.said.taps.is_empty() && world.said.events.is_empty(), "{what}");
        assert_eq!(counter(&stats(&world)), 1, "{what}");
        assert_eq!(heard_of(&mut world, &mut phone(ANN), 1), 1, "{what}");
    }
}

#[test]
fn contributing_sources_extension_and_padding_stay_behind() {
    let mut world = world(ANN, None);
    let payload = [0x91, 0x92, 0x93, 0x94];
    let head = [0xb2, 8, 0, 9, 0, 0, 0, 160, 0, 0, 0, 5];
    let packet = [&head[..], &[7; 8], &[0xbe, 0xde, 0, 1, 1, 2, 3, 4], &payload, &[0, 0, 3]].concat();
    world.receive(A, Channel::Rtp, world::addr(ANN), &packet);
    let heard = &world.heard_by(B)[0];
    assert_eq!(heard.payload[..], payload);
    assert!(heard.header.csrc.is_empty() && !heard.header.extension && !heard.header.padding);
    let (.., bytes) = world.said.sent.last().unwrap();
    assert_eq!(bytes.len(), 12 + 4);
}

#[test]
fn a_leg_that_was_told_of_no_peer_hears_nobody() {
    let mut world = World::new();
    world.tell(Command::Open { leg: A, config: LegConfig { slot: Some(0), ..LegConfig::default() } });
    phone(ANN).talk_on(&mut world, 50);
    assert!(world.said.taps.is_empty() && world.said.sent.is_empty());
    world.receive(B, Channel::Rtp, world::addr(ANN), &phone(ANN).next());
    assert!(world.said.sent.is_empty(), "nor does a leg that does not exist");
}
