//! One statement for many rows: what a statement costs is mostly the way to the database and back.

use super::{Row, Tx, Value};
use crate::error::StoreError;

/// How many rows one statement takes. A few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement around a list of rows: `head ($1, $2), ($3, $4) tail`.
pub(crate) struct Grouped {
    columns: usize,
    /// One text for each of [`SIZES`], with places that are numbered.
    numbered: [String; SIZES.len()],
    /// The same with places that are not: SQLite looks every number up in a list of all of them.
    bare: [String; SIZES.len()],
}

impl Grouped {
    /// Between `head` and `tail` stand rows of so many columns.
    pub(crate) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let texts = |place: fn(usize) -> String| {
            SIZES.map(|rows| format!("{head} {} {tail}", places(rows, columns, place)))
        };
        Self { columns, numbered: texts(|at| format!("${at}")), bare: texts(|_| "?".to_owned()) }
    }
}

/// `($1, $2), ($3, $4)`
fn places(rows: usize, columns: usize, place: fn(usize) -> String) -> String {
    let row = |at: usize| {
        let places = (1..=columns).map(|column| place(at * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

impl Tx {
    /// Runs a statement over `args`, the columns of one row after the other, and collects what comes back.
    pub(crate) async fn fetch_grouped(
        &mut self,
        statement: &'static Grouped,
        mut args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        let texts = match self {
            Self::Sqlite(..) => &statement.bare,
            Self::Postgres(_) => &statement.numbered,
        };
        for (size, text) in SIZES.iter().zip(texts) {
            let taken = size * statement.columns;
            while args.len() >= taken && taken > 0 {
                let rest = args.split_off(taken);
                found.append(&mut self.fetch(text, args).await?);
                args = rest;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::Grouped;

    #[test]
    fn rows_are_numbered_through() {
        let statement = Grouped::new("INSERT INTO t (a, b) VALUES", 2, "ON CONFLICT DO NOTHING");
        let [.., four, one] = &statement.numbered;
        assert_eq!(one, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(four.contains("($1, $2), ($3, $4), ($5, $6), ($7, $8)"), "{four}");
        let [.., one] = &statement.bare;
        assert_eq!(one, "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING");
    }
}
