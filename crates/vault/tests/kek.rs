//! The key-encryption key's file, and the key store's, on a real file system.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CustomerId, Day, RecordingId};
use vorzimmer_vault::keys::kek::CREDENTIAL;
use vorzimmer_vault::{Class, Error, KekSource, KeyStore, StoreId};

const CUSTOMER: CustomerId = CustomerId::from_bytes([7; 16]);
const DAY: Day = Day(20_500);

struct House {
    _folder: TempDir,
    kek: PathBuf,
    store: PathBuf,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (kek, store) = (folder.path().join("kek"), folder.path().join("keys"));
        Self { _folder: folder, kek, store }
    }

    fn source(&self) -> KekSource {
        KekSource::File(self.kek.clone())
    }

    fn start(&self, remembered: Option<StoreId>, seed: u64) -> Result<KeyStore, Error> {
        KeyStore::open_or_create(&self.store, self.source(), remembered, &mut Seeded::new(seed))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_makes_both_files_for_their_owner_only() {
    let house = House::new();
    let id = house.start(None, 1).unwrap().store_id();
    assert_eq!((mode(&house.kek), mode(&house.store)), (0o600, 0o600));
    let text = fs::read_to_string(&house.kek).unwrap();
    assert!(text.starts_with("0000000001:") && text.len() == 76, "{} bytes", text.len());
    assert_eq!(house.start(Some(id), 2).unwrap().store_id(), id);
    assert_eq!(house.start(None, 3).unwrap().store_id(), id, "a new database may find old keys");
    assert_eq!(KeyStore::open(&house.store, house.source()).unwrap().store_id(), id);
}

#[test]
fn a_key_store_that_the_data_remembers_is_never_made_anew() {
    let house = House::new();
    let id = house.start(None, 1).unwrap().store_id();
    fs::rename(&house.store, house.store.with_extension("away")).unwrap();
    assert!(matches!(house.start(Some(id), 2), Err(Error::NoKeyStore { .. })));
    assert!(matches!(KeyStore::open(&house.store, house.source()), Err(Error::NoKeyStore { .. })));
    assert!(!house.store.exists());

    let other = house.start(None, 2).unwrap().store_id();
    let refused = house.start(Some(id), 3);
    assert!(
        matches!(refused, Err(Error::OtherKeyStore { expected, found }) if expected == id && found == other)
    );
}

#[test]
fn a_lost_or_foreign_kek_is_refused_and_not_replaced() {
    let house = House::new();
    house.start(None, 1).unwrap();
    let kek = fs::read(&house.kek).unwrap();
    fs::remove_file(&house.kek).unwrap();
    for remembered in [None, Some(StoreId::from_bytes([0; 16]))] {
        assert!(matches!(house.start(remembered, 2), Err(Error::NoKek { .. })));
        assert!(!house.kek.exists());
    }
    let elsewhere = House::new();
    elsewhere.start(None, 9).unwrap();
    fs::copy(&elsewhere.kek, &house.kek).unwrap();
    assert!(matches!(house.start(None, 2), Err(Error::WrongKek { version: 1 })));
    fs::write(&house.kek, kek).unwrap();
    house.start(None, 2).unwrap();
}

#[test]
fn files_that_others_can_read_are_refused() {
    let house = House::new();
    house.start(None, 1).unwrap();
    for path in [&house.kek, &house.store] {
        for bits in [0o640, 0o604, 0o620, 0o601, 0o666] {
            fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
            let refused = house.start(None, 2);
            assert!(matches!(&refused, Err(Error::NotPrivate { mode, .. }) if *mode == bits), "{bits:o}");
        }
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    house.start(None, 2).unwrap();
}

#[test]
fn a_credential_or_the_environment_comes_before_the_file() {
    let house = House::new();
    let folder = house.kek.parent().unwrap().to_path_buf();
    let choose =
        |text: Option<&str>| KekSource::choose(text.map(Into::into), Some(folder.clone()), house.kek.clone());
    assert!(matches!(choose(None), KekSource::File(_)));
    let hex = "ab".repeat(32);
    fs::write(folder.join(CREDENTIAL), format!("{hex}\n")).unwrap();
    fs::set_permissions(folder.join(CREDENTIAL), Permissions::from_mode(0o440)).unwrap();
    assert!(matches!(choose(None), KekSource::Credentials(_)));
    let made = KeyStore::open_or_create(&house.store, choose(None), None, &mut Seeded::new(1)).unwrap();
    assert!(matches!(choose(Some(&hex)), KekSource::Text(_)));
    let again = KeyStore::open(&house.store, choose(Some(&format!("1:{hex}")))).unwrap();
    assert_eq!(made.store_id(), again.store_id());
    assert!(!house.kek.exists());
    fs::set_permissions(folder.join(CREDENTIAL), Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(KeyStore::open(&house.store, choose(None)), Err(Error::NotPrivate { .. })));
    assert!(!format!("{:?}", choose(Some(&hex))).contains("abab"), "a key never prints");
}

#[test]
fn a_key_file_whose_writing_was_interrupted_is_completed() {
    let house = House::new();
    fs::write(&house.kek, "").unwrap();
    fs::set_permissions(&house.kek, Permissions::from_mode(0o600)).unwrap();
    house.start(None, 1).unwrap();
    // A second line that never got its end was never used.
    let whole = fs::read_to_string(&house.kek).unwrap();
    fs::write(&house.kek, whole.clone() + "0000000002:abcdef").unwrap();
    let store = house.start(None, 2).unwrap();
    assert_eq!(store.kek_version(), 1);
    assert_eq!(store.rotate(&mut Seeded::new(3)).unwrap().to, 2);
    // A file that a person wrote, without the last line's end.
    let text = fs::read_to_string(&house.kek).unwrap();
    fs::write(&house.kek, text.trim()).unwrap();
    let store = house.start(None, 4).unwrap();
    assert_eq!(store.rotate(&mut Seeded::new(5)).unwrap().to, 3);
    assert_eq!(house.start(None, 6).unwrap().kek_version(), 3);
}

#[test]
fn rotation_wipes_the_old_key_from_the_file_and_other_processes_follow() {
    let house = House::new();
    let server = house.start(None, 1).unwrap();
    let mut entropy = Seeded::new(2);
    server.new_slot_secret(RecordingId::from_bytes([1; 16]), 0, CUSTOMER, DAY, &mut entropy).unwrap();
    let mut old = fs::read_to_string(&house.kek).unwrap();
    for version in 2..60 {
        let tool = house.start(None, version).unwrap();
        let done = tool.rotate(&mut entropy).unwrap();
        assert_eq!((done.from, done.to), (version as u32 - 1, version as u32));
        assert!(done.old_key_wiped && !done.resumed);
        let text = fs::read_to_string(&house.kek).unwrap();
        assert!(!text.contains(old[11..75].trim()), "version {version}");
        assert!(text.len() <= 2 * 76, "the file does not grow: {} bytes", text.len());
        old = text.trim().to_owned() + "\n";
        // The server was running all the time.
        assert!(server.slot_secret(RecordingId::from_bytes([1; 16]), 0).unwrap().is_some());
        server.day_key(Class::CallData, CUSTOMER, Day(version as u32), &mut entropy).unwrap();
        assert_eq!(server.kek_version(), version as u32);
    }
}

#[test]
fn a_rotation_killed_before_its_last_step_is_finished_by_the_next() {
    let house = House::new();
    let store = house.start(None, 1).unwrap();
    let old = fs::read_to_string(&house.kek).unwrap();
    store.rotate(&mut Seeded::new(2)).unwrap();
    let new = fs::read_to_string(&house.kek).unwrap();
    // As if killed before the old key was wiped.
    fs::write(&house.kek, old.clone() + new.trim() + "\n").unwrap();
    let store = house.start(None, 3).unwrap();
    let done = store.rotate(&mut Seeded::new(4)).unwrap();
    assert_eq!((done.from, done.to, done.rows, done.resumed, done.old_key_wiped), (2, 2, 0, true, true));
    assert!(!fs::read_to_string(&house.kek).unwrap().contains(&old[11..75]));
    assert_eq!(store.rotate(&mut Seeded::new(5)).unwrap().to, 3);
}

#[test]
fn threads_share_one_store_and_processes_one_file() {
    let house = House::new();
    let store = house.start(None, 1).unwrap();
    let other = house.start(None, 1).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = if thread % 2 == 0 { &store } else { &other };
            scope.spawn(move || {
                let mut entropy = Seeded::new(thread.into());
                for number in 0..50 {
                    let id =
                        RecordingId::from_bytes([thread, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                    store.new_slot_secret(id, 0, CUSTOMER, DAY, &mut entropy).unwrap();
                    assert!(store.slot_secret(id, 0).unwrap().is_some());
                    if number % 5 == 0 {
                        assert!(store.destroy_slot(id, 0).unwrap());
                    }
                }
            });
        }
    });
    for store in [&store, &other, &house.start(None, 1).unwrap()] {
        assert_eq!(store.list().unwrap()[0].slots, 160);
    }
}
