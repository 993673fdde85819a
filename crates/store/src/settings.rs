//! Periods, patience and limits of the store, each with the value that is shipped.

use std::time::Duration;

use vorzimmer_types::{Day, UnixMillis};

/// For how many whole days each kind of row is kept, from the day of what it tells.
///
/// A row is due as soon as its expiry day begins, so that nothing is ever older than its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Recordings, and the rows that tell of them.
    pub recordings: u32,
    /// Events, call records and numbers.
    pub call_data: u32,
    /// Consent receipts.
    pub receipts: u32,
    /// Who looked at what, and for which purpose.
    pub audit: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        // Three years to the day, one leap day included: the end of the shortest limitation period.
        Self { recordings: 30, call_data: 60, receipts: 1096, audit: 1096 }
    }
}

impl Lifetimes {
    pub(crate) fn recording_due(&self, at: UnixMillis) -> Day {
        at.day().plus(self.recordings)
    }

    pub(crate) fn call_data_due(&self, at: UnixMillis) -> Day {
        at.day().plus(self.call_data)
    }

    pub(crate) fn receipt_due(&self, at: UnixMillis) -> Day {
        at.day().plus(self.receipts)
    }

    pub(crate) fn audit_due(&self, at: UnixMillis) -> Day {
        at.day().plus(self.audit)
    }
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long rows live.
    pub lifetimes: Lifetimes,
    /// How long a connection is waited for.
    pub connect: Duration,
    /// How long SQLite's write lock is waited for.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            connect: Duration::from_secs(5),
            patience: Duration::from_secs(2),
        }
    }
}

/// How the event log behaves, and where its limits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Events that may wait in memory. Further ones are lost, loudly.
    pub queue_records: usize,
    /// Events that one transaction takes at most.
    pub batch_records: usize,
    /// How long the first event of a batch waits for company: as much may be lost with the power.
    pub gather: Duration,
    /// How long an event waits that a recording stands or falls by, as an answer to the consent question.
    pub batch_wait: Duration,
    /// How long a transaction may take before its batch goes to the spool instead.
    pub commit_timeout: Duration,
    /// How often a database that is away is tried again.
    pub retry_every: Duration,
    /// How often page counts and bindings are written.
    pub late_every: Duration,
    /// Bytes that the spool may grow to. Further events are lost, loudly.
    pub spool_bytes: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            queue_records: 65_536,
            batch_records: 4096,
            gather: Duration::from_millis(250),
            batch_wait: Duration::from_millis(50),
            // Above `Settings::patience`, so that a locked SQLite says so before it is given up.
            commit_timeout: Duration::from_secs(3),
            retry_every: Duration::from_secs(1),
            late_every: Duration::from_secs(1),
            // A call leaves about 25 events of 400 bytes: this holds 25,000 calls.
            spool_bytes: 256 << 20,
        }
    }
}
