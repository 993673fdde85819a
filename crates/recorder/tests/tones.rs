//! Known tones in, through a network that shuffles and loses; the exported sound has them where they belong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod common;

use std::io::Cursor;

use common::{Packet, Rig, caller, channels, epoch, ms, read, receptionist, share_of, silences};
use vorzimmer_recorder::{Finished, GapKind, export};
use vorzimmer_types::Entropy;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::EndReason;

/// What arrives when: (milliseconds since the start, slot, packet).
type Arrivals = Vec<(u64, usize, Packet)>;

/// `count` packets of both talkers, each `ptime` ms, delayed by up to `jitter` ms, without those that `lost` names.
fn network(count: u32, jitter: u64, seed: u64, lost: impl Fn(usize, u32) -> bool) -> Arrivals {
    let mut entropy = Seeded::new(seed);
    let mut random = |below: u64| {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        if below == 0 { 0 } else { u64::from_le_bytes(bytes) % below }
    };
    let mut arrivals = Arrivals::new();
    for number in 0..count {
        for (slot, talker) in [(0, caller()), (1, receptionist())] {
            // The first packet anchors the rest: it comes on time.
            let delay = if number == 0 { 0 } else { random(jitter + 1) };
            if !lost(slot, number) {
                arrivals.push((u64::from(number) * 20 + delay, slot, talker.packet(number)));
            }
        }
    }
    arrivals.sort_by_key(|(at, _, _)| *at);
    arrivals
}

fn record(arrivals: &Arrivals, duration_ms: u64) -> (Finished, Vec<u8>) {
    let mut rig = Rig::start();
    for (at, slot, packet) in arrivals {
        rig.poll_at(epoch() + ms(*at));
        rig.frame(*slot, &packet.frame());
    }
    rig.finish(EndReason::HungUp, epoch() + ms(duration_ms))
}

#[test]
fn both_tones_are_on_their_side_for_exactly_as_long_as_they_lasted() {
    let (finished, file) = record(&network(500, 0, 1, |_, _| false), 10_000);
    assert_eq!((finished.result, finished.why.as_str()), (RecordingResult::Ok, ""));
    assert_eq!((finished.duration_ms, finished.gap_counts()), (10_000, [0, 0]));
    let [left, right] = channels(&file);
    assert_eq!(left.len(), 80_000);
    for (channel, own, other) in [(&left, 440.0, 1000.0), (&right, 1000.0, 440.0)] {
        assert!(share_of(channel, own) > 0.99, "{}", share_of(channel, own));
        assert!(share_of(channel, other) < 0.0001);
        assert_eq!(silences(channel, 8), [], "not a gap of a millisecond");
    }
}

#[test]
fn jitter_and_reordering_change_not_one_sample() {
    let (_, calm) = record(&network(500, 0, 1, |_, _| false), 10_000);
    for (seed, jitter) in [(1, 30), (2, 60), (3, 150), (4, 400)] {
        let (finished, file) = record(&network(500, jitter, seed, |_, _| false), 10_000);
        assert_eq!(finished.gap_counts(), [0, 0], "jitter {jitter}");
        assert!(channels(&file) == channels(&calm), "jitter {jitter}");
    }
}

#[test]
fn what_is_lost_is_silent_for_exactly_as_long_and_counted() {
    let lost = |slot, number| slot == 0 && (number == 100 || (200..203).contains(&number));
    let (finished, file) = record(&network(500, 50, 5, lost), 10_000);
    let [left, right] = channels(&file);
    assert_eq!(silences(&left, 80), [(100 * 160, 101 * 160), (200 * 160, 203 * 160)]);
    assert_eq!(silences(&right, 80), []);
    let gaps = GapKind::Lost.of(&finished.slots[0]);
    assert_eq!((gaps.count, gaps.ms), (2, 80));
    assert_eq!(finished.gap_counts(), [2, 0]);
    assert_eq!(finished.result, RecordingResult::Ok, "under one in a hundred, and nobody heard it");
    assert_eq!(read(&file).ending().slots, finished.slots);
    assert_eq!(read(&file).ending().duration_ms, 10_000);
}

#[test]
fn a_track_that_is_mostly_lost_is_degraded() {
    let (finished, _) = record(&network(500, 0, 5, |slot, number| slot == 1 && number % 10 == 9), 10_000);
    assert_eq!(finished.result, RecordingResult::Degraded);
    assert_eq!(finished.gap_counts(), [0, 49], "of the very last nobody knows");
}

#[test]
fn packets_that_come_twice_are_kept_once() {
    let mut arrivals = network(500, 40, 6, |_, _| false);
    let again: Arrivals = arrivals.iter().map(|(at, slot, packet)| (at + 3, *slot, packet.clone())).collect();
    arrivals.extend(again);
    arrivals.sort_by_key(|(at, _, _)| *at);
    let (finished, file) = record(&arrivals, 10_000);
    let (_, once) = record(&network(500, 40, 6, |_, _| false), 10_000);
    assert_eq!(finished.gap_counts(), [0, 0]);
    assert!(channels(&file) == channels(&once));
}

#[test]
fn any_packet_length_gives_the_same_sound() {
    let whole = record(&network(500, 0, 1, |_, _| false), 10_000).1;
    for samples in [80_u32, 240, 320, 480] {
        let mut arrivals = Arrivals::new();
        for (slot, mut talker) in [(0, caller()), (1, receptionist())] {
            talker.samples = samples;
            for number in 0..80_000_u32.div_ceil(samples) {
                arrivals.push((u64::from(number * samples / 8), slot, talker.packet(number)));
            }
        }
        arrivals.sort_by_key(|(at, _, _)| *at);
        let (finished, file) = record(&arrivals, 10_000);
        assert_eq!(finished.result, RecordingResult::Ok);
        for (channel, expected) in channels(&file).iter().zip(channels(&whole)) {
            assert_eq!(channel[..80_000], expected[..], "{samples} samples a packet");
        }
    }
}

#[test]
fn one_party_may_be_silent_and_a_late_joiner_stands_where_it_joined() {
    let mut arrivals = network(250, 20, 8, |slot, _| slot == 1);
    for number in 0..100 {
        arrivals.push((2000 + u64::from(number) * 20, 1, receptionist().packet(number)));
    }
    arrivals.sort_by_key(|(at, _, _)| *at);
    let (_, file) = record(&arrivals, 5000);
    let [left, right] = channels(&file);
    assert_eq!(left.len(), 40_000);
    // The first packet arrived after two seconds; what it holds was said in the 20 ms before.
    assert_eq!(silences(&right, 80), [(0, 15_840), (31_840, 40_000)]);
}

#[test]
fn the_opus_export_has_the_same_tones_and_length() {
    let (_, file) = record(&network(150, 0, 1, |_, _| false), 3010);
    let mut ogg = Vec::new();
    let count = export::ogg_opus(&mut read(&file), &mut ogg).unwrap().samples;
    assert_eq!(count, 24_080);

    let mut reader = ogg::PacketReader::new(Cursor::new(ogg));
    let head = reader.read_packet_expected().unwrap();
    assert_eq!(&head.data[..10], b"OpusHead\x01\x02");
    assert!(head.first_in_stream() && head.last_in_page());
    let pre_skip = u64::from(u16::from_le_bytes([head.data[10], head.data[11]]));
    assert_eq!(head.data[12..19], [0x40, 0x1f, 0, 0, 0, 0, 0]);
    let tags = reader.read_packet_expected().unwrap();
    assert!(tags.data.starts_with(b"OpusTags") && tags.last_in_page());

    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let mut pcm = Vec::new();
    let (mut last_granule, mut ended) = (0, false);
    while let Some(packet) = reader.read_packet().unwrap() {
        let mut out = vec![0; 2 * 960];
        let samples = decoder.decode(&packet.data, &mut out, false).unwrap();
        assert_eq!(samples, 960);
        pcm.extend_from_slice(&out);
        last_granule = packet.absgp_page();
        ended = packet.last_in_stream();
    }
    assert!(ended);
    assert_eq!(last_granule - pre_skip, 24_080 * 6, "RFC 7845 §4.4: the end is trimmed to the sample");
    assert!(pcm.len() as u64 / 2 >= last_granule);
    let played = &pcm[2 * pre_skip as usize..2 * last_granule as usize];
    for (channel, hz, other) in [(0, 440.0, 1000.0), (1, 1000.0, 440.0)] {
        let samples: Vec<i16> = played.iter().skip(channel).step_by(2).copied().collect();
        // Six times the rate is a sixth of the frequency; the last 10 ms of the call were silent.
        let speech = &samples[480..144_000 - 480];
        assert!(share_of(speech, hz / 6.0) > 0.95, "channel {channel}: {}", share_of(speech, hz / 6.0));
        assert!(share_of(speech, other / 6.0) < 0.01);
    }
}
