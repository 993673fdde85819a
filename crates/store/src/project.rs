//! What is folded from the events, in the transaction that writes them: call records, receipts, recordings, and the
//! blind index over numbers. Each can be made again from the log, and none is written anywhere else.

use std::collections::BTreeMap;

use vorzimmer_types::consent::SignedReceipt;
use vorzimmer_types::event::{Caller, Hop, RecordingResult};
use vorzimmer_types::record::Disposition;
use vorzimmer_types::{
    CallId, CallRecord, CustomerId, Day, E164, Event, EventRecord, Pii, RecordingId, UnixMillis,
};

use crate::error::StoreError;
use crate::events::{AFTER_THE_FACT, OF_CALL, Prepared, SealedEvent};
use crate::seal::{NOBODY, Seals, call_data_key, is_forgotten};
use crate::settings::Lifetimes;
use crate::sql::{Row, Tx, Value};

/// What `recordings.form` says of one that was encoded again.
const REENCODED: i64 = 1;
/// And of one that was looked at for it.
const LEFT_AS_IT_CAME: i64 = 2;

/// Writes a batch of events and all that follows from them.
///
/// Events that are there already change nothing. Returns the calls whose record could not be folded: their events are
/// written all the same.
pub(crate) async fn write(
    tx: &mut Tx,
    seals: &Seals,
    lifetimes: &Lifetimes,
    batch: &[Prepared],
) -> Result<Vec<CallId>, StoreError> {
    let mut fresh: BTreeMap<CallId, Vec<&Prepared>> = BTreeMap::new();
    for event in batch {
        if event.insert(tx).await? {
            project(tx, seals, lifetimes, event).await?;
            fresh.entry(event.record.call).or_default().push(event);
        }
    }
    let mut unfolded = Vec::new();
    for (call, mut events) in fresh {
        events.sort_by_key(|event| event.record.seq);
        match fold(tx, seals, call, &events).await {
            Err(StoreError::Vault { source }) if is_forgotten(&source) => {}
            // The log is whole; a record that cannot be folded must not stop what comes after it.
            Err(StoreError::Vault { .. } | StoreError::Content { .. } | StoreError::Contradiction { .. }) => {
                unfolded.push(call);
            }
            other => other?,
        }
    }
    Ok(unfolded)
}

async fn project(
    tx: &mut Tx,
    seals: &Seals,
    lifetimes: &Lifetimes,
    event: &Prepared,
) -> Result<(), StoreError> {
    match &event.record.event {
        Event::Offered { did, caller, chain, .. } => {
            for (role, number) in numbers(did.expose(), caller, chain) {
                index(tx, seals, event, role, &number).await?;
            }
            Ok(())
        }
        Event::Consented { receipt } => insert_receipt(tx, lifetimes, receipt).await,
        Event::RecordingStarted { .. }
        | Event::RecordingFinished { .. }
        | Event::RecordingReencoded { .. }
        | Event::RecordingNotReencoded { .. }
        | Event::RecordingDestroyed { .. } => project_recording(tx, lifetimes, event).await,
        _ => Ok(()),
    }
}

/// Every number that a call can be found by, with what it was on the call.
fn numbers(did: &E164, caller: &Caller, chain: &[Hop]) -> Vec<(&'static str, E164)> {
    let mut found = vec![("did", did.clone())];
    if let Caller::Known { address, .. } = caller
        && let Ok(number) = address.expose().parse()
    {
        found.push(("caller", number));
    }
    let hops = chain.iter().filter_map(|hop| hop.from.as_ref()).map(Pii::expose);
    found.extend(hops.filter_map(|hop| hop.parse().ok()).map(|number| ("chain", number)));
    found
}

async fn index(
    tx: &mut Tx,
    seals: &Seals,
    event: &Prepared,
    role: &'static str,
    number: &E164,
) -> Result<(), StoreError> {
    let expiry = event.sealed.expiry;
    let blind = match seals.blind(expiry, number) {
        Err(source) if is_forgotten(&source) => return Ok(()),
        other => other?,
    };
    let sql = "INSERT INTO numbers (blind, role, call_id, expiry_day) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (blind, role, call_id) DO NOTHING";
    let args =
        vec![blind.as_bytes().into(), role.into(), event.record.call.as_bytes().into(), expiry.0.into()];
    tx.execute(sql, args).await.map(|_| ())
}

async fn insert_receipt(
    tx: &mut Tx,
    lifetimes: &Lifetimes,
    signed: &SignedReceipt,
) -> Result<(), StoreError> {
    let json =
        serde_json::to_string(signed).map_err(|source| StoreError::Content { table: "receipts", source })?;
    let receipt = &signed.receipt;
    let sql = "INSERT INTO receipts (receipt_id, call_id, customer_id, at_ms, expiry_day, receipt) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (receipt_id) DO NOTHING";
    let args = vec![
        receipt.id.as_bytes().into(),
        receipt.call.as_bytes().into(),
        receipt.customer.as_bytes().into(),
        receipt.at.0.into(),
        lifetimes.receipt_due(receipt.at).0.into(),
        json.into(),
    ];
    tx.execute(sql, args).await.map(|_| ())
}

async fn project_recording(tx: &mut Tx, lifetimes: &Lifetimes, event: &Prepared) -> Result<(), StoreError> {
    match &event.record.event {
        Event::RecordingStarted { recording, .. } => {
            ensure_recording(tx, lifetimes, event, recording.as_bytes()).await
        }
        Event::RecordingFinished { recording: Some(recording), result, duration_ms, gaps, pages, .. } => {
            ensure_recording(tx, lifetimes, event, recording.as_bytes()).await?;
            let sql = "UPDATE recordings SET result = $2, duration_ms = $3, gaps_caller = $4, \
                gaps_receptionist = $5 WHERE recording_id = $1";
            let args = vec![
                recording.as_bytes().into(),
                result_name(*result).into(),
                clamp(*duration_ms).into(),
                gaps[0].into(),
                gaps[1].into(),
            ];
            tx.execute(sql, args).await?;
            acknowledge(tx, recording.as_bytes(), *pages).await
        }
        Event::RecordingDestroyed { recording, .. }
        | Event::RecordingReencoded { recording, .. }
        | Event::RecordingNotReencoded { recording, .. } => {
            ensure_recording(tx, lifetimes, event, recording.as_bytes()).await?;
            mark_recording(tx, &event.record).await
        }
        _ => Ok(()),
    }
}

/// Notes in a recording's row what became of it after its call.
pub(crate) async fn mark_recording(tx: &mut Tx, record: &EventRecord) -> Result<(), StoreError> {
    match &record.event {
        Event::RecordingDestroyed { recording, why } => mark_destroyed(tx, *recording, record.at, why).await,
        Event::RecordingReencoded { recording, pages, .. } => {
            mark_form(tx, *recording, REENCODED).await?;
            // The pages that were acknowledged are gone with the first file.
            let sql = "UPDATE recording_pages SET pages = $2 WHERE recording_id = $1";
            tx.execute(sql, vec![recording.as_bytes().into(), clamp(*pages).into()]).await.map(|_| ())
        }
        Event::RecordingNotReencoded { recording, .. } => mark_form(tx, *recording, LEFT_AS_IT_CAME).await,
        _ => Ok(()),
    }
}

async fn mark_form(tx: &mut Tx, recording: RecordingId, form: i64) -> Result<(), StoreError> {
    let sql = "UPDATE recordings SET form = $2 WHERE recording_id = $1 AND form <> $3";
    let args = vec![recording.as_bytes().into(), form.into(), REENCODED.into()];
    tx.execute(sql, args).await.map(|_| ())
}

/// Notes in a recording's row that it is to be destroyed. The first reason stays.
async fn mark_destroyed(
    tx: &mut Tx,
    recording: RecordingId,
    at: UnixMillis,
    why: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE recordings SET destroyed_at = $2, destroyed_why = $3 \
        WHERE recording_id = $1 AND destroyed_at IS NULL";
    // PostgreSQL has no text with a NUL in it, and an event must not be refused for one.
    let why = why.replace('\0', "");
    tx.execute(sql, vec![recording.as_bytes().into(), at.0.into(), why.into()]).await.map(|_| ())
}

/// Makes the recording's row if an earlier event of it was lost or is still to come.
async fn ensure_recording(
    tx: &mut Tx,
    lifetimes: &Lifetimes,
    event: &Prepared,
    recording: &[u8; 16],
) -> Result<(), StoreError> {
    let at = event.record.at;
    let sql = "INSERT INTO recordings (recording_id, call_id, customer_id, started_at, duration_ms, gaps_caller, \
        gaps_receptionist, expiry_day) VALUES ($1, $2, $3, $4, 0, 0, 0, $5) ON CONFLICT (recording_id) DO NOTHING";
    let args = vec![
        recording.into(),
        event.record.call.as_bytes().into(),
        event.sealed.customer.as_bytes().into(),
        at.0.into(),
        lifetimes.recording_due(at).0.into(),
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Remembers that `pages` pages of a recording are safely on disk. Never counts down.
pub(crate) async fn acknowledge(tx: &mut Tx, recording: &[u8; 16], pages: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO recording_pages (recording_id, pages) VALUES ($1, $2) ON CONFLICT (recording_id) \
        DO UPDATE SET pages = excluded.pages WHERE excluded.pages > recording_pages.pages";
    tx.execute(sql, vec![recording.into(), clamp(pages).into()]).await.map(|_| ())
}

/// A row of `calls`, opened.
struct Folded {
    record: CallRecord,
    next_seq: u32,
    expiry: Day,
}

/// Brings the call's record up to date with `events`, which are new and in order.
async fn fold(tx: &mut Tx, seals: &Seals, call: CallId, events: &[&Prepared]) -> Result<(), StoreError> {
    let sql = "SELECT customer_id, expiry_day, next_seq, record_sealed FROM calls WHERE call_id = $1";
    let rows = tx.fetch(sql, vec![call.as_bytes().into()]).await?;
    let folded = match rows.first() {
        Some(row) => open_folded(seals, call, row)?.apply(events),
        None => start(call, events),
    };
    let folded = match folded {
        Some(folded) => folded,
        None => refold(tx, seals, call).await?,
    };
    save(tx, seals, &folded).await
}

fn start(call: CallId, events: &[&Prepared]) -> Option<Folded> {
    let expiry = events.first()?.sealed.expiry;
    Folded { record: CallRecord::new(call), next_seq: 0, expiry }.apply(events)
}

fn open_folded(seals: &Seals, call: CallId, row: &Row) -> Result<Folded, StoreError> {
    let expiry = Day(row.small(1)?);
    let record = open_record(seals, call, CustomerId::from_bytes(row.id(0)?), expiry, row.blob(3)?)?;
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
async fn refold(tx: &mut Tx, seals: &Seals, call: CallId) -> Result<Folded, StoreError> {
    let rows = tx.fetch(OF_CALL, vec![call.as_bytes().into()]).await?;
    let mut events: Vec<EventRecord> = Vec::with_capacity(rows.len());
    let mut expiry = None;
    for row in &rows {
        let sealed = SealedEvent::from_row(row)?;
        expiry = expiry.or(Some(sealed.expiry));
        events.push(Prepared::open(seals, sealed)?.record);
    }
    let nothing = StoreError::Contradiction { table: "calls", what: "a call without events" };
    let (Some(record), Some(expiry)) = (CallRecord::fold(&events), expiry) else {
        return Err(nothing);
    };
    let told = events.iter().map(|event| event.seq).filter(|seq| *seq < AFTER_THE_FACT);
    Ok(Folded { record, next_seq: told.max().map_or(0, |seq| seq + 1), expiry })
}

async fn save(tx: &mut Tx, seals: &Seals, folded: &Folded) -> Result<(), StoreError> {
    let record = &folded.record;
    let customer = record.customer.unwrap_or(NOBODY);
    let json = serde_json::to_vec(record).map_err(content)?;
    let sealed = seals.seal(call_data_key(customer, folded.expiry), &place(record.call), &json)?;
    let recording = record.recordings.last().and_then(|recording| recording.result);
    let offered = record.offered_at.or(record.ended_at).map_or(0, |at| at.0);
    let args: Vec<Value> = vec![
        record.call.as_bytes().into(),
        customer.as_bytes().into(),
        offered.into(),
        record.ended_at.map(|at| at.0).into(),
        disposition_name(record.disposition).into(),
        recording.map(|result| result_name(result).to_owned()).into(),
        folded.next_seq.into(),
        folded.expiry.0.into(),
        sealed.into(),
    ];
    tx.execute(UPSERT_CALL, args).await.map(|_| ())
}

const UPSERT_CALL: &str = "INSERT INTO calls (call_id, customer_id, offered_at, ended_at, disposition, \
    recording_result, next_seq, expiry_day, record_sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
    ON CONFLICT (call_id) DO UPDATE SET customer_id = excluded.customer_id, offered_at = excluded.offered_at, \
    ended_at = excluded.ended_at, disposition = excluded.disposition, \
    recording_result = excluded.recording_result, next_seq = excluded.next_seq, \
    expiry_day = excluded.expiry_day, record_sealed = excluded.record_sealed";

/// Opens the sealed record of a call's row.
pub(crate) fn open_record(
    seals: &Seals,
    call: CallId,
    customer: CustomerId,
    expiry: Day,
    sealed: &[u8],
) -> Result<CallRecord, StoreError> {
    let plain = seals.open(call_data_key(customer, expiry), &place(call), sealed)?;
    serde_json::from_slice(&plain).map_err(content)
}

fn place(call: CallId) -> String {
    format!("calls.record_sealed:{call}")
}

fn content(source: serde_json::Error) -> StoreError {
    StoreError::Content { table: "calls", source }
}

/// A count as the database holds it.
fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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

/// What became of a recording, as the tables show it.
const RESULTS: [(RecordingResult, &str); 5] = [
    (RecordingResult::Ok, "ok"),
    (RecordingResult::Degraded, "degraded"),
    (RecordingResult::Failed, "failed"),
    (RecordingResult::Blocked, "blocked"),
    (RecordingResult::Withdrawn, "withdrawn"),
];

fn result_name(result: RecordingResult) -> &'static str {
    RESULTS.iter().find(|(known, _)| *known == result).map_or("failed", |(_, name)| name)
}

/// Reads back what [`result_name`] wrote.
pub(crate) fn result_from_name(name: &str) -> Option<RecordingResult> {
    RESULTS.iter().find(|(_, known)| *known == name).map(|(result, _)| *result)
}
