//! The database stalls, goes away and comes back: no call waits for it and no event is lost.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use vorzimmer_store::testing::Postgres;
use vorzimmer_store::{Durable, EventLog, LogHealth, LogSettings, Settings, Store, StoreError};
use vorzimmer_types::CallRecord;
use vorzimmer_vault::Class;

use crate::fixture::{CALLER, House, Kind, MORNING, call, recorded_call, recording};

/// An outage of ten minutes, a thousand times as fast.
fn hasty() -> LogSettings {
    LogSettings {
        commit_timeout: Duration::from_millis(300),
        retry_every: Duration::from_millis(20),
        batch_records: 16,
        ..LogSettings::default()
    }
}

fn house(kind: Kind) -> House {
    let mut house = House::new(kind);
    house.settings = Settings { patience: Duration::from_millis(100), ..house.settings };
    house
}

/// Somebody else who holds SQLite's write lock.
struct Lock(SqliteConnection);

impl Lock {
    async fn take(house: &House) -> Self {
        let options: SqliteConnectOptions = house.url.parse().expect("options");
        let mut connection = options.connect().await.expect("a second connection");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("the write lock");
        Self(connection)
    }

    async fn release(self) {
        self.0.close().await.expect("close");
    }
}

fn start(house: &House, store: &Store, settings: LogSettings) -> EventLog {
    EventLog::start(store.clone(), &house.spool(), settings).expect("a log")
}

fn tell(log: &EventLog, ids: std::ops::Range<u8>) {
    ids.flat_map(|id| recorded_call(id, MORNING)).for_each(|event| log.append(event));
}

/// Flushes until everything is in the database; each flush tries once.
async fn back(log: &EventLog) {
    let arrive = async {
        while !matches!(log.flush().await, Ok(Durable::Database)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrive).await.expect("the database is back");
}

async fn assert_whole(store: &Store, ids: std::ops::Range<u8>) {
    for id in ids {
        let story = store.story(call(id)).await.expect("story");
        let events = recorded_call(id, MORNING);
        assert_eq!(story.events, events, "call {id}");
        assert_eq!(Some(&story.record), CallRecord::fold(&events).as_ref());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_loses_nothing_and_delays_nobody() {
    let house = house(Kind::Sqlite);
    let store = house.store().await;
    let log = start(&house, &store, hasty());
    tell(&log, 0..2);
    assert_eq!(log.flush().await.expect("flush"), Durable::Database);
    let lock = Lock::take(&house).await;
    tell(&log, 2..12);
    log.acknowledge_pages(recording(30), 44);
    assert_eq!(log.flush().await.expect("flush"), Durable::Spool);
    let health = log.health();
    assert!(health.away && health.spooled == 80 && health.spool_bytes > 0, "{health:?}");
    assert_whole(&store, 0..2).await;

    // The spool tells nobody anything.
    let spool = std::fs::read(house.spool()).expect("spool");
    let secret = &CALLER.as_bytes()[1..];
    assert!(!spool.windows(secret.len()).any(|window| window == secret));

    lock.release().await;
    back(&log).await;
    assert_whole(&store, 0..12).await;
    let health = log.health();
    assert_eq!((health.away, health.lost, health.spool_bytes), (false, 0, 0));
    assert_eq!(std::fs::metadata(house.spool()).expect("spool").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_left_in_the_spool_is_written_by_the_next_one() {
    let house = house(Kind::Sqlite);
    let store = house.store().await;
    let log = start(&house, &store, hasty());
    let lock = Lock::take(&house).await;
    tell(&log, 0..3);
    assert_eq!(log.close().await.expect("close"), Durable::Spool);
    store.close().await;
    lock.release().await;
    // The power failed in the middle of one more record.
    let mut spool = std::fs::read(house.spool()).expect("spool");
    spool.extend_from_slice(&[0, 0, 1, 0, 42]);
    std::fs::write(house.spool(), spool).expect("torn tail");

    let store = house.store().await;
    let log = start(&house, &store, hasty());
    assert!(matches!(
        EventLog::start(store.clone(), &house.spool(), hasty()),
        Err(StoreError::SpoolInUse { .. })
    ));
    tell(&log, 3..4);
    back(&log).await;
    assert_whole(&store, 0..4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_spool_events_wait_in_memory_and_are_lost_loudly_at_its_end() {
    let house = house(Kind::Sqlite);
    let store = house.store().await;
    let settings = LogSettings { spool_bytes: 10, queue_records: 24, ..hasty() };
    let log = start(&house, &store, settings);
    let lock = Lock::take(&house).await;
    for id in 0..3 {
        tell(&log, id..id + 1);
        let refused = log.flush().await;
        assert!(
            matches!(refused, Err(StoreError::Unsaved { events }) if events == 8 * (usize::from(id) + 1))
        );
    }
    assert_eq!((log.health().held, log.health().lost), (24, 0));
    tell(&log, 3..4);
    assert!(matches!(log.flush().await, Err(StoreError::Unsaved { events: 24 })));
    assert_eq!((log.health().held, log.health().lost), (24, 8));
    lock.release().await;
    back(&log).await;
    assert_whole(&store, 0..3).await;
    assert_eq!(log.health(), LogHealth { lost: 8, ..LogHealth::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_dropped_from_the_spool_too() {
    let house = house(Kind::Sqlite);
    let store = house.store().await;
    // Nothing is tried but by a flush: the test says when.
    let log = start(&house, &store, LogSettings { retry_every: Duration::from_secs(3600), ..hasty() });
    let due = MORNING.day().plus(house.settings.lifetimes.call_data);
    let lock = Lock::take(&house).await;
    tell(&log, 0..1);
    assert_eq!(log.flush().await.expect("flush"), Durable::Spool);
    assert_eq!(log.purge_spool(vorzimmer_types::Day(due.0 - 1)).await.expect("purge"), 0);
    assert_eq!(log.purge_spool(due).await.expect("purge"), 8);
    assert_eq!(std::fs::metadata(house.spool()).expect("spool").len(), 0);

    // If the key goes before the file is looked at, the file tells nothing any more.
    tell(&log, 1..2);
    log.flush().await.expect("flush");
    store.keys().destroy_through(Class::CallData, due).expect("destroy");
    lock.release().await;
    back(&log).await;
    assert_eq!(log.health().forgotten, 8);
    assert!(matches!(store.call(call(1)).await, Err(StoreError::NoCall { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_stalls_and_one_that_dies_lose_nothing() {
    let mut postgres = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let mut house = house(Kind::Sqlite);
    house.url = postgres.create_database().expect("a database");
    house.settings.connect = Duration::from_secs(1);
    let store = house.store().await;
    let log = start(&house, &store, hasty());
    tell(&log, 0..2);
    back(&log).await;

    postgres.freeze().expect("freeze");
    tell(&log, 2..4);
    assert_eq!(log.flush().await.expect("flush"), Durable::Spool);
    tell(&log, 4..6);
    assert_eq!(log.flush().await.expect("flush"), Durable::Spool);
    postgres.thaw().expect("thaw");
    back(&log).await;
    assert_whole(&store, 0..6).await;

    postgres.kill().expect("kill");
    tell(&log, 6..8);
    assert_eq!(log.flush().await.expect("flush"), Durable::Spool);
    assert!(store.call(call(0)).await.is_err(), "nobody is there to ask");
    postgres.restart().expect("restart");
    back(&log).await;
    assert_whole(&store, 0..8).await;
    assert_eq!(log.health().lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_somebody_reads_is_not_said_to_be_scrubbed() {
    let house = house(Kind::Sqlite);
    let store = house.store().await;
    let log = start(&house, &store, hasty());
    tell(&log, 0..1);
    back(&log).await;
    let options: SqliteConnectOptions = house.url.parse().expect("options");
    let mut reader = options.connect().await.expect("a reader");
    sqlx::query("BEGIN").execute(&mut reader).await.expect("begin");
    sqlx::query("SELECT COUNT(*) FROM events").fetch_one(&mut reader).await.expect("a read");
    tell(&log, 1..2);
    back(&log).await;
    assert!(!store.scrub(0).await.expect("scrub"));
    reader.close().await.expect("close");
    assert!(store.scrub(0).await.expect("scrub"));
    let wal = house.folder.path().join("data.db-wal");
    assert_eq!(std::fs::metadata(wal).expect("the log").len(), 0);
}
