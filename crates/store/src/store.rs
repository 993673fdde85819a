//! The store as others hold it: an open database together with the keys that read it.

use std::sync::Arc;

use vorzimmer_types::Entropy;
use vorzimmer_vault::{KeyStore, SigningKey, StoreId};

use crate::error::StoreError;
use crate::seal::Seals;
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

    /// Pages of the database's own file that hold nothing; none on PostgreSQL, which keeps house itself.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn free_pages(&self) -> Result<u64, StoreError> {
        self.inner.database.free_pages().await
    }

    /// Leaves nothing of deleted rows in the database's own files. On SQLite the write-ahead log is emptied; freed pages
    /// are overwritten already, and `give_back` of them are given back to the disk. PostgreSQL keeps dead rows until it vacuums: there the guarantee is that
    /// they are sealed and their keys destroyed.
    ///
    /// Says whether that was possible: not while somebody reads an older state of an SQLite database.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn scrub(&self, give_back: u64) -> Result<bool, StoreError> {
        self.inner.database.scrub(give_back).await
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
