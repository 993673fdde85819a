//! Where receptionists' devices can be reached, so that they ring again right after a restart.

use vorzimmer_types::{ReceptionistId, UnixMillis};

use crate::error::StoreError;
use crate::seal::{DIRECTORY_KEY, Seals};
use crate::sql::Tx;
use crate::store::Store;

/// One device of a receptionist's.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// What the registrar needs to reach it again: opaque here, sealed at rest.
    pub contact: Vec<u8>,
    /// When the registration ends.
    pub expires_at: UnixMillis,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Puts `bindings` in place of all that the receptionist had.
pub(crate) async fn replace(
    tx: &mut Tx,
    seals: &Seals,
    receptionist: ReceptionistId,
    bindings: &[Binding],
) -> Result<(), StoreError> {
    let sql = "DELETE FROM bindings WHERE receptionist_id = $1";
    tx.execute(sql, vec![receptionist.as_bytes().into()]).await?;
    for (number, binding) in (0_u32..).zip(bindings) {
        let sealed = seals.seal(DIRECTORY_KEY, &place(receptionist, number), &binding.contact)?;
        let sql = "INSERT INTO bindings (receptionist_id, place, expires_at, binding_sealed) \
            VALUES ($1, $2, $3, $4)";
        let args =
            vec![receptionist.as_bytes().into(), number.into(), binding.expires_at.0.into(), sealed.into()];
        tx.execute(sql, args).await?;
    }
    Ok(())
}

impl Store {
    /// Every binding that is good after `now`, by receptionist.
    ///
    /// # Errors
    /// If the database cannot be read or a row does not open.
    pub async fn bindings(&self, now: UnixMillis) -> Result<Vec<(ReceptionistId, Binding)>, StoreError> {
        let sql = "SELECT receptionist_id, place, expires_at, binding_sealed FROM bindings \
            WHERE expires_at > $1 ORDER BY receptionist_id, place";
        let rows = self.inner.database.fetch(sql, vec![now.0.into()]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let receptionist = ReceptionistId::from_bytes(row.id(0)?);
            let place = place(receptionist, row.small(1)?);
            let contact = self.inner.seals.open(DIRECTORY_KEY, &place, row.blob(3)?)?.to_vec();
            found.push((receptionist, Binding { contact, expires_at: UnixMillis(row.int(2)?) }));
        }
        Ok(found)
    }

    /// Puts `bindings` in place of all that the receptionist had, at once. A running server uses
    /// [`EventLog::replace_bindings`](crate::EventLog::replace_bindings), which does not wait.
    ///
    /// # Errors
    /// If the database or the vault refuses.
    pub async fn replace_bindings(
        &self,
        receptionist: ReceptionistId,
        bindings: &[Binding],
    ) -> Result<(), StoreError> {
        let mut tx = self.inner.database.begin().await?;
        replace(&mut tx, &self.inner.seals, receptionist, bindings).await?;
        tx.commit().await
    }
}

fn place(receptionist: ReceptionistId, number: u32) -> String {
    format!("bindings.binding_sealed:{receptionist}/{number}")
}
