//! CALLREC1: one sealed recording in one file, each party's voice under a secret of its own.
//!
//! ```text
//! page 0     0 "CALLREC1" | 8 u16 version=1 | 10 u16 header pages=1 | 12 u32 form: 0 as it came, 1 a copy
//!           16 recording id [16] | 32 customer id [16] | 48 u64 expiry day (days since 1970-01-01)
//!           56 u32 key version | 60 u32 segment ms=200, 2000 in a copy | 64 u8 slots | 65 u8 codec | 66 u16 0
//!           68 u32 ENC_SEG_LEN=2048 | 72 zero [8] | 80 SHA-256 of the consent receipts [32]
//!           1024 + 256*slot: FLOE header [74]; every other byte is zero, and checked
//! page i+1   slot 0 segment i [2048] | slot 1 segment i [2048] | …
//!            FLOE associated data = bytes 0..112 of page 0 | u8 slot | party id [16]
//! last page  every slot's final segment: see [`Ending`]
//! ```
//! Big-endian. A page has slots × 2048 bytes. The party ids are not in the file: who opens it must know them.
//!
//! [`Writer`] seals pages and touches no file; [`mod@file`] appends them. [`Reader`] accepts a file whole or refuses it with
//! a [`Refusal`]. [`recover`] looks at a file that was never closed. What a page's plaintext means is for the recorder
//! to say; here it is up to 2016 bytes a slot.

mod ending;
pub mod file;
mod header;
mod pages;
mod reader;
mod recover;
mod writer;

#[cfg(test)]
mod tests;

use vorzimmer_types::{CustomerId, Day, PartyId, RecordingId};

pub use ending::{EndReason, Ending, GAP_KINDS, Gaps, SlotGaps};
pub use header::Header;
pub use pages::{Page, read_header};
pub use reader::Reader;
pub use recover::{Open, Recovered, recover};
pub use writer::Writer;

pub use crate::refusal::Refusal;

use crate::floe;

/// Bytes of a sealed segment: what one slot takes of a page.
pub const SEGMENT_LEN: usize = 2048;
/// Bytes that a slot's plaintext may have; shorter ones are padded with zeros, so that length tells nothing.
pub const PLAINTEXT_LEN: usize = SEGMENT_LEN - floe::OVERHEAD;
/// Where a segment's plaintext begins within the segment.
const TEXT_AT: usize = floe::TEXT_AT;
/// Slots of a recording at most.
pub const MAX_SLOTS: usize = 4;
/// Milliseconds that a page covers.
pub const SEGMENT_MS: u32 = 200;
/// Milliseconds that a page of a [`Form::Copy`] covers at most.
pub const COPY_SEGMENT_MS: u32 = 2000;

/// Where the sound in a file comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Frames as they came from the network, page by page while the call ran.
    #[default]
    AsItCame,
    /// Encoded again from such a file, which it has replaced. It was whole before it took that place, and its pages
    /// are not those that were acknowledged while the call ran.
    Copy,
}

impl Form {
    const fn segment_ms(self) -> u32 {
        match self {
            Self::AsItCame => SEGMENT_MS,
            Self::Copy => COPY_SEGMENT_MS,
        }
    }

    const fn code(self) -> u32 {
        match self {
            Self::AsItCame => 0,
            Self::Copy => 1,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        [Self::AsItCame, Self::Copy].into_iter().find(|form| form.code() == code)
    }
}

/// What a recording is made for. All of it is authenticated by every segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The recording.
    pub recording: RecordingId,
    /// Whose recording it is.
    pub customer: CustomerId,
    /// The day on which it is due.
    pub expiry: Day,
    /// The version of the key that wraps its secrets, when it was made.
    pub key_version: u32,
    /// The recorder's number for the way sound is encoded.
    pub codec: u8,
    /// Where its sound comes from.
    pub form: Form,
    /// Whose voice each slot holds: 1 to [`MAX_SLOTS`].
    pub parties: Vec<PartyId>,
    /// SHA-256 of the consent receipts that permit it.
    pub receipts_hash: [u8; 32],
}

/// What a reader must know of a recording to accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The recording.
    pub recording: RecordingId,
    /// Whose recording it is.
    pub customer: CustomerId,
    /// The day on which it is due.
    pub expiry: Day,
    /// Whose voice each slot holds.
    pub parties: Vec<PartyId>,
}

impl Context {
    /// What a reader of this recording has to expect.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let Self { recording, customer, expiry, .. } = *self;
        Expected { recording, customer, expiry, parties: self.parties.clone() }
    }
}

/// The only FLOE parameters of this container.
fn params() -> crate::Result<floe::Params> {
    floe::Params::new(SEGMENT_LEN as u32)
}
