//! What is not permitted is not kept: not before, not after, not from anybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod common;

use common::{
    CALLER, RECEPTIONIST, Rig, caller, channels, epoch, ms, params, permitted, receptionist, silences,
};
use vorzimmer_consent::Input;
use vorzimmer_recorder::queue::queue;
use vorzimmer_recorder::{Error, GapKind, Kept, Recorder};
use vorzimmer_types::PartyId;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::EndReason;

/// Both talk from packet `from` to packet `to`, in time.
fn talk(rig: &mut Rig, from: u32, to: u32) {
    for number in from..to {
        rig.poll_at(epoch() + ms(u64::from(number) * 20));
        rig.frame(0, &caller().packet(number).frame());
        rig.frame(1, &receptionist().packet(number).frame());
    }
}

#[test]
fn a_dead_permit_starts_nothing() {
    let (mut gate, permit) = permitted();
    let now = vorzimmer_types::Now { mono: epoch(), wall: vorzimmer_types::UnixMillis(0) };
    gate.handle(Input::Leave { party: CALLER }, now).unwrap();
    let started = Recorder::start(permit, params(queue(4, 2).0), epoch(), &mut Seeded::new(1));
    assert!(matches!(started, Err(Error::PermitEnded)));
}

#[test]
fn a_party_that_was_not_asked_has_no_slot() {
    let (_gate, permit) = permitted();
    let mut wrong = params(queue(4, 2).0);
    wrong.parties[1] = PartyId::from_bytes([0xff; 16]);
    let started = Recorder::start(permit, wrong, epoch(), &mut Seeded::new(1));
    assert!(matches!(started, Err(Error::NotCovered { slot: 1 })));
}

#[test]
fn a_frame_that_was_begun_before_the_yes_is_not_taken() {
    let (_gate, permit) = permitted();
    let (page_queue, _drain) = queue(4, 2);
    let mut wanted = params(page_queue);
    wanted.consented = epoch();
    let mut entropy = Seeded::new(1);
    let (mut recorder, _header) = Recorder::start(permit, wanted, epoch(), &mut entropy).unwrap();
    for (number, after_ms, expected) in
        [(0, 0, Kept::Blocked), (1, 19, Kept::Blocked), (2, 20, Kept::Yes), (3, 40, Kept::Yes)]
    {
        for (slot, talker) in [(0, caller()), (1, receptionist())] {
            let packet = talker.packet(number);
            let kept = recorder.frame(slot, &packet.frame(), epoch() + ms(after_ms), &mut entropy);
            assert_eq!(kept, expected, "{after_ms} ms after the yes");
        }
    }
    let finished = recorder.finish(EndReason::HungUp, epoch() + ms(60), &mut entropy).unwrap();
    assert_eq!((finished.result, finished.blocked), (RecordingResult::Ok, 4), "what is not taken is no gap");
}

#[test]
fn the_queue_must_fit_the_parties() {
    let (_gate, permit) = permitted();
    let started = Recorder::start(permit, params(queue(4, 1).0), epoch(), &mut Seeded::new(1));
    assert!(matches!(started, Err(Error::QueuePages { expected: 4096, found: 2048 })));
}

#[test]
fn when_the_permit_dies_the_page_that_fills_is_wiped_and_nothing_follows() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 12);
    // One page of eight frames is sealed; four more frames wait.
    assert_eq!(rig.file.len(), 2 * 4096);
    rig.tell(Input::Digit { party: RECEPTIONIST, digit: '*' });
    rig.tell(Input::Digit { party: RECEPTIONIST, digit: '9' });
    assert!(!rig.recorder.is_permitted());
    for number in 12..60 {
        rig.now = epoch() + ms(u64::from(number) * 20);
        assert_eq!(rig.frame(0, &caller().packet(number).frame()), Kept::Blocked);
        assert_eq!(rig.frame(1, &receptionist().packet(number).frame()), Kept::Blocked);
    }
    assert_eq!(rig.file.len(), 2 * 4096);
    let (finished, file) = rig.finish(EndReason::Withdrawn, epoch() + ms(1300));
    assert_eq!(finished.result, RecordingResult::Withdrawn);
    assert_eq!((finished.blocked, finished.pages), (96, 1));
    assert_eq!(finished.duration_ms, 240, "it ended when the permit did");
    let [left, right] = channels(&file);
    for channel in [left, right] {
        assert_eq!(silences(&channel, 80), [(8 * 160, channel.len())], "only the sealed page is left");
    }
}

#[test]
fn a_withdrawal_before_finish_takes_the_last_page_with_it() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 4);
    rig.tell(Input::Digit { party: CALLER, digit: '*' });
    rig.tell(Input::Digit { party: CALLER, digit: '9' });
    let (finished, file) = rig.finish(EndReason::Withdrawn, epoch() + ms(100));
    assert_eq!(finished.pages, 0);
    let [left, right] = channels(&file);
    assert!(left.iter().chain(&right).all(|sample| *sample == 0));
}

#[test]
fn a_permit_that_ends_because_somebody_hangs_up_keeps_the_last_words_and_takes_no_more() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 4);
    rig.tell(Input::Leave { party: CALLER });
    assert_eq!(rig.frame(0, &caller().packet(4).frame()), Kept::Blocked);
    assert_eq!(rig.frame(1, &receptionist().packet(4).frame()), Kept::Blocked);
    let (finished, file) = rig.finish(EndReason::EpochEnded, epoch() + ms(100));
    assert_eq!((finished.pages, finished.blocked), (1, 2));
    assert!(channels(&file).iter().all(|channel| silences(&channel[..640], 80).is_empty()));
}

#[test]
fn packets_without_voice_are_not_lost() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 4);
    let event = caller().packet(4);
    let event = event.frame();
    rig.recorder.pass(0, event.ssrc, event.sequence);
    rig.frame(0, &caller().packet(5).frame());
    let (finished, _) = rig.finish(EndReason::HungUp, epoch() + ms(120));
    assert_eq!(finished.gap_counts(), [0, 0]);
}

#[test]
fn a_finish_before_the_permit_dies_keeps_all() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 4);
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(80));
    assert_eq!(finished.pages, 1);
    assert!(channels(&file).iter().all(|channel| silences(channel, 80).is_empty() && channel.len() == 640));
}

#[test]
fn what_was_said_before_the_yes_but_came_late_is_not_kept() {
    let mut rig = Rig::start();
    for number in [50, 49, 51, 30, 48, 52] {
        let kept = rig.frame(0, &caller().packet(number).frame());
        let expected = if number >= 50 { Kept::Yes } else { Kept::Stale };
        assert_eq!(kept, expected, "packet {number}");
    }
    let (_, file) = rig.finish(EndReason::HungUp, epoch() + ms(60));
    assert_eq!(channels(&file)[0].len(), 3 * 160);
}

#[test]
fn nobody_but_the_parties_has_a_slot() {
    let mut rig = Rig::start();
    assert_eq!(rig.frame(2, &caller().packet(0).frame()), Kept::Blocked);
    assert_eq!(rig.recorder.next_wake(), None, "nothing was kept");
}

#[test]
fn a_hold_is_silent_named_and_as_long_as_it_was() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 52);
    rig.poll_at(epoch() + ms(1040));
    rig.tell(Input::Hold { party: RECEPTIONIST });
    for number in 52..150 {
        rig.now = epoch() + ms(u64::from(number) * 20);
        assert_eq!(rig.frame(0, &caller().packet(number).frame()), Kept::Held);
    }
    rig.now = epoch() + ms(3000);
    rig.tell(Input::Resume { party: RECEPTIONIST });
    talk(&mut rig, 150, 200);
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(4000));
    assert_eq!(finished.result, RecordingResult::Ok);
    for (gaps, channel) in finished.slots.iter().zip(channels(&file)) {
        let hold = GapKind::Hold.of(gaps);
        assert_eq!(hold.count, 1);
        assert!((1940..=1960).contains(&hold.ms), "{} ms", hold.ms);
        assert_eq!(GapKind::Lost.of(gaps).count, 0, "what was not wanted is not lost");
        assert_eq!(silences(&channel, 80), [(52 * 160, 150 * 160)]);
        assert_eq!(channel.len(), 32_000);
    }
    assert_eq!(finished.gap_counts(), [0, 0]);
}

#[test]
fn what_was_said_during_a_hold_but_came_late_is_not_kept() {
    let mut rig = Rig::start();
    talk(&mut rig, 0, 10);
    rig.tell(Input::Hold { party: RECEPTIONIST });
    rig.poll_at(epoch() + ms(200));
    rig.poll_at(epoch() + ms(1000));
    rig.tell(Input::Resume { party: RECEPTIONIST });
    for (number, expected) in [(50, Kept::Yes), (49, Kept::Stale), (20, Kept::Stale), (51, Kept::Yes)] {
        assert_eq!(rig.frame(0, &caller().packet(number).frame()), expected, "packet {number}");
    }
}
