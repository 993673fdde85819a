//! What is only worth its latest value: page counts and bindings. Bounded by how many recordings and receptionists
//! there are, however long the database is away.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vorzimmer_types::{ReceptionistId, RecordingId};

use crate::bindings::{self, Binding};
use crate::error::StoreError;
use crate::project;
use crate::seal::Seals;
use crate::sql::Tx;

/// Latest values that are still to be written.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<Values>);

#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pages: HashMap<RecordingId, u64>,
    bindings: HashMap<ReceptionistId, Vec<Binding>>,
}

impl Late {
    fn values(&self) -> MutexGuard<'_, Values> {
        // Each value is replaced whole: a panic elsewhere cannot have left one half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acknowledge(&self, recording: RecordingId, pages: u64) {
        self.values().pages.insert(recording, pages);
    }

    pub(super) fn bind(&self, receptionist: ReceptionistId, bindings: Vec<Binding>) {
        self.values().bindings.insert(receptionist, bindings);
    }

    /// What is to be written now; none if there is nothing.
    pub(super) fn pending(&self) -> Option<Values> {
        let values = self.values();
        let nothing = values.pages.is_empty() && values.bindings.is_empty();
        (!nothing).then(|| values.clone())
    }

    /// Forgets what was written, except where a newer value has come since.
    pub(super) fn settle(&self, written: &Values) {
        let mut values = self.values();
        values.pages.retain(|recording, pages| written.pages.get(recording) != Some(pages));
        values.bindings.retain(|receptionist, bindings| written.bindings.get(receptionist) != Some(bindings));
    }
}

impl Values {
    pub(super) async fn write(&self, tx: &mut Tx, seals: &Seals) -> Result<(), StoreError> {
        let pages = self.pages.iter().map(|(recording, pages)| (*recording, *pages));
        project::acknowledge(tx, pages).await?;
        for (receptionist, list) in &self.bindings {
            bindings::replace(tx, seals, *receptionist, list).await?;
        }
        Ok(())
    }
}
