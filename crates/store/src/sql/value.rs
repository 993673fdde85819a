//! What goes into a statement and what comes out of it: integers, texts and blobs, the three types that both
//! databases agree on. Knows nothing of what the values mean.

use crate::error::StoreError;

/// One argument of a statement. Each carries its type even when it is NULL, which PostgreSQL wants to know.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Some(value))
    }
}

impl From<&[u8; 16]> for Value {
    fn from(value: &[u8; 16]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// One row that a query gave back, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Row {
    fn cell(&self, at: usize) -> &Cell {
        self.0.get(at).unwrap_or(&Cell::Null)
    }

    /// The integer at `at`.
    pub(crate) fn int(&self, at: usize) -> Result<i64, StoreError> {
        self.int_or_null(at)?.ok_or(StoreError::Shape { column: at, wanted: "an integer" })
    }

    /// The integer at `at`, or none.
    pub(crate) fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
        match self.cell(at) {
            Cell::Null => Ok(None),
            Cell::Int(value) => Ok(Some(*value)),
            _ => Err(StoreError::Shape { column: at, wanted: "an integer" }),
        }
    }

    /// The integer at `at` where it counts something.
    pub(crate) fn count(&self, at: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(at)?).map_err(|_| StoreError::Shape { column: at, wanted: "a count" })
    }

    /// The integer at `at` where it is a small count or a day.
    pub(crate) fn small(&self, at: usize) -> Result<u32, StoreError> {
        u32::try_from(self.int(at)?).map_err(|_| StoreError::Shape { column: at, wanted: "a small count" })
    }

    /// The text at `at`.
    pub(crate) fn text(&self, at: usize) -> Result<&str, StoreError> {
        self.text_or_null(at)?.ok_or(StoreError::Shape { column: at, wanted: "a text" })
    }

    /// The text at `at`, or none.
    pub(crate) fn text_or_null(&self, at: usize) -> Result<Option<&str>, StoreError> {
        match self.cell(at) {
            Cell::Null => Ok(None),
            Cell::Text(value) => Ok(Some(value)),
            _ => Err(StoreError::Shape { column: at, wanted: "a text" }),
        }
    }

    /// The blob at `at`.
    pub(crate) fn blob(&self, at: usize) -> Result<&[u8], StoreError> {
        match self.cell(at) {
            Cell::Blob(value) => Ok(value),
            _ => Err(StoreError::Shape { column: at, wanted: "a blob" }),
        }
    }

    /// The sixteen bytes of an id at `at`.
    pub(crate) fn id(&self, at: usize) -> Result<[u8; 16], StoreError> {
        self.blob(at)?.try_into().map_err(|_| StoreError::Shape { column: at, wanted: "an id" })
    }
}
