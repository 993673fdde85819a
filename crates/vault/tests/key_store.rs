//! What the key store promises to those who seal and to those who destroy.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::{MemoryDisk, contains, customer, kek, recording, source};
use proptest::prelude::*;
use vorzimmer_types::Day;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_vault::keys::{Destroyed, SlotSecret};
use vorzimmer_vault::{Class, Error, KeyRows, KeyStore, SealedField};

const DAY: Day = Day(20_500);

fn fresh(disk: &MemoryDisk) -> KeyStore {
    KeyStore::open_or_create_storage(disk.storage(), source(&[kek(1, 1)]), &mut Seeded::new(1)).unwrap()
}

fn again(disk: &MemoryDisk) -> KeyStore {
    KeyStore::open_storage(disk.storage(), source(&[kek(1, 1)])).unwrap()
}

/// Two day keys are the same key if one opens what the other sealed.
fn same(a: &vorzimmer_vault::DayKey, b: &vorzimmer_vault::DayKey) -> bool {
    let sealed = SealedField::seal(a, "test", b"x", &mut Seeded::new(9)).unwrap();
    sealed.open(b, "test").is_ok()
}

#[test]
fn keys_are_made_once_and_found_again() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let key = store.day_key(Class::CallData, customer(1), DAY, &mut entropy).unwrap();
    let secret = store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy).unwrap();
    store.sync().unwrap();

    let store = again(&disk);
    assert!(same(&key, &store.day_key(Class::CallData, customer(1), DAY, &mut entropy).unwrap()));
    assert!(secret.ct_eq(&store.slot_secret(recording(1), 0).unwrap().unwrap()));
    assert!(store.slot_secret(recording(1), 1).unwrap().is_none());
    assert!(store.existing_day_key(Class::CallData, customer(2), DAY).unwrap().is_none());
    assert!(!same(&key, &store.day_key(Class::CallData, customer(2), DAY, &mut entropy).unwrap()));
    assert!(!same(&key, &store.day_key(Class::Log, customer(1), DAY, &mut entropy).unwrap()));
    assert!(!same(&key, &store.day_key(Class::CallData, customer(1), Day(20_501), &mut entropy).unwrap()));
    let twice = store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy);
    assert!(matches!(twice, Err(Error::SlotExists { slot: 0, .. })));
}

#[test]
fn a_day_key_is_durable_before_it_is_given_out_and_slot_secrets_cost_no_sync() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let key = store.day_key(Class::Recording, customer(1), DAY, &mut entropy).unwrap();
    assert!(same(
        &key,
        &again(&MemoryDisk::with(disk.synced()))
            .existing_day_key(Class::Recording, customer(1), DAY)
            .unwrap()
            .unwrap()
    ));

    let syncs = disk.syncs();
    for number in 0..100 {
        store.new_slot_secret(recording(number), 0, customer(1), DAY, &mut entropy).unwrap();
    }
    assert_eq!(disk.syncs(), syncs);
    store.sync().unwrap();
    let after_power_cut = again(&MemoryDisk::with(disk.synced()));
    assert!((0..100).all(|number| after_power_cut.slot_secret(recording(number), 0).unwrap().is_some()));
}

#[test]
fn a_destroyed_slot_leaves_no_byte_of_its_row_behind() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    store.new_slot_secret(recording(7), 0, customer(1), DAY, &mut entropy).unwrap();
    let before = disk.bytes();
    store.new_slot_secret(recording(8), 0, customer(1), DAY, &mut entropy).unwrap();
    store.sync().unwrap();
    let row = disk.bytes()[4096..]
        .as_chunks::<128>()
        .0
        .iter()
        .rfind(|row| row[28..44] == *recording(8).as_bytes())
        .copied();
    let row = row.unwrap();

    assert!(store.destroy_slot(recording(8), 0).unwrap());
    assert!(!store.destroy_slot(recording(8), 0).unwrap());
    assert!(store.slot_secret(recording(8), 0).unwrap().is_none());
    assert!(store.slot_secret(recording(7), 0).unwrap().is_some());
    assert_eq!(disk.bytes(), disk.synced(), "a destruction is durable when it returns");
    for part in [&row[28..44], &row[44..56], &row[56..72], &row[72..88], &row[88..104]] {
        assert!(!contains(&disk.bytes(), part));
    }
    assert_eq!(disk.bytes()[4096..], before[4096..], "the rest stands as it stood");
}

#[test]
fn destroying_a_day_takes_all_below_it_and_it_stays_away() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    for (number, day) in [(1, DAY), (2, DAY), (3, Day(20_501))] {
        store.new_slot_secret(recording(number), 0, customer(1), day, &mut entropy).unwrap();
        store.new_slot_secret(recording(number), 1, customer(1), day, &mut entropy).unwrap();
    }
    store.new_slot_secret(recording(4), 0, customer(2), DAY, &mut entropy).unwrap();

    let done = store.destroy_day(Class::Recording, customer(1), DAY).unwrap();
    assert_eq!(done, Destroyed { keys: 1, slots: 4 });
    for store in [&store, &again(&disk), &again(&MemoryDisk::with(disk.synced()))] {
        assert!(store.slot_secret(recording(1), 0).unwrap().is_none());
        assert!(store.slot_secret(recording(3), 1).unwrap().is_some());
        assert!(store.slot_secret(recording(4), 0).unwrap().is_some());
        let key = store.day_key(Class::Recording, customer(1), DAY, &mut entropy);
        assert!(matches!(key, Err(Error::Destroyed { class: Class::Recording, day: DAY })));
        let secret = store.new_slot_secret(recording(9), 0, customer(1), DAY, &mut entropy);
        assert!(matches!(secret, Err(Error::Destroyed { .. })));
        assert!(!contains(&disk.bytes()[4096..], recording(1).as_bytes()));
    }
    assert_eq!(store.destroy_day(Class::Recording, customer(1), DAY).unwrap(), Destroyed::default());
}

#[test]
fn a_busy_day_is_destroyed_whole() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let busy: Vec<_> = (0..600).map(|_| vorzimmer_types::RecordingId::random(&mut entropy)).collect();
    for id in &busy {
        store.new_slot_secret(*id, 0, customer(1), DAY, &mut entropy).unwrap();
    }
    store.new_slot_secret(recording(1), 0, customer(1), Day(20_501), &mut entropy).unwrap();
    assert_eq!(store.destroy_through(Class::Recording, DAY).unwrap(), Destroyed { keys: 1, slots: 600 });
    assert!(busy.iter().all(|id| store.slot_secret(*id, 0).unwrap().is_none()));
    assert_eq!(again(&disk).list().unwrap().len(), 1);
}

#[test]
fn recordings_are_told_apart_however_alike_their_names() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let alike = [1, 2, 3].map(|first| {
        let mut name = [7; 16];
        name[0] = first;
        vorzimmer_types::RecordingId::from_bytes(name)
    });
    for id in &alike[..2] {
        for slot in [0, 1] {
            store.new_slot_secret(*id, slot, customer(1), DAY, &mut entropy).unwrap();
        }
        let twice = store.new_slot_secret(*id, 1, customer(1), DAY, &mut entropy);
        assert!(matches!(twice, Err(Error::SlotExists { slot: 1, .. })));
    }
    let secrets = |store: &KeyStore| alike.map(|id| [0, 1].map(|slot| store.slot_secret(id, slot).unwrap()));
    let is_kept = |store: &KeyStore, id, slot, secret: &SlotSecret| {
        store.slot_secret(id, slot).unwrap().is_some_and(|kept| kept.ct_eq(secret))
    };
    let [[Some(a0), Some(a1)], [Some(b0), Some(b1)], [None, None]] = secrets(&store) else { panic!() };
    assert!(!a0.ct_eq(&b0) && !a1.ct_eq(&b1) && is_kept(&again(&disk), alike[0], 0, &a0));

    assert!(store.destroy_slot(alike[0], 0).unwrap());
    assert!(!store.destroy_slot(alike[0], 0).unwrap() && !store.destroy_slot(alike[2], 0).unwrap());
    for store in [&store, &again(&disk)] {
        assert!(store.slot_secret(alike[0], 0).unwrap().is_none() && is_kept(store, alike[0], 1, &a1));
        assert!(is_kept(store, alike[1], 0, &b0) && is_kept(store, alike[1], 1, &b1));
    }
}

#[test]
fn a_day_that_never_had_a_key_can_be_closed_too() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    assert_eq!(store.destroy_day(Class::CallData, customer(1), DAY).unwrap(), Destroyed::default());
    let key = again(&disk).day_key(Class::CallData, customer(1), DAY, &mut Seeded::new(2));
    assert!(matches!(key, Err(Error::Destroyed { .. })));
}

#[test]
fn nothing_up_to_the_watermark_comes_back_when_the_clock_does() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    for day in [10, 11, 12] {
        for class in [Class::Recording, Class::CallData] {
            store.day_key(class, customer(1), Day(day), &mut entropy).unwrap();
        }
    }
    store.new_slot_secret(recording(1), 0, customer(1), Day(10), &mut entropy).unwrap();
    store.destroy_day(Class::Recording, customer(2), Day(9)).unwrap();

    let done = store.destroy_through(Class::Recording, Day(11)).unwrap();
    assert_eq!(done, Destroyed { keys: 2, slots: 1 });
    assert_eq!(store.destroy_through(Class::Recording, Day(10)).unwrap(), Destroyed::default());

    let store = again(&disk);
    assert_eq!(store.destroyed_through(Class::Recording).unwrap(), Some(Day(11)), "it never goes back");
    assert_eq!(store.destroyed_through(Class::CallData).unwrap(), None);
    for day in [9, 10, 11] {
        for who in [1, 2, 3] {
            let key = store.day_key(Class::Recording, customer(who), Day(day), &mut entropy);
            assert!(matches!(key, Err(Error::Destroyed { .. })), "day {day}, customer {who}");
        }
    }
    store.day_key(Class::Recording, customer(3), Day(12), &mut entropy).unwrap();
    assert!(store.existing_day_key(Class::CallData, customer(1), Day(10)).unwrap().is_some());
}

#[test]
fn the_list_says_what_exists() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    store.day_key(Class::CallData, customer(2), Day(11), &mut entropy).unwrap();
    for slot in 0..2 {
        store.new_slot_secret(recording(1), slot, customer(1), Day(10), &mut entropy).unwrap();
    }
    let line =
        |class, who, day, slots| KeyRows { class, customer: customer(who), day: Day(day), key: true, slots };
    let expected = [line(Class::Recording, 1, 10, 2), line(Class::CallData, 2, 11, 0)];
    assert_eq!(store.list().unwrap(), expected);
    assert_eq!(again(&disk).list().unwrap(), expected);
}

#[test]
fn two_processes_see_each_others_keys_and_destructions() {
    let disk = MemoryDisk::default();
    let server = fresh(&disk);
    let tool = again(&disk);
    let mut entropy = Seeded::new(2);
    let key = server.day_key(Class::CallData, customer(1), DAY, &mut entropy).unwrap();
    assert!(same(&key, &tool.day_key(Class::CallData, customer(1), DAY, &mut entropy).unwrap()));

    let secret = tool.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy).unwrap();
    assert!(secret.ct_eq(&server.slot_secret(recording(1), 0).unwrap().unwrap()));
    tool.destroy_day(Class::Recording, customer(1), DAY).unwrap();
    assert!(server.slot_secret(recording(1), 0).unwrap().is_none());
    assert!(server.new_slot_secret(recording(2), 0, customer(1), DAY, &mut entropy).is_err());
}

#[test]
fn two_processes_agree_after_more_changes_than_the_header_remembers() {
    let disk = MemoryDisk::default();
    let (server, mut entropy) = (fresh(&disk), Seeded::new(2));
    let tool = again(&disk);
    for number in 0..200 {
        server.new_slot_secret(recording(number), 0, customer(1), DAY, &mut entropy).unwrap();
    }
    assert_eq!(tool.list().unwrap()[0].slots, 200);
    for number in 0..150 {
        assert!(tool.destroy_slot(recording(number), 0).unwrap());
    }
    assert_eq!(server.list().unwrap()[0].slots, 50);
    // Both must agree on which rows are free.
    for number in 0..150 {
        let store = if number % 2 == 0 { &server } else { &tool };
        store.new_slot_secret(recording(number), 1, customer(2), DAY, &mut entropy).unwrap();
    }
    for store in [&server, &tool, &again(&disk)] {
        assert!((150..200).all(|number| store.slot_secret(recording(number), 0).unwrap().is_some()));
        assert!((0..150).all(|number| store.slot_secret(recording(number), 1).unwrap().is_some()));
    }
}

#[test]
fn the_signing_key_is_made_once() {
    let disk = MemoryDisk::default();
    let key = fresh(&disk).signing_key(&mut Seeded::new(2)).unwrap().public_key();
    assert_eq!(again(&disk).signing_key(&mut Seeded::new(3)).unwrap().public_key(), key);
    let after_power_cut = again(&MemoryDisk::with(disk.synced()));
    assert_eq!(after_power_cut.signing_key(&mut Seeded::new(3)).unwrap().public_key(), key);
}

#[test]
fn no_key_is_in_the_file_in_the_clear() {
    /// Remembers every 32 bytes it gives out.
    struct Noted(Seeded, Vec<[u8; 32]>);
    impl vorzimmer_types::Entropy for Noted {
        fn fill(&mut self, out: &mut [u8]) {
            self.0.fill(out);
            self.1.extend(<[u8; 32]>::try_from(&*out));
        }
    }
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Noted(Seeded::new(2), Vec::new());
    store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy).unwrap();
    store.signing_key(&mut entropy).unwrap();
    assert_eq!(entropy.1.len(), 3, "day key, slot secret, signing key");
    assert!(entropy.1.iter().all(|key| !contains(&disk.bytes(), key)));
    assert!(!contains(&disk.bytes(), &[0xe1; 32]), "the key-encryption key");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever two processes do in whatever order, the store does what a plain map would do.
    #[test]
    fn it_behaves_like_a_map(steps in proptest::collection::vec((0_u8..5, 0_u8..2, 0_u8..6, 0_u32..4), 1..60)) {
        use std::collections::{HashMap, HashSet};
        let disk = MemoryDisk::default();
        let stores = [fresh(&disk), again(&disk)];
        let mut entropy = Seeded::new(3);
        let mut slots: HashMap<u8, (u32, vorzimmer_vault::SlotSecret)> = HashMap::new();
        let mut gone: HashSet<u32> = HashSet::new();
        for (action, who, number, day) in steps {
            let store = &stores[usize::from(who)];
            match action {
                0 | 1 => {
                    let made = store.new_slot_secret(recording(number), 0, customer(1), Day(day), &mut entropy);
                    let expected = !slots.contains_key(&number) && !gone.contains(&day);
                    prop_assert_eq!(made.is_ok(), expected);
                    if let Ok(secret) = made { slots.insert(number, (day, secret)); }
                }
                2 => prop_assert_eq!(store.destroy_slot(recording(number), 0).unwrap(), slots.remove(&number).is_some()),
                3 => {
                    store.destroy_day(Class::Recording, customer(1), Day(day)).unwrap();
                    gone.insert(day);
                    slots.retain(|_, (of, _)| *of != day);
                }
                _ if number == 0 => {
                    store.destroy_through(Class::Recording, Day(day)).unwrap();
                    gone.extend(0..=day);
                    slots.retain(|_, (of, _)| *of > day);
                }
                _ => {
                    let found = store.slot_secret(recording(number), 0).unwrap();
                    prop_assert_eq!(found.is_some(), slots.contains_key(&number));
                }
            }
        }
        for store in stores.iter().chain([&again(&disk)]) {
            for number in 0..6 {
                match (store.slot_secret(recording(number), 0).unwrap(), slots.get(&number)) {
                    (Some(found), Some((_, made))) => prop_assert!(found.ct_eq(made)),
                    (None, None) => {}
                    _ => prop_assert!(false, "recording {}", number),
                }
            }
        }
    }
}
