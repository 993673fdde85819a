//! The one place that knows which database is behind a URL. Everything above it writes a statement once, with `$1`
//! arguments and the SQL that SQLite and PostgreSQL share, and gets [`Row`]s back.

mod beside;
mod checkpoint;
mod grouped;
mod postgres;
mod sqlite;
mod value;

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{
    ColumnIndex, Database as Driver, Decode, Encode, Executor, IntoArguments, Pool, Postgres, Row as _,
    SqlSafeStr, Sqlite, Transaction, Type, TypeInfo, ValueRef,
};

use beside::Beside;
pub(crate) use grouped::Grouped;
pub(crate) use value::{Cell, Row, Value};

use crate::error::StoreError;

/// Connections that are kept to one database.
const MAX_CONNECTIONS: u32 = 8;

/// The statements that bring a database to the present form, in order. Never change one that has been released.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "first", include_str!("../../migrations/0001_first.sql")),
    (2, "listings", include_str!("../../migrations/0002_listings.sql")),
    (3, "reencoding", include_str!("../../migrations/0003_reencoding.sql")),
];

/// An open database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// All that is written goes over one connection. SQLite has one write lock, and whoever waits for it asks again now
    /// and then: who has just let it go has it back before anybody has asked. The connection is had in turn, a call's
    /// event between two batches of a daily run; and since it sees every change of the file by itself, it need not
    /// read its pages again.
    Sqlite {
        pool: Pool<Sqlite>,
        writer: Pool<Sqlite>,
        /// Whose writer is had besides, by a database that is open beside another: so they take turns.
        beside: Option<Arc<Beside>>,
    },
    Postgres {
        pool: Pool<Postgres>,
    },
}

/// A transaction: rolled back unless it is committed.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>, Option<Turn>),
    Postgres(Transaction<'static, Postgres>),
}

/// A turn to write, of a database that is open beside another.
pub(crate) struct Turn {
    _writer: PoolConnection<Sqlite>,
    beside: Arc<Beside>,
}

/// A statement that the databases do not share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneOf {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl Database {
    /// Opens the database at `url` and brings its tables up to date.
    ///
    /// `connect` is how long a connection is waited for, `patience` how long SQLite's write lock is.
    pub(crate) async fn open(url: &str, connect: Duration, patience: Duration) -> Result<Self, StoreError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let database = match scheme {
            "sqlite" => sqlite::open(url, connect, patience).await?,
            "postgres" | "postgresql" => postgres::open(url, connect).await?,
            found => return Err(StoreError::Scheme { found: found.to_owned() }),
        };
        database.migrate().await?;
        Ok(database)
    }

    /// The same database over connections of its own, for work that is less urgent; who writes takes turns.
    pub(crate) async fn beside(&self, connect: Duration) -> Result<Self, StoreError> {
        match self {
            Self::Sqlite { pool, writer, .. } => sqlite::beside(pool, writer, connect).await,
            Self::Postgres { pool } => postgres::connect((*pool.connect_options()).clone(), connect).await,
        }
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        let migrator = Migrator::with_migrations(migrations.collect());
        match self {
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
            Self::Postgres { pool } => migrator.run(pool).await,
        }
        .map_err(|source| StoreError::Migrate { source })
    }

    /// Begins a transaction that means to write.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            // Taking SQLite's write lock at once: a reader that turns writer half-way would be refused.
            Self::Sqlite { writer, beside, .. } => match taken(beside.as_ref()).await {
                Ok(turn) => writer.begin_with("BEGIN IMMEDIATE").await.map(|tx| Tx::Sqlite(tx, turn)),
                Err(source) => Err(source),
            },
            Self::Postgres { pool } => pool.begin().await.map(Tx::Postgres),
        }
        .map_err(|source| StoreError::Database { doing: "begin", source })
    }

    /// Runs one query outside any transaction.
    pub(crate) async fn fetch(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { pool, .. } => match pool.acquire().await {
                Ok(mut connection) => fetch::<Sqlite>(&mut connection, sql, args).await,
                Err(source) => Err(source),
            },
            Self::Postgres { pool } => match pool.acquire().await {
                Ok(mut connection) => fetch::<Postgres>(&mut connection, sql, args).await,
                Err(source) => Err(source),
            },
        }
        .map_err(|source| StoreError::Database { doing: sql, source })
    }

    /// Pages of the database's own file that hold nothing. PostgreSQL's are its own affair.
    pub(crate) async fn free_pages(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite { pool, .. } => sqlite::free_pages(pool).await,
            Self::Postgres { .. } => Ok(0),
        }
    }

    /// Leaves nothing of deleted rows in the database's own files, as far as that is in our hands, and gives so many free
    /// pages back. Says whether it could.
    ///
    /// SQLite overwrites deleted rows (`secure_delete`), but its write-ahead log keeps older versions of a page until
    /// it is emptied. PostgreSQL keeps dead rows until it vacuums, in files and logs that we do not own: there the
    /// guarantee is that the rows are sealed and their keys destroyed, and nothing is done here.
    pub(crate) async fn scrub(&self, give_back: u64) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite { writer, beside, .. } => sqlite::scrub(writer, beside.as_ref(), give_back).await,
            Self::Postgres { .. } => Ok(true),
        }
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { pool, writer, .. } => {
                pool.close().await;
                writer.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

/// A turn, where one is needed.
async fn taken(beside: Option<&Arc<Beside>>) -> Result<Option<Turn>, sqlx::Error> {
    match beside {
        Some(beside) => {
            let turn = |writer| Some(Turn { _writer: writer, beside: Arc::clone(beside) });
            beside.turn().await.map(turn)
        }
        None => Ok(None),
    }
}

impl Tx {
    /// Runs a statement and tells how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx, _) => execute::<Sqlite>(tx, sql, args).await.map(|done| done.rows_affected()),
            Self::Postgres(tx) => execute::<Postgres>(tx, sql, args).await.map(|done| done.rows_affected()),
        }
        .map_err(|source| StoreError::Database { doing: sql, source })
    }

    /// Runs that of the two statements which this database understands, and tells how many rows it touched.
    pub(crate) async fn execute_one(&mut self, sql: OneOf, args: Vec<Value>) -> Result<u64, StoreError> {
        let sql = match self {
            Self::Sqlite(..) => sql.sqlite,
            Self::Postgres(_) => sql.postgres,
        };
        self.execute(sql, args).await
    }

    /// Runs a query.
    pub(crate) async fn fetch(
        &mut self,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx, _) => fetch::<Sqlite>(tx, sql, args).await,
            Self::Postgres(tx) => fetch::<Postgres>(tx, sql, args).await,
        }
        .map_err(|source| StoreError::Database { doing: sql, source })
    }

    /// Makes everything since [`Database::begin`] durable: both databases sync before they answer.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let refused = |source| StoreError::Database { doing: "commit", source };
        match self {
            Self::Sqlite(tx, turn) => {
                tx.commit().await.map_err(refused)?;
                // The turn is over here.
                if let Some(beside) = turn.map(|turn| turn.beside) {
                    beside.committed().await;
                }
                Ok(())
            }
            Self::Postgres(tx) => tx.commit().await.map_err(refused),
        }
    }
}

async fn execute<DB>(
    connection: &mut DB::Connection,
    sql: &'static str,
    args: Vec<Value>,
) -> Result<DB::QueryResult, sqlx::Error>
where
    DB: Driver,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<String>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<Vec<u8>>: Encode<'t, DB> + Type<DB>,
{
    bind(sqlx::query::<DB>(sql), args).execute(connection).await
}

async fn fetch<DB>(
    connection: &mut DB::Connection,
    sql: &'static str,
    args: Vec<Value>,
) -> Result<Vec<Row>, sqlx::Error>
where
    DB: Driver,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<String>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<Vec<u8>>: Encode<'t, DB> + Type<DB>,
    for<'r> i64: Decode<'r, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let rows = bind(sqlx::query::<DB>(sql), args).fetch_all(connection).await?;
    rows.iter().map(row::<DB>).collect()
}

type Query<'q, DB> = sqlx::query::Query<'q, DB, <DB as Driver>::Arguments>;

fn bind<DB>(mut query: Query<'_, DB>, args: Vec<Value>) -> Query<'_, DB>
where
    DB: Driver,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<String>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<Vec<u8>>: Encode<'t, DB> + Type<DB>,
{
    for value in args {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Blob(value) => query.bind(value),
        };
    }
    query
}

fn row<DB>(row: &DB::Row) -> Result<Row, sqlx::Error>
where
    DB: Driver,
    for<'r> i64: Decode<'r, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut cells = Vec::with_capacity(row.len());
    for at in 0..row.len() {
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info();
        cells.push(match (raw.is_null(), kind.name()) {
            (true, _) => Cell::Null,
            (false, "INT8" | "INTEGER") => Cell::Int(row.try_get(at)?),
            (false, "TEXT") => Cell::Text(row.try_get(at)?),
            (false, _) => Cell::Blob(row.try_get(at)?),
        });
    }
    Ok(Row(cells))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cell, Database, Value};

    #[tokio::test]
    async fn values_come_back_from_sqlite_as_they_went_in() {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite:{}", folder.path().join("data.db").display());
        let database =
            Database::open(&url, Duration::from_secs(20), Duration::from_secs(5)).await.expect("open");
        let mut tx = database.begin().await.expect("begin");
        let sql = "INSERT INTO bindings (receptionist_id, place, expires_at, binding_sealed) VALUES ($1, $2, $3, $4)";
        let args = vec![Value::from(vec![0, 255, 7]), 1_i64.into(), i64::MIN.into(), Vec::new().into()];
        assert_eq!(tx.execute(sql, args).await.expect("insert"), 1);
        tx.commit().await.expect("commit");
        let sql = "SELECT receptionist_id, expires_at, binding_sealed, NULL, COUNT(*) FROM bindings GROUP BY 1, 2, 3";
        let rows = database.fetch(sql, Vec::new()).await.expect("select");
        let expected =
            [Cell::Blob(vec![0, 255, 7]), Cell::Int(i64::MIN), Cell::Blob(vec![]), Cell::Null, Cell::Int(1)];
        assert_eq!(rows[0].0, expected);
    }

    #[tokio::test]
    async fn whoever_writes_again_and_again_comes_after_those_who_wait() {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite:{}", folder.path().join("data.db").display());
        let database =
            Database::open(&url, Duration::from_secs(20), Duration::from_secs(5)).await.expect("open");
        let order = std::cell::RefCell::new(Vec::new());
        let write = async |who: &'static str| {
            let tx = database.begin().await.expect("begin");
            order.borrow_mut().push(who);
            tx.commit().await.expect("commit");
        };
        let first = database.begin().await.expect("begin");
        let again = async {
            first.commit().await.expect("commit");
            write("the one who had it").await;
        };
        tokio::join!(write("an event"), write("another"), again);
        assert_eq!(order.into_inner(), ["an event", "another", "the one who had it"]);
    }
}
