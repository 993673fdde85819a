//! What a day key is for.

use std::fmt;

use vorzimmer_types::{CustomerId, Day};

/// The customer of a key that serves all customers, as the blind index's does.
pub const ALL_CUSTOMERS: CustomerId = CustomerId::from_bytes([0; 16]);

/// The day of a key whose data has no expiry of its own, as the directory's.
pub const NO_EXPIRY: Day = Day(u32::MAX);

/// What a day key seals. Each class has its own retention period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Voices: wraps the slot secrets of recordings.
    Recording,
    /// Phone and call data: numbers, names, notes.
    CallData,
    /// Blind indexes over numbers; used with [`ALL_CUSTOMERS`].
    Index,
    /// Customers, contacts and receptionists; used with [`NO_EXPIRY`].
    Directory,
    /// Logs.
    Log,
    /// Call data that waits for a database that is away.
    Spool,
    /// Who did what to whose data, and for which purpose; used with [`ALL_CUSTOMERS`].
    Audit,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] =
        [Self::Recording, Self::CallData, Self::Index, Self::Directory, Self::Log, Self::Spool, Self::Audit];

    /// The class's number on disk.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Recording => 1,
            Self::CallData => 2,
            Self::Index => 3,
            Self::Directory => 4,
            Self::Log => 5,
            Self::Spool => 6,
            Self::Audit => 7,
        }
    }

    /// The class with this number on disk.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recording => "recording",
            Self::CallData => "call-data",
            Self::Index => "index",
            Self::Directory => "directory",
            Self::Log => "log",
            Self::Spool => "spool",
            Self::Audit => "audit",
        })
    }
}

/// Which day key: one for each class, customer and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// What it seals.
    pub class: Class,
    /// Whose data.
    pub customer: CustomerId,
    /// The day on which that data is due.
    pub day: Day,
}

impl KeyId {
    /// Bytes of [`KeyId::to_bytes`].
    pub const LEN: usize = 21;

    /// `class u8 | customer [16] | day u32`, for associated data.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.class.code();
        bytes[1..17].copy_from_slice(self.customer.as_bytes());
        bytes[17..].copy_from_slice(&self.day.0.to_be_bytes());
        bytes
    }
}
