//! The store as others hold it: an open database together with the keys that read it.

use std::sync::Arc;

use vorzimmer_types::{CallId, CustomerId, Day, Entropy, Event, EventRecord, RecordingId, UnixMillis};
use vorzimmer_vault::{KeyStore, SigningKey, StoreId};

use crate::error::StoreError;
use crate::events::{AFTER_THE_FACT, Prepared};
use crate::project;
use crate::queries::RecordingRow;
use crate::seal::{Seals, is_forgotten};
use crate::settings::Settings;
use crate::sql::{Database, Tx};

/// The name under which the database remembers its key store, as two halves of sixteen bytes.
const KEY_STORE: [&str; 2] = ["key-store-high", "key-store-low"];

/// An open database whose keys are not there yet: the first step of opening a store.
#[derive(Clone, Debug)]
pub struct Unkeyed {
    database: Database,
    settings: Settings,
}

impl Unkeyed {
    /// Opens the database at `url` (`sqlite:…` or `postgres://…`) and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Scheme`], [`StoreError::Url`], [`StoreError::Open`], [`StoreError::Migrate`].
    pub async fn open(url: &str, settings: Settings) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(url, settings.connect, settings.patience).await?, settings })
    }

    /// The key store that the data was sealed with; none before the first start.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn key_store(&self) -> Result<Option<StoreId>, StoreError> {
        let mut tx = self.database.begin().await?;
        remembered(&mut tx).await
    }

    /// Gives the store its keys. The first key store is remembered, any other one is refused from then on.
    ///
    /// # Errors
    /// [`StoreError::OtherKeyStore`].
    pub async fn with_keys(
        self,
        keys: Arc<KeyStore>,
        entropy: Box<dyn Entropy + Send>,
    ) -> Result<Store, StoreError> {
        let found = keys.store_id();
        let mut tx = self.database.begin().await?;
        match remembered(&mut tx).await? {
            Some(expected) if expected != found => return Err(StoreError::OtherKeyStore { expected, found }),
            Some(_) => {}
            None => remember(&mut tx, found).await?,
        }
        tx.commit().await?;
        let Self { database, settings } = self;
        Ok(Store {
            inner: Arc::new(Inner { database, seals: Arc::new(Seals::new(keys, entropy)), settings }),
        })
    }
}

async fn remembered(tx: &mut Tx) -> Result<Option<StoreId>, StoreError> {
    let mut bytes = [0; 16];
    for (half, name) in bytes.chunks_exact_mut(8).zip(KEY_STORE) {
        let Some(value) = read_counter(tx, name).await? else {
            return Ok(None);
        };
        half.copy_from_slice(&value.to_be_bytes());
    }
    Ok(Some(StoreId::from_bytes(bytes)))
}

async fn remember(tx: &mut Tx, id: StoreId) -> Result<(), StoreError> {
    let (high, low) = id.as_bytes().split_at(8);
    for (half, name) in [high, low].into_iter().zip(KEY_STORE) {
        let value = half.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        write_counter(tx, name, i64::from_be_bytes(value.to_be_bytes())).await?;
    }
    Ok(())
}

/// The store: cheap to clone, shared by everything that reads or writes what is remembered.
///
/// Reading and the rare writes of tools are here. What happens to running calls goes through
/// [`EventLog`](crate::EventLog), which never waits for the database.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) seals: Arc<Seals>,
    pub(crate) settings: Settings,
}

impl Store {
    /// Opens the database at `url` with `keys`: [`Unkeyed::open`] and [`Unkeyed::with_keys`] in one.
    ///
    /// # Errors
    /// As those two.
    pub async fn open(
        url: &str,
        settings: Settings,
        keys: Arc<KeyStore>,
        entropy: Box<dyn Entropy + Send>,
    ) -> Result<Self, StoreError> {
        Unkeyed::open(url, settings).await?.with_keys(keys, entropy).await
    }

    /// The same store over connections of its own, whose threads take after the one that calls this: for work that is
    /// less urgent than a call's events, which it lets in between. To be closed when the work is done.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn beside(&self) -> Result<Self, StoreError> {
        let Inner { database, seals, settings } = &*self.inner;
        let database = database.beside(settings.connect).await?;
        Ok(Self { inner: Arc::new(Inner { database, seals: Arc::clone(seals), settings: *settings }) })
    }

    /// The key store behind this store.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyStore> {
        self.inner.seals.keys()
    }

    /// The key that signs receipts and certificates.
    ///
    /// # Errors
    /// If the key store cannot be read.
    pub fn signing_key(&self) -> Result<SigningKey, StoreError> {
        Ok(self.inner.seals.with_entropy(|entropy| self.keys().signing_key(entropy))?)
    }

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

    /// Leaves nothing of deleted rows in the database's own files. On SQLite freed pages, overwritten already, are given
    /// back and the write-ahead log is emptied. PostgreSQL keeps dead rows until it vacuums: there the guarantee is that
    /// they are sealed and their keys destroyed.
    ///
    /// Says whether that was possible: not while somebody reads an older state of an SQLite database.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn scrub(&self) -> Result<bool, StoreError> {
        self.inner.database.scrub().await
    }

    /// Closes every connection to the database.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    /// A number that the database keeps under `name`; none if it never was set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn counter(&self, name: &'static str) -> Result<Option<i64>, StoreError> {
        let rows = self.inner.database.fetch(READ_COUNTER, vec![name.into()]).await?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// Keeps a number under `name`.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_counter(&self, name: &'static str, value: i64) -> Result<(), StoreError> {
        let mut tx = self.inner.database.begin().await?;
        write_counter(&mut tx, name, value).await?;
        tx.commit().await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

async fn next_after_the_fact(tx: &mut Tx, call: CallId) -> Result<u32, StoreError> {
    let sql = "SELECT MAX(seq) FROM events WHERE call_id = $1 AND seq >= $2";
    let rows = tx.fetch(sql, vec![call.as_bytes().into(), AFTER_THE_FACT.into()]).await?;
    let last = rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten();
    Ok(last.and_then(|last| u32::try_from(last).ok()).map_or(AFTER_THE_FACT, |last| last + 1))
}

const READ_COUNTER: &str = "SELECT value FROM counters WHERE name = $1";

pub(crate) async fn read_counter(tx: &mut Tx, name: &'static str) -> Result<Option<i64>, StoreError> {
    let rows = tx.fetch(READ_COUNTER, vec![name.into()]).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

pub(crate) async fn write_counter(tx: &mut Tx, name: &'static str, value: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO counters (name, value) VALUES ($1, $2) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, vec![name.into(), value.into()]).await.map(|_| ())
}
