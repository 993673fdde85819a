//! Finding a sealed recording's file, keys and parties, and opening it.

use std::fs::File;
use std::path::{Path, PathBuf};

use vorzimmer_store::RecordingRow;
use vorzimmer_types::consent::Role;
use vorzimmer_types::{CallId, Day, Event, EventRecord, PartyId, RecordingId};
use vorzimmer_vault::callrec::{self, Expected, Reader, Recovered};
use vorzimmer_vault::{Error, KeyStore, SlotSecret};

use crate::failure::{Failure, Kind};
use crate::rooms::{Rooms, database_failure};

/// Everything that is needed to open a recording.
pub struct Sealed {
    /// What the store knows.
    pub row: RecordingRow,
    /// Where the file is, or was.
    pub path: PathBuf,
    parties: Vec<PartyId>,
    secrets: Vec<Option<SlotSecret>>,
}

impl Sealed {
    /// Gathers it.
    ///
    /// # Errors
    /// There is no such recording, or the store does not know any more whose voices it holds.
    pub async fn find(rooms: &Rooms, folder: &Path, recording: RecordingId) -> Result<Self, Failure> {
        let row = rooms.store.recording(recording).await.map_err(database_failure)?;
        Self::of_row(rooms, folder, row).await
    }

    /// The same for a row that is already here.
    ///
    /// # Errors
    /// As [`Sealed::find`].
    pub async fn of_row(rooms: &Rooms, folder: &Path, row: RecordingRow) -> Result<Self, Failure> {
        let parties = parties(rooms, row.call, row.recording).await?;
        let secrets = secrets(&rooms.keys, row.recording, parties.len()).map_err(|error| {
            Failure::failed(error, "see that the key store can be read").of_kind(Kind::Keys)
        })?;
        Ok(Self { path: callrec::file::path(folder, row.recording), row, parties, secrets })
    }

    /// Whether any party's secret is gone.
    pub fn is_partly_destroyed(&self) -> bool {
        self.secrets.iter().any(Option::is_none)
    }

    /// Whether no party's secret is left.
    pub fn is_destroyed(&self) -> bool {
        self.secrets.iter().all(Option::is_none)
    }

    /// Whose voice is in which slot.
    pub fn parties(&self) -> &[PartyId] {
        &self.parties
    }

    /// Every party's secret; none if one of them is gone.
    pub fn all_secrets(&self) -> Option<Vec<SlotSecret>> {
        self.secrets.iter().cloned().collect()
    }

    /// The secrets that are there now.
    ///
    /// # Errors
    /// The key store cannot be read.
    pub fn fresh_secrets(&self, keys: &KeyStore) -> Result<Vec<Option<SlotSecret>>, Error> {
        secrets(keys, self.row.recording, self.parties.len())
    }

    /// Accepts the closed file, whole.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn open(&self) -> Result<Reader<File>, Error> {
        self.with_either_day(|expected| {
            Reader::open(callrec::file::open(&self.path)?, expected, &self.secrets)
        })
    }

    /// Looks at a file that may not have been closed.
    ///
    /// # Errors
    /// Anything but an unfinished tail is wrong.
    pub fn recover(&self) -> Result<Recovered<File>, Error> {
        self.with_either_day(|expected| {
            callrec::recover(callrec::file::open(&self.path)?, expected, &self.secrets, self.row.pages)
        })
    }

    /// The row's day comes from the moment when the call was told that the recording runs, the file's from the moment
    /// when it was made: around midnight the file's may be the day before.
    fn with_either_day<T>(&self, open: impl Fn(&Expected) -> Result<T, Error>) -> Result<T, Error> {
        let first = open(&self.expected(self.row.expiry));
        match first {
            Err(Error::Refused { .. }) => {
                open(&self.expected(Day(self.row.expiry.0.saturating_sub(1)))).or(first)
            }
            first => first,
        }
    }

    /// What the file is, if it is due on this day.
    pub fn expected(&self, expiry: Day) -> Expected {
        let RecordingRow { recording, customer, .. } = self.row;
        Expected { recording, customer, expiry, parties: self.parties.clone() }
    }
}

fn secrets(keys: &KeyStore, recording: RecordingId, slots: usize) -> Result<Vec<Option<SlotSecret>>, Error> {
    (0..).take(slots).map(|slot| keys.slot_secret(recording, slot)).collect()
}

/// Whose voice is in which slot: those who heard each other when the recording began, the caller first.
async fn parties(rooms: &Rooms, call: CallId, recording: RecordingId) -> Result<Vec<PartyId>, Failure> {
    let story = rooms.store.story(call).await.map_err(database_failure)?;
    let caller = story.receipts.iter().find(|signed| signed.receipt.role == Role::Caller);
    let caller = caller.map(|signed| signed.receipt.party);
    together_at_start(&story.events, caller, recording).ok_or_else(|| {
        Failure::failed(
            format!("the store does not tell whose voices recording {recording} holds"),
            "restore the database from the backup that goes with the recordings",
        )
        .of_kind(Kind::NotValid)
    })
}

fn together_at_start(
    events: &[EventRecord],
    caller: Option<PartyId>,
    recording: RecordingId,
) -> Option<Vec<PartyId>> {
    let started = events.iter().position(|record| {
        matches!(&record.event, Event::RecordingStarted { recording: started, .. } if *started == recording)
    })?;
    let (before, from) = events.split_at_checked(started)?;
    let Event::RecordingStarted { epoch, .. } = &from.first()?.event else { return None };
    // The recorder says late that it runs: somebody may have come or gone since it was told to.
    let together = before.iter().rev().find_map(|record| match &record.event {
        Event::Together { epoch: of, parties }
            if of == epoch && caller.is_none_or(|it| parties.contains(&it)) =>
        {
            Some(parties.clone())
        }
        _ => None,
    });
    // Calls of before anybody wrote down who hears whom had two parties.
    let connected = before.iter().rev().find_map(|record| match &record.event {
        Event::Connected { party, .. } => Some(*party),
        _ => None,
    });
    together.or_else(|| Some(vec![caller?, connected?]))
}
