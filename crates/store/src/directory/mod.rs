//! The directory: read whole, replaced row by row from a file, given back as one.
//!
//! Rows are sealed under the directory's key. A customer is known by its key and a receptionist by her log-in: both
//! keep their id, and she her password, when a later file names them again.

mod contact;
mod credential;
mod draft;
mod export;
mod merge;
mod reader;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vorzimmer_types::directory::{Customer, Directory, Receptionist};

pub use merge::{Changes, ImportReport, NewPassword, Unnamed};
pub use reader::RowError;

use crate::error::StoreError;
use crate::seal::{DIRECTORY_KEY, Seals};
use crate::sql::{Row, Tx};
use crate::store::{Store, read_counter, write_counter};
use draft::Draft;
use merge::{Merged, merge};

/// Counts the imports, so that a running server notices one cheaply.
const VERSION: &str = "directory-version";

/// Why an import changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something is wrong with the file.
    #[error("{} of the directory file's lines are wrong", .0.len())]
    Rows(Vec<RowError>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const CUSTOMERS: &str = "SELECT customer_id, customer_sealed FROM customers";
const RECEPTIONISTS: &str = "SELECT receptionist_id, receptionist_sealed FROM receptionists";

impl Store {
    /// The whole directory, customers by key and receptionists by log-in.
    ///
    /// # Errors
    /// If the database cannot be read or a row does not open.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        let inner = &self.inner;
        let customers = inner.database.fetch(CUSTOMERS, Vec::new()).await?;
        let receptionists = inner.database.fetch(RECEPTIONISTS, Vec::new()).await?;
        open_directory(&inner.seals, &customers, &receptionists)
    }

    /// Goes up with each import: a server that remembers it knows when to read the directory again.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn directory_version(&self) -> Result<i64, StoreError> {
        Ok(self.counter(VERSION).await?.unwrap_or(0))
    }

    /// Takes a directory file in: all of it, or nothing if any line is wrong.
    ///
    /// A row replaces the one of the same key or log-in. What the file does not name stays, unless `unnamed` says
    /// otherwise. Whoever has no password yet gets one, which only the report tells. `realm` is the server's, for which
    /// passwords are hashed.
    ///
    /// # Errors
    /// [`ImportError::Rows`] with every wrong line, [`ImportError::Store`].
    pub async fn import_directory(
        &self,
        text: &str,
        realm: &str,
        unnamed: Unnamed,
    ) -> Result<ImportReport, ImportError> {
        let (draft, mut errors) = Draft::read(text);
        let inner = &self.inner;
        let mut tx = inner.database.begin().await?;
        // Counting first makes a second import wait until this one is done.
        let version = read_counter(&mut tx, VERSION).await?.unwrap_or(0);
        write_counter(&mut tx, VERSION, version + 1).await?;
        let customers = tx.fetch(CUSTOMERS, Vec::new()).await?;
        let receptionists = tx.fetch(RECEPTIONISTS, Vec::new()).await?;
        let old = open_directory(&inner.seals, &customers, &receptionists)?;
        let merged = inner.seals.with_entropy(|entropy| merge(&draft, &old, realm, unnamed, entropy));
        let merged = match merged {
            Ok(merged) if errors.is_empty() => merged,
            Ok(_) => return Err(ImportError::Rows(errors)),
            Err(more) => {
                errors.extend(more);
                errors.sort_by_key(|error| error.line);
                return Err(ImportError::Rows(errors));
            }
        };
        write(&mut tx, &inner.seals, &merged).await?;
        tx.commit().await?;
        Ok(merged.report)
    }

    /// The directory as a file that would import to it, with hashes instead of passwords.
    ///
    /// # Errors
    /// As [`Store::directory`].
    pub async fn export_directory(&self) -> Result<String, StoreError> {
        Ok(export::export(&self.directory().await?))
    }
}

fn open_directory(seals: &Seals, customers: &[Row], receptionists: &[Row]) -> Result<Directory, StoreError> {
    let mut directory = Directory {
        customers: open_rows(seals, "customers.customer_sealed", customers)?,
        receptionists: open_rows(seals, "receptionists.receptionist_sealed", receptionists)?,
    };
    directory.customers.sort_by(|a: &Customer, b| a.key.cmp(&b.key));
    directory.receptionists.sort_by(|a: &Receptionist, b| a.login.cmp(&b.login));
    Ok(directory)
}

fn open_rows<T: DeserializeOwned>(seals: &Seals, column: &str, rows: &[Row]) -> Result<Vec<T>, StoreError> {
    let mut opened = Vec::with_capacity(rows.len());
    for row in rows {
        let plain = seals.open(DIRECTORY_KEY, &place(column, &row.id(0)?), row.blob(1)?)?;
        opened.push(serde_json::from_slice(&plain).map_err(content)?);
    }
    Ok(opened)
}

async fn write(tx: &mut Tx, seals: &Seals, merged: &Merged) -> Result<(), StoreError> {
    for customer in &merged.customers {
        let id = customer.id.as_bytes();
        let sealed = seal_row(seals, "customers.customer_sealed", id, customer)?;
        let sql = "INSERT INTO customers (customer_id, customer_sealed) VALUES ($1, $2) \
            ON CONFLICT (customer_id) DO UPDATE SET customer_sealed = excluded.customer_sealed";
        tx.execute(sql, vec![id.into(), sealed.into()]).await?;
    }
    for receptionist in &merged.receptionists {
        let id = receptionist.id.as_bytes();
        let sealed = seal_row(seals, "receptionists.receptionist_sealed", id, receptionist)?;
        let sql = "INSERT INTO receptionists (receptionist_id, receptionist_sealed) VALUES ($1, $2) \
            ON CONFLICT (receptionist_id) DO UPDATE SET receptionist_sealed = excluded.receptionist_sealed";
        tx.execute(sql, vec![id.into(), sealed.into()]).await?;
    }
    for customer in &merged.removed_customers {
        let sql = "DELETE FROM customers WHERE customer_id = $1";
        tx.execute(sql, vec![customer.as_bytes().into()]).await?;
    }
    for receptionist in &merged.removed_receptionists {
        for sql in [
            "DELETE FROM receptionists WHERE receptionist_id = $1",
            "DELETE FROM bindings WHERE receptionist_id = $1",
        ] {
            tx.execute(sql, vec![receptionist.as_bytes().into()]).await?;
        }
    }
    Ok(())
}

fn seal_row(seals: &Seals, column: &str, id: &[u8; 16], row: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(row).map_err(content)?;
    Ok(seals.seal(DIRECTORY_KEY, &place(column, id), &json)?)
}

fn place(column: &str, id: &[u8; 16]) -> String {
    format!("{column}:{}", hex::encode(id))
}

fn content(source: serde_json::Error) -> StoreError {
    StoreError::Content { table: "directory", source }
}
