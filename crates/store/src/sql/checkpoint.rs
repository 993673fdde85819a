//! Moving SQLite's write-ahead log into the file.

use sqlx::{Pool, Sqlite};

use super::fetch;
use crate::error::StoreError;

/// What became of moving the log into the file.
pub(super) struct Moved {
    /// Nobody was in the way.
    pub(super) through: bool,
    /// Pages that the log holds, and those of them that are in the file.
    pub(super) log: u64,
    pub(super) moved: u64,
}

/// Moves the write-ahead log into the file.
pub(super) async fn checkpoint(writer: &Pool<Sqlite>, sql: &'static str) -> Result<Moved, StoreError> {
    let doing = "wal_checkpoint";
    let mut connection = writer.acquire().await.map_err(|source| StoreError::Database { doing, source })?;
    let rows = fetch::<Sqlite>(&mut connection, sql, Vec::new())
        .await
        .map_err(|source| StoreError::Database { doing, source })?;
    // Whether it was blocked, then both counts, -1 where there is none: https://sqlite.org/pragma.html#pragma_wal_checkpoint
    let row = rows.first().ok_or(StoreError::Shape { column: 0, wanted: "a row" })?;
    let count = |at| row.int(at).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(Moved { through: row.int(0)? == 0, log: count(1)?, moved: count(2)? })
}
