//! A kill between any two writes, a cut file, a damaged one, another key: the store opens consistent or says what is
//! wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use common::{MemoryDisk, contains, customer, kek, recording, source};
use vorzimmer_types::Day;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_vault::{Class, DayKey, Error, KeyStore, SealedField};

const DAY: Day = Day(20_500);

fn fresh(disk: &MemoryDisk) -> KeyStore {
    KeyStore::open_or_create_storage(disk.storage(), source(&[kek(1, 1)]), &mut Seeded::new(1)).unwrap()
}

fn open(bytes: Vec<u8>, keys: &[String]) -> Result<KeyStore, Error> {
    KeyStore::open_storage(MemoryDisk::with(bytes).storage(), source(keys))
}

fn sealed(key: &DayKey) -> SealedField {
    SealedField::seal(key, "test", b"x", &mut Seeded::new(9)).unwrap()
}

/// Runs `work` on copies of `before`, killed after every possible number of writes, until it gets through; `check` looks
/// at what each kill left. Says how many kills there were.
fn killed_anywhere(
    before: &[u8],
    keys: &[String],
    work: impl Fn(&KeyStore) -> Result<(), Error>,
    check: impl Fn(&KeyStore, bool),
) -> usize {
    for writes in 0..100_000 {
        let disk = MemoryDisk::with(before.to_vec());
        let store = KeyStore::open_storage(disk.storage(), source(keys)).unwrap();
        disk.die_after(writes);
        let done = work(&store).is_ok();
        check(&open(disk.bytes(), keys).unwrap(), done);
        // Whoever had the file open before sees the same.
        if done {
            return writes;
        }
    }
    panic!("it never gets through");
}

#[test]
fn the_first_start_may_be_killed_anywhere() {
    for writes in 0.. {
        let disk = MemoryDisk::default();
        disk.die_after(writes);
        let source = || source(&[kek(1, 1)]);
        let made = KeyStore::open_or_create_storage(disk.storage(), source(), &mut Seeded::new(1));
        let after = MemoryDisk::with(disk.bytes());
        let again = KeyStore::open_or_create_storage(after.storage(), source(), &mut Seeded::new(2)).unwrap();
        again.day_key(Class::Log, customer(1), DAY, &mut Seeded::new(3)).unwrap();
        if let Ok(store) = made {
            assert_eq!(store.store_id(), again.store_id());
            return;
        }
    }
}

#[test]
fn making_keys_may_be_killed_anywhere() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let old = sealed(&store.day_key(Class::CallData, customer(1), DAY, &mut Seeded::new(2)).unwrap());
    let kills = killed_anywhere(
        &disk.bytes(),
        &[kek(1, 1)],
        |store| {
            let mut entropy = Seeded::new(3);
            for number in 0..40 {
                store.new_slot_secret(recording(number), 0, customer(2), DAY, &mut entropy)?;
                store.new_slot_secret(recording(number), 1, customer(2), DAY, &mut entropy)?;
            }
            store.sync()
        },
        |store, done| {
            let key = store.existing_day_key(Class::CallData, customer(1), DAY).unwrap().unwrap();
            assert!(old.open(&key, "test").is_ok());
            let made = (0..40).filter(|number| store.slot_secret(recording(*number), 1).unwrap().is_some());
            assert!(!done || made.count() == 40);
            store.new_slot_secret(recording(99), 0, customer(2), DAY, &mut Seeded::new(4)).unwrap();
        },
    );
    assert!(kills > 160, "{kills} kills");
}

#[test]
fn destroying_may_be_killed_anywhere_and_done_again() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    for number in 0..10 {
        store.new_slot_secret(recording(number), 0, customer(1), DAY, &mut entropy).unwrap();
        store.new_slot_secret(recording(number), 1, customer(2), Day(DAY.0 + 1), &mut entropy).unwrap();
    }
    for (what, work) in [
        (
            "day",
            Box::new(|store: &KeyStore| store.destroy_day(Class::Recording, customer(1), DAY).map(drop))
                as Box<dyn Fn(&KeyStore) -> _>,
        ),
        ("through", Box::new(|store: &KeyStore| store.destroy_through(Class::Recording, DAY).map(drop))),
    ] {
        killed_anywhere(&disk.bytes(), &[kek(1, 1)], &work, |store, done| {
            let gone =
                (0..10).filter(|number| store.slot_secret(recording(*number), 0).unwrap().is_none()).count();
            assert!(gone == 0 || gone == 10, "{what}: all or none, not {gone}");
            assert!(!done || gone == 10);
            work(store).unwrap();
            assert!((0..10).all(|number| store.slot_secret(recording(number), 0).unwrap().is_none()));
            assert!((0..10).all(|number| store.slot_secret(recording(number), 1).unwrap().is_some()));
            assert!(store.day_key(Class::Recording, customer(1), DAY, &mut Seeded::new(5)).is_err());
            let left = store.list().unwrap();
            assert!(left.iter().all(|line| line.day > DAY), "{what}: {left:?}");
        });
    }
}

#[test]
fn a_destruction_that_returned_survives_a_power_cut_and_leaves_no_key() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    for number in 0..5 {
        store.new_slot_secret(recording(number), 0, customer(1), DAY, &mut entropy).unwrap();
    }
    store.sync().unwrap();
    let before = disk.bytes();
    // What is secret in each row: ciphertext and tag.
    let secrets: Vec<Vec<u8>> = before[4096..]
        .as_chunks::<128>()
        .0
        .iter()
        .filter(|row| row[0] != 0)
        .map(|row| row[56..104].to_vec())
        .collect();
    assert_eq!(secrets.len(), 6);
    store.destroy_day(Class::Recording, customer(1), DAY).unwrap();
    for bytes in [disk.bytes(), disk.synced()] {
        assert!(secrets.iter().all(|secret| !contains(&bytes, secret)));
    }
}

#[test]
fn a_file_that_lost_its_tail_is_refused_once_that_tail_was_safe() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    for number in 0..100 {
        store.new_slot_secret(recording(number), 0, customer(1), DAY, &mut entropy).unwrap();
    }
    store.sync().unwrap();
    store.new_slot_secret(recording(100), 0, customer(1), DAY, &mut entropy).unwrap();
    let bytes = disk.bytes();
    for len in (0..bytes.len()).step_by(64) {
        let opened = open(bytes[..len].to_vec(), &[kek(1, 1)]);
        assert!(opened.is_err(), "length {len}");
        if len > 4096 {
            assert!(matches!(opened, Err(Error::KeyStoreTruncated { expected: 128, .. })), "length {len}");
        }
    }
}

#[test]
fn a_growth_that_was_cut_short_is_no_damage() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut Seeded::new(2)).unwrap();
    let bytes = disk.bytes();
    for more in [1, 127, 128, 200] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        let store = open(longer, &[kek(1, 1)]).unwrap();
        assert!(store.slot_secret(recording(1), 0).unwrap().is_some());
        for number in 2..90 {
            store.new_slot_secret(recording(number), 0, customer(1), DAY, &mut Seeded::new(3)).unwrap();
        }
    }
}

#[test]
fn every_changed_byte_of_a_row_is_noticed() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy).unwrap();
    store.signing_key(&mut entropy).unwrap();
    store.destroy_day(Class::Log, customer(1), DAY).unwrap();
    store.destroy_through(Class::Spool, DAY).unwrap();
    let bytes = disk.bytes();
    for at in 4096..4096 + 5 * 128 {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        let row = ((at - 4096) / 128) as u32;
        let opened = open(changed, &[kek(1, 1)]);
        assert!(matches!(opened, Err(Error::KeyStoreRow { row: found }) if found == row), "byte {at}");
    }
    let swapped = [&bytes[..4096], &bytes[4224..4352], &bytes[4096..4224], &bytes[4352..]].concat();
    assert!(matches!(open(swapped, &[kek(1, 1)]), Err(Error::KeyStoreRow { row: 0 })));
}

#[test]
fn one_damaged_header_is_replaced_by_the_other_and_two_are_refused() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut Seeded::new(2)).unwrap();
    for (places, fine) in [(&[0][..], true), (&[2048], true), (&[0, 2048], false)] {
        for at in [0, 9, 17, 35, 43, 50, 82, 100, 400, 510] {
            let mut changed = disk.bytes();
            for place in places {
                changed[place + at] ^= 1;
            }
            let opened = open(changed, &[kek(1, 1)]);
            assert_eq!(opened.is_ok(), fine, "copies {places:?} byte {at}");
            if let Ok(store) = opened {
                assert!(store.slot_secret(recording(1), 0).unwrap().is_some());
            }
        }
    }
}

#[test]
fn without_the_right_kek_nothing_opens_and_nothing_is_made() {
    let disk = MemoryDisk::default();
    fresh(&disk);
    let before = disk.bytes();
    let table = [
        (vec![kek(1, 2)], "wrong"),
        (vec![kek(2, 1)], "missing"),
        (vec![], "none"),
        (vec!["1:zz".into()], "syntax"),
        (vec!["0:".to_owned() + &"00".repeat(32)], "syntax"),
    ];
    for (keys, what) in table {
        let opened = open(before.clone(), &keys);
        let made = KeyStore::open_or_create_storage(disk.storage(), source(&keys), &mut Seeded::new(9));
        for result in [opened, made] {
            let fits = match result {
                Err(Error::WrongKek { version: 1 }) => what == "wrong",
                Err(Error::KekVersionMissing { version: 1 }) => what == "missing",
                Err(Error::NoKek { .. }) => what == "none",
                Err(Error::KekSyntax { line: 1, .. }) => what == "syntax",
                _ => false,
            };
            assert!(fits, "{what}");
        }
        assert_eq!(disk.bytes(), before);
    }
}

#[test]
fn rotation_moves_day_keys_and_touches_no_slot() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let field = sealed(&store.day_key(Class::CallData, customer(1), DAY, &mut entropy).unwrap());
    let secret = store.new_slot_secret(recording(1), 0, customer(1), DAY, &mut entropy).unwrap();
    let public = store.signing_key(&mut entropy).unwrap().public_key();
    let no_newer = store.rotate(&mut entropy);
    assert!(matches!(no_newer, Err(Error::NoNextKek { current: 1 })));
    let before = disk.bytes();

    let both = [kek(1, 1), kek(2, 2)];
    let store = KeyStore::open_storage(disk.storage(), source(&both)).unwrap();
    let done = store.rotate(&mut entropy).unwrap();
    assert_eq!((done.from, done.to, done.rows, done.resumed, done.old_key_wiped), (1, 2, 3, false, false));

    let slot_rows = |bytes: &[u8]| -> Vec<[u8; 128]> {
        bytes[4096..].as_chunks::<128>().0.iter().filter(|row| row[0] == 2).copied().collect()
    };
    assert_eq!(slot_rows(&disk.bytes()), slot_rows(&before));
    assert!(matches!(open(disk.bytes(), &[kek(1, 1)]), Err(Error::KekVersionMissing { version: 2 })));
    let store = open(disk.bytes(), &[kek(2, 2)]).unwrap();
    assert_eq!(store.kek_version(), 2);
    let key = store.existing_day_key(Class::CallData, customer(1), DAY).unwrap().unwrap();
    assert!(field.open(&key, "test").is_ok());
    assert!(store.slot_secret(recording(1), 0).unwrap().unwrap().ct_eq(&secret));
    assert_eq!(store.signing_key(&mut entropy).unwrap().public_key(), public);
    // No row wrapped under the old key is left.
    for row in before[4096..].as_chunks::<128>().0.iter().filter(|row| matches!(row[0], 1 | 3)) {
        assert!(!contains(&disk.bytes(), &row[56..104]));
    }
}

#[test]
fn rotation_may_be_killed_anywhere_and_is_finished_by_the_next() {
    let disk = MemoryDisk::default();
    let store = fresh(&disk);
    let mut entropy = Seeded::new(2);
    let fields: Vec<_> = (0..6)
        .map(|who| sealed(&store.day_key(Class::CallData, customer(who), DAY, &mut entropy).unwrap()))
        .collect();
    let public = store.signing_key(&mut entropy).unwrap().public_key();
    let both = [kek(1, 1), kek(2, 2)];
    let kills = killed_anywhere(
        &disk.bytes(),
        &both,
        |store| store.rotate(&mut Seeded::new(3)).map(drop),
        |store, done| {
            let all_open = |store: &KeyStore| {
                fields.iter().enumerate().all(|(who, field)| {
                    let key =
                        store.existing_day_key(Class::CallData, customer(who as u8), DAY).unwrap().unwrap();
                    field.open(&key, "test").is_ok()
                }) && store.signing_key(&mut Seeded::new(4)).unwrap().public_key() == public
            };
            assert!(all_open(store));
            // Half-way, calls go on.
            store.new_slot_secret(recording(1), 0, customer(9), DAY, &mut Seeded::new(5)).unwrap();
            match store.rotate(&mut Seeded::new(6)) {
                Ok(finished) => assert!(!done && finished.to == 2),
                // Killed after the last thing that had to be written.
                Err(Error::NoNextKek { current: 2 }) => {}
                Err(other) => panic!("{other}"),
            }
            assert!(all_open(store));
            assert_eq!(store.kek_version(), 2);
            assert!(store.slot_secret(recording(1), 0).unwrap().is_some());
        },
    );
    assert!(kills > 15, "{kills} kills");
}
