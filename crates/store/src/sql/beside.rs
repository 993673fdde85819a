//! What less urgent work writes to SQLite beside everybody else: in turn, and moved out of the write-ahead log by itself.
//!
//! A commit that finds the log long moves it into the file, and whoever waits to write waits for that, too. Here the log is
//! moved between two commits, while others write; only what they wrote meanwhile is moved in a turn.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{Pool, Sqlite};

use super::checkpoint::checkpoint;
use crate::error::StoreError;

/// The log is moved about as often as it has grown by so many pages: before a call's event would have to do it.
const MOVE_PAGES: u64 = 3_000;
/// But not less often than this, however little a commit writes.
const MOST_COMMITS: u64 = 64;

/// What a database has that is open beside another.
#[derive(Debug)]
pub(crate) struct Beside {
    /// The other's writer: who has it may write.
    turn: Pool<Sqlite>,
    writer: Pool<Sqlite>,
    /// Commits since the log was moved, and how many there are to be.
    commits: AtomicU64,
    wanted: AtomicU64,
}

impl Beside {
    pub(super) fn new(turn: Pool<Sqlite>, writer: Pool<Sqlite>) -> Self {
        Self { turn, writer, commits: AtomicU64::new(0), wanted: AtomicU64::new(1) }
    }

    /// The turn to write, for as long as it is kept.
    pub(super) async fn turn(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        self.turn.acquire().await
    }

    /// After a commit whose turn is over: moves the log, if it is time for that. What was committed is safe whatever comes
    /// of it.
    pub(super) async fn committed(&self) {
        let commits = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if commits < self.wanted.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.move_log(commits).await {
            tracing::warn!(%error, "the write-ahead log stays as it is until the next commit");
        }
    }

    async fn move_log(&self, commits: u64) -> Result<(), StoreError> {
        let found = checkpoint(&self.writer, "PRAGMA wal_checkpoint(PASSIVE)").await?;
        self.commits.store(0, Ordering::Relaxed);
        self.wanted.store(wanted(commits, found.log), Ordering::Relaxed);
        if found.moved < found.log {
            // Somebody wrote meanwhile. A log begins anew only when all of it is moved.
            let source = |source| StoreError::Database { doing: "wal_checkpoint", source };
            let _turn = self.turn().await.map_err(source)?;
            checkpoint(&self.writer, "PRAGMA wal_checkpoint(PASSIVE)").await?;
        }
        Ok(())
    }
}

/// After how many commits to move the log, if so many made it so long.
fn wanted(commits: u64, log: u64) -> u64 {
    (commits * MOVE_PAGES / log.max(1)).clamp(1, MOST_COMMITS)
}

#[cfg(test)]
mod tests {
    use super::{MOST_COMMITS, wanted};

    #[test]
    fn the_log_is_moved_as_often_as_it_grows() {
        for (commits, log, next) in
            [(1, 250, 12), (12, 3_000, 12), (12, 30_000, 1), (64, 100, MOST_COMMITS), (1, 0, MOST_COMMITS)]
        {
            assert_eq!(wanted(commits, log), next, "{commits} commits made {log} pages");
        }
    }
}
