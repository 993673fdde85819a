//! The directory in memory: read whole at the start, and again whenever an import has changed it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vorzimmer_store::{Store, StoreError};
use vorzimmer_types::directory::Directory;

/// How soon an import is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the directory and keeps reading it in the background; the newest one is always there without waiting.
///
/// # Errors
/// The store cannot be read now. Later, the last directory that could be read stays.
pub async fn watch(store: Store) -> Result<watch::Receiver<Arc<Directory>>, StoreError> {
    // The version first: an import in between is then seen as new.
    let mut version = store.directory_version().await?;
    let (tell, directory) = watch::channel(Arc::new(store.directory().await?));
    tokio::spawn(async move {
        let mut away = false;
        while !tell.is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            match look(&store, version).await {
                Ok(Some((newer, directory))) => {
                    version = newer;
                    tracing::info!(
                        customers = directory.customers.len(),
                        receptionists = directory.receptionists.len(),
                        "the directory was imported"
                    );
                    tell.send_replace(Arc::new(directory));
                    away = false;
                }
                Ok(None) => away = false,
                Err(error) if !away => {
                    tracing::warn!(%error, "the directory cannot be read: the one in memory stays");
                    away = true;
                }
                Err(_) => {}
            }
        }
    });
    Ok(directory)
}

async fn look(store: &Store, known: i64) -> Result<Option<(i64, Directory)>, StoreError> {
    let version = store.directory_version().await?;
    if version == known {
        return Ok(None);
    }
    Ok(Some((version, store.directory().await?)))
}
