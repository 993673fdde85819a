//! What is told of a call after its end: by a start that follows a crash, and of what became of its recording.

use vorzimmer_types::{CallId, CustomerId, Day, Event, EventRecord, RecordingId, UnixMillis};

use crate::error::StoreError;
use crate::events::{AFTER_THE_FACT, Prepared};
use crate::project;
use crate::queries::RecordingRow;
use crate::seal::is_forgotten;
use crate::sql::Tx;
use crate::store::{Inner, Store};

impl Store {
    /// Adds one event to a call that is over, and returns when it is durable: for what a crash kept from being told.
    ///
    /// # Errors
    /// If the database or the vault refuses; then nothing was written.
    pub async fn append_after_the_fact(
        &self,
        call: CallId,
        customer: Option<CustomerId>,
        at: UnixMillis,
        event: Event,
    ) -> Result<(), StoreError> {
        let Inner { database, seals, settings } = &*self.inner;
        let mut tx = database.begin().await?;
        let seq = next_after_the_fact(&mut tx, call).await?;
        let prepared = Prepared::seal(
            &mut seals.keyring(),
            &settings.lifetimes,
            EventRecord { call, seq, at, customer, event },
        )?;
        project::write(&mut tx, seals, &settings.lifetimes, &[prepared]).await?;
        tx.commit().await
    }

    /// Notes that a recording was destroyed before its day, in its row and in its call's events, and returns when that
    /// is durable. The event is due together with its call; if that is forgotten already, the row alone tells.
    ///
    /// # Errors
    /// [`StoreError::NoRecording`]; if the database or the vault refuses, nothing was written.
    pub async fn note_destroyed(
        &self,
        recording: RecordingId,
        at: UnixMillis,
        why: &str,
    ) -> Result<(), StoreError> {
        let row = self.recording(recording).await?;
        self.note_of(&row, at, Event::RecordingDestroyed { recording, why: why.to_owned() }).await
    }

    /// Notes what became of a recording after its call, in its row and in its call's events, and returns when that is
    /// durable. The event is due together with its call; if that is forgotten already, the row alone tells.
    ///
    /// # Errors
    /// If the database or the vault refuses, nothing was written.
    pub async fn note_of(&self, row: &RecordingRow, at: UnixMillis, event: Event) -> Result<(), StoreError> {
        let Inner { database, seals, settings } = &*self.inner;
        let mut tx = database.begin().await?;
        let sql = "SELECT expiry_day FROM calls WHERE call_id = $1";
        let calls = tx.fetch(sql, vec![row.call.as_bytes().into()]).await?;
        let expiry = calls.first().map(|call| call.small(0)).transpose()?.map(Day);
        let record = EventRecord {
            call: row.call,
            seq: next_after_the_fact(&mut tx, row.call).await?,
            at,
            customer: Some(row.customer),
            event,
        };
        let expiry = expiry.unwrap_or_else(|| settings.lifetimes.call_data_due(row.started_at));
        match Prepared::seal_due(&mut seals.keyring(), expiry, record.clone()) {
            Ok(prepared) => {
                project::write(&mut tx, seals, &settings.lifetimes, &[prepared]).await?;
            }
            Err(StoreError::Vault { source }) if is_forgotten(&source) => {
                project::mark_recording(&mut tx, &record).await?;
            }
            Err(error) => return Err(error),
        }
        tx.commit().await
    }
}

async fn next_after_the_fact(tx: &mut Tx, call: CallId) -> Result<u32, StoreError> {
    let sql = "SELECT MAX(seq) FROM events WHERE call_id = $1 AND seq >= $2";
    let rows = tx.fetch(sql, vec![call.as_bytes().into(), AFTER_THE_FACT.into()]).await?;
    let last = rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten();
    Ok(last.and_then(|last| u32::try_from(last).ok()).map_or(AFTER_THE_FACT, |last| last + 1))
}
