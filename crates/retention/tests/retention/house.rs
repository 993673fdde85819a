//! A house with a database, keys, recordings and logs, in which calls happen on days of the test's choosing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vorzimmer_retention::{Periods, Places, Retention, SpoolPlace};
use vorzimmer_store::testing::Postgres;
use vorzimmer_store::{EventLog, LogSettings, Page, Settings, Store, Table};
use vorzimmer_types::consent::{Answer, Epoch, Method, Policy, Receipt, Role, SignedReceipt};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::{Caller, EndedBy, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, Day, E164, Event, EventRecord, PartyId, Pii, ReceiptId, RecordingId, UnixMillis,
};
use vorzimmer_vault::callrec::{Context, EndReason, Ending, Form, Reader, SlotGaps, Writer, file};
use vorzimmer_vault::{KekSource, KeyStore};

/// The day on which every test begins.
pub const FIRST: u32 = 20_484;
/// Longer than a busy machine takes for anything.
const SLOW: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::house::Kind::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::house::Kind::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_both;

pub struct House {
    pub url: String,
    pub folder: tempfile::TempDir,
    pub store: Store,
}

/// Noon of the day that is `day` days after the first one.
pub fn noon(day: u32) -> UnixMillis {
    UnixMillis(Day(FIRST + day).start().0 + 43_200_000)
}

/// The number that rings on a day.
pub fn caller(day: u32) -> E164 {
    format!("+49301{day:04}").parse().expect("a number")
}

pub fn call(day: u32) -> CallId {
    CallId::from_bytes(id(day))
}

pub fn recording(day: u32) -> RecordingId {
    RecordingId::from_bytes(id(day))
}

fn id(day: u32) -> [u8; 16] {
    let mut bytes = [0xcc; 16];
    bytes[..4].copy_from_slice(&day.to_be_bytes());
    bytes
}

pub fn customer() -> CustomerId {
    CustomerId::from_bytes([7; 16])
}

fn parties() -> Vec<PartyId> {
    vec![PartyId::from_bytes([1; 16]), PartyId::from_bytes([2; 16])]
}

impl House {
    pub async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match kind {
            Kind::Sqlite => format!("sqlite:{}", folder.path().join("data.db").display()),
            Kind::Postgres => postgres().create_database().expect("a database"),
        };
        for name in ["recordings", "logs"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let store = open(&url, &folder).await;
        Self { url, folder, store }
    }

    /// Closes the store and opens it again, perhaps at another URL.
    pub async fn reopen(&mut self, url: String) {
        self.store.close().await;
        self.url = url;
        self.store = open(&self.url, &self.folder).await;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn retention(&self) -> Retention {
        let places = Places {
            recordings: self.path("recordings"),
            logs: Some(self.path("logs")),
            spool: SpoolPlace::File(self.path("events.spool")),
        };
        Retention::new(self.store.clone(), places, Periods::default())
    }

    /// A recorded call, with its file, and a day's log.
    pub async fn day(&self, day: u32) {
        self.record(day);
        std::fs::write(self.path("logs").join(format!("vorzimmer-{}.log", Day(FIRST + day))), "quiet\n")
            .expect("a log");
        let settings = LogSettings { commit_timeout: SLOW, ..LogSettings::default() };
        let log = EventLog::start(self.store.clone(), &self.path("events.spool"), settings).expect("a log");
        events(day).into_iter().for_each(|event| log.append(event));
        log.close().await.expect("close");
        assert_eq!(log.health().lost, 0);
    }

    /// A sealed recording of two parties and three pages.
    fn record(&self, day: u32) {
        let mut entropy = Seeded::new(u64::from(day) + 1000);
        let (keys, expiry) = (self.store.keys(), Day(FIRST + day + 30));
        let secrets: Vec<_> = (0..2)
            .map(|slot| keys.new_slot_secret(recording(day), slot, customer(), expiry, &mut entropy))
            .collect::<Result<_, _>>()
            .expect("secrets");
        keys.sync().expect("sync");
        let context = Context {
            recording: recording(day),
            customer: customer(),
            expiry,
            key_version: 1,
            codec: 0,
            form: Form::AsItCame,
            parties: parties(),
            receipts_hash: [9; 32],
        };
        let (mut writer, mut bytes) = Writer::start(&context, &secrets, &mut entropy).expect("a writer");
        let mut page = vec![0; writer.page_len()];
        for _ in 0..3 {
            writer.seal_page(&[b"caller", b"receptionist"], &mut page, &mut entropy).expect("a page");
            bytes.extend_from_slice(&page);
        }
        let ending = Ending {
            reason: EndReason::HungUp,
            duration_ms: 600,
            slots: vec![SlotGaps::default(); 2],
            receipts_root: [9; 32],
        };
        writer.seal_final(&ending, &mut page, &mut entropy).expect("the final page");
        bytes.extend_from_slice(&page);
        std::fs::write(file::path(&self.path("recordings"), recording(day)), bytes).expect("a file");
    }

    /// Whether a voice of this day can still be heard.
    pub fn can_be_heard(&self, day: u32) -> bool {
        let Ok(source) = file::open(&file::path(&self.path("recordings"), recording(day))) else {
            return false;
        };
        let keys = self.store.keys();
        let secrets: Vec<_> =
            (0..2).map(|slot| keys.slot_secret(recording(day), slot).expect("the key store")).collect();
        let context = Context {
            recording: recording(day),
            customer: customer(),
            expiry: Day(FIRST + day + 30),
            key_version: 1,
            codec: 0,
            form: Form::AsItCame,
            parties: parties(),
            receipts_hash: [9; 32],
        };
        Reader::open(source, &context.expected(), &secrets).is_ok()
    }

    /// The days of which a call can still be read.
    pub async fn readable_calls(&self) -> BTreeSet<CallId> {
        let calls = self.store.calls(Page::newest(500)).await.expect("calls");
        calls.records.iter().map(|record| record.call).collect()
    }

    pub fn files(&self, folder: &str) -> BTreeSet<String> {
        let entries = self.path(folder).read_dir().expect("folder");
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect()
    }

    /// Everything that is left, in a form that two houses can be compared by.
    pub async fn inventory(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in Table::ALL {
            let rows = self.store.due_rows(table, Day(u32::MAX - 1)).await.expect("rows");
            all.push(format!("{table:?} {rows} {:?}", self.store.earliest_due(table).await.expect("rows")));
        }
        let keys = self.store.keys().list().expect("keys");
        all.extend(keys.iter().map(|row| format!("{row:?}")));
        all.extend(self.files("recordings"));
        all.extend(self.files("logs"));
        all
    }
}

pub fn postgres() -> &'static Postgres {
    Postgres::shared().unwrap_or_else(|error| panic!("{error}"))
}

async fn open(url: &str, folder: &tempfile::TempDir) -> Store {
    let kek = KekSource::File(folder.path().join("kek"));
    let keys = KeyStore::open_or_create(&folder.path().join("keys"), kek, None, &mut Seeded::new(1));
    let settings = Settings { connect: SLOW, patience: SLOW, lifetimes: Periods::default().lifetimes() };
    let entropy = Box::new(Seeded::new(u64::from(std::process::id())));
    Store::open(url, settings, Arc::new(keys.expect("a key store")), entropy).await.expect("a store")
}

fn events(day: u32) -> Vec<EventRecord> {
    let at = noon(day);
    let receipt = Receipt {
        id: ReceiptId::from_bytes(id(day)),
        call: call(day),
        customer: customer(),
        party: parties()[0],
        role: Role::Caller,
        prompt: None,
        answer: Answer::Yes,
        method: Method::Key { digit: '1' },
        at,
        purpose: "Anliegen weitergeben".into(),
        epoch: Epoch(1),
    };
    let recording = recording(day);
    let events = [
        Event::Offered {
            trunk: "carrier".into(),
            did: Pii::new("+493023125001".parse().expect("a number")),
            caller: Caller::Known { address: Pii::new(caller(day).as_str().to_owned()), name: None },
            chain: Vec::new(),
            policy: Policy::AskBeforeConnect,
        },
        Event::Answered,
        Event::Consented {
            receipt: SignedReceipt { receipt, signature: "0".repeat(128), key: "0".repeat(64) },
        },
        Event::RecordingStarted { recording, epoch: Epoch(1) },
        Event::RecordingFinished {
            recording: Some(recording),
            result: RecordingResult::Ok,
            duration_ms: 600,
            gaps: [0; 2],
            pages: 3,
            why: String::new(),
        },
        Event::Ended { by: EndedBy::Caller, why: "hung up".into() },
    ];
    let record = |(seq, event)| EventRecord { call: call(day), seq, at, customer: Some(customer()), event };
    (0..).zip(events).map(record).collect()
}
