//! Who did what to whose data, and for which purpose: written before it is done.

use serde::{Deserialize, Serialize};
use vorzimmer_types::{Day, Pii, UnixMillis};
use vorzimmer_vault::keys::KeyId;
use vorzimmer_vault::{ALL_CUSTOMERS, Class};

use crate::error::StoreError;
use crate::queries::{Cursor, MAX_PAGE, Page};
use crate::seal::is_forgotten;
use crate::sql::Row;
use crate::store::Store;

/// One act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: UnixMillis,
    /// Who: an account of the system or of the operator.
    pub actor: Pii<String>,
    /// Why, in the actor's words.
    pub purpose: Pii<String>,
    /// What was done: `recording-export`, `recording-destroy`, `call-find`, …
    pub action: String,
    /// To what: an id, never a number or a name.
    pub object: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(with = "vorzimmer_types::pii::sealed")]
    actor: Pii<String>,
    #[serde(with = "vorzimmer_types::pii::sealed")]
    purpose: Pii<String>,
}

/// Audit entries are free text about people, so they are sealed by the day on which they are due.
fn key(day: Day) -> KeyId {
    KeyId { class: Class::Audit, customer: ALL_CUSTOMERS, day }
}

impl Store {
    /// Writes down an act, and returns when that is durable. Whoever acts on personal data calls this first, and does
    /// nothing if it fails.
    ///
    /// # Errors
    /// If the database or the vault refuses.
    pub async fn audit(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let inner = &self.inner;
        let sealed = Sealed { actor: event.actor.clone(), purpose: event.purpose.clone() };
        let json = serde_json::to_vec(&sealed).map_err(content)?;
        let id = inner.seals.random_id();
        let expiry = inner.settings.lifetimes.audit_due(event.at);
        let payload = inner.seals.seal(key(expiry), &place(&id), &json)?;
        let sql = "INSERT INTO audit (audit_id, at_ms, action, object, expiry_day, entry_sealed) \
            VALUES ($1, $2, $3, $4, $5, $6)";
        let args = vec![
            (&id).into(),
            event.at.0.into(),
            event.action.as_str().into(),
            event.object.as_str().into(),
            expiry.0.into(),
            payload.into(),
        ];
        let mut tx = inner.database.begin().await?;
        tx.execute(sql, args).await?;
        tx.commit().await
    }

    /// Acts, newest first, and where the next page begins.
    ///
    /// # Errors
    /// If the database cannot be read, or a row does not open though its key is there.
    pub async fn audit_events(&self, page: Page) -> Result<(Vec<AuditEvent>, Option<Cursor>), StoreError> {
        let sql = "SELECT audit_id, at_ms, action, object, expiry_day, entry_sealed FROM audit \
            WHERE at_ms < $1 OR (at_ms = $1 AND audit_id < $2) ORDER BY at_ms DESC, audit_id DESC LIMIT $3";
        let rows = self.inner.database.fetch(sql, page.args()).await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            events.extend(self.open_audit(row)?);
        }
        let full = rows.len() >= page.limit.min(MAX_PAGE) as usize;
        let last = rows.last().filter(|_| full);
        let next = last
            .map(|row| Ok::<_, StoreError>(Cursor { at: UnixMillis(row.int(1)?), id: row.id(0)? }))
            .transpose()?;
        Ok((events, next))
    }

    fn open_audit(&self, row: &Row) -> Result<Option<AuditEvent>, StoreError> {
        let id = row.id(0)?;
        let plain = match self.inner.seals.open(key(Day(row.small(4)?)), &place(&id), row.blob(5)?) {
            Err(source) if is_forgotten(&source) => return Ok(None),
            other => other?,
        };
        let Sealed { actor, purpose } = serde_json::from_slice(&plain).map_err(content)?;
        Ok(Some(AuditEvent {
            at: UnixMillis(row.int(1)?),
            actor,
            purpose,
            action: row.text(2)?.to_owned(),
            object: row.text(3)?.to_owned(),
        }))
    }
}

fn place(id: &[u8; 16]) -> String {
    format!("audit.entry_sealed:{}", hex::encode(id))
}

fn content(source: serde_json::Error) -> StoreError {
    StoreError::Content { table: "audit", source }
}
