//! What SQLite's files hold of rows that were removed beside a running store.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use vorzimmer_store::Table;
use vorzimmer_types::{Day, UnixMillis};

use crate::fixture::{House, Kind, MORNING, recorded_call};

/// After every row of the test.
const LATE: Day = Day(40_000);

/// What is sealed in the database, as its rows hold it.
async fn sealed(house: &House) -> Vec<Vec<u8>> {
    let options: SqliteConnectOptions = house.url.parse().expect("options");
    let mut connection = options.connect().await.expect("connect");
    let sql = "SELECT event_sealed FROM events UNION ALL SELECT record_sealed FROM calls";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
    connection.close().await.expect("close");
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many of them are found in a file, by eight bytes of their middle: those stand in one piece where a page ends, too.
fn traces(house: &House, sealed: &[Vec<u8>]) -> usize {
    let middle = |blob: &Vec<u8>| <[u8; 8]>::try_from(&blob[blob.len() / 2..][..8]).expect("eight bytes");
    let mut found = std::collections::HashSet::new();
    for name in ["data.db", "data.db-wal"] {
        let file = std::fs::read(house.folder.path().join(name)).unwrap_or_default();
        found.extend(file.windows(8).filter_map(|window| <[u8; 8]>::try_from(window).ok()));
    }
    sealed.iter().filter(|blob| found.contains(&middle(blob))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn freed_pages_hold_nothing_and_are_given_back_when_that_is_wanted() {
    let house = House::new(Kind::Sqlite);
    let store = house.store().await;
    let log = house.log(&store);
    for id in 0..100 {
        let at = UnixMillis(MORNING.0 + i64::from(id));
        recorded_call(id, at).into_iter().for_each(|event| log.append(event));
    }
    log.flush().await.expect("flush");
    let sealed = sealed(&house).await;
    assert_eq!((sealed.len(), traces(&house, &sealed)), (900, 900));

    let beside = store.beside().await.expect("opened");
    for (table, rows) in [(Table::Events, 800), (Table::Calls, 100)] {
        let mut removed = 0;
        loop {
            match beside.remove_due(table, LATE, "rows").await.expect("removed") {
                0 => break,
                some => removed += some,
            }
        }
        assert_eq!(removed, rows, "{table:?}");
    }
    assert!(beside.scrub(0).await.expect("scrub"));
    let file = || std::fs::metadata(house.folder.path().join("data.db")).expect("the database").len();
    let (free, before) = (beside.free_pages().await.expect("counted"), file());
    assert!(free > 50, "{free} pages are free");
    assert_eq!(traces(&house, &sealed), 0);

    assert!(beside.scrub(free).await.expect("scrub"));
    assert_eq!(beside.free_pages().await.expect("counted"), 0);
    assert_eq!(file(), before - free * 4096);
    beside.close().await;
}
