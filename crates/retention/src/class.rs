//! The classes of things that are forgotten, and where each class has its keys, rows and files.

use std::fmt;

use serde::{Deserialize, Serialize};
use vorzimmer_store::Table;
use vorzimmer_vault as vault;

/// Things that are kept for the same period, on the same ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Voices.
    Recordings,
    /// Who rang whom and when: call records, events, numbers; those in the spool too.
    CallData,
    /// Answers to consent questions.
    Receipts,
    /// Who looked at what, and for which purpose.
    Audit,
    /// The server's own logs.
    Logs,
}

impl Class {
    /// Every class, in the order in which a run goes through them.
    pub const ALL: [Self; 5] = [Self::Recordings, Self::CallData, Self::Receipts, Self::Audit, Self::Logs];

    /// The key classes that are destroyed for it. Receipts are not sealed: they name nobody.
    pub(crate) const fn keys(self) -> &'static [vault::Class] {
        match self {
            Self::Recordings => &[vault::Class::Recording],
            Self::CallData => &[vault::Class::CallData, vault::Class::Index, vault::Class::Spool],
            Self::Receipts => &[],
            Self::Audit => &[vault::Class::Audit],
            Self::Logs => &[vault::Class::Log],
        }
    }

    /// The tables that hold its rows.
    pub(crate) const fn tables(self) -> &'static [Table] {
        match self {
            Self::Recordings => &[Table::Recordings],
            Self::CallData => &[Table::Numbers, Table::Events, Table::Calls],
            Self::Receipts => &[Table::Receipts],
            Self::Audit => &[Table::Audit],
            Self::Logs => &[],
        }
    }

    /// The class that a key of the vault belongs to; none for keys that do not expire.
    pub(crate) fn of_key(key: vault::Class) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.keys().contains(&key))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recordings => "recordings",
            Self::CallData => "call data",
            Self::Receipts => "consent receipts",
            Self::Audit => "audit",
            Self::Logs => "logs",
        })
    }
}
