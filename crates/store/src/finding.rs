//! Finding calls by a number. The store knows no number, only its blind index, which is another one for each day on
//! which rows are due.

use std::cmp::Reverse;

use vorzimmer_types::{CallRecord, Day, E164};

use crate::error::StoreError;
use crate::sql::Value;
use crate::store::Store;

/// Blind indices that one query looks for.
const BLINDS: usize = 16;

/// The days of the blind index, each found by a step through its index: there are millions of rows, and sixty days.
const DAYS: &str = "WITH RECURSIVE days (day) AS (SELECT MIN(expiry_day) FROM numbers \
    UNION ALL SELECT (SELECT MIN(expiry_day) FROM numbers WHERE expiry_day > day) FROM days WHERE day IS NOT NULL) \
    SELECT day FROM days WHERE day IS NOT NULL";

const FIND: &str = "SELECT call_id, customer_id, offered_at, expiry_day, record_sealed FROM calls WHERE call_id IN \
    (SELECT call_id FROM numbers WHERE blind IN \
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16))";

impl Store {
    /// The calls in which `number` was rung, rang, or forwarded, newest first: all of them, as whoever asks under
    /// GDPR Article 15 must be told.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_by_number(&self, number: &E164) -> Result<Vec<CallRecord>, StoreError> {
        let mut records = Vec::new();
        for some in self.blinds(number).await?.chunks(BLINDS) {
            // What is said twice is found once.
            let args = (0..BLINDS).filter_map(|at| some.get(at).or(some.last()).cloned()).collect();
            for row in &self.inner.database.fetch(FIND, args).await? {
                records.extend(self.open_call(row)?);
            }
        }
        records.sort_by_key(|record| Reverse((record.offered_at, record.call)));
        Ok(records)
    }

    /// What `number` is in the index of each day that is not forgotten.
    async fn blinds(&self, number: &E164) -> Result<Vec<Value>, StoreError> {
        let days = self.inner.database.fetch(DAYS, Vec::new()).await?;
        let mut blinds = Vec::with_capacity(days.len());
        for day in &days {
            let blind = self.inner.seals.existing_blind(Day(day.small(0)?), number)?;
            blinds.extend(blind.map(|blind| blind.as_bytes().into()));
        }
        Ok(blinds)
    }
}
