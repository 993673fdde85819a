//! Why a recording is not accepted.

/// The first thing found wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is too short to hold a header.
    #[error("{len} bytes are less than a header")]
    TooShort {
        /// Bytes of the file.
        len: u64,
    },
    /// It does not begin as a recording does.
    #[error("not a CALLREC1 file")]
    Magic,
    /// It has another version, or flags or sizes that this version does not have.
    #[error("header field at byte {offset} is not one of version 1")]
    Field {
        /// Where in the header.
        offset: usize,
    },
    /// A byte of the header that must be zero is not.
    #[error("header byte {offset} is not zero")]
    NotZero {
        /// Where in the header.
        offset: usize,
    },
    /// It is another recording.
    #[error("it is another recording")]
    OtherRecording,
    /// It is another customer's.
    #[error("it belongs to another customer")]
    OtherCustomer,
    /// It is due on another day.
    #[error("it is due on another day")]
    OtherExpiry,
    /// It has another number of slots than there are parties or secrets.
    #[error("it has {found} slots, not {expected}")]
    SlotCount {
        /// Slots in the header.
        found: usize,
        /// Parties expected.
        expected: usize,
    },
    /// No secret was given: nothing can be checked.
    #[error("every secret of it was destroyed")]
    NoSecret,
    /// A slot's FLOE header does not fit secret, party and context.
    #[error("the header of slot {slot} does not fit its secret, party and context")]
    StreamHeader {
        /// The slot.
        slot: usize,
    },
    /// It ends in the middle of a page.
    #[error("{len} bytes are not whole pages")]
    PartialPage {
        /// Bytes of the file.
        len: u64,
    },
    /// A segment does not open in its place.
    #[error("page {page}, slot {slot} does not open in its place")]
    Segment {
        /// The page of sound, from 0.
        page: u64,
        /// The slot.
        slot: usize,
    },
    /// Some slots of a page say that it is the last one, others do not.
    #[error("the slots of page {page} disagree on whether it is the last")]
    SlotsDisagree {
        /// The page, from 0.
        page: u64,
    },
    /// It has no final page: it was not closed.
    #[error("it was not closed after page {pages}")]
    NotClosed {
        /// Whole pages of sound.
        pages: u64,
    },
    /// Something follows the final page.
    #[error("{bytes} bytes follow the final page")]
    Trailing {
        /// How many bytes.
        bytes: u64,
    },
    /// The final page of a slot does not say what it should.
    #[error("the final page of slot {slot} does not fit the file")]
    Ending {
        /// The slot.
        slot: usize,
    },
    /// Pages are missing that were acknowledged as safely stored.
    #[error("{acknowledged} pages were stored, {found} are there")]
    LostPages {
        /// Pages that the store acknowledged.
        acknowledged: u64,
        /// Pages that open.
        found: u64,
    },
}
