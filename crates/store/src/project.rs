//! What is folded from the events, in the transaction that writes them: call records, receipts, recordings, and the
//! blind index over numbers. Each can be made again from the log, and none is written anywhere else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use vorzimmer_types::consent::SignedReceipt;
use vorzimmer_types::event::{Caller, Hop};
use vorzimmer_types::{CallId, E164, Event, EventRecord, Pii, RecordingId, UnixMillis};

use crate::error::StoreError;
use crate::events::{self, Prepared};
use crate::fold;
use crate::results::result_name;
use crate::seal::{Keyring, Seals, is_forgotten};
use crate::settings::Lifetimes;
use crate::sql::{Grouped, Tx, Value};

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
    let mut keys = seals.keyring();
    let mut gathered = Gathered::default();
    let mut fresh: BTreeMap<CallId, Vec<&Prepared>> = BTreeMap::new();
    for event in events::insert(tx, batch).await? {
        gathered.add(&mut keys, lifetimes, event)?;
        fresh.entry(event.record.call).or_default().push(event);
    }
    gathered.write(tx).await?;
    fresh.values_mut().for_each(|events| events.sort_by_key(|event| event.record.seq));
    fold::update(tx, &mut keys, &fresh).await
}

/// What follows from a batch besides calls' records: rows of one table are written together.
#[derive(Default)]
struct Gathered<'a> {
    numbers: Vec<Value>,
    receipts: Vec<Value>,
    /// Recordings that must have a row, as they begin.
    begun: Vec<Value>,
    /// And as they end. PostgreSQL changes no row twice in one statement.
    ended: BTreeMap<RecordingId, [Value; 9]>,
    pages: BTreeMap<RecordingId, u64>,
    /// What happened to recordings after their calls, in its order.
    afterwards: Vec<&'a EventRecord>,
}

impl<'a> Gathered<'a> {
    /// Adds what follows from one event.
    fn add(
        &mut self,
        keys: &mut Keyring<'_>,
        lifetimes: &Lifetimes,
        event: &'a Prepared,
    ) -> Result<(), StoreError> {
        match &event.record.event {
            Event::Offered { did, caller, chain, .. } => {
                for (role, number) in numbers(did.expose(), caller, chain) {
                    index(keys, event, role, &number, &mut self.numbers)?;
                }
            }
            Event::Consented { receipt } => self.receipts.extend(receipt_row(lifetimes, receipt)?),
            Event::RecordingStarted { recording, .. } => {
                self.begun.extend(begun_row(lifetimes, event, *recording));
            }
            Event::RecordingFinished {
                recording: Some(recording), result, duration_ms, gaps, pages, ..
            } => {
                let [id, call, customer, at, _, _, _, due] = begun_row(lifetimes, event, *recording);
                let [caller, receptionist] = *gaps;
                let (duration, result) = (clamp(*duration_ms).into(), result_name(*result).into());
                let row = [id, call, customer, at, duration, caller.into(), receptionist.into(), due, result];
                self.ended.insert(*recording, row);
                let known = self.pages.entry(*recording).or_default();
                *known = (*known).max(*pages);
            }
            Event::RecordingDestroyed { recording, .. }
            | Event::RecordingReencoded { recording, .. }
            | Event::RecordingNotReencoded { recording, .. } => {
                // Its row is missing if an earlier event of it was lost or is still to come.
                self.begun.extend(begun_row(lifetimes, event, *recording));
                self.afterwards.push(&event.record);
            }
            _ => {}
        }
        Ok(())
    }

    async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.execute_grouped(&INSERT_NUMBERS, self.numbers).await?;
        tx.execute_grouped(&INSERT_RECEIPTS, self.receipts).await?;
        tx.execute_grouped(&BEGIN_RECORDINGS, self.begun).await?;
        tx.execute_grouped(&END_RECORDINGS, self.ended.into_values().flatten().collect()).await?;
        acknowledge(tx, self.pages).await?;
        for record in self.afterwards {
            mark_recording(tx, record).await?;
        }
        Ok(())
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

/// One row of `numbers`.
fn index(
    keys: &mut Keyring<'_>,
    event: &Prepared,
    role: &'static str,
    number: &E164,
    found: &mut Vec<Value>,
) -> Result<(), StoreError> {
    let expiry = event.sealed.expiry;
    let blind = match keys.blind(expiry, number) {
        Err(source) if is_forgotten(&source) => return Ok(()),
        other => other?,
    };
    let call = event.record.call;
    found.extend([blind.as_bytes().into(), role.into(), call.as_bytes().into(), expiry.0.into()]);
    Ok(())
}

static INSERT_NUMBERS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO numbers (blind, role, call_id, expiry_day) VALUES";
    Grouped::new(head, 4, "ON CONFLICT (blind, role, call_id) DO NOTHING")
});

/// One row of `receipts`.
fn receipt_row(lifetimes: &Lifetimes, signed: &SignedReceipt) -> Result<[Value; 6], StoreError> {
    let json =
        serde_json::to_string(signed).map_err(|source| StoreError::Content { table: "receipts", source })?;
    let receipt = &signed.receipt;
    Ok([
        receipt.id.as_bytes().into(),
        receipt.call.as_bytes().into(),
        receipt.customer.as_bytes().into(),
        receipt.at.0.into(),
        lifetimes.receipt_due(receipt.at).0.into(),
        json.into(),
    ])
}

static INSERT_RECEIPTS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO receipts (receipt_id, call_id, customer_id, at_ms, expiry_day, receipt) VALUES";
    Grouped::new(head, 6, "ON CONFLICT (receipt_id) DO NOTHING")
});

/// One row of `recordings`, of which no more is known than that it is there.
fn begun_row(lifetimes: &Lifetimes, event: &Prepared, recording: RecordingId) -> [Value; 8] {
    let at = event.record.at;
    [
        recording.as_bytes().into(),
        event.record.call.as_bytes().into(),
        event.sealed.customer.as_bytes().into(),
        at.0.into(),
        0_u32.into(),
        0_u32.into(),
        0_u32.into(),
        lifetimes.recording_due(at).0.into(),
    ]
}

static BEGIN_RECORDINGS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO recordings (recording_id, call_id, customer_id, started_at, duration_ms, gaps_caller, \
        gaps_receptionist, expiry_day) VALUES";
    Grouped::new(head, 8, "ON CONFLICT (recording_id) DO NOTHING")
});

static END_RECORDINGS: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO recordings (recording_id, call_id, customer_id, started_at, duration_ms, gaps_caller, \
        gaps_receptionist, expiry_day, result) VALUES";
    let tail = "ON CONFLICT (recording_id) DO UPDATE SET duration_ms = excluded.duration_ms, \
        gaps_caller = excluded.gaps_caller, gaps_receptionist = excluded.gaps_receptionist, \
        result = excluded.result";
    Grouped::new(head, 9, tail)
});

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

/// Remembers how many pages of each recording are safely on disk. Never counts down. Every recording is named once.
pub(crate) async fn acknowledge(
    tx: &mut Tx,
    pages: impl IntoIterator<Item = (RecordingId, u64)>,
) -> Result<(), StoreError> {
    let args =
        pages.into_iter().flat_map(|(recording, pages)| [recording.as_bytes().into(), clamp(pages).into()]);
    tx.execute_grouped(&ACKNOWLEDGE, args.collect()).await.map(drop)
}

static ACKNOWLEDGE: LazyLock<Grouped> = LazyLock::new(|| {
    let head = "INSERT INTO recording_pages (recording_id, pages) VALUES";
    let tail = "ON CONFLICT (recording_id) DO UPDATE SET pages = excluded.pages \
        WHERE excluded.pages > recording_pages.pages";
    Grouped::new(head, 2, tail)
});

/// A count as the database holds it.
fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
