//! One statement for many rows: what a statement costs is mostly the way to the database and back.

use super::{Row, Tx, Value};
use crate::error::StoreError;

/// How many rows one statement takes. A few sizes, so that each is prepared once.
const SIZES: [usize; 7] = [256, 64, 16, 8, 4, 2, 1];

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
        args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        for (text, args) in self.pieces(statement, args) {
            found.append(&mut self.fetch(text, args).await?);
        }
        Ok(found)
    }

    /// The same for a statement that gives nothing back; tells how many rows it touched.
    pub(crate) async fn execute_grouped(
        &mut self,
        statement: &'static Grouped,
        args: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let mut touched = 0;
        for (text, args) in self.pieces(statement, args) {
            touched += self.execute(text, args).await?;
        }
        Ok(touched)
    }

    /// The texts that take all of `args`, each with its own.
    fn pieces(
        &self,
        statement: &'static Grouped,
        args: Vec<Value>,
    ) -> impl Iterator<Item = (&'static str, Vec<Value>)> + use<> {
        let texts = match self {
            Self::Sqlite(..) => &statement.bare,
            Self::Postgres(_) => &statement.numbered,
        };
        let rows = args.len() / statement.columns.max(1);
        let mut args = args.into_iter();
        sizes(rows).filter_map(move |place| {
            let (size, text) = (SIZES.get(place)?, texts.get(place)?);
            Some((text.as_str(), args.by_ref().take(size * statement.columns).collect()))
        })
    }
}

/// So many rows as places in [`SIZES`], the largest first.
fn sizes(rows: usize) -> impl Iterator<Item = usize> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let place = SIZES.iter().position(|size| *size <= left)?;
        left -= SIZES.get(place)?;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::{Grouped, SIZES, sizes};

    #[test]
    fn no_row_is_left_out() {
        for rows in [0, 1, 3, 4, 255, 256, 1000] {
            assert_eq!(sizes(rows).filter_map(|place| SIZES.get(place)).sum::<usize>(), rows);
        }
        assert_eq!(sizes(351).count(), 7);
    }

    #[test]
    fn rows_are_numbered_through() {
        let statement = Grouped::new("INSERT INTO t (a, b) VALUES", 2, "ON CONFLICT DO NOTHING");
        let [.., four, _, one] = &statement.numbered;
        assert_eq!(one, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(four.contains("($1, $2), ($3, $4), ($5, $6), ($7, $8)"), "{four}");
        let [.., one] = &statement.bare;
        assert_eq!(one, "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING");
    }
}
