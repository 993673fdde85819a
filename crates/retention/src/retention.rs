//! What is forgotten, and where it lies.

use std::path::PathBuf;
use std::sync::Arc;

use vorzimmer_store::{EventLog, Store};

use crate::files::Headers;
use crate::{Error, Periods};

/// Where things lie that are forgotten.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of sealed recordings.
    pub recordings: PathBuf,
    /// The folder of daily log files; none if logs are not kept in files.
    pub logs: Option<PathBuf>,
    /// Where call data waits for the database.
    pub spool: SpoolPlace,
}

/// Who holds the spool.
#[derive(Clone, Debug)]
pub enum SpoolPlace {
    /// This process, by its event log.
    Ours(EventLog),
    /// Perhaps a server that is running: if so, it sees to its spool itself.
    File(PathBuf),
}

/// Forgets what is due.
#[derive(Clone, Debug)]
pub struct Retention {
    pub(crate) store: Store,
    pub(crate) places: Places,
    pub(crate) periods: Periods,
    pub(crate) headers: Arc<Headers>,
}

impl Retention {
    /// A reconciler over a store, its keys and its files.
    #[must_use]
    pub fn new(store: Store, places: Places, periods: Periods) -> Self {
        Self { store, places, periods, headers: Arc::default() }
    }
}

impl Retention {
    /// The same reconciler over connections of its own: see [`Store::beside`].
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn beside(&self) -> Result<Self, Error> {
        let store = self.store.beside().await?;
        Ok(Self { store, ..self.clone() })
    }

    /// Closes the connections to the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Does disk work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Ending))
}
