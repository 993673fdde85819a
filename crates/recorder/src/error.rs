//! What can go wrong between frames and pages.

/// A result of the recorder.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a recording cannot start, be recovered or be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The permit died before the recording began.
    #[error("the consent that permitted this recording has ended")]
    PermitEnded,
    /// A slot is for a party that has not said yes.
    #[error("slot {slot} is for a party that the permit does not cover")]
    NotCovered {
        /// The slot.
        slot: usize,
    },
    /// The page queue was made for another number of slots.
    #[error("the queue's pages have {found} bytes, not {expected}")]
    QueuePages {
        /// Bytes that a page needs.
        expected: usize,
        /// Bytes that the queue's pages have.
        found: usize,
    },
    /// Sealing or opening failed.
    #[error(transparent)]
    Vault(#[from] vorzimmer_vault::Error),
    /// A page opened but does not say what a recorder writes.
    #[error("page {page}, slot {slot}: the frame table is not one")]
    Table {
        /// The page of sound, from 0.
        page: u64,
        /// The slot.
        slot: usize,
    },
    /// A recording claims to be longer than any call.
    #[error("the recording says it lasts {ms} ms")]
    TooLong {
        /// What it says.
        ms: u64,
    },
    /// The WAV could not be written.
    #[error("cannot write the WAV: {0}")]
    Wav(#[from] hound::Error),
    /// The Opus encoder refused.
    #[error("cannot encode Opus: {0}")]
    Opus(#[from] opus::Error),
    /// The Ogg stream could not be written.
    #[error("cannot write the Ogg stream: {0}")]
    Ogg(std::io::Error),
    /// A copy is not what the original was.
    #[error("the copy does not have {what} of the original")]
    CopyDiffers {
        /// What.
        what: &'static str,
    },
    /// A frame could not be decoded.
    #[error("a frame of {bytes} bytes could not be decoded")]
    Decode {
        /// Its length.
        bytes: usize,
    },
}
