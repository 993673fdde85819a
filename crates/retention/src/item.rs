//! What a run sets out to destroy, one by one. Noted in the store before it is touched, struck off when it is certified:
//! a run that is killed leaves its notes to the next one.

use serde::{Deserialize, Serialize};
use vorzimmer_store::Tally;
use vorzimmer_types::{CustomerId, Day, RecordingId};
use vorzimmer_vault::KeyRows;

use crate::{Class, Error};

/// One thing, or one kind of things, to be destroyed. Holds ids and days only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub(crate) enum Item {
    /// A day key.
    Key(KeyName),
    /// The slot secrets below a day key of recordings.
    Slots(KeyName),
    /// A recording's file that is due.
    Recording {
        /// Which.
        recording: RecordingId,
    },
    /// A recording that is destroyed before its day.
    Erasure {
        /// Which.
        recording: RecordingId,
        /// Why.
        why: String,
    },
    /// A log file.
    Log {
        /// Its name.
        name: String,
    },
    /// Events that waited in the spool.
    Spool,
    /// Rows of a class, counted as they go.
    Rows {
        /// Which.
        class: Class,
    },
}

/// A key that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyName {
    /// What it sealed.
    pub class: Class,
    /// The vault's name for the kind of key.
    pub kind: String,
    /// Whose data; zeros for all customers.
    pub customer: CustomerId,
    /// The day on which it was due.
    pub day: Day,
}

impl KeyName {
    /// The name of a row of the key store; none for keys that do not expire.
    pub(crate) fn of(row: &KeyRows) -> Option<Self> {
        let class = Class::of_key(row.class)?;
        Some(Self { class, kind: row.class.to_string(), customer: row.customer, day: row.day })
    }
}

impl Item {
    pub(crate) fn tally(&self, count: u64) -> Result<Tally, Error> {
        Ok(Tally { item: self.name()?, count })
    }

    /// The item as the store keeps it: the same item always has the same name.
    pub(crate) fn name(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|source| Error::Content { what: "a tally", source })
    }

    pub(crate) fn read(tally: &Tally) -> Result<Self, Error> {
        serde_json::from_str(&tally.item).map_err(|source| Error::Content { what: "a tally", source })
    }
}
