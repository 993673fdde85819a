//! What retention asks of the store: what is due, removing it, and keeping count of what was destroyed. Decides nothing.

use std::sync::LazyLock;

use vorzimmer_types::{Day, UnixMillis};

use crate::error::StoreError;
use crate::queries::{DESTROYED_RECORDINGS, DUE_RECORDINGS, RecordingRow};
use crate::sql::{OneOf, Tx, Value};
use crate::store::Store;

/// Rows that one transaction removes: small enough that a call's event waits for less than a blink.
const REMOVE_ROWS: u32 = 1_000;
/// Tallies that one transaction notes.
const NOTE_TALLIES: usize = 500;
/// Tallies that one statement strikes out.
const STRIKE_TALLIES: usize = 250;

/// A table whose rows have a day on which they are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What happened, event by event.
    Events,
    /// What the events fold to.
    Calls,
    /// The blind index.
    Numbers,
    /// What is known of recordings.
    Recordings,
    /// Answers to consent questions.
    Receipts,
    /// Who did what.
    Audit,
}

/// Something that was set out to be destroyed, and how much of it. What the item means is retention's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What.
    pub item: String,
    /// How much.
    pub count: u64,
}

/// A certificate as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCertificate {
    /// Counts from 1.
    pub number: u64,
    /// When it was made.
    pub made_at: UnixMillis,
    /// The certificate, signed.
    pub text: String,
}

/// The statements for one table.
struct Statements {
    count: &'static str,
    oldest: &'static str,
    remove: OneOf,
}

macro_rules! statements {
    ($table:literal, $key:literal) => {
        Statements {
            count: concat!("SELECT COUNT(*) FROM ", $table, " WHERE expiry_day <= $1"),
            oldest: concat!("SELECT MIN(expiry_day) FROM ", $table),
            remove: OneOf {
                sqlite: statements!(@rows $table),
                postgres: concat!(
                    "DELETE FROM ", $table, " WHERE ", $key, " IN (SELECT ", $key, " FROM ", $table,
                    " WHERE expiry_day <= $1 LIMIT $2)"
                ),
            },
        }
    };
    // A key of several columns is a row value, which stands in brackets on the left only.
    ($table:literal, $($key:literal),+) => {
        Statements {
            count: concat!("SELECT COUNT(*) FROM ", $table, " WHERE expiry_day <= $1"),
            oldest: concat!("SELECT MIN(expiry_day) FROM ", $table),
            remove: OneOf {
                sqlite: statements!(@rows $table),
                postgres: concat!(
                    "DELETE FROM ", $table, " WHERE (", statements!(@list $($key),+), ") IN (SELECT ",
                    statements!(@list $($key),+), " FROM ", $table, " WHERE expiry_day <= $1 LIMIT $2)"
                ),
            },
        }
    };
    // By the number that SQLite gives a row: the index over days holds it, so that no row is looked up twice.
    (@rows $table:literal) => {
        concat!(
            "DELETE FROM ", $table, " WHERE rowid IN (SELECT rowid FROM ", $table,
            " WHERE expiry_day <= $1 LIMIT $2)"
        )
    };
    (@list $first:literal $(, $rest:literal)*) => { concat!($first $(, ", ", $rest)*) };
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Calls, Self::Numbers, Self::Recordings, Self::Receipts, Self::Audit];

    const fn statements(self) -> Statements {
        match self {
            Self::Events => statements!("events", "call_id", "seq"),
            Self::Calls => statements!("calls", "call_id"),
            Self::Numbers => statements!("numbers", "blind", "role", "call_id"),
            Self::Recordings => statements!("recordings", "recording_id"),
            Self::Receipts => statements!("receipts", "receipt_id"),
            Self::Audit => statements!("audit", "audit_id"),
        }
    }
}

/// Page counts of recordings that are about to be removed.
const DUE_PAGES: &str = "DELETE FROM recording_pages WHERE recording_id IN \
    (SELECT p.recording_id FROM recording_pages p JOIN recordings r ON r.recording_id = p.recording_id \
    WHERE r.expiry_day <= $1 LIMIT $2)";

static STRIKE_SINGLE: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<String> = (1..=STRIKE_TALLIES).map(|number| format!("${number}")).collect();
    format!("DELETE FROM tallies WHERE count = 1 AND item IN ({})", places.join(", "))
});
const ADD_TALLY: &str = "INSERT INTO tallies (item, count) VALUES ($1, $2) \
    ON CONFLICT (item) DO UPDATE SET count = tallies.count + excluded.count";
const NOTE_TALLY: &str = "INSERT INTO tallies (item, count) VALUES ($1, $2) ON CONFLICT (item) DO NOTHING";

impl Store {
    /// How many rows of a table are due on `through` or before.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn due_rows(&self, table: Table, through: Day) -> Result<u64, StoreError> {
        let rows = self.inner.database.fetch(table.statements().count, vec![through.0.into()]).await?;
        rows.first().map_or(Ok(0), |row| row.count(0))
    }

    /// The earliest day on which a row of a table is due; none if it is empty.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn earliest_due(&self, table: Table) -> Result<Option<Day>, StoreError> {
        let rows = self.inner.database.fetch(table.statements().oldest, Vec::new()).await?;
        let day = rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten();
        Ok(day.and_then(|day| u32::try_from(day).ok()).map(Day))
    }

    /// Removes some rows of a table that are due on `through` or before, and adds them to the tally `item` in the same
    /// transaction. Says how many; none means that nothing is left to remove.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remove_due(&self, table: Table, through: Day, item: &str) -> Result<u64, StoreError> {
        let args = || vec![through.0.into(), REMOVE_ROWS.into()];
        let mut pages = u64::from(table == Table::Recordings);
        while pages > 0 {
            let mut tx = self.inner.database.begin().await?;
            pages = tx.execute(DUE_PAGES, args()).await?;
            tx.commit().await?;
        }
        let mut tx = self.inner.database.begin().await?;
        let removed = tx.execute_one(table.statements().remove, args()).await?;
        if removed > 0 {
            tx.execute(ADD_TALLY, vec![item.into(), count(removed)]).await?;
        }
        tx.commit().await?;
        Ok(removed)
    }

    /// Removes bindings that ended before `now`, and says how many.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remove_ended_bindings(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let mut tx = self.inner.database.begin().await?;
        let sql = "DELETE FROM bindings WHERE expires_at <= $1";
        let removed = tx.execute(sql, vec![now.0.into()]).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// The recordings that are due on `through` or before.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn due_recordings(&self, through: Day) -> Result<Vec<RecordingRow>, StoreError> {
        let rows = self.inner.database.fetch(DUE_RECORDINGS, vec![through.0.into()]).await?;
        rows.iter().map(RecordingRow::from_row).collect()
    }

    /// The recordings that were to be destroyed before their day, whether or not that is finished.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn destroyed_recordings(&self) -> Result<Vec<RecordingRow>, StoreError> {
        let rows = self.inner.database.fetch(DESTROYED_RECORDINGS, Vec::new()).await?;
        rows.iter().map(RecordingRow::from_row).collect()
    }

    /// Takes note of what is about to be destroyed, some at a time: after an error some of it is noted. What is noted
    /// already keeps its count.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn note(&self, tallies: &[Tally]) -> Result<(), StoreError> {
        for some in tallies.chunks(NOTE_TALLIES) {
            let mut tx = self.inner.database.begin().await?;
            for tally in some {
                tx.execute(NOTE_TALLY, vec![tally.item.as_str().into(), count(tally.count)]).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Adds to a tally.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn add(&self, tally: &Tally) -> Result<(), StoreError> {
        let mut tx = self.inner.database.begin().await?;
        tx.execute(ADD_TALLY, vec![tally.item.as_str().into(), count(tally.count)]).await?;
        tx.commit().await
    }

    /// What was noted and not yet certified.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let rows =
            self.inner.database.fetch("SELECT item, count FROM tallies ORDER BY item", Vec::new()).await?;
        rows.iter().map(|row| Ok(Tally { item: row.text(0)?.to_owned(), count: row.count(1)? })).collect()
    }

    /// Keeps a certificate and strikes what it certifies off the tallies, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::CertificateTaken`] if there is one of that number already; otherwise if the database refuses.
    pub async fn add_certificate(
        &self,
        certificate: &StoredCertificate,
        certified: &[Tally],
    ) -> Result<(), StoreError> {
        let number = certificate.number;
        let mut tx = self.inner.database.begin().await?;
        let sql = "INSERT INTO certificates (number, made_at, certificate) VALUES ($1, $2, $3) \
            ON CONFLICT (number) DO NOTHING";
        let args = vec![count(number), certificate.made_at.0.into(), certificate.text.as_str().into()];
        if tx.execute(sql, args).await? == 0 {
            return Err(StoreError::CertificateTaken { number });
        }
        let (single, more): (Vec<&Tally>, Vec<&Tally>) = certified.iter().partition(|tally| tally.count == 1);
        for some in single.chunks(STRIKE_TALLIES) {
            strike_single(&mut tx, some).await?;
        }
        for tally in more {
            strike(&mut tx, tally).await?;
        }
        tx.commit().await
    }

    /// The certificates from `number` on, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn certificates(&self, number: u64) -> Result<Vec<StoredCertificate>, StoreError> {
        let sql = "SELECT number, made_at, certificate FROM certificates WHERE number >= $1 ORDER BY number";
        let rows = self.inner.database.fetch(sql, vec![count(number)]).await?;
        let certificate = |row: &crate::sql::Row| {
            let made_at = UnixMillis(row.int(1)?);
            Ok(StoredCertificate { number: row.count(0)?, made_at, text: row.text(2)?.to_owned() })
        };
        rows.iter().map(certificate).collect()
    }

    /// The newest certificate.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn last_certificate(&self) -> Result<Option<StoredCertificate>, StoreError> {
        let rows = self.inner.database.fetch("SELECT MAX(number) FROM certificates", Vec::new()).await?;
        let number = rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten();
        match number.and_then(|number| u64::try_from(number).ok()) {
            Some(number) => Ok(self.certificates(number).await?.into_iter().next()),
            None => Ok(None),
        }
    }
}

/// Strikes out tallies of one thing each: there are as many as recordings, and the certificate waits for all of them.
async fn strike_single(tx: &mut Tx, tallies: &[&Tally]) -> Result<(), StoreError> {
    let Some(last) = tallies.last() else { return Ok(()) };
    let mut args: Vec<Value> = tallies.iter().map(|tally| tally.item.as_str().into()).collect();
    args.resize_with(STRIKE_TALLIES, || last.item.as_str().into());
    if tx.execute(STRIKE_SINGLE.as_str(), args).await? < tallies.len() as u64 {
        for tally in tallies {
            strike(tx, tally).await?;
        }
    }
    Ok(())
}

/// Takes off a tally what was certified; what came on top since stays for the next certificate.
async fn strike(tx: &mut Tx, tally: &Tally) -> Result<(), StoreError> {
    let args = || vec![tally.item.as_str().into(), count(tally.count)];
    if tx.execute("DELETE FROM tallies WHERE item = $1 AND count = $2", args()).await? == 0 {
        tx.execute("UPDATE tallies SET count = count - $2 WHERE item = $1 AND count > $2", args()).await?;
    }
    Ok(())
}

fn count(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}
