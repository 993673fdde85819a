//! One step back from the spool into the database, on its own: events that come in meanwhile go on to the spool.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;
use super::commit::commit;
use crate::error::StoreError;
use crate::events::{Prepared, SealedEvent};
use crate::seal::{Seals, is_forgotten};
use crate::settings::LogSettings;
use crate::spool::Spool;
use crate::store::Store;

/// Writes the spool's next batch to the database. Says whether more is left.
pub(super) async fn replay(
    store: Store,
    spool: Arc<Mutex<Spool>>,
    shared: Arc<Shared>,
    settings: LogSettings,
) -> Result<bool, StoreError> {
    let most = settings.batch_records.max(1);
    let (opener, teller) = (store.clone(), Arc::clone(&shared));
    let (events, place) = on_spool(&spool, move |spool| {
        let (sealed, place) = spool.peek(most)?;
        Ok((open(&opener.inner.seals, &teller, sealed)?, place))
    })
    .await?;
    commit(&store, &shared, &settings, &events, None).await?;
    on_spool(&spool, move |spool| spool.advance(place).map(|()| !spool.is_empty())).await
}

/// Opens what waited. What was due meanwhile is left out; what makes no sense is lost, loudly.
fn open(seals: &Seals, shared: &Shared, sealed: Vec<SealedEvent>) -> Result<Vec<Prepared>, StoreError> {
    let mut events = Vec::with_capacity(sealed.len());
    for event in sealed {
        let (call, seq) = (event.call, event.seq);
        match Prepared::open(seals, event) {
            Ok(event) => events.push(event),
            Err(StoreError::Vault { source }) if is_forgotten(&source) => {
                shared.forgotten.fetch_add(1, Ordering::Relaxed);
            }
            Err(error @ (StoreError::Content { .. } | StoreError::Contradiction { .. })) => {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%call, seq, %error, "an event in the spool makes no sense and was lost");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

/// Does disk work with the spool on a thread that may block.
pub(super) async fn on_spool<T: Send + 'static>(
    spool: &Arc<Mutex<Spool>>,
    work: impl FnOnce(&mut Spool) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let spool = Arc::clone(spool);
    let done = tokio::task::spawn_blocking(move || {
        // A panic in the spool leaves at worst an unfinished record behind its end, which the next one overwrites.
        work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.unwrap_or(Err(StoreError::Closed))
}
