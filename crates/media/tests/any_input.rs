//! Whatever comes, in whatever order: no panic, no packet to or from a stranger.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use proptest::prelude::*;
use vorzimmer_media::rtcp::Compound;
use vorzimmer_media::rtp::{Header, View};
use vorzimmer_media::{Channel, Codec, Command, Digit, Direction, Negotiated, RingBack, Sound, dtmf};
use webrtc_util::marshal::Unmarshal;
use world::{A, B, Phone, World, addr, agreed};

const ANN: &str = "203.0.113.1:10000";
const BOB: &str = "198.51.100.2:20000";
const STRANGER: &str = "192.0.2.66:6666";

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Step {
    Raw { bob: bool, rtcp: bool, bytes: Vec<u8> },
    Rtp { bob: bool, from: u8, pt: u8, skip: u16, leap: u32, ssrc: u8, payload: Vec<u8> },
    Time(u16),
    Play { bob: bool, what: u8, looped: bool },
    Order { bob: bool, which: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    let pt = prop_oneof![Just(8_u8), Just(0), Just(101), 0..128_u8];
    let skip = prop_oneof![Just(0_u16), Just(0), Just(0), 0..5_u16, any::<u16>()];
    let leap = prop_oneof![Just(0_u32), Just(0), any::<u32>()];
    prop_oneof![
        1 => (any::<bool>(), any::<bool>(), bytes).prop_map(|(bob, rtcp, bytes)| Step::Raw { bob, rtcp, bytes }),
        8 => (any::<bool>(), 0..4_u8, pt, skip, leap, 0..3_u8, payload).prop_map(
            |(bob, from, pt, skip, leap, ssrc, payload)| Step::Rtp { bob, from, pt, skip, leap, ssrc, payload }
        ),
        4 => (0..400_u16).prop_map(Step::Time),
        1 => (any::<bool>(), 0..3_u8, any::<bool>()).prop_map(|(bob, what, looped)| Step::Play { bob, what, looped }),
        2 => (any::<bool>(), 0..9_u8).prop_map(|(bob, which)| Step::Order { bob, which }),
    ]
}

fn order(world: &mut World, leg: vorzimmer_media::LegKey, which: u8) {
    let home = if leg == A { ANN } else { BOB };
    let negotiated = |direction| Negotiated { direction, ..agreed(home, Codec::Pcma) };
    let remote = |negotiated| Command::Remote { leg, negotiated, signalling: None };
    // Too many keys at once are refused, which ends no story.
    let _ = world.try_tell(match which {
        0 => Command::Stop { leg },
        1 => Command::Hold { leg, on: true },
        2 => Command::Hold { leg, on: false },
        3 => Command::Bridge { a: A, b: B, relay_events: true },
        4 => Command::Bridge { a: B, b: A, relay_events: false },
        5 => Command::Unbridge,
        6 => remote(negotiated(Direction::Inactive)),
        7 => remote(negotiated(Direction::SendRecv)),
        _ => Command::Press { leg, digit: Digit::from_char('#').unwrap() },
    });
}

fn carry_out(world: &mut World, phones: &mut [Phone; 2], step: Step) {
    let leg = |bob| if bob { B } else { A };
    match step {
        Step::Raw { bob, rtcp, bytes } => {
            let channel = if rtcp { Channel::Rtcp } else { Channel::Rtp };
            world.receive(leg(bob), channel, phones[usize::from(bob)].addr, &bytes);
        }
        Step::Rtp { bob, from, pt, skip, leap, ssrc, payload } => {
            let phone = &mut phones[usize::from(bob)];
            phone.sequence = phone.sequence.wrapping_add(skip);
            phone.timestamp = phone.timestamp.wrapping_add(leap);
            phone.ssrc = 0x1000 + u32::from(ssrc / 2);
            let units = payload.len() as u32;
            let packet = phone.packet(pt, false, payload, units);
            let from = if from == 0 { addr(STRANGER) } else { phone.addr };
            world.receive(leg(bob), Channel::Rtp, from, &packet);
        }
        Step::Time(ms) => world.until(world.now_ms() + u64::from(ms)),
        Step::Play { bob, what, looped } => {
            let sound = [Sound::Hold, Sound::Silence, Sound::RingBack(RingBack::UnitedKingdom)]
                [usize::from(what)]
            .clone();
            world.play(leg(bob), sound, 1, looped);
        }
        Step::Order { bob, which } => order(world, leg(bob), which),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_story_ends_without_panic_and_numbers_stay_in_order(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcmu));
        let mut phones = [Phone::new(A, ANN, Codec::Pcma), Phone::new(B, BOB, Codec::Pcmu)];
        world.bridge();
        for step in steps {
            carry_out(&mut world, &mut phones, step);
        }
        for (leg, home) in [(A, ANN), (B, BOB)] {
            prop_assert!(world.said.sent.iter().all(|(_, to, channel, at, _)| *to != leg || *channel == Channel::Rtcp || *at == addr(home)));
            let heard = world.heard_by(leg);
            let mut numbers = std::collections::HashSet::new();
            for packet in &heard {
                prop_assert!(numbers.insert(packet.header.sequence_number), "number {} twice", packet.header.sequence_number);
                prop_assert_eq!(packet.header.ssrc, heard[0].header.ssrc);
            }
        }
        prop_assert!(world.said.sent.iter().all(|(.., to, _)| *to != addr(STRANGER)));
    }

    #[test]
    fn any_bytes_are_read_as_the_reference_reads_them_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), version in any::<bool>()) {
        if version && !bytes.is_empty() {
            bytes[0] = bytes[0] & 0x3f | 0x80;
        }
        if let Some(view) = View::parse(&bytes) {
            let payload = view.payload(&bytes).to_vec();
            // The reference wants well-formed extension elements, which nobody here looks into.
            if bytes[0] & 0x10 == 0 {
                let reference = rtp::packet::Packet::unmarshal(&mut &bytes[..]).unwrap();
                prop_assert_eq!(&payload[..], &reference.payload[..]);
                prop_assert_eq!(view.ssrc, reference.header.ssrc);
                prop_assert_eq!(view.timestamp, reference.header.timestamp);
                prop_assert_eq!(view.sequence, reference.header.sequence_number);
                prop_assert_eq!(view.marker, reference.header.marker);
                prop_assert_eq!(view.payload_type, reference.header.payload_type);
            }
            let header = Header { marker: true, payload_type: 0, sequence: 1, timestamp: 2, ssrc: 3 };
            let rewritten = view.rewrite(&mut bytes, header).to_vec();
            let reference = rtp::packet::Packet::unmarshal(&mut &rewritten[..]).unwrap();
            prop_assert_eq!(&payload[..], &reference.payload[..]);
            let mut built = [0; 300];
            let length = header.build(payload.clone().into(), &mut built).unwrap();
            prop_assert_eq!(&built[..length], &rewritten[..]);
        }
        let _ = Compound::parse(&bytes).map(Iterator::count);
        let _ = dtmf::EventBody::parse(&bytes);
    }
}
