//! A recording copied to Opus: as long, as loud, both tones where they were, every gap still told, a quarter of the size.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod common;

use common::{
    CALLER, RECEPTIONIST, Rig, Talker, caller, channels, epoch, ms, read, receptionist, secrets, share_of,
    silences,
};
use vorzimmer_recorder::copy::{Copier, Played, Verifier, is_smaller};
use vorzimmer_recorder::table::Table;
use vorzimmer_recorder::{Codec, Error, GapKind, export};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_vault::callrec::{EndReason, Form, SlotGaps};

/// Two talkers for `seconds`, packets of 20 ms, without those that `lost` names.
fn recorded(talkers: [Talker; 2], seconds: u32, lost: impl Fn(usize, u32) -> bool) -> Vec<u8> {
    let mut rig = Rig::start();
    for number in 0..seconds * 50 {
        rig.poll_at(epoch() + ms(u64::from(number) * 20));
        for (slot, talker) in talkers.iter().enumerate().filter(|(slot, _)| !lost(*slot, number)) {
            rig.frame(slot, &talker.packet(number).frame());
        }
    }
    rig.finish(EndReason::HungUp, epoch() + ms(u64::from(seconds) * 1000)).1
}

fn copied(file: &[u8]) -> (Played, Vec<u8>) {
    let mut copy = Vec::new();
    let mut entropy = Seeded::new(11);
    let mut out = |page: &[u8]| {
        copy.extend_from_slice(page);
        Ok(())
    };
    let parties = vec![CALLER, RECEPTIONIST];
    let mut copier = Copier::start(read(file), parties, &secrets(), &mut entropy, &mut out).unwrap();
    while copier.step(&mut entropy, &mut out).unwrap() {}
    let played = copier.finish(&mut entropy, &mut out).unwrap();
    (played, copy)
}

fn verify(copy: &[u8], original: Played) -> Result<u64, Error> {
    let mut verifier = Verifier::start(read(copy), original)?;
    while verifier.step()? {}
    verifier.finish()
}

fn differs(copy: &[u8], from: &Played) -> &'static str {
    match verify(copy, from.clone()) {
        Err(Error::CopyDiffers { what }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_tones_stay_on_their_sides_in_a_quarter_of_the_pages() {
    let file = recorded([caller(), receptionist()], 20, |_, _| false);
    let (played, copy) = copied(&file);
    verify(&copy, played.clone()).unwrap();
    assert!(is_smaller(copy.len() as u64, file.len() as u64), "{} of {}", copy.len(), file.len());
    assert_eq!(read(&copy).header().form, Form::Copy);
    assert_eq!(export::codecs(&mut read(&copy)).unwrap(), [[Codec::Opus], [Codec::Opus]]);
    let (before, after) = (channels(&file), channels(&copy));
    assert_eq!(after.each_ref().map(Vec::len), before.each_ref().map(Vec::len));
    for (channel, own, other) in [(&after[0], 440.0, 1000.0), (&after[1], 1000.0, 440.0)] {
        for second in channel.chunks_exact(8000) {
            assert!(share_of(second, own) > 0.8, "{}", share_of(second, own));
            assert!(share_of(second, other) < 0.02, "{}", share_of(second, other));
        }
    }
}

#[test]
fn what_was_missing_is_missing_in_the_same_place_and_told_again() {
    // He is cut off for two seconds; she comes after five.
    let lost = |slot, number| match slot {
        0 => (300..400).contains(&number),
        _ => number < 250,
    };
    let file = recorded([caller(), receptionist()], 20, lost);
    let (played, copy) = copied(&file);
    verify(&copy, played.clone()).unwrap();
    for (before, after) in channels(&file).iter().zip(channels(&copy)) {
        let [was, is] = [silences(before, 8000), silences(&after, 8000)];
        let ([(from, to)], [(begin, end)]) = (&was[..], &is[..]) else { panic!("{was:?} {is:?}") };
        assert!(begin.abs_diff(*from) < 400 && end.abs_diff(*to) < 160, "{begin}..{end}, not {from}..{to}");
    }
    let told = |file: &[u8]| {
        let mut reader = read(file);
        let (mut page, mut sum) = (reader.blank(), 0);
        for index in 0..reader.pages() {
            reader.read(index, &mut page).unwrap();
            sum += GapKind::Lost.of(&Table::parse(page.slot(0).unwrap()).unwrap().gaps).ms;
        }
        sum
    };
    assert_eq!((told(&copy), told(&file)), (2000, 2000));
    assert_eq!(read(&copy).ending(), read(&file).ending());
}

#[test]
fn what_is_not_a_copy_of_this_recording_is_refused() {
    let (played, copy) = copied(&recorded([caller(), receptionist()], 12, |_, _| false));
    let other = |seconds, lost: fn(usize, u32) -> bool| {
        copied(&recorded([caller(), receptionist()], seconds, lost)).1
    };
    assert_eq!(differs(&other(13, |_, _| false), &played), "the ending");
    assert_eq!(differs(&other(12, |slot, number| slot == 0 && number == 100), &played), "the ending");
    // She says nothing for three seconds, and no packet of hers tells that one is missing.
    let quiet = other(12, |slot, number| slot == 1 && number < 150);
    assert_eq!(read(&quiet).ending().slots, [SlotGaps::default(); 2]);
    assert_eq!(differs(&quiet, &played), "the sound");
    let file = recorded([caller(), receptionist()], 12, |_, _| false);
    assert_eq!(differs(&file, &played), "the recording");
    verify(&copy, played.clone()).unwrap();
}

#[test]
fn a_short_one_is_copied_whole_but_not_worth_it() {
    let file = recorded([caller(), receptionist()], 1, |_, _| false);
    let (played, copy) = copied(&file);
    verify(&copy, played.clone()).unwrap();
    assert!(!is_smaller(copy.len() as u64, file.len() as u64));
}
