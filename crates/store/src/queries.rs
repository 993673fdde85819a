//! What can be asked about calls, receipts and recordings. Rows whose keys are destroyed are as good as gone: they
//! are left out, whether or not they have been removed yet.

use std::sync::Arc;

use vorzimmer_types::consent::SignedReceipt;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_types::{CallId, CallRecord, CustomerId, Day, EventRecord, RecordingId, UnixMillis};

use crate::error::StoreError;
use crate::events::{OF_CALL, Prepared, SealedEvent};
use crate::fold::open_record;
use crate::results::result_from_name;
use crate::seal::is_forgotten;
use crate::sql::{Row, Value};
use crate::store::Store;

/// Rows that one page of a listing holds at most.
pub const MAX_PAGE: u32 = 500;

/// Which part of a listing, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what began before this row of an earlier page; none for the newest.
    pub before: Option<Cursor>,
    /// How many rows; at most [`MAX_PAGE`].
    pub limit: u32,
}

/// A place in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the row's call or recording began.
    pub at: UnixMillis,
    /// The row's id.
    pub id: [u8; 16],
}

impl Page {
    /// The newest `limit` rows.
    #[must_use]
    pub const fn newest(limit: u32) -> Self {
        Self { before: None, limit }
    }

    pub(crate) fn args(&self) -> Vec<Value> {
        // Every row is before the end of time.
        let end = Cursor { at: UnixMillis(i64::MAX), id: [255; 16] };
        let before = self.before.unwrap_or(end);
        vec![before.at.0.into(), (&before.id).into(), self.limit.min(MAX_PAGE).into()]
    }
}

/// A page of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// The records, newest first.
    pub records: Vec<CallRecord>,
    /// Where the next page begins; none if this was the last.
    pub next: Option<Cursor>,
}

/// A call with everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallStory {
    /// What the events fold to.
    pub record: CallRecord,
    /// The events, in order.
    pub events: Vec<EventRecord>,
    /// Each party's answers, signed.
    pub receipts: Vec<SignedReceipt>,
}

/// What the store knows about a recording. Its voices are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRow {
    /// Which.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose call.
    pub customer: CustomerId,
    /// When it began.
    pub started_at: UnixMillis,
    /// How it ended; none while it runs, or if a crash left it open.
    pub result: Option<RecordingResult>,
    /// Its length.
    pub duration_ms: u64,
    /// Gaps on each track, caller first.
    pub gaps: [u32; 2],
    /// How many pages are known to be safely on disk.
    pub pages: u64,
    /// The day on which it is due.
    pub expiry: Day,
    /// When and why it was destroyed, if it was.
    pub destroyed: Option<(UnixMillis, String)>,
}

const CALLS: &str = "SELECT call_id, customer_id, offered_at, expiry_day, record_sealed FROM calls \
    WHERE (offered_at, call_id) < ($1, $2) ORDER BY offered_at DESC, call_id DESC LIMIT $3";
const CALLS_OF: &str = "SELECT call_id, customer_id, offered_at, expiry_day, record_sealed FROM calls \
    WHERE customer_id = $4 AND (offered_at, call_id) < ($1, $2) ORDER BY offered_at DESC, call_id DESC LIMIT $3";

impl Store {
    /// Calls, newest first.
    ///
    /// # Errors
    /// If the database cannot be read, or a row does not open though its key is there.
    pub async fn calls(&self, page: Page) -> Result<Calls, StoreError> {
        self.call_page(CALLS, page, page.args()).await
    }

    /// One customer's calls, newest first.
    ///
    /// # Errors
    /// If the database cannot be read, or a row does not open though its key is there.
    pub async fn calls_of(&self, customer: CustomerId, page: Page) -> Result<Calls, StoreError> {
        let mut args = page.args();
        args.push(customer.as_bytes().into());
        self.call_page(CALLS_OF, page, args).await
    }

    async fn call_page(&self, sql: &'static str, page: Page, args: Vec<Value>) -> Result<Calls, StoreError> {
        let rows = self.inner.database.fetch(sql, args).await?;
        let full = rows.len() >= page.limit.min(MAX_PAGE) as usize;
        let last = rows.last().filter(|_| full);
        let next = last
            .map(|row| Ok::<_, StoreError>(Cursor { at: UnixMillis(row.int(2)?), id: row.id(0)? }))
            .transpose()?;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            records.extend(self.open_call(row)?);
        }
        Ok(Calls { records, next })
    }

    /// One call's record.
    ///
    /// # Errors
    /// [`StoreError::NoCall`] if there is none, or none any more.
    pub async fn call(&self, call: CallId) -> Result<CallRecord, StoreError> {
        let sql = "SELECT call_id, customer_id, offered_at, expiry_day, record_sealed FROM calls WHERE call_id = $1";
        let rows = self.inner.database.fetch(sql, vec![call.as_bytes().into()]).await?;
        let record = rows.first().map(|row| self.open_call(row)).transpose()?.flatten();
        record.ok_or(StoreError::NoCall { call })
    }

    /// One call with its events and receipts.
    ///
    /// # Errors
    /// [`StoreError::NoCall`] if there is none, or none any more.
    pub async fn story(&self, call: CallId) -> Result<CallStory, StoreError> {
        let record = self.call(call).await?;
        let rows = self.inner.database.fetch(OF_CALL, vec![call.as_bytes().into()]).await?;
        let mut events = Vec::with_capacity(rows.len());
        let mut keys = self.inner.seals.keyring();
        for row in &rows {
            match Prepared::open(&mut keys, SealedEvent::from_row(row)?) {
                Ok(event) => events.push(Arc::unwrap_or_clone(event.record)),
                Err(StoreError::Vault { source }) if is_forgotten(&source) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(CallStory { record, events, receipts: self.receipts(call).await? })
    }

    /// The signed answers that were given in a call. They outlive the call's record.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn receipts(&self, call: CallId) -> Result<Vec<SignedReceipt>, StoreError> {
        let sql = "SELECT receipt FROM receipts WHERE call_id = $1 ORDER BY at_ms, receipt_id";
        let rows = self.inner.database.fetch(sql, vec![call.as_bytes().into()]).await?;
        let content = |source| StoreError::Content { table: "receipts", source };
        rows.iter().map(|row| serde_json::from_str(row.text(0)?).map_err(content)).collect()
    }

    pub(crate) fn open_call(&self, row: &Row) -> Result<Option<CallRecord>, StoreError> {
        let call = CallId::from_bytes(row.id(0)?);
        let (customer, expiry) = (CustomerId::from_bytes(row.id(1)?), Day(row.small(3)?));
        match open_record(&self.inner.seals, call, customer, expiry, row.blob(4)?) {
            Ok(record) => Ok(Some(record)),
            Err(StoreError::Vault { source }) if is_forgotten(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Recordings, newest first, destroyed ones included.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recordings(&self, page: Page) -> Result<Vec<RecordingRow>, StoreError> {
        let rows = self.inner.database.fetch(RECORDINGS, page.args()).await?;
        rows.iter().map(RecordingRow::from_row).collect()
    }

    /// The ids of up to `limit` recordings, destroyed ones included, in their order from after `after` on: all there are is
    /// looked through with one column of one index.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recording_ids(
        &self,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<RecordingId>, StoreError> {
        // No bytes at all come before every id.
        let after = after.map_or_else(Vec::new, |after| after.as_bytes().to_vec());
        let rows = self.inner.database.fetch(RECORDING_IDS, vec![after.into(), limit.into()]).await?;
        rows.iter().map(|row| row.id(0).map(RecordingId::from_bytes)).collect()
    }

    /// One recording.
    ///
    /// # Errors
    /// [`StoreError::NoRecording`].
    pub async fn recording(&self, recording: RecordingId) -> Result<RecordingRow, StoreError> {
        let rows = self.inner.database.fetch(RECORDING, vec![recording.as_bytes().into()]).await?;
        rows.first().map_or(Err(StoreError::NoRecording { recording }), RecordingRow::from_row)
    }

    /// Some recordings that are as they came and may be encoded again, oldest first, from after the place `after` on:
    /// those that began at `until` or before, lasted 10 seconds or longer, are not due on `today`, and that nobody has
    /// looked at yet for this.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn as_they_came(
        &self,
        after: Cursor,
        until: UnixMillis,
        today: Day,
        limit: u32,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let (at, id) = (after.at.0, Value::from(&after.id));
        let args = vec![at.into(), id, until.0.into(), today.0.into(), limit.into()];
        let rows = self.inner.database.fetch(AS_THEY_CAME, args).await?;
        rows.iter().map(RecordingRow::from_row).collect()
    }

    /// The recordings that began and neither ended nor were destroyed: at start, what a crash left open.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn open_recordings(&self) -> Result<Vec<RecordingRow>, StoreError> {
        let rows = self.inner.database.fetch(OPEN_RECORDINGS, Vec::new()).await?;
        rows.iter().map(RecordingRow::from_row).collect()
    }
}

macro_rules! select_recordings {
    ($rest:literal) => {
        concat!(
            "SELECT r.recording_id, r.call_id, r.customer_id, r.started_at, r.result, r.duration_ms, r.gaps_caller, ",
            "r.gaps_receptionist, COALESCE(p.pages, 0), r.expiry_day, r.destroyed_at, r.destroyed_why ",
            "FROM recordings r LEFT JOIN recording_pages p ON p.recording_id = r.recording_id ",
            $rest
        )
    };
}

const RECORDING_IDS: &str =
    "SELECT recording_id FROM recordings WHERE recording_id > $1 ORDER BY recording_id LIMIT $2";

const RECORDINGS: &str = select_recordings!(
    "WHERE (r.started_at, r.recording_id) < ($1, $2) \
     ORDER BY r.started_at DESC, r.recording_id DESC LIMIT $3"
);
const RECORDING: &str = select_recordings!("WHERE r.recording_id = $1");
const OPEN_RECORDINGS: &str =
    select_recordings!("WHERE r.result IS NULL AND r.destroyed_at IS NULL ORDER BY r.started_at");
// The conditions of its index, word for word, and then others.
const AS_THEY_CAME: &str = select_recordings!(
    "WHERE r.form = 0 AND r.destroyed_at IS NULL AND r.result IN ('ok', 'degraded') AND r.duration_ms >= 10000 \
     AND (r.started_at, r.recording_id) > ($1, $2) AND r.started_at <= $3 AND r.expiry_day > $4 \
     ORDER BY r.started_at, r.recording_id LIMIT $5"
);
pub(crate) const DUE_RECORDINGS: &str =
    select_recordings!("WHERE r.expiry_day <= $1 ORDER BY r.expiry_day, r.recording_id");
pub(crate) const DESTROYED_RECORDINGS: &str =
    select_recordings!("WHERE r.destroyed_at IS NOT NULL ORDER BY r.recording_id");

impl RecordingRow {
    /// Reads a row of the selections above.
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        let unknown = StoreError::Contradiction { table: "recordings", what: "an unknown result" };
        let result = match row.text_or_null(4)? {
            Some(name) => Some(result_from_name(name).ok_or(unknown)?),
            None => None,
        };
        let why = row.text_or_null(11)?.unwrap_or_default();
        Ok(Self {
            recording: RecordingId::from_bytes(row.id(0)?),
            call: CallId::from_bytes(row.id(1)?),
            customer: CustomerId::from_bytes(row.id(2)?),
            started_at: UnixMillis(row.int(3)?),
            result,
            duration_ms: row.count(5)?,
            gaps: [row.small(6)?, row.small(7)?],
            pages: row.count(8)?,
            expiry: Day(row.small(9)?),
            destroyed: row.int_or_null(10)?.map(|at| (UnixMillis(at), why.to_owned())),
        })
    }
}
