//! Protected legs: what is sealed, what is believed, what a new key changes, and what strangers cannot do.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::sync::Arc;

use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_media::{Channel, Codec, Command, Digit, Event, LegKey, Negotiated, Sound, Stats};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{Keying, MasterKey, SrtpKeys, Suite};
use world::{A, B, Phone, World, addr, agreed};

const ANN: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:4000";

/// Keys as our end has them.
fn keys(suite: Suite, seed: u64) -> Arc<SrtpKeys> {
    let mut random = Seeded::new(seed);
    let (send, receive) = (MasterKey::random(suite, &mut random), MasterKey::random(suite, &mut random));
    Arc::new(SrtpKeys { send, receive, lifetime: SrtpKeys::MAX_LIFETIME })
}

fn secured(at: &str, codec: Codec, keys: &Arc<SrtpKeys>) -> Negotiated {
    let keying = Keying::Sdes { keys: Arc::clone(keys), in_clear: false };
    Negotiated { keying, ..agreed(at, codec) }
}

/// A telephone that speaks SRTP.
struct Secure {
    phone: Phone,
    sealer: Sealer,
    opener: Opener,
}

impl Secure {
    fn new(phone: Phone, keys: &SrtpKeys) -> Self {
        let (sealer, opener) = (Sealer::new(&keys.receive), Opener::new(&keys.send, SrtpKeys::MAX_LIFETIME));
        Self { phone, sealer, opener }
    }

    fn next(&mut self) -> Vec<u8> {
        let packet = self.phone.next();
        self.sealer.rtp(&packet).expect("sealed").to_vec()
    }

    fn talk(&mut self, world: &mut World) {
        let packet = self.next();
        world.receive(self.phone.leg, Channel::Rtp, self.phone.addr, &packet);
    }

    fn talk_on(&mut self, world: &mut World, count: u64) {
        for _ in 0..count {
            self.talk(world);
            world.until(world.now_ms() + 20);
        }
    }

    /// The payloads of what was sent to it; fails if anything cannot be opened.
    fn heard(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let leg = self.phone.leg;
        let (hers, others) = std::mem::take(&mut world.said.sent)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, to, channel, ..)| (*to, *channel) == (leg, Channel::Rtp));
        world.said.sent = others;
        hers.into_iter()
            .map(|(.., mut bytes)| {
                let length = self.opener.rtp(&mut bytes).expect("what we send can be opened");
                bytes[12..length].to_vec()
            })
            .collect()
    }
}

fn stats(world: &World, leg: LegKey) -> Stats {
    world.session.stats(leg).expect("a leg")
}

/// Ann's leg is protected, Bob's is not, and they are bridged.
fn talk(suite: Suite) -> (World, Secure, Phone) {
    let keys = keys(suite, 1);
    let mut world = World::with_peers(secured(ANN, Codec::Pcma, &keys), agreed(BOB, Codec::Pcma));
    world.bridge();
    (world, Secure::new(Phone::new(A, ANN, Codec::Pcma), &keys), Phone::new(B, BOB, Codec::Pcma))
}

#[test]
fn a_protected_and_a_plain_leg_hear_each_other_and_both_are_taped() {
    for suite in Suite::ALL {
        let (mut world, mut ann, mut bob) = talk(suite);
        for _ in 0..50 {
            ann.talk(&mut world);
            bob.talk_on(&mut world, 1);
        }
        let by_bob = world.heard_by(B);
        assert_eq!(by_bob.len(), 50, "{suite:?}");
        assert!(by_bob.iter().enumerate().all(|(at, packet)| {
            packet.payload == vec![(65_530_u16.wrapping_add(at as u16) as u8) | 0x80; 160]
        }));
        let by_ann = ann.heard(&mut world);
        assert_eq!(by_ann.len(), 50);
        assert_eq!(by_ann[7], vec![1 | 0x80; 160]);
        assert_eq!(world.said.taps.iter().filter(|tap| tap.slot == 0).count(), 50);
        assert!(world.said.taps.iter().all(|tap| tap.payload.len() == 160), "no tag is taped");
        assert_eq!((stats(&world, A).forged, stats(&world, A).unsealed), (0, 0));
    }
}

#[test]
fn nothing_leaves_a_protected_leg_in_the_clear() {
    // Relayed, and decoded and encoded again.
    for codec in [Codec::Pcma, Codec::G722] {
        let keys = keys(Suite::AesCm128HmacSha1Tag80, 1);
        let mut world = World::with_peers(secured(ANN, Codec::Pcma, &keys), agreed(BOB, codec));
        world.bridge();
        let mut ann = Secure::new(Phone::new(A, ANN, Codec::Pcma), &keys);
        ann.talk(&mut world);
        world.play(A, Sound::Hold, 1, true);
        world.until(200);
        world.tell(Command::Stop { leg: A });
        let mut bob = Phone::new(B, BOB, codec);
        bob.talk_on(&mut world, 400);
        world.tell(Command::Press { leg: A, digit: Digit::from_char('5').expect("a key") });
        world.until(world.now_ms() + 300);
        world.tell(Command::Close { leg: A });
        everything_can_be_opened(&mut world, &mut ann);
    }
}

fn everything_can_be_opened(world: &mut World, ann: &mut Secure) {
    let (mut voices, mut reports) = (0, 0);
    for (_, leg, channel, _, mut bytes) in std::mem::take(&mut world.said.sent) {
        if leg != A {
            continue;
        }
        let opened = match channel {
            Channel::Rtp => ann.opener.rtp(&mut bytes),
            Channel::Rtcp => ann.opener.rtcp(&mut bytes),
        };
        assert!(opened.is_ok(), "{channel:?}");
        reports += u32::from(channel == Channel::Rtcp);
        voices += u32::from(channel == Channel::Rtp);
    }
    assert!(reports >= 2, "reports and a goodbye: {reports}");
    assert!(voices > 380, "{voices}");
}

#[test]
fn plain_packets_to_a_protected_leg_are_not_heard_and_move_no_latch() {
    let (mut world, mut ann, _) = talk(Suite::AeadAes128Gcm);
    let mut plain = Phone::new(A, ANN, Codec::Pcma);
    plain.talk_on(&mut world, 20);
    let mut elsewhere = Phone::new(A, "192.0.2.1:4444", Codec::Pcma);
    elsewhere.talk_on(&mut world, 50);
    assert_eq!(world.said.taps, []);
    assert!(world.said.events.iter().all(|(_, event)| !matches!(event, Event::Latched { .. })));
    assert_eq!((stats(&world, A).forged, stats(&world, A).received), (70, 0));
    ann.talk_on(&mut world, 3);
    assert_eq!((stats(&world, A).received, world.heard_by(B).len()), (3, 3));
}

#[test]
fn junk_replays_and_forgeries_are_not_heard_and_make_no_state() {
    let (mut world, mut ann, _) = talk(Suite::AesCm128HmacSha1Tag80);
    ann.talk_on(&mut world, 10);
    let old = ann.next();
    world.receive(A, Channel::Rtp, addr(ANN), &old);
    let mut stranger = Secure::new(Phone::new(A, ANN, Codec::Pcma), &keys(Suite::AesCm128HmacSha1Tag80, 9));
    for n in 0..1000_u32 {
        world.receive(A, Channel::Rtp, addr(ANN), &old);
        stranger.phone.ssrc = n;
        stranger.talk(&mut world);
        let junk: Vec<u8> = (0..n as usize % 200).map(|at| (at as u32 * n) as u8 | 0x80).collect();
        world.receive(A, Channel::Rtp, addr(ANN), &junk);
        world.receive(A, Channel::Rtcp, addr("192.0.2.1:4001"), &junk);
        world.receive(A, Channel::Rtp, addr("198.51.100.66:4000"), &old);
    }
    let found = stats(&world, A);
    assert_eq!((found.received, found.replayed, found.foreign), (11, 1000, 1000));
    assert_eq!(world.heard_by(B).len(), 11);
    assert_eq!(world.said.taps.len(), 11);
    ann.talk_on(&mut world, 5);
    assert_eq!(world.heard_by(B).len(), 16, "and Ann is heard as before");
}

#[test]
fn another_address_is_believed_only_with_the_peers_key() {
    let (mut world, ann, _) = talk(Suite::AeadAes256Gcm);
    let mut moved = Secure { phone: Phone { addr: addr("192.0.2.1:5555"), ..ann.phone.clone() }, ..ann };
    world.until(300);
    moved.talk_on(&mut world, 10);
    assert_eq!(stats(&world, A).received, 6, "from the fifth in a row on");
}

#[test]
fn a_new_key_takes_over_without_a_gap_and_the_old_one_fades() {
    let (mut world, mut ann, mut bob) = talk(Suite::AesCm128HmacSha1Tag80);
    ann.talk_on(&mut world, 5);
    let next = keys(Suite::AeadAes256Gcm, 2);
    let mut renewed = Secure::new(ann.phone.clone(), &next);
    let negotiated = secured(ANN, Codec::Pcma, &next);
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    // Our answer is still on its way: she goes on under the old key.
    renewed.phone.sequence = renewed.phone.sequence.wrapping_add(5);
    renewed.phone.timestamp = renewed.phone.timestamp.wrapping_add(5 * 160);
    ann.talk_on(&mut world, 5);
    let overtaken = {
        ann.phone.sequence = renewed.phone.sequence.wrapping_add(2);
        ann.next()
    };
    renewed.talk_on(&mut world, 2);
    renewed.phone.sequence = renewed.phone.sequence.wrapping_add(1);
    renewed.talk_on(&mut world, 3);
    world.receive(A, Channel::Rtp, addr(ANN), &overtaken);
    assert_eq!(stats(&world, A).received, 16);
    assert_eq!(stats(&world, A).lost, 0);
    assert_eq!(world.said.taps.iter().filter(|tap| tap.restarted).count(), 1, "the recording goes on");
    world.until(world.now_ms() + 1500);
    ann.phone.sequence = renewed.phone.sequence;
    ann.talk(&mut world);
    assert_eq!((stats(&world, A).received, stats(&world, A).forged), (16, 1), "the old key is over");
    world.said.sent.clear();
    bob.talk_on(&mut world, 5);
    assert_eq!(renewed.heard(&mut world).len(), 5, "she hears us under the new key");
}

#[test]
fn hold_and_resume_with_the_same_key_go_on_in_the_same_count() {
    let keys = keys(Suite::AesCm128HmacSha1Tag80, 1);
    let (mut world, mut ann, mut bob) = talk(Suite::AesCm128HmacSha1Tag80);
    let again = |world: &mut World| {
        let negotiated = secured(ANN, Codec::Pcma, &keys);
        world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    };
    for _ in 0..3 {
        ann.talk_on(&mut world, 5);
        bob.talk_on(&mut world, 5);
        again(&mut world);
    }
    let replay = ann.next();
    world.receive(A, Channel::Rtp, addr(ANN), &replay);
    again(&mut world);
    world.receive(A, Channel::Rtp, addr(ANN), &replay);
    assert_eq!(stats(&world, A).replayed, 1, "a new description forgets nothing");
    assert_eq!(ann.heard(&mut world).len(), 15, "each under an index of its own");
    assert_eq!(stats(&world, A).unsealed, 0);
}

#[test]
fn a_bridge_of_two_protected_legs_carries_100_000_packets_each_way() {
    let (suite, other) = (Suite::AesCm128HmacSha1Tag80, Suite::AeadAes128Gcm);
    let (hers, his) = (keys(suite, 1), keys(other, 2));
    let mut world = World::with_peers(secured(ANN, Codec::Pcma, &hers), secured(BOB, Codec::Pcma, &his));
    world.bridge();
    let mut ann = Secure::new(Phone::new(A, ANN, Codec::Pcma), &hers);
    let mut bob = Secure::new(Phone::new(B, BOB, Codec::Pcma), &his);
    let mut heard = (0, 0);
    for count in 0..100_000_u32 {
        // Around each wrap of hers a packet in three is lost on the way to us.
        let packet = ann.next();
        let near_wrap = ann.phone.sequence.wrapping_add(30) < 60;
        if !near_wrap || count % 3 != 1 {
            world.receive(A, Channel::Rtp, addr(ANN), &packet);
        }
        bob.talk_on(&mut world, 1);
        if count % 500 == 499 {
            heard = (heard.0 + ann.heard(&mut world).len(), heard.1 + bob.heard(&mut world).len());
            world.said.taps.clear();
            world.said.sent.clear();
        }
    }
    let (from_ann, from_bob) = (stats(&world, A), stats(&world, B));
    assert_eq!(from_bob.received, 100_000);
    assert_eq!(from_ann.received + from_ann.lost, 100_000);
    assert_eq!((heard.0, heard.1 as u64), (100_000, from_ann.received));
    assert_eq!((from_ann.forged, from_ann.replayed, from_bob.forged, from_bob.replayed), (0, 0, 0, 0));
}
