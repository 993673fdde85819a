//! The reconciler: looks at what is, does what is missing, may be killed anywhere.
//!
//! For each class: keys are destroyed and synced, then files, then rows, and at last one certificate is made for all.
//! Each thing is noted before it is touched and struck off when it is certified, so that a run that is killed leaves
//! its notes to the next one, and no destruction goes without a certificate.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use vorzimmer_store::{StoreError, StoredCertificate, Tally, purge_spool_file};
use vorzimmer_types::{Day, RecordingId, UnixMillis};
use vorzimmer_vault::callrec::file;
use vorzimmer_vault::{KeyRows, KeyStore};

use crate::certificate::{Certificate, SignedCertificate};
use crate::clock::{self, Clock};
use crate::erase::{Erased, destroy_secrets, destroy_voices};
use crate::item::{Item, KeyName};
use crate::retention::{Places, Retention, SpoolPlace, blocking};
use crate::survey::{Plan, due_keys};
use crate::{Class, Error, erase, files};

/// A step of a run, or of an erasure. After each one a run may be killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What will be destroyed is noted.
    Noted,
    /// Keys are destroyed, and that is synced.
    KeysDestroyed(Class),
    /// The secrets of one recording are destroyed, and that is synced.
    SecretsDestroyed(RecordingId),
    /// One file, or some files of recordings, are removed, and that is synced.
    FileRemoved(Class),
    /// What is due in the spool is dropped.
    SpoolPurged,
    /// Some rows are removed and committed.
    RowsRemoved(Class),
    /// The database has been scrubbed of what was removed.
    Scrubbed,
    /// The certificate is stored.
    Certified,
}

/// Files of recordings that are removed at a time: one sync serves them all.
const REMOVE_FILES: usize = 256;

/// Watches a run, and may stop it after any step.
pub type Watch<'a> = &'a mut (dyn FnMut(&Step) -> ControlFlow<()> + Send);

impl Retention {
    /// Tells the guard on the clock what the clock says. A running server does so every few minutes, so that a leap is
    /// told from a day's work.
    ///
    /// # Errors
    /// [`Error::ClockJumped`]; then the moment is not remembered, and runs stop until somebody has looked.
    pub async fn heartbeat(&self, now: UnixMillis) -> Result<(), Error> {
        clock::look(&self.store, now, Clock::Checked).await.map(|_| ())
    }

    /// Destroys everything that is due, and leaves a certificate.
    ///
    /// # Errors
    /// [`Error::ClockJumped`]; whatever store, vault and folders refuse. Running again goes on where this stopped.
    pub async fn run(&self, now: UnixMillis, clock: Clock) -> Result<SignedCertificate, Error> {
        self.run_watched(now, clock, &mut |_| ControlFlow::Continue(())).await
    }

    /// As [`Retention::run`], telling `watch` each step.
    ///
    /// # Errors
    /// As [`Retention::run`], and [`Error::Stopped`] if `watch` says so.
    pub async fn run_watched(
        &self,
        now: UnixMillis,
        clock: Clock,
        watch: Watch<'_>,
    ) -> Result<SignedCertificate, Error> {
        let today = clock::look(&self.store, now, clock).await?;
        // What a day's calls did not need is too much. What this run frees is room for the next day's: giving it back
        // would move most of what stays, only to make room again.
        let unused = self.store.free_pages().await?;
        let plan = self.survey(today).await?;
        self.note(&plan).await?;
        step(watch, Step::Noted)?;
        let mut left_over = Vec::new();
        for class in Class::ALL {
            self.destroy_keys(class, today).await?;
            step(watch, Step::KeysDestroyed(class))?;
            let removed = match class {
                Class::Recordings => self.remove_recordings(now, watch, &mut left_over).await?,
                Class::CallData => {
                    self.purge_spool(today).await?;
                    step(watch, Step::SpoolPurged)?;
                    true
                }
                Class::Logs => self.remove_logs(watch, &mut left_over).await?,
                Class::Receipts | Class::Audit => true,
            };
            // Rows stay as long as a file does: they tell what it is.
            if removed {
                self.remove_rows(class, today, watch).await?;
            }
        }
        self.store.remove_ended_bindings(now).await?;
        if !self.store.scrub(unused).await? {
            left_over.push("the database's write-ahead log, which somebody was reading".to_owned());
        }
        step(watch, Step::Scrubbed)?;
        let certificate = self.certify(now, today, left_over).await?;
        step(watch, Step::Certified)?;
        Ok(certificate)
    }

    async fn note(&self, plan: &Plan) -> Result<(), Error> {
        let mut tallies = Vec::new();
        for row in due_keys(self.store.keys(), plan.through)? {
            let Some(name) = KeyName::of(&row) else {
                continue;
            };
            if row.slots > 0 {
                tallies.push(Item::Slots(name.clone()).tally(row.slots as u64)?);
            }
            if row.key {
                tallies.push(Item::Key(name).tally(1)?);
            }
        }
        for (item, count) in plan.items() {
            tallies.push(item.tally(count)?);
        }
        Ok(self.store.note(&tallies).await?)
    }

    async fn destroy_keys(&self, class: Class, through: Day) -> Result<(), Error> {
        let keys = self.store.keys().clone();
        blocking(move || {
            for kind in class.keys() {
                keys.destroy_through(*kind, through)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes the files of every recording that is noted, by this run or by one that was killed. Says whether all of
    /// them are gone.
    async fn remove_recordings(
        &self,
        now: UnixMillis,
        watch: Watch<'_>,
        left_over: &mut Vec<String>,
    ) -> Result<bool, Error> {
        let before = left_over.len();
        let mut due = Vec::new();
        for tally in self.store.tallies().await? {
            match Item::read(&tally)? {
                Item::Recording { recording } => due.push(recording),
                Item::Erasure { recording, why } => {
                    keep_going(self.erase(recording, &why, now, watch).await.map(|_| ()), left_over)?;
                }
                _ => {}
            }
        }
        for some in due.chunks(REMOVE_FILES) {
            let (folder, some) = (self.places.recordings.clone(), some.to_vec());
            for error in blocking(move || Ok(file::remove_many(&folder, &some))).await? {
                keep_going(Err(error.into()), left_over)?;
            }
            step(watch, Step::FileRemoved(Class::Recordings))?;
        }
        Ok(left_over.len() == before)
    }

    async fn remove_logs(&self, watch: Watch<'_>, left_over: &mut Vec<String>) -> Result<bool, Error> {
        let Some(folder) = &self.places.logs else {
            return Ok(true);
        };
        let before = left_over.len();
        for tally in self.store.tallies().await? {
            let Item::Log { name } = Item::read(&tally)? else {
                continue;
            };
            let folder = folder.clone();
            let removed = blocking(move || files::remove_log(&folder, &name)).await;
            keep_going(removed, left_over)?;
            step(watch, Step::FileRemoved(Class::Logs))?;
        }
        Ok(left_over.len() == before)
    }

    async fn purge_spool(&self, through: Day) -> Result<(), Error> {
        let purged = match &self.places.spool {
            SpoolPlace::Ours(log) => log.purge_spool(through).await?,
            SpoolPlace::File(path) => {
                let path = path.clone();
                match blocking(move || Ok(purge_spool_file(&path, through)?)).await {
                    Err(Error::Store(StoreError::SpoolInUse { .. })) => 0,
                    other => other?,
                }
            }
        };
        if purged > 0 {
            self.store.add(&Item::Spool.tally(purged)?).await?;
        }
        Ok(())
    }

    async fn remove_rows(&self, class: Class, through: Day, watch: Watch<'_>) -> Result<(), Error> {
        let item = Item::Rows { class }.name()?;
        for table in class.tables() {
            while self.store.remove_due(*table, through, &item).await? > 0 {
                step(watch, Step::RowsRemoved(class))?;
            }
        }
        Ok(())
    }

    /// Certifies every tally of what is gone. What is still there stays noted.
    async fn certify(
        &self,
        now: UnixMillis,
        through: Day,
        left_over: Vec<String>,
    ) -> Result<SignedCertificate, Error> {
        let tallies = self.store.tallies().await?;
        let (keys, places) = (self.store.keys().clone(), self.places.clone());
        let certified = blocking(move || gone(&keys, &places, tallies)).await?;
        let previous = self.store.last_certificate().await?;
        let mut certificate = Certificate::new(now, through, previous.as_ref(), &self.periods, &certified)?;
        certificate.left_over = left_over;
        for class in &mut certificate.classes {
            class.oldest_left_due = self.oldest_due(class.class).await?;
        }
        let signed = certificate.sign(&self.store.signing_key()?)?;
        let stored =
            StoredCertificate { number: signed.certificate.number, made_at: now, text: signed.to_line()? };
        self.store.add_certificate(&stored, &certified).await?;
        Ok(signed)
    }

    /// Destroys one recording before its day: its keys, its file, and in the store a note of that. The next run
    /// certifies it. Killed between any two steps, the next run finishes it.
    ///
    /// # Errors
    /// [`StoreError::NoRecording`] if the store has none such; whatever store, vault and folder refuse.
    pub async fn destroy_recording(
        &self,
        recording: RecordingId,
        why: &str,
        now: UnixMillis,
    ) -> Result<Erased, Error> {
        self.destroy_recording_watched(recording, why, now, &mut |_| ControlFlow::Continue(())).await
    }

    /// As [`Retention::destroy_recording`], telling `watch` each step.
    ///
    /// # Errors
    /// As [`Retention::destroy_recording`], and [`Error::Stopped`] if `watch` says so.
    pub async fn destroy_recording_watched(
        &self,
        recording: RecordingId,
        why: &str,
        now: UnixMillis,
        watch: Watch<'_>,
    ) -> Result<Erased, Error> {
        self.store.recording(recording).await?;
        let item = Item::Erasure { recording, why: why.to_owned() };
        self.store.note(&[item.tally(1)?]).await?;
        step(watch, Step::Noted)?;
        self.erase(recording, why, now, watch).await
    }

    async fn erase(
        &self,
        recording: RecordingId,
        why: &str,
        now: UnixMillis,
        watch: Watch<'_>,
    ) -> Result<Erased, Error> {
        let keys = self.store.keys().clone();
        let slots = blocking(move || destroy_secrets(&keys, recording)).await?;
        step(watch, Step::SecretsDestroyed(recording))?;
        let (keys, folder) = (self.store.keys().clone(), self.places.recordings.clone());
        let file = blocking(move || destroy_voices(&keys, &folder, recording)).await?.file;
        step(watch, Step::FileRemoved(Class::Recordings))?;
        match self.store.recording(recording).await {
            Ok(row) if row.destroyed.is_none() => self.store.note_destroyed(recording, now, why).await?,
            // Told already, or its row is due and gone.
            Ok(_) | Err(StoreError::NoRecording { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Erased { slots, file })
    }

    /// Every certificate from `number` on, as lines for an export.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn certificates(&self, number: u64) -> Result<Vec<String>, Error> {
        let stored = self.store.certificates(number).await?;
        Ok(stored.into_iter().map(|certificate| certificate.text).collect())
    }
}

/// The tallies of what is gone, out of all.
fn gone(keys: &KeyStore, places: &Places, tallies: Vec<Tally>) -> Result<Vec<Tally>, Error> {
    let items = tallies.iter().map(Item::read).collect::<Result<Vec<_>, _>>()?;
    let voices = items.iter().filter_map(|item| match item {
        Item::Recording { recording } | Item::Erasure { recording, .. } => Some(*recording),
        _ => None,
    });
    let left = erase::left(keys, &places.recordings, voices)?;
    let rows = keys.list()?;
    let named = |wanted: fn(&KeyRows) -> bool| -> BTreeSet<KeyName> {
        rows.iter().filter(|row| wanted(row)).filter_map(KeyName::of).collect()
    };
    let (with_key, with_slots) = (named(|row| row.key), named(|row| row.slots > 0));
    let is_gone = |item: &Item| match item {
        Item::Key(name) => !with_key.contains(name),
        Item::Slots(name) => !with_slots.contains(name),
        Item::Recording { recording } | Item::Erasure { recording, .. } => !left.contains(recording),
        Item::Log { name } => places.logs.as_ref().is_none_or(|logs| !logs.join(name).exists()),
        Item::Spool | Item::Rows { .. } => true,
    };
    Ok(tallies.into_iter().zip(&items).filter(|(_, item)| is_gone(item)).map(|(tally, _)| tally).collect())
}

/// A file that cannot be removed must not keep others from being removed: its keys are gone, so it tells nothing.
fn keep_going(removed: Result<(), Error>, left_over: &mut Vec<String>) -> Result<(), Error> {
    match removed {
        Err(error @ (Error::File { .. } | Error::Vault(_))) => {
            tracing::error!(%error, "something that is due could not be removed");
            left_over.push(error.to_string());
            Ok(())
        }
        other => other,
    }
}

fn step(watch: Watch<'_>, step: Step) -> Result<(), Error> {
    match watch(&step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped { step }),
    }
}
