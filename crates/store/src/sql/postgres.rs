//! PostgreSQL: the same tables, on a server of the operator's.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{Database, MAX_CONNECTIONS};
use crate::error::StoreError;

pub(super) async fn open(url: &str, connect: Duration) -> Result<Database, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|source| StoreError::Url { source })?;
    let options = options
        .application_name("vorzimmer")
        // What the server promised must survive its own crash, whatever its default is.
        .options([("synchronous_commit", "on")])
        .disable_statement_logging();
    self::connect(options, connect).await
}

/// Connections to a database.
pub(super) async fn connect(options: PgConnectOptions, patience: Duration) -> Result<Database, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(patience)
        .connect_with(options)
        .await
        .map_err(|source| StoreError::Open { source })?;
    Ok(Database::Postgres { pool })
}
