//! One event as it stands in the log: sealed, with just enough beside it to find it and to forget it.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use vorzimmer_types::{CallId, CustomerId, Day, Event, EventRecord, UnixMillis};
use vorzimmer_vault::keys::KeyId;

use crate::error::StoreError;
use crate::seal::{Keyring, NOBODY, call_data_key};
use crate::settings::Lifetimes;
use crate::sql::{Grouped, Row, Tx, Value};

/// Events that are added after the fact (a destruction ordered by hand) count from here, so that they never meet one
/// that a call still has to tell.
pub(crate) const AFTER_THE_FACT: u32 = 1 << 31;

/// An event, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedEvent {
    pub(crate) call: CallId,
    pub(crate) seq: u32,
    pub(crate) at: UnixMillis,
    pub(crate) customer: CustomerId,
    pub(crate) expiry: Day,
    pub(crate) payload: Vec<u8>,
}

/// An event, open and sealed: ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) record: Arc<EventRecord>,
    pub(crate) sealed: SealedEvent,
}

impl Prepared {
    /// Seals `record` for its row.
    pub(crate) fn seal(
        keys: &mut Keyring<'_>,
        lifetimes: &Lifetimes,
        record: impl Into<Arc<EventRecord>>,
    ) -> Result<Self, StoreError> {
        let record = record.into();
        let expiry = lifetimes.call_data_due(record.at);
        Self::seal_due(keys, expiry, record)
    }

    /// Seals `record` for a row that is due on `expiry`.
    pub(crate) fn seal_due(
        keys: &mut Keyring<'_>,
        expiry: Day,
        record: impl Into<Arc<EventRecord>>,
    ) -> Result<Self, StoreError> {
        let record = record.into();
        let plain = serde_json::to_vec(&*record).map_err(content)?;
        let customer = record.customer.unwrap_or(NOBODY);
        let payload = keys.seal(call_data_key(customer, expiry), &place(record.call, record.seq), &plain)?;
        let EventRecord { call, seq, at, .. } = *record;
        Ok(Self { record, sealed: SealedEvent { call, seq, at, customer, expiry, payload } })
    }

    /// Opens an event that was sealed before.
    pub(crate) fn open(keys: &mut Keyring<'_>, sealed: SealedEvent) -> Result<Self, StoreError> {
        let plain = keys.open(sealed.key(), &place(sealed.call, sealed.seq), &sealed.payload)?;
        let record: EventRecord = serde_json::from_slice(&plain).map_err(content)?;
        if (record.call, record.seq, record.at) != (sealed.call, sealed.seq, sealed.at) {
            return Err(StoreError::Contradiction { table: "events", what: "call, number or time" });
        }
        Ok(Self { record: Arc::new(record), sealed })
    }

    /// The event's row.
    fn row(&self) -> [Value; 7] {
        let event = &self.sealed;
        [
            event.call.as_bytes().into(),
            event.seq.into(),
            event.at.0.into(),
            kind(&self.record.event).into(),
            event.customer.as_bytes().into(),
            event.expiry.0.into(),
            event.payload.clone().into(),
        ]
    }
}

/// Writes the rows of events, and says which were not there yet, in their order.
///
/// Nearly always that is all of them, which their number says. Only if it does not is each row asked for.
pub(crate) async fn insert<'a>(tx: &mut Tx, batch: &'a [Prepared]) -> Result<Vec<&'a Prepared>, StoreError> {
    if batch.len() < WORTH_GUESSING {
        return insert_asking(tx, batch).await;
    }
    tx.execute("SAVEPOINT events", Vec::new()).await?;
    let written = tx.execute_grouped(&INSERT, batch.iter().flat_map(Prepared::row).collect()).await?;
    if usize::try_from(written) == Ok(batch.len()) {
        tx.execute("RELEASE SAVEPOINT events", Vec::new()).await?;
        return Ok(batch.iter().collect());
    }
    tx.execute("ROLLBACK TO SAVEPOINT events", Vec::new()).await?;
    insert_asking(tx, batch).await
}

/// So few events are written as quickly without a savepoint.
const WORTH_GUESSING: usize = 8;

async fn insert_asking<'a>(tx: &mut Tx, batch: &'a [Prepared]) -> Result<Vec<&'a Prepared>, StoreError> {
    let rows = batch.iter().flat_map(Prepared::row).collect();
    let mut written = HashSet::new();
    for row in tx.fetch_grouped(&INSERT_ASKING, rows).await? {
        written.insert((CallId::from_bytes(row.id(0)?), row.small(1)?));
    }
    // What stands twice in the batch counts once.
    Ok(batch.iter().filter(|event| written.remove(&(event.sealed.call, event.sealed.seq))).collect())
}

const INSERT_HEAD: &str =
    "INSERT INTO events (call_id, seq, at_ms, kind, customer_id, expiry_day, event_sealed) VALUES";

static INSERT: LazyLock<Grouped> =
    LazyLock::new(|| Grouped::new(INSERT_HEAD, 7, "ON CONFLICT (call_id, seq) DO NOTHING"));

static INSERT_ASKING: LazyLock<Grouped> = LazyLock::new(|| {
    Grouped::new(INSERT_HEAD, 7, "ON CONFLICT (call_id, seq) DO NOTHING RETURNING call_id, seq")
});

/// All of a call's events, in order; see [`SealedEvent::from_row`].
pub(crate) const OF_CALL: &str = "SELECT call_id, seq, at_ms, customer_id, expiry_day, event_sealed FROM events \
    WHERE call_id = $1 ORDER BY seq";

impl SealedEvent {
    /// Reads a row of [`OF_CALL`].
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            call: CallId::from_bytes(row.id(0)?),
            seq: row.small(1)?,
            at: UnixMillis(row.int(2)?),
            customer: CustomerId::from_bytes(row.id(3)?),
            expiry: Day(row.small(4)?),
            payload: row.blob(5)?.to_vec(),
        })
    }

    fn key(&self) -> KeyId {
        call_data_key(self.customer, self.expiry)
    }
}

fn place(call: CallId, seq: u32) -> String {
    format!("events.event_sealed:{call}/{seq}")
}

fn content(source: serde_json::Error) -> StoreError {
    StoreError::Content { table: "events", source }
}

/// The event's name as the table shows it: what kind of thing happened is not personal.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Offered { .. } => "offered",
        Event::Refused { .. } => "refused",
        Event::Answered => "answered",
        Event::Prompted { .. } => "prompted",
        Event::Consented { .. } => "consented",
        Event::Rung { .. } => "rung",
        Event::RingEnded { .. } => "ring-ended",
        Event::Connected { .. } => "connected",
        Event::ContactRung { .. } => "contact-rung",
        Event::Explained { .. } => "explained",
        Event::ContactConnected { .. } => "contact-connected",
        Event::TransferAsked { .. } => "transfer-asked",
        Event::TransferRefused { .. } => "transfer-refused",
        Event::TransferEnded { .. } => "transfer-ended",
        Event::Together { .. } => "together",
        Event::Left { .. } => "left",
        Event::Held { .. } => "held",
        Event::Resumed { .. } => "resumed",
        Event::RecordingStarted { .. } => "recording-started",
        Event::RecordingFinished { .. } => "recording-finished",
        Event::RecordingDestroyed { .. } => "recording-destroyed",
        Event::RecordingReencoded { .. } => "recording-reencoded",
        Event::RecordingNotReencoded { .. } => "recording-not-reencoded",
        Event::Secured { .. } => "secured",
        Event::Quality { .. } => "quality",
        Event::Ended { .. } => "ended",
    }
}
