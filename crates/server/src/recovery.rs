//! What a crash left behind, put in order at the next start: recordings that the database was never told of or that were
//! never closed, withdrawn ones that were not destroyed yet, and calls that nobody ended.

mod strays;

use std::path::Path;
use std::time::Duration;

use vorzimmer_recorder::recovery::{Closing, close};
use vorzimmer_store::{Cursor, MAX_PAGE, Page, RecordingRow, StoreError};
use vorzimmer_types::consent::Answer;
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{EndedBy, RecordingResult};
use vorzimmer_types::record::Disposition;
use vorzimmer_types::{Event, UnixMillis};
use vorzimmer_vault::callrec::{Recovered, file};

use crate::clock::{self, SystemEntropy};
use crate::destroyer::Doomed;
use crate::failure::Failure;
use crate::recordings::Sealed;
use crate::rooms::{Rooms, database_failure};
pub use strays::take_in;

/// No call lasts longer, so one that was offered before and is still open was looked at in an earlier start.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// Closes every recording that was never closed, as far as its pages are whole.
///
/// # Errors
/// The database cannot be read or written. A file that is not as it should be is no error: its recording ends as
/// failed, the file stays as it is, and the log says why.
pub async fn close_open_recordings(rooms: &Rooms, folder: &Path) -> Result<(), Failure> {
    for row in rooms.store.open_recordings().await.map_err(database_failure)? {
        let event = match closed(rooms, folder, row.clone()).await {
            Ok(event) => event,
            Err(why) => {
                tracing::error!(recording = %row.recording, why, "an interrupted recording cannot be closed");
                finished(&row, RecordingResult::Failed, &why)
            }
        };
        tracing::warn!(recording = %row.recording, "a recording that a crash interrupted is closed");
        let at = clock::wall();
        let written = rooms.store.append_after_the_fact(row.call, Some(row.customer), at, event).await;
        written.map_err(database_failure)?;
    }
    Ok(())
}

async fn closed(rooms: &Rooms, folder: &Path, row: RecordingRow) -> Result<Event, String> {
    if withdrawn(rooms, &row).await.map_err(|error| error.to_string())? {
        return Ok(finished(&row, RecordingResult::Withdrawn, "interrupted after the consent was withdrawn"));
    }
    let sealed = Sealed::of_row(rooms, folder, row).await.map_err(|failure| failure.what)?;
    if sealed.is_destroyed() {
        return Err("its keys are gone: destroyed, or lost with an older key store".to_owned());
    }
    if sealed.is_partly_destroyed() {
        // Its destruction had begun: it is finished by whoever destroys what is withdrawn.
        return Ok(finished(
            &sealed.row,
            RecordingResult::Withdrawn,
            "interrupted while it was being destroyed",
        ));
    }
    let work = tokio::task::spawn_blocking(move || close_file(&sealed));
    work.await.map_err(|error| error.to_string())?
}

/// Whether somebody took the consent back while it ran, and the customer wants it destroyed then.
async fn withdrawn(rooms: &Rooms, row: &RecordingRow) -> Result<bool, StoreError> {
    let receipts = rooms.store.receipts(row.call).await?;
    let taken_back = receipts
        .iter()
        .map(|signed| &signed.receipt)
        .any(|receipt| receipt.answer == Answer::Withdrawn && receipt.at >= row.started_at);
    if !taken_back {
        return Ok(false);
    }
    let directory = rooms.store.directory().await?;
    let customer = directory.customers.iter().find(|customer| customer.id == row.customer);
    Ok(customer.is_none_or(|customer| customer.on_withdrawal == OnWithdrawal::Destroy))
}

fn close_file(sealed: &Sealed) -> Result<Event, String> {
    let words = |error: vorzimmer_vault::Error| error.to_string();
    match sealed.recover().map_err(words)? {
        Recovered::Closed(reader) => {
            let ending = reader.ending();
            let event = finished(&sealed.row, RecordingResult::Degraded, "interrupted after its last page");
            Ok(with(event, ending.duration_ms, gaps(&ending.slots), reader.pages()))
        }
        Recovered::Open(open) => {
            let closing: Closing = close(open, &mut SystemEntropy).map_err(|error| error.to_string())?;
            file::close(&sealed.path, closing.sound_len, &closing.final_page).map_err(words)?;
            let event = finished(&sealed.row, closing.result, &closing.why);
            Ok(with(event, closing.duration_ms, gaps(&closing.slots), closing.pages))
        }
    }
}

fn finished(row: &RecordingRow, result: RecordingResult, why: &str) -> Event {
    Event::RecordingFinished {
        recording: Some(row.recording),
        result,
        duration_ms: row.duration_ms,
        gaps: row.gaps,
        pages: row.pages,
        why: why.to_owned(),
    }
}

fn with(event: Event, length_ms: u64, found_gaps: [u32; 2], found_pages: u64) -> Event {
    match event {
        Event::RecordingFinished { recording, result, why, .. } => Event::RecordingFinished {
            recording,
            result,
            duration_ms: length_ms,
            gaps: found_gaps,
            pages: found_pages,
            why,
        },
        other => other,
    }
}

fn gaps(slots: &[vorzimmer_vault::callrec::SlotGaps]) -> [u32; 2] {
    let mut found = [0; 2];
    for (total, slot) in found.iter_mut().zip(slots) {
        *total = slot.iter().map(|gaps| gaps.count).sum();
    }
    found
}

/// Recordings whose consent was withdrawn and whose destruction a crash interrupted.
///
/// # Errors
/// The database cannot be read.
pub async fn withdrawn_but_there(rooms: &Rooms) -> Result<Vec<Doomed>, Failure> {
    let mut found = Vec::new();
    let mut page = Page::newest(MAX_PAGE);
    loop {
        let rows = rooms.store.recordings(page).await.map_err(database_failure)?;
        let doomed = rows
            .iter()
            .filter(|row| row.result == Some(RecordingResult::Withdrawn) && row.destroyed.is_none())
            .map(|row| Doomed { call: row.call, recording: row.recording });
        found.extend(doomed);
        match rows.last() {
            Some(last) if rows.len() >= MAX_PAGE as usize => {
                page.before = Some(Cursor { at: last.started_at, id: *last.recording.as_bytes() });
            }
            _ => return Ok(found),
        }
    }
}

/// Ends the records of calls that a crash cut off.
///
/// # Errors
/// The database cannot be read or written.
pub async fn end_open_calls(rooms: &Rooms) -> Result<(), Failure> {
    let now = clock::wall();
    let oldest =
        UnixMillis(now.0.saturating_sub(i64::try_from(LONGEST_CALL.as_millis()).unwrap_or(i64::MAX)));
    let mut page = Page::newest(MAX_PAGE);
    loop {
        let calls = rooms.store.calls(page).await.map_err(database_failure)?;
        for record in calls.records.iter().filter(|record| record.disposition == Disposition::Open) {
            tracing::warn!(call = %record.call, "a call that a crash cut off is ended in its record");
            let event =
                Event::Ended { by: EndedBy::Vorzimmer, why: "the server ended before the call".into() };
            let written = rooms.store.append_after_the_fact(record.call, record.customer, now, event).await;
            written.map_err(database_failure)?;
        }
        match calls.next {
            Some(next) if next.at >= oldest => page.before = Some(next),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
