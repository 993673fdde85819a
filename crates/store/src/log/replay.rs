//! One step back from the spool into the database, on its own: events that come in meanwhile go on to the spool.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use vorzimmer_types::CallId;

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
    let opener = store.clone();
    let (opened, place) = on_spool(&spool, move |spool| {
        let (sealed, place) = spool.peek(most)?;
        Ok((Opened::from(&opener.inner.seals, sealed)?, place))
    })
    .await?;
    commit(&store, &shared, &settings, &opened.events, None).await?;
    let more = on_spool(&spool, move |spool| spool.advance(place).map(|()| !spool.is_empty())).await?;
    // Only now: a step that is done again would count again.
    shared.forgotten.fetch_add(opened.forgotten, Ordering::Relaxed);
    for (call, seq, error) in opened.senseless {
        shared.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%call, seq, %error, "an event in the spool makes no sense and was lost");
    }
    Ok(more)
}

/// What waited, opened.
#[derive(Default)]
struct Opened {
    events: Vec<Prepared>,
    /// How many were due meanwhile and are left out.
    forgotten: u64,
    /// What makes no sense.
    senseless: Vec<(CallId, u32, StoreError)>,
}

impl Opened {
    fn from(seals: &Seals, sealed: Vec<SealedEvent>) -> Result<Self, StoreError> {
        let mut opened = Self::default();
        let mut keys = seals.keyring();
        for event in sealed {
            let (call, seq) = (event.call, event.seq);
            match Prepared::open(&mut keys, event) {
                Ok(event) => opened.events.push(event),
                Err(StoreError::Vault { source }) if is_forgotten(&source) => opened.forgotten += 1,
                Err(error) if is_senseless(&error) => opened.senseless.push((call, seq, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }
}

/// Whether trying again cannot help: the record is not what was written.
fn is_senseless(error: &StoreError) -> bool {
    use vorzimmer_vault::Error::{DoesNotOpen, Form};
    matches!(
        error,
        StoreError::Content { .. }
            | StoreError::Contradiction { .. }
            | StoreError::Vault { source: DoesNotOpen { .. } | Form { .. } }
    )
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
