//! SQLite: one file, readable by its owner alone, that overwrites what it deletes and syncs what it commits.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Pool, Sqlite};

use super::beside::Beside;
use super::checkpoint::checkpoint;
use super::{Database, MAX_CONNECTIONS, fetch, taken};
use crate::error::StoreError;

/// Who may read and write the file: its owner.
const OWNER_ONLY: u32 = 0o600;

/// How long whoever writes waits for its turn: others write for moments only.
const TURN: Duration = Duration::from_secs(30);

/// As many pages are given back at a time as a call's event may wait for; a number in a pragma cannot be an argument.
const VACUUM: &str = "PRAGMA incremental_vacuum(1000)";
const VACUUM_PAGES: u64 = 1000;

/// Pages in the write-ahead log at which a commit moves them into the file: 16 MB. A page that changes often is moved once,
/// and whoever commits then does not wait too long.
const LOG_PAGES: &str = "4000";

pub(super) async fn open(url: &str, connect: Duration, patience: Duration) -> Result<Database, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|source| StoreError::Url { source })?;
    let file = options.get_filename().to_owned();
    create_private(&file).map_err(|source| StoreError::File { path: file, source })?;
    let options = options
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(patience)
        .pragma("secure_delete", "ON")
        // A sort that spills would leave rows in a temporary file; they are sealed, but need not be there at all.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .disable_statement_logging();
    prepare(&options).await.map_err(|source| StoreError::Open { source })?;
    let pool = connections(MAX_CONNECTIONS, connect, &options).await?;
    let writer = connections(1, TURN, &options).await?;
    Ok(Database::Sqlite { pool, writer, beside: None })
}

/// Further connections to the same file. Their threads take after the one that makes them.
pub(super) async fn beside(
    pool: &Pool<Sqlite>,
    turn: &Pool<Sqlite>,
    connect: Duration,
) -> Result<Database, StoreError> {
    let options = pool.connect_options();
    let pool = connections(MAX_CONNECTIONS, connect, &options).await?;
    // Its log is moved when nobody waits for its turn: see `Beside`.
    let quiet = (*options).clone().pragma("wal_autocheckpoint", "0");
    let writer = connections(1, TURN, &quiet).await?;
    let beside = Arc::new(Beside::new(turn.clone(), writer.clone()));
    Ok(Database::Sqlite { pool, writer, beside: Some(beside) })
}

async fn connections(
    most: u32,
    connect: Duration,
    options: &SqliteConnectOptions,
) -> Result<Pool<Sqlite>, StoreError> {
    // A file of this machine does not hang up: a connection need not be tried before each use.
    let pool =
        SqlitePoolOptions::new().max_connections(most).acquire_timeout(connect).test_before_acquire(false);
    pool.connect_with(options.clone()).await.map_err(|source| StoreError::Open { source })
}

/// Sets what the file itself remembers. Not for every connection: it takes the write lock, and readers must not need
/// that.
async fn prepare(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let options = options.clone();
    let connection = options
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await?;
    connection.close().await
}

/// Makes the file before SQLite does, so that it, its log and its index are never readable by others: SQLite gives
/// `-wal` and `-shm` the mode of the file itself.
fn create_private(file: &Path) -> std::io::Result<()> {
    let opened = OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(file)?;
    let mut permissions = opened.metadata()?.permissions();
    if permissions.mode() & 0o777 != OWNER_ONLY {
        permissions.set_mode(OWNER_ONLY);
        opened.set_permissions(permissions)?;
    }
    Ok(())
}

/// Pages of the file that hold nothing any more.
pub(super) async fn free_pages(pool: &Pool<Sqlite>) -> Result<u64, StoreError> {
    let doing = "freelist_count";
    let mut connection = pool.acquire().await.map_err(|source| StoreError::Database { doing, source })?;
    let rows = fetch::<Sqlite>(&mut connection, "PRAGMA freelist_count", Vec::new())
        .await
        .map_err(|source| StoreError::Database { doing, source })?;
    rows.first().map_or(Ok(0), |row| row.count(0))
}

/// Gives so many free pages back, and empties the write-ahead log. Says no if somebody was reading an older state of the
/// database for so long that the log could not be emptied.
pub(super) async fn scrub(
    writer: &Pool<Sqlite>,
    beside: Option<&Arc<Beside>>,
    give_back: u64,
) -> Result<bool, StoreError> {
    let (mut left, mut before) = (give_back, u64::MAX);
    while left > 0 {
        let free = free_pages(writer).await?;
        // A database that does not give pages back, or gets new ones as fast, is left as it is.
        if free == 0 || free >= before {
            break;
        }
        before = free;
        left = left.saturating_sub(VACUUM_PAGES);
        let _turn = taken(beside).await.map_err(|source| StoreError::Database { doing: "begin", source })?;
        writer
            .execute(VACUUM)
            .await
            .map_err(|source| StoreError::Database { doing: "incremental_vacuum", source })?;
    }
    let _turn =
        taken(beside).await.map_err(|source| StoreError::Database { doing: "wal_checkpoint", source })?;
    Ok(checkpoint(writer, "PRAGMA wal_checkpoint(TRUNCATE)").await?.through)
}
