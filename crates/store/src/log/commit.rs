//! One group of events in one transaction, given up after its time.

use std::sync::atomic::Ordering;

use tokio::time::timeout;

use super::Shared;
use super::late::Values;
use crate::error::StoreError;
use crate::events::Prepared;
use crate::project;
use crate::settings::LogSettings;
use crate::store::Store;

/// Writes a batch and all that follows from it. After a refusal for time it may still have taken effect: writing the
/// same again does no harm.
pub(super) async fn commit(
    store: &Store,
    shared: &Shared,
    settings: &LogSettings,
    batch: &[Prepared],
    late: Option<&Values>,
) -> Result<(), StoreError> {
    let inner = &store.inner;
    let work = async {
        let mut tx = inner.database.begin().await?;
        let unfolded = project::write(&mut tx, &inner.seals, &inner.settings.lifetimes, batch).await?;
        if let Some(late) = late {
            late.write(&mut tx, &inner.seals).await?;
        }
        tx.commit().await?;
        Ok(unfolded)
    };
    let patience = settings.commit_timeout;
    let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let unfolded = timeout(patience, work).await.unwrap_or(Err(StoreError::Stalled { waited_ms }))?;
    for call in unfolded {
        shared.unfolded.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%call, "a call's record could not be folded; its events are in the log");
    }
    Ok(())
}
