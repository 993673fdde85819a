//! A kill at any moment, a writer that falls behind, a disk that is full: what is left is readable, and what is
//! missing has a name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{Rig, caller, channels, epoch, expected, ms, read, receptionist, secrets, silences};
use proptest::prelude::*;
use vorzimmer_recorder::recovery::{self, Closing};
use vorzimmer_recorder::{Codec, FrameRef, GapKind, Kept, export};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::{EndReason, Reader, Recovered, recover};

/// Both talk packet `number`, in time.
fn talk(rig: &mut Rig, number: u32) {
    rig.poll_at(epoch() + ms(u64::from(number) * 20));
    rig.frame(0, &caller().packet(number).frame());
    rig.frame(1, &receptionist().packet(number).frame());
}

/// What the next start does with an open file.
fn close(file: &[u8], acknowledged: u64) -> (Closing, Vec<u8>) {
    let known: Vec<_> = secrets().into_iter().map(Some).collect();
    let Recovered::Open(open) = recover(Cursor::new(file), &expected(), &known, acknowledged).unwrap() else {
        panic!("it is open");
    };
    let closing = recovery::close(open, &mut Seeded::new(42)).unwrap();
    let mut closed = file[..closing.sound_len as usize].to_vec();
    closed.extend_from_slice(&closing.final_page);
    (closing, closed)
}

#[test]
fn a_kill_at_any_moment_loses_at_most_200_ms_of_each_party() {
    let mut rig = Rig::start();
    for number in 0..100_u32 {
        talk(&mut rig, number);
        // The kill comes anywhere within the next 20 ms, with media ticks of 5 ms.
        for tick in 1..4 {
            rig.poll_at(epoch() + ms(u64::from(number) * 20 + tick * 5));
        }
        let spoken = (number as usize + 1) * 160;
        let (closing, closed) = close(&rig.file, closing_pages(&rig.file));
        assert_eq!(closing.duration_ms * 8, channels(&closed)[0].len() as u64);
        for channel in channels(&closed) {
            assert!(
                channel.len() + 1600 >= spoken + 20 * 8,
                "packet {number}: {} of {spoken}",
                channel.len()
            );
            assert_eq!(silences(&channel, 80), []);
        }
        let expected = if closing.pages == 0 { RecordingResult::Failed } else { RecordingResult::Degraded };
        assert_eq!(closing.result, expected);
    }
}

fn closing_pages(file: &[u8]) -> u64 {
    file.len() as u64 / 4096 - 1
}

#[test]
fn a_file_torn_anywhere_is_closed_with_all_whole_pages() {
    let mut rig = Rig::start();
    for number in 0..50 {
        talk(&mut rig, number);
    }
    let whole = rig.file.clone();
    for len in (4096..whole.len()).step_by(509) {
        let pages = len as u64 / 4096 - 1;
        let (closing, closed) = close(&whole[..len], pages);
        assert_eq!((closing.pages, read(&closed).pages()), (pages, pages));
        assert_eq!(closing.duration_ms, pages * 160);
        assert_eq!(read(&closed).ending().reason, EndReason::Recovered);
    }
}

#[test]
fn gaps_survive_a_kill() {
    let mut rig = Rig::start();
    for number in 0..200 {
        if number != 50 {
            talk(&mut rig, number);
        }
    }
    let (closing, closed) = close(&rig.file, 0);
    for slot in 0..2 {
        let lost = GapKind::Lost.of(&closing.slots[slot]);
        assert_eq!((lost.count, lost.ms), (1, 20));
        assert_eq!(GapKind::Lost.of(&read(&closed).ending().slots[slot]), lost);
    }
}

#[test]
fn a_writer_that_falls_behind_leaves_one_named_gap_and_the_call_goes_on() {
    let mut rig = Rig::with_queue(4);
    let mut entropy = Seeded::new(1);
    for number in 0..300_u32 {
        let now = epoch() + ms(u64::from(number) * 20);
        for (slot, talker) in [(0, caller()), (1, receptionist())] {
            let kept = rig.recorder.frame(slot, &talker.packet(number).frame(), now, &mut entropy);
            assert_eq!(kept, Kept::Yes, "the call never notices");
        }
        // The writer sleeps from the first second to the fourth.
        if !(50..200).contains(&number) {
            rig.write();
        }
    }
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(6000));
    assert_eq!(finished.result, RecordingResult::Degraded);
    assert!(finished.why.contains("fell behind"), "{}", finished.why);
    for (gaps, channel) in finished.slots.iter().zip(channels(&file)) {
        let dropped = GapKind::QueueFull.of(gaps);
        let silent = silences(&channel, 80);
        assert_eq!((dropped.count, silent.len()), (1, 1));
        assert_eq!((silent[0].1 - silent[0].0) as u32, dropped.ms * 8, "the gap is as long as it says");
        assert!((2000..3000).contains(&dropped.ms), "{} ms", dropped.ms);
        assert_eq!(channel.len(), 48_000);
    }
    assert_eq!(read(&file).ending().slots, finished.slots);
}

#[test]
fn pages_that_the_disk_did_not_take_are_a_named_gap_and_the_file_stays_whole() {
    let mut rig = Rig::start();
    for number in 0..100 {
        talk(&mut rig, number);
    }
    // The disk is full: the writer cuts the file behind page 6 and says so; what is on its way it throws away.
    let stored = 6;
    rig.file.truncate(7 * 4096);
    let run = 1;
    rig.recorder.take_back(stored);
    while let Ok(Some(page)) = rig.drain.next_page() {
        assert!(page.run < run);
        rig.drain.recycle(page);
    }
    for number in 100..200 {
        talk(&mut rig, number);
    }
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(4000));
    assert_eq!(finished.result, RecordingResult::Degraded);
    assert!(finished.why.contains("disk"), "{}", finished.why);
    for (gaps, channel) in finished.slots.iter().zip(channels(&file)) {
        let gap = GapKind::Disk.of(gaps);
        let silent = silences(&channel, 80);
        assert_eq!((gap.count, silent.len()), (1, 1));
        assert_eq!(silent[0], (6 * 1280, 6 * 1280 + gap.ms as usize * 8));
        assert_eq!(channel.len(), 32_000);
    }
    assert_eq!(read(&file).ending().slots, finished.slots);
}

#[test]
fn a_disk_that_takes_nothing_is_a_failed_recording() {
    let mut rig = Rig::start();
    for number in 0..100_u32 {
        talk(&mut rig, number);
        rig.file.truncate(4096);
        rig.recorder.take_back(0);
    }
    let mut finished = rig.recorder.finish(EndReason::Failed, epoch() + ms(2000), &mut rig.entropy).unwrap();
    let all_but_the_last: u32 = finished.slots.iter().map(|gaps| GapKind::Disk.of(gaps).ms).sum();
    assert_eq!(all_but_the_last, 2 * 1920);
    assert_eq!(finished.result, RecordingResult::Degraded, "for all the recorder knows");
    finished.not_all_stored(0);
    assert_eq!((finished.result, finished.pages), (RecordingResult::Failed, 0));
}

#[test]
fn a_writer_that_is_gone_is_a_gap_too() {
    let mut rig = Rig::start();
    for number in 0..20 {
        talk(&mut rig, number);
    }
    let Rig { drain, mut recorder, mut entropy, gate: _gate, .. } = rig;
    drop(drain);
    for number in 20..100_u32 {
        let now = epoch() + ms(u64::from(number) * 20);
        assert_eq!(recorder.frame(0, &caller().packet(number).frame(), now, &mut entropy), Kept::Yes);
    }
    let finished = recorder.finish(EndReason::HungUp, epoch() + ms(2000), &mut entropy).unwrap();
    assert_eq!(finished.result, RecordingResult::Degraded);
}

#[test]
fn frames_that_cannot_be_kept_are_counted() {
    let mut rig = Rig::start();
    let long = vec![0xd5; 1601];
    for (sequence, payload) in [(1, &[][..]), (2, &long)] {
        let frame = FrameRef { codec: Codec::Pcma, ssrc: 1, rtp_timestamp: 0, sequence, payload };
        assert_eq!(rig.frame(0, &frame), Kept::Unusable);
    }
    talk(&mut rig, 0);
    let (finished, _) = rig.finish(EndReason::HungUp, epoch() + ms(20));
    assert_eq!(GapKind::Unusable.of(&finished.slots[0]).count, 2);
    assert_eq!(finished.result, RecordingResult::Degraded);
}

#[test]
fn a_destroyed_voice_is_silent_and_the_other_is_not() {
    let mut rig = Rig::start();
    for number in 0..50 {
        talk(&mut rig, number);
    }
    let (_, file) = rig.finish(EndReason::HungUp, epoch() + ms(1000));
    let known = [None, Some(secrets()[1].clone())];
    let mut reader = Reader::open(Cursor::new(&file), &expected(), &known).unwrap();
    let mut heard = Vec::new();
    let count = export::samples(&mut reader, 8000, &mut |block| {
        heard.extend_from_slice(block);
        Ok(())
    });
    assert_eq!(count.unwrap(), 8000);
    assert!(heard.iter().step_by(2).all(|sample| *sample == 0));
    assert_eq!(silences(&heard.iter().skip(1).step_by(2).copied().collect::<Vec<_>>(), 8), []);
}

/// One thing that may happen to a recorder.
#[derive(Clone, Debug)]
enum Step {
    Frame { slot: usize, ssrc: u32, timestamp: u32, sequence: u16, len: usize },
    Pass { ms: u64 },
    Drain,
    TakeBack { stored: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let near = (0_usize..3, 0_u32..3, 0_u32..40_000, 0_u16..200, 0_usize..400).prop_map(
        |(slot, ssrc, timestamp, sequence, len)| Step::Frame { slot, ssrc, timestamp, sequence, len },
    );
    let wild = (0_usize..2, any::<u32>(), any::<u32>(), any::<u16>(), 0_usize..2000).prop_map(
        |(slot, ssrc, timestamp, sequence, len)| Step::Frame { slot, ssrc, timestamp, sequence, len },
    );
    prop_oneof![
        8 => near,
        4 => wild,
        4 => (0_u64..400).prop_map(|ms| Step::Pass { ms }),
        1 => (0_u64..10_000).prop_map(|ms| Step::Pass { ms }),
        3 => Just(Step::Drain),
        1 => (0_u64..20).prop_map(|stored| Step::TakeBack { stored }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever comes, the file is accepted, exports, and is as long as it says.
    #[test]
    fn pages_always_open(steps in proptest::collection::vec(step(), 1..120)) {
        let mut rig = Rig::with_queue(5);
        let mut run = 0;
        let mut file = rig.file.clone();
        let mut now = epoch();
        let payload = vec![0x2a; 2000];
        for step in steps {
            match step {
                Step::Frame { slot, ssrc, timestamp, sequence, len } => {
                    let frame = FrameRef { codec: Codec::Pcmu, ssrc, rtp_timestamp: timestamp, sequence, payload: &payload[..len] };
                    rig.recorder.frame(slot, &frame, now, &mut rig.entropy);
                }
                Step::Pass { ms } => {
                    now += Duration::from_millis(ms);
                    rig.recorder.poll(now, &mut rig.entropy);
                }
                Step::Drain => drain(&rig, run, &mut file),
                Step::TakeBack { stored } => {
                    drain(&rig, run, &mut file);
                    if stored < closing_pages(&file) {
                        file.truncate((stored as usize + 1) * 4096);
                        rig.recorder.take_back(stored);
                        run += 1;
                    }
                }
            }
        }
        drain(&rig, run, &mut file);
        let finished = rig.recorder.finish(EndReason::HungUp, now, &mut rig.entropy).unwrap();
        for page in &finished.last_pages {
            common::append(&mut file, page);
        }
        let mut reader = read(&file);
        prop_assert_eq!(reader.pages(), finished.pages);
        prop_assert_eq!(&reader.ending().slots, &finished.slots);
        let mut samples = 0;
        let count = export::samples(&mut reader, 8000, &mut |block| {
            samples += block.len() as u64;
            Ok(())
        });
        prop_assert_eq!((count.unwrap(), samples), (finished.duration_ms * 8, finished.duration_ms * 16));
    }
}

fn drain(rig: &Rig, run: u32, file: &mut Vec<u8>) {
    while let Ok(Some(page)) = rig.drain.next_page() {
        if page.run == run {
            common::append(file, &page);
        }
        rig.drain.recycle(page);
    }
}
