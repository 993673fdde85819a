//! What two parties hear of each other, of prompts and of hold: one stream each, whole and in order.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::sync::Arc;

use vorzimmer_media::{Codec, Command, Content, Direction, Prompt, RingBack, Sound, transcode};
use vorzimmer_types::Entropy;
use vorzimmer_types::entropy::Seeded;
use world::{A, B, Phone, World, agreed, steps};

const ANN: &str = "192.0.2.1:10000";
const BOB: &str = "198.51.100.2:20000";

fn pair(a: Codec, b: Codec) -> (World, Phone, Phone) {
    let world = World::with_peers(agreed(ANN, a), agreed(BOB, b));
    (world, Phone::new(A, ANN, a), Phone::new(B, BOB, b))
}

/// A prompt of this length that holds a rising ramp, so that order shows.
fn prompt(ms: u32) -> Sound {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    (0..ms * 8).for_each(|n| writer.write_sample((n % 30_000) as i16).unwrap());
    writer.finalize().unwrap();
    Sound::Prompt(Arc::new(Prompt::from_wav(&bytes.into_inner(), 1).unwrap()))
}

#[test]
fn the_same_codec_goes_through_untouched() {
    let (mut world, mut ann, mut bob) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    for _ in 0..50 {
        ann.talk(&mut world);
        bob.talk_on(&mut world, 1);
    }
    for (leg, packets) in [(A, world.heard_by(A)), (B, world.heard_by(B))] {
        assert_eq!(packets.len(), 50);
        assert!(steps(&packets).iter().all(|step| *step == 160));
        assert!(packets[0].header.marker && packets[1..].iter().all(|packet| !packet.header.marker));
        for (place, packet) in packets.iter().enumerate() {
            assert_eq!(packet.header.payload_type, 8);
            assert_eq!(
                packet.payload,
                vec![(65_530_u16.wrapping_add(place as u16) as u8) | 0x80; 160],
                "{leg:?}"
            );
        }
    }
    assert_ne!(world.heard_by(A)[0].header.ssrc, 0x1002, "a source of our own");
}

#[test]
fn the_other_law_is_translated_both_ways() {
    let (mut world, mut ann, mut bob) = pair(Codec::Pcma, Codec::Pcmu);
    world.bridge();
    let codes: Vec<u8> = (0..=255).collect();
    let packet = ann.packet(8, false, codes.clone(), 256);
    world.receive(A, vorzimmer_media::Channel::Rtp, ann.addr, &packet);
    let packet = bob.packet(0, false, codes.clone(), 256);
    world.receive(B, vorzimmer_media::Channel::Rtp, bob.addr, &packet);
    for (leg, pt, from, to) in [(B, 0, Codec::Pcma, Codec::Pcmu), (A, 8, Codec::Pcmu, Codec::Pcma)] {
        let heard = &world.heard_by(leg)[0];
        let mut expected = codes.clone();
        transcode(from, to, &mut expected);
        assert_eq!((heard.header.payload_type, &heard.payload[..]), (pt, &expected[..]));
    }
    // The recorder hears what was said, not the translation.
    assert!(world.said.taps.iter().all(|tap| tap.payload == codes));
    assert_eq!(
        world.said.taps.iter().map(|tap| (tap.slot, tap.content)).collect::<Vec<_>>(),
        [(0, Content::Voice(Codec::Pcma)), (1, Content::Voice(Codec::Pcmu))]
    );
}

#[test]
fn any_packet_length_passes_as_it_is() {
    for samples in [80, 160, 240, 320, 480] {
        let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
        world.bridge();
        ann.samples = samples;
        ann.talk_on(&mut world, 5);
        let heard = world.heard_by(B);
        assert!(heard.iter().all(|packet| packet.payload.len() == samples));
        assert!(steps(&heard).iter().all(|step| *step as usize == samples));
    }
}

#[test]
fn a_prompt_is_paced_to_the_packet() {
    for (ptime_ms, samples) in [(10, 80), (20, 160), (30, 240), (60, 480)] {
        let mut negotiated = agreed(ANN, Codec::Pcmu);
        negotiated.format.ptime_ms = ptime_ms;
        let mut world = World::with_peers(negotiated, agreed(BOB, Codec::Pcma));
        let sound = prompt(600);
        world.play(A, sound.clone(), 5, false);
        world.until(1000);
        let heard = world.heard_at(A);
        assert_eq!(heard.len() as u64, 600 / u64::from(ptime_ms));
        for (place, (at, packet)) in heard.iter().enumerate() {
            assert_eq!(*at, place as u64 * u64::from(ptime_ms));
            assert_eq!(packet.header.payload_type, 0);
            assert_eq!(packet.header.marker, place == 0);
            assert_eq!(packet.payload, sound.clip().slice(Codec::Pcmu, place * samples, samples));
        }
        assert!(steps(&world.heard_by(A)).iter().all(|step| *step as usize == samples));
        assert_eq!(
            world.events(),
            ["600: PromptEnded { leg: LegKey(1), prompt: PlayId(5), complete: true }"]
        );
    }
}

#[test]
fn a_prompt_that_does_not_fill_its_last_packet_ends_with_its_last_sample() {
    let (mut world, ..) = pair(Codec::Pcma, Codec::Pcma);
    world.play(A, prompt(50), 1, false);
    world.until(500);
    let lengths: Vec<usize> = world.heard_by(A).iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(lengths, [160, 160, 80]);
    assert_eq!(world.events(), ["50: PromptEnded { leg: LegKey(1), prompt: PlayId(1), complete: true }"]);
}

#[test]
fn a_prompt_cut_short_says_so() {
    type Cut = fn(&mut World);
    let held = |world: &mut World| {
        let mut negotiated = agreed(ANN, Codec::Pcma);
        negotiated.direction = Direction::RecvOnly;
        world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    };
    let cases: [(&str, Cut); 4] = [
        ("stopped", |world| world.tell(Command::Stop { leg: A })),
        ("something else is played", |world| world.play(A, Sound::Hold, 2, true)),
        ("put on hold by the peer", held),
        ("hung up", |world| world.tell(Command::Close { leg: A })),
    ];
    for (what, cut) in cases {
        let (mut world, ..) = pair(Codec::Pcma, Codec::Pcma);
        world.play(A, prompt(600), 1, false);
        world.until(590);
        assert_eq!(world.events(), Vec::<String>::new(), "{what}");
        cut(&mut world);
        let expected = "590: PromptEnded { leg: LegKey(1), prompt: PlayId(1), complete: false }";
        assert_eq!(world.events()[0], expected, "{what}");
        world.until(800);
        assert!(!world.events().iter().any(|event| event.contains("PlayId(1)")), "{what}");
    }
}

#[test]
fn a_prompt_waits_until_the_peer_can_hear() {
    let mut nowhere = agreed("0.0.0.0:10000", Codec::Pcma);
    nowhere.direction = Direction::RecvOnly;
    let mut world = World::with_peers(nowhere, agreed(BOB, Codec::Pcma));
    world.play(A, prompt(100), 1, false);
    world.until(500);
    assert!(world.heard_by(A).is_empty() && world.events().is_empty());
    world.tell(Command::Remote { leg: A, negotiated: agreed(ANN, Codec::Pcma), signalling: None });
    world.until(700);
    assert_eq!(world.heard_by(A).len(), 5);
    assert_eq!(world.events(), ["600: PromptEnded { leg: LegKey(1), prompt: PlayId(1), complete: true }"]);
}

/// From prompt to ring-back to the bridge to hold and back: nothing in the numbers tells where the source changed.
#[test]
fn one_stream_across_every_switch() {
    let (mut world, _, mut bob) = pair(Codec::Pcma, Codec::Pcmu);
    let mut marks = vec![0];
    let mut heard = |world: &World| marks.push(world.heard_by(A).len());
    world.play(A, prompt(100), 1, false);
    world.until(100);
    heard(&world);
    world.play(A, Sound::RingBack(RingBack::Germany), 2, true);
    world.until(1000);
    world.tell(Command::Stop { leg: A });
    heard(&world);
    world.until(1150);
    world.bridge();
    bob.talk_on(&mut world, 25);
    heard(&world);
    // Bob presses hold: he sends no more, Ann hears the waiting tone.
    world.tell(Command::Hold { leg: B, on: true });
    world.play(A, Sound::Hold, 3, true);
    world.until(3000);
    bob.sequence = bob.sequence.wrapping_add(9);
    bob.talk_on(&mut world, 3);
    heard(&world);
    world.tell(Command::Stop { leg: A });
    world.tell(Command::Hold { leg: B, on: false });
    bob.talk_on(&mut world, 25);

    let packets = world.heard_at(A);
    let streams = steps(&world.heard_by(A));
    // Each packet's timestamp is where the clock is, within the 20 ms that a packet lasts.
    let first = &packets[0];
    for (at, packet) in &packets {
        let by_timestamp = u64::from(packet.header.timestamp.wrapping_sub(first.1.header.timestamp)) / 8;
        assert!((*at..*at + 20).contains(&by_timestamp), "at {at} ms the stream is at {by_timestamp} ms");
    }
    assert!(streams.iter().all(|step| *step >= 160));
    // The marker stands where the source changed, and nowhere else.
    for (place, (_, packet)) in packets.iter().enumerate() {
        assert_eq!(packet.header.marker, marks.contains(&place), "packet {place}, switches {marks:?}");
    }
}

#[test]
fn a_machine_that_stalls_leaves_a_gap_not_a_burst() {
    let (mut world, ..) = pair(Codec::Pcma, Codec::Pcma);
    world.play(A, prompt(1000), 1, false);
    world.until(200);
    world.stall_until(500);
    world.until(2000);
    let heard = world.heard_at(A);
    assert_eq!(heard.len(), 50, "nothing of the prompt is left out");
    let late: Vec<_> = heard.iter().filter(|(at, _)| *at == 500).collect();
    assert_eq!(late.len(), 1);
    assert!(late[0].1.header.marker);
    let all_in_order = steps(&world.heard_by(A));
    assert_eq!(all_in_order.iter().filter(|step| **step != 160).count(), 1);
    assert_eq!(world.events().len(), 1);
}

#[test]
fn a_sender_whose_clock_leaps_is_heard_without_the_leap() {
    let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    ann.talk_on(&mut world, 5);
    // A telephone that was silent for a minute, its clock standing still; then one whose clock is set.
    world.until(world.now_ms() + 60_000);
    ann.talk_on(&mut world, 5);
    ann.timestamp = ann.timestamp.wrapping_add(0x4000_0000);
    ann.talk_on(&mut world, 5);
    let heard = world.heard_by(B);
    let leaps: Vec<u32> = steps(&heard).into_iter().filter(|step| *step != 160).collect();
    assert_eq!(leaps, [60_020 * 8], "the pause is as long as it was, the leap is none");
    let marked: Vec<usize> = (0..heard.len()).filter(|place| heard[*place].header.marker).collect();
    assert_eq!(marked, [0, 5, 10]);
}

#[test]
fn loss_and_reordering_stay_what_they_are_and_doubles_disappear() {
    let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    let packets: Vec<Vec<u8>> = (0..12).map(|_| ann.next()).collect();
    // 3 is lost, 5 and 6 change places, 8 comes twice, 1 comes again much later.
    for place in [0, 1, 2, 4, 6, 5, 7, 8, 8, 9, 10, 1, 11] {
        world.receive(A, vorzimmer_media::Channel::Rtp, ann.addr, &packets[place]);
        world.until(world.now_ms() + 20);
    }
    let heard = world.heard_by(B);
    let first = heard[0].header.sequence_number;
    let order: Vec<u16> = heard.iter().map(|p| p.header.sequence_number.wrapping_sub(first)).collect();
    assert_eq!(order, [0, 1, 2, 4, 6, 5, 7, 8, 9, 10, 11]);
    let stats = world.session.stats(A).unwrap();
    assert_eq!((stats.received, stats.lost, stats.duplicate), (11, 1, 2));
    let taped: Vec<u16> = world.said.taps.iter().map(|tap| tap.sequence.wrapping_sub(65_530)).collect();
    assert_eq!(taped, [0, 1, 2, 4, 6, 5, 7, 8, 9, 10, 11]);
}

#[test]
fn telephone_events_are_kept_back_without_leaving_a_hole() {
    let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    ann.talk_on(&mut world, 5);
    ann.press(&mut world, 1);
    ann.talk_on(&mut world, 5);
    ann.press(&mut world, 2);
    ann.talk_on(&mut world, 5);
    let heard = world.heard_by(B);
    assert_eq!(heard.len(), 15);
    assert!(heard.iter().all(|packet| packet.header.payload_type == 8));
    assert_eq!(
        steps(&heard).iter().filter(|step| **step == 160 + 480).count(),
        2,
        "time goes on during a press"
    );
    assert!(world.said.taps.iter().all(|tap| tap.payload.len() == 160), "a key is no voice");
}

#[test]
fn telephone_events_are_passed_on_where_wanted() {
    let mut to_bob = agreed(BOB, Codec::Pcma);
    to_bob.format.events =
        to_bob.format.events.map(|events| vorzimmer_types::audio::EventPayload { send: 96, ..events });
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), to_bob);
    let mut ann = Phone::new(A, ANN, Codec::Pcma);
    world.tell(Command::Bridge { a: A, b: B, relay_events: true });
    ann.talk_on(&mut world, 2);
    ann.press(&mut world, 7);
    ann.talk_on(&mut world, 2);
    let heard = world.heard_by(B);
    steps(&heard);
    let types: Vec<u8> = heard.iter().map(|packet| packet.header.payload_type).collect();
    assert_eq!(types, [8, 8, 96, 96, 96, 96, 96, 8, 8]);
    assert!(
        heard[2].header.marker && heard[3..7].iter().all(|p| p.header.timestamp == heard[2].header.timestamp)
    );
}

#[test]
fn our_own_keys_take_the_place_of_voice() {
    let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    ann.talk_on(&mut world, 3);
    let digit = vorzimmer_media::Digit::from_char('5').unwrap();
    world.tell(Command::Press { leg: B, digit });
    world.until(world.now_ms() + 1);
    ann.talk_on(&mut world, 12);
    let heard = world.heard_by(B);
    steps(&heard);
    let events: Vec<_> = heard.iter().filter(|packet| packet.header.payload_type == 101).collect();
    assert_eq!(events.len(), 7);
    assert!(events.iter().all(|packet| packet.payload[0] == 5));
    assert_eq!(
        heard.iter().filter(|p| p.header.marker).count(),
        3,
        "first voice, the key, the voice after it"
    );
}

#[test]
fn whoever_is_on_hold_is_neither_heard_nor_taped() {
    let (mut world, mut ann, mut bob) = pair(Codec::Pcma, Codec::Pcma);
    world.bridge();
    ann.talk_on(&mut world, 2);
    world.tell(Command::Hold { leg: A, on: true });
    let before = (world.heard_by(B).len(), world.said.taps.len(), world.heard_by(A).len());
    ann.talk_on(&mut world, 5);
    assert_eq!((world.heard_by(B).len(), world.said.taps.len()), (before.0, before.1));
    bob.talk_on(&mut world, 5);
    assert_eq!(world.heard_by(A).len(), before.2, "nor does it hear the other");
    ann.press(&mut world, 9);
    assert!(world.events().iter().any(|event| event.contains("Digit(9)")), "but its keys count");

    // Hold by re-INVITE: the peer was told to send nothing, so nothing that still comes is taken.
    world.tell(Command::Hold { leg: A, on: false });
    let mut negotiated = agreed(ANN, Codec::Pcma);
    negotiated.direction = Direction::Inactive;
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    let before = (world.heard_by(B).len(), world.said.taps.len(), world.heard_by(A).len());
    ann.talk_on(&mut world, 5);
    bob.talk_on(&mut world, 5);
    assert_eq!((world.heard_by(B).len(), world.said.taps.len() - 5, world.heard_by(A).len()), before);
    assert_eq!(world.session.stats(A).unwrap().unwanted, 5);
}

#[test]
fn nothing_is_taped_before_the_tap_and_after_it() {
    let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
    world.tell(Command::Tap { leg: A, slot: None });
    world.bridge();
    ann.talk_on(&mut world, 5);
    assert!(world.said.taps.is_empty());
    world.tell(Command::Tap { leg: A, slot: Some(1) });
    ann.talk_on(&mut world, 5);
    world.tell(Command::Tap { leg: A, slot: None });
    ann.talk_on(&mut world, 5);
    assert_eq!(world.said.taps.iter().map(|tap| tap.slot).collect::<Vec<_>>(), [1; 5]);
}

#[test]
fn nobody_hears_anybody_without_a_bridge() {
    let (mut world, mut ann, mut bob) = pair(Codec::Pcma, Codec::Pcma);
    ann.talk_on(&mut world, 5);
    world.bridge();
    world.tell(Command::Unbridge);
    bob.talk_on(&mut world, 5);
    world.bridge();
    world.tell(Command::Close { leg: B });
    ann.talk_on(&mut world, 5);
    assert!(world.heard_by(A).is_empty() && world.heard_by(B).is_empty());
}

/// A bad network in both directions: whatever is heard was said, once, and in the sender's numbering.
#[test]
fn a_bad_network_adds_nothing_of_ours() {
    for seed in 0..20 {
        let (mut world, mut ann, _) = pair(Codec::Pcma, Codec::Pcma);
        world.bridge();
        let mut random = Seeded::new(seed);
        let mut draw = |below: u8| {
            let mut byte = [0];
            random.fill(&mut byte);
            byte[0] % below
        };
        // Each packet is lost, or comes 0–100 ms late, or twice; now and then a key is pressed.
        let mut arrivals: Vec<(u64, usize, Vec<u8>)> = Vec::new();
        for place in 0..500_u64 {
            let packet =
                if draw(40) == 0 { ann.packet(101, true, vec![1, 0x8a, 1, 64], 0) } else { ann.next() };
            for _ in 0..=u8::from(draw(20) == 0) {
                if draw(10) != 0 {
                    arrivals.push((place * 20 + u64::from(draw(100)), arrivals.len(), packet.clone()));
                }
            }
        }
        arrivals.sort();
        for (at, _, packet) in arrivals {
            world.until(at);
            world.receive(A, vorzimmer_media::Channel::Rtp, ann.addr, &packet);
        }
        let heard = world.heard_by(B);
        let mut numbers: Vec<u16> = heard
            .iter()
            .map(|p| p.header.sequence_number.wrapping_sub(heard[0].header.sequence_number))
            .collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "seed {seed}: each number once");
        assert!(count > 350, "seed {seed}: {count}");
        // Timestamps and numbers are in the same order.
        let mut pairs: Vec<(u16, u32)> = heard
            .iter()
            .map(|p| {
                let (first, header) = (&heard[0].header, &p.header);
                (
                    header.sequence_number.wrapping_sub(first.sequence_number).wrapping_add(100),
                    header.timestamp.wrapping_sub(first.timestamp).wrapping_add(100_000),
                )
            })
            .collect();
        pairs.sort_unstable();
        assert!(pairs.is_sorted_by(|a, b| a.1 < b.1), "seed {seed}");
    }
}
