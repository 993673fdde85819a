//! The record of a call, folded from its events and brought up to date with every batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use vorzimmer_types::record::Disposition;
use vorzimmer_types::{CallId, CallRecord, CustomerId, Day, EventRecord};

use crate::error::StoreError;
use crate::events::{AFTER_THE_FACT, OF_CALL, Prepared, SealedEvent};
use crate::results::result_name;
use crate::seal::{Keyring, NOBODY, Seals, call_data_key, is_forgotten};
use crate::sql::{Grouped, Row, Tx, Value};

/// A row of `calls`, opened.
struct Folded {
    record: CallRecord,
    next_seq: u32,
    expiry: Day,
}

/// Brings the records of calls up to date with their events, which are new and in order. Returns the calls whose record
/// could not be folded.
pub(crate) async fn update(
    tx: &mut Tx,
    keys: &mut Keyring<'_>,
    fresh: &BTreeMap<CallId, Vec<&Prepared>>,
) -> Result<Vec<CallId>, StoreError> {
    let ids = fresh.keys().map(|call| call.as_bytes().into()).collect();
    let mut known = HashMap::new();
    for row in tx.fetch_grouped(&SELECT_CALLS, ids).await? {
        known.insert(CallId::from_bytes(row.id(4)?), row);
    }
    let (mut saved, mut unfolded) = (Vec::new(), Vec::new());
    for (call, events) in fresh {
        let folded = fold(tx, keys, *call, events, known.get(call)).await;
        match folded.and_then(|folded| sealed(keys, &folded)) {
            Ok(row) => saved.extend(row),
            Err(StoreError::Vault { source }) if is_forgotten(&source) => {}
            // The log is whole; a record that cannot be folded must not stop what comes after it.
            Err(StoreError::Vault { .. } | StoreError::Content { .. } | StoreError::Contradiction { .. }) => {
                unfolded.push(*call);
            }
            Err(error) => return Err(error),
        }
    }
    tx.execute_grouped(&UPSERT_CALLS, saved).await?;
    Ok(unfolded)
}

async fn fold(
    tx: &mut Tx,
    keys: &mut Keyring<'_>,
    call: CallId,
    events: &[&Prepared],
    known: Option<&Row>,
) -> Result<Folded, StoreError> {
    let folded = match known {
        Some(row) => open_folded(keys, call, row)?.apply(events),
        None => start(call, events),
    };
    match folded {
        Some(folded) => Ok(folded),
        None => refold(tx, keys, call).await,
    }
}

fn start(call: CallId, events: &[&Prepared]) -> Option<Folded> {
    let expiry = events.first()?.sealed.expiry;
    Folded { record: CallRecord::new(call), next_seq: 0, expiry }.apply(events)
}

fn open_folded(keys: &mut Keyring<'_>, call: CallId, row: &Row) -> Result<Folded, StoreError> {
    let expiry = Day(row.small(1)?);
    let record = open_with(keys, call, CustomerId::from_bytes(row.id(0)?), expiry, row.blob(3)?)?;
    Ok(Folded { record, next_seq: row.small(2)?, expiry })
}

impl Folded {
    /// The record after `events`; none if they do not follow on what was folded so far.
    fn apply(mut self, events: &[&Prepared]) -> Option<Self> {
        for event in events {
            let seq = event.record.seq;
            if seq < AFTER_THE_FACT {
                if seq != self.next_seq {
                    return None;
                }
                self.next_seq = seq + 1;
            }
            self.record.apply(&event.record);
        }
        Some(self)
    }
}

/// Folds the whole log of a call: for when an event came late, or one before it was lost.
async fn refold(tx: &mut Tx, keys: &mut Keyring<'_>, call: CallId) -> Result<Folded, StoreError> {
    let rows = tx.fetch(OF_CALL, vec![call.as_bytes().into()]).await?;
    let mut events: Vec<EventRecord> = Vec::with_capacity(rows.len());
    let mut expiry = None;
    for row in &rows {
        let sealed = SealedEvent::from_row(row)?;
        expiry = expiry.or(Some(sealed.expiry));
        events.push(Arc::unwrap_or_clone(Prepared::open(keys, sealed)?.record));
    }
    let nothing = StoreError::Contradiction { table: "calls", what: "a call without events" };
    let (Some(record), Some(expiry)) = (CallRecord::fold(&events), expiry) else {
        return Err(nothing);
    };
    let told = events.iter().map(|event| event.seq).filter(|seq| *seq < AFTER_THE_FACT);
    Ok(Folded { record, next_seq: told.max().map_or(0, |seq| seq + 1), expiry })
}

/// The row of `calls` for a record.
fn sealed(keys: &mut Keyring<'_>, folded: &Folded) -> Result<[Value; 9], StoreError> {
    let record = &folded.record;
    let customer = record.customer.unwrap_or(NOBODY);
    let json = serde_json::to_vec(record).map_err(content)?;
    let sealed = keys.seal(call_data_key(customer, folded.expiry), &place(record.call), &json)?;
    let recording = record.recordings.last().and_then(|recording| recording.result);
    let offered = record.offered_at.or(record.ended_at).map_or(0, |at| at.0);
    Ok([
        record.call.as_bytes().into(),
        customer.as_bytes().into(),
        offered.into(),
        record.ended_at.map(|at| at.0).into(),
        disposition_name(record.disposition).into(),
        recording.map(|result| result_name(result).to_owned()).into(),
        folded.next_seq.into(),
        folded.expiry.0.into(),
        sealed.into(),
    ])
}

static SELECT_CALLS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "SELECT customer_id, expiry_day, next_seq, record_sealed, call_id FROM calls WHERE call_id IN (VALUES";
    Grouped::new(head, 1, ")")
});

static UPSERT_CALLS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO calls (call_id, customer_id, offered_at, ended_at, disposition, \
        recording_result, next_seq, expiry_day, record_sealed) VALUES";
    let tail = "ON CONFLICT (call_id) DO UPDATE SET customer_id = excluded.customer_id, \
        offered_at = excluded.offered_at, ended_at = excluded.ended_at, disposition = excluded.disposition, \
        recording_result = excluded.recording_result, next_seq = excluded.next_seq, \
        expiry_day = excluded.expiry_day, record_sealed = excluded.record_sealed";
    Grouped::new(head, 9, tail)
});

/// Opens the sealed record of a call's row.
pub(crate) fn open_record(
    seals: &Seals,
    call: CallId,
    customer: CustomerId,
    expiry: Day,
    sealed: &[u8],
) -> Result<CallRecord, StoreError> {
    open_with(&mut seals.keyring(), call, customer, expiry, sealed)
}

fn open_with(
    keys: &mut Keyring<'_>,
    call: CallId,
    customer: CustomerId,
    expiry: Day,
    sealed: &[u8],
) -> Result<CallRecord, StoreError> {
    let plain = keys.open(call_data_key(customer, expiry), &place(call), sealed)?;
    serde_json::from_slice(&plain).map_err(content)
}

fn place(call: CallId) -> String {
    format!("calls.record_sealed:{call}")
}

fn content(source: serde_json::Error) -> StoreError {
    StoreError::Content { table: "calls", source }
}

fn disposition_name(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Open => "open",
        Disposition::Refused => "refused",
        Disposition::Abandoned => "abandoned",
        Disposition::Unanswered => "unanswered",
        Disposition::Handled => "handled",
    }
}
