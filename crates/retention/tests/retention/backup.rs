//! A restored backup of the data brings nothing back, and a file that was cleared holds nothing of it.

use sqlx::{ConnectOptions, Connection, Row, sqlite::SqliteConnectOptions};
use vorzimmer_retention::Clock;
use vorzimmer_store::Table;
use vorzimmer_types::Day;

use crate::house::{FIRST, House, Kind, call, caller, noon, on_both, postgres, recording};

on_both! {
    a_restored_backup_opens_nowhere_and_is_cleared_again
}

async fn a_restored_backup_opens_nowhere_and_is_cleared_again(kind: Kind) {
    let mut house = House::new(kind).await;
    house.day(0).await;
    house.day(5).await;
    house.retention().heartbeat(noon(5)).await.expect("a heartbeat");
    house.store.close().await;
    // The backup: database and recordings, but not the keys.
    let backup = match kind {
        Kind::Sqlite => {
            std::fs::copy(house.path("data.db"), house.path("backup.db")).expect("copy");
            format!("sqlite:{}", house.path("backup.db").display())
        }
        Kind::Postgres => postgres().copy_database(&house.url).expect("copy"),
    };
    let file = house.path("recordings").join(format!("{}.callrec", recording(0)));
    std::fs::copy(&file, house.path("backup.callrec")).expect("copy");

    let url = house.url.clone();
    house.reopen(url).await;
    house.retention().run(noon(61), Clock::Accepted).await.expect("a run");
    let after = house.inventory().await;

    house.reopen(backup).await;
    std::fs::copy(house.path("backup.callrec"), &file).expect("restore");
    let rows = house.store.due_rows(Table::Events, Day(FIRST + 61)).await.expect("rows");
    assert_eq!(rows, 6, "the rows are back");
    assert!(!house.can_be_heard(0));
    assert_eq!(house.readable_calls().await, [call(5)].into());
    assert!(house.store.story(call(0)).await.is_err());
    assert_eq!(house.store.find_by_number(&caller(0)).await.expect("find"), []);

    // The clock in the backup is old, but the key store remembers: nobody needs to be asked.
    house.retention().run(noon(61), Clock::Checked).await.expect("the next run");
    assert_eq!(house.inventory().await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_holds_no_trace_of_removed_rows_in_any_file() {
    let house = House::new(Kind::Sqlite).await;
    for day in 0..3 {
        house.day(day).await;
    }
    let options: SqliteConnectOptions = house.url.parse().expect("options");
    let mut connection = options.connect().await.expect("connect");
    let sql = "SELECT event_sealed FROM events UNION ALL SELECT record_sealed FROM calls \
        UNION ALL SELECT blind FROM numbers";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
    connection.close().await.expect("close");
    let sealed: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
    let traces = || {
        let names = ["data.db", "data.db-wal"];
        let files: Vec<_> = names.iter().filter_map(|name| std::fs::read(house.path(name)).ok()).collect();
        let found = |blob: &&Vec<u8>| {
            // The middle of a blob stands in one piece even where a page ends.
            let middle = &blob[blob.len() / 2..][..8];
            files.iter().any(|file| file.windows(middle.len()).any(|window| window == middle))
        };
        sealed.iter().filter(found).count()
    };
    assert_eq!(traces(), 27);
    house.retention().run(noon(70), Clock::Accepted).await.expect("a run");
    assert_eq!(traces(), 0);
}
