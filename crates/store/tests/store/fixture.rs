//! A store to test with, on either database, and events of calls as they happen.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vorzimmer_store::testing::Postgres;
use vorzimmer_store::{EventLog, LogSettings, Settings, Store};
use vorzimmer_types::consent::{
    Answer, Epoch, Language, Method, Policy, PromptVersion, Receipt, Role, SignedReceipt,
};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::{Caller, EndedBy, Hop, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, E164, Event, EventRecord, LegId, PartyId, Pii, ReceiptId, ReceptionistId,
    RecordingId, UnixMillis,
};
use vorzimmer_vault::{KekSource, KeyStore};

/// 2026-01-31T09:05:00.123Z.
pub const MORNING: UnixMillis = UnixMillis(1_769_850_300_123);
pub const DID: &str = "+493023125001";
pub const CALLER: &str = "+4915112345678";
pub const FORWARDER: &str = "+493055500001";

/// Longer than a busy machine takes for anything.
const SLOW: Duration = Duration::from_secs(30);

/// A folder with a database, a key store and a spool.
pub struct House {
    pub url: String,
    pub folder: tempfile::TempDir,
    pub settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl House {
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match kind {
            Kind::Sqlite => format!("sqlite:{}", folder.path().join("data.db").display()),
            Kind::Postgres => {
                let shared = Postgres::shared().unwrap_or_else(|error| panic!("{error}"));
                shared.create_database().expect("a database")
            }
        };
        Self { url, folder, settings: Settings { connect: SLOW, patience: SLOW, ..Settings::default() } }
    }

    pub fn keys(&self) -> Arc<KeyStore> {
        let path = self.folder.path().join("keys");
        let kek = KekSource::File(self.folder.path().join("kek"));
        Arc::new(KeyStore::open_or_create(&path, kek, None, &mut Seeded::new(1)).expect("a key store"))
    }

    pub async fn store(&self) -> Store {
        // A seed of its own each time: a repeated one would repeat ids.
        let seed = self.folder.path().read_dir().expect("folder").count() as u64;
        let entropy = Box::new(Seeded::new(seed));
        Store::open(&self.url, self.settings, self.keys(), entropy).await.expect("a store")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("events.spool")
    }

    pub fn log(&self, store: &Store) -> EventLog {
        EventLog::start(store.clone(), &self.spool(), patient()).expect("a log")
    }
}

/// Settings under which a slow machine is not taken for a stalled database.
pub fn patient() -> LogSettings {
    LogSettings { commit_timeout: Duration::from_secs(30), ..LogSettings::default() }
}

/// Runs a test on both databases, each under a name of its own.
macro_rules! on_both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::fixture::House::new($crate::fixture::Kind::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::fixture::House::new($crate::fixture::Kind::Postgres)).await;
            }
        }
    )*};
}
pub(crate) use on_both;

pub fn number(text: &str) -> E164 {
    text.parse().expect("a number")
}

pub fn call(number: u8) -> CallId {
    CallId::from_bytes([number; 16])
}

pub fn customer() -> CustomerId {
    CustomerId::from_bytes([200; 16])
}

pub fn recording(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

/// A recorded call, from the offer to the end: eight events.
pub fn recorded_call(id: u8, at: UnixMillis) -> Vec<EventRecord> {
    let (leg, party) = (LegId::from_bytes([id; 16]), PartyId::from_bytes([id; 16]));
    let receptionist = ReceptionistId::from_bytes([5; 16]);
    let events = vec![
        offered(),
        Event::Answered,
        Event::Consented { receipt: receipt(id, at) },
        Event::Rung { leg, receptionist },
        Event::Connected { leg, party, receptionist },
        Event::RecordingStarted { recording: recording(id), epoch: Epoch(1) },
        Event::RecordingFinished {
            recording: Some(recording(id)),
            result: RecordingResult::Degraded,
            duration_ms: 61_400,
            gaps: [0, 2],
            pages: 307,
            why: "the disk was slow".into(),
        },
        Event::Ended { by: EndedBy::Caller, why: "hung up".into() },
    ];
    (0..).zip(events).map(|(seq, event)| record(id, seq, at, event)).collect()
}

pub fn record(id: u8, seq: u32, at: UnixMillis, event: Event) -> EventRecord {
    EventRecord {
        call: call(id),
        seq,
        at: UnixMillis(at.0 + i64::from(seq) * 1000),
        customer: Some(customer()),
        event,
    }
}

pub fn offered() -> Event {
    Event::Offered {
        trunk: "carrier".into(),
        did: Pii::new(number(DID)),
        caller: Caller::Known {
            address: Pii::new(CALLER.to_owned()),
            name: Some(Pii::new("Erika Mustermann".to_owned())),
        },
        chain: vec![Hop {
            from: Some(Pii::new(FORWARDER.to_owned())),
            reason: "no-answer".into(),
            count: 1,
            source: "diversion".into(),
        }],
        policy: Policy::AskBeforeConnect,
    }
}

pub fn receipt(id: u8, at: UnixMillis) -> SignedReceipt {
    let prompt = PromptVersion {
        name: "consent-ask".into(),
        version: 2,
        language: Language::De,
        sha256: "ab".repeat(32),
    };
    let receipt = Receipt {
        id: ReceiptId::from_bytes([id; 16]),
        call: call(id),
        customer: customer(),
        party: PartyId::from_bytes([id; 16]),
        role: Role::Caller,
        prompt: Some(prompt),
        answer: Answer::Yes,
        method: Method::Key { digit: '1' },
        at,
        purpose: "Anliegen weitergeben".into(),
        epoch: Epoch(1),
    };
    SignedReceipt { receipt, signature: "cd".repeat(64), key: "ef".repeat(32) }
}
