//! Recordings whose beginning a crash kept from the store: their files and keys are there, and no row. What the store is
//! told it has within a moment, or seconds while a database stalls; a kill in between must not make a voice on disk one
//! that nobody knows of.
//!
//! A file says whose it is, when it is due, and the hash of the receipts that permit it; so its call is the one with
//! just these receipts.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use vorzimmer_consent::receipt;
use vorzimmer_retention::destroy_voices;
use vorzimmer_store::{CallStory, MAX_PAGE, Page};
use vorzimmer_types::consent::{Answer, Epoch, Receipt};
use vorzimmer_types::{CallId, CustomerId, Day, Event, PartyId, RecordingId, UnixMillis};
use vorzimmer_vault::callrec::{Header, SEGMENT_LEN, file, read_header};

use super::LONGEST_CALL;
use crate::failure::Failure;
use crate::rooms::{Rooms, database_failure};

/// Recordings without a call that the log names; of more it tells how many they are.
const TOLD: u32 = 10;
/// So many recordings are asked for at once: a month may hold half a million, and nobody is answered meanwhile.
const IDS_AT_ONCE: u32 = 10_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A file without a row.
struct Stray {
    header: Header,
    made: UnixMillis,
}

/// What permits one recording: the call, and from when on its parties were together.
type Permitted = HashMap<[u8; 32], (CallId, Epoch)>;

/// Tells the store of every recording that it does not know, so that it is closed and listed like any other. One without
/// any sound is removed. One whose call is not known either stays sealed until its day, and the log says so.
///
/// # Errors
/// The database or the folder cannot be read, or the database not written.
pub async fn take_in(rooms: &Rooms, folder: &Path, days: u32) -> Result<(), Failure> {
    let unknown = unknown(rooms, in_folder(folder).map_err(|error| folder_failure(folder, &error))?).await?;
    let mut unplaced = 0;
    let mut permitted: HashMap<(CustomerId, Day), Permitted> = HashMap::new();
    for recording in unknown {
        let Some(stray) = look_at(rooms, folder, recording, days).await else { continue };
        let Header { customer, expiry, receipts_hash, .. } = stray.header;
        let permitted = match permitted.entry((customer, expiry)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(calls_of(rooms, customer, expiry, days).await?),
        };
        let found = permitted.get(&receipts_hash);
        let Some(&(call, epoch)) = found else {
            unplaced += 1;
            if unplaced <= TOLD {
                tracing::error!(
                    %recording, %customer, due = %expiry,
                    "a recording belongs to no call that the database knows, so nobody can listen to it: it stays sealed until \
                     it is destroyed on that day; if the database was restored from a backup, restore a later one"
                );
            }
            continue;
        };
        tracing::warn!(%recording, %call, "a recording whose beginning a crash kept from the database is noted");
        let event = Event::RecordingStarted { recording, epoch };
        let written = rooms.store.append_after_the_fact(call, Some(customer), stray.made, event).await;
        written.map_err(database_failure)?;
    }
    if unplaced > TOLD {
        tracing::error!(recordings = unplaced, "so many in all belong to no call that the database knows");
    }
    Ok(())
}

fn folder_failure(folder: &Path, error: &io::Error) -> Failure {
    Failure::failed(
        format!("the recordings in {} cannot be looked through: {error}", folder.display()),
        "see that data.recordings is right and may be read",
    )
}

fn in_folder(folder: &Path) -> io::Result<HashSet<RecordingId>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        other => other?,
    };
    let named = entries.map(|entry| entry.map(|entry| file::recording_of(&entry.path())));
    named.filter_map(Result::transpose).collect()
}

/// Those of them that the database has no row for.
async fn unknown(rooms: &Rooms, mut files: HashSet<RecordingId>) -> Result<HashSet<RecordingId>, Failure> {
    let mut after = None;
    while !files.is_empty() {
        let known = rooms.store.recording_ids(after, IDS_AT_ONCE).await.map_err(database_failure)?;
        for id in &known {
            files.remove(id);
        }
        after = known.last().copied();
        if after.is_none() {
            break;
        }
    }
    Ok(files)
}

/// What a file says of itself; none if it has no sound, and is gone now, or cannot be understood.
async fn look_at(rooms: &Rooms, folder: &Path, recording: RecordingId, days: u32) -> Option<Stray> {
    let (keys, folder) = (Arc::clone(&rooms.keys), folder.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let stray = stray(&folder, recording, days)?;
        if stray.is_none() {
            destroy_voices(&keys, &folder, recording).map_err(|error| error.to_string())?;
            tracing::warn!(%recording, "a recording that a crash ended before its first sound is removed");
        }
        Ok::<_, String>(stray)
    });
    let why = match looked.await {
        Ok(Ok(stray)) => return stray,
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    };
    tracing::error!(%recording, why, "a recording that the database does not know cannot be taken in; its file stays");
    None
}

/// Reads a file's header; none if nobody's voice is behind it.
fn stray(folder: &Path, recording: RecordingId, days: u32) -> Result<Option<Stray>, String> {
    let path = file::path(folder, recording);
    let source = File::open(&path).map_err(|error| error.to_string())?;
    let about = source.metadata().map_err(|error| error.to_string())?;
    if about.len() < SEGMENT_LEN as u64 {
        return Ok(None);
    }
    let header = match read_header(source) {
        Ok(header) if header.recording == recording => header,
        Ok(header) => return Err(format!("it is a copy of recording {}", header.recording)),
        Err(error) => return Err(error.to_string()),
    };
    let has_sound = about.len() >= 2 * header.page_len();
    Ok(has_sound.then(|| Stray { made: made(&about, header.expiry, days), header }))
}

/// When a file was made, on the day that its own day of expiry tells: a file that was copied tells another.
fn made(about: &Metadata, expiry: Day, days: u32) -> UnixMillis {
    let told = about.created().or_else(|_| about.modified()).ok();
    let told = told.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let told = told.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
    let began = Day(expiry.0.saturating_sub(days)).start();
    UnixMillis(told.clamp(began.0, began.0 + DAY_MS - 1))
}

/// What this customer's calls permit that may have been recorded into a file that is due on `expiry`.
async fn calls_of(rooms: &Rooms, customer: CustomerId, expiry: Day, days: u32) -> Result<Permitted, Failure> {
    let longest = i64::try_from(LONGEST_CALL.as_millis()).unwrap_or(i64::MAX);
    let oldest = Day(expiry.0.saturating_sub(days)).start().0.saturating_sub(longest);
    let mut permitted = Permitted::new();
    let mut page = Page::newest(MAX_PAGE);
    loop {
        let calls = rooms.store.calls_of(customer, page).await.map_err(database_failure)?;
        for record in &calls.records {
            let story = rooms.store.story(record.call).await.map_err(database_failure)?;
            permitted.extend(epochs(&story).map(|(hash, epoch)| (hash, (record.call, epoch))));
        }
        match calls.next {
            Some(next) if next.at.0 >= oldest => page.before = Some(next),
            _ => return Ok(permitted),
        }
    }
}

/// Each time of a call in which everybody had said yes, and the hash of what they had said.
fn epochs(story: &CallStory) -> impl Iterator<Item = ([u8; 32], Epoch)> {
    story.events.iter().filter_map(|record| {
        let Event::Together { epoch, parties } = &record.event else { return None };
        let receipts: Option<Vec<_>> = parties.iter().map(|party| yes(story, *party, *epoch)).collect();
        Some((receipt::root(receipts?).ok()?, *epoch))
    })
}

/// What this party had last said yes with.
fn yes(story: &CallStory, party: PartyId, epoch: Epoch) -> Option<&Receipt> {
    let yeses = story.receipts.iter().map(|signed| &signed.receipt).filter(|one| one.answer == Answer::Yes);
    yeses.rev().find(|yes| yes.party == party && yes.epoch <= epoch)
}

#[cfg(test)]
mod tests;
