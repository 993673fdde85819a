//! What can go wrong here, and what it means for the recording.

use vorzimmer_types::PartyId;

/// Why an input was refused or a receipt is not to be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsentError {
    /// A party beyond [`MAX_PARTIES`](crate::MAX_PARTIES) joined. Nothing is recorded for the rest of this call.
    #[error("a call has at most {limit} parties")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// That party is on the call already.
    #[error("party {party} is on the call already")]
    AlreadyHere {
        /// Who.
        party: PartyId,
    },
    /// A call has one caller.
    #[error("party {party} cannot be a second caller")]
    SecondCaller {
        /// Who was to join.
        party: PartyId,
    },
    /// That party is not on the call: it left, or never joined.
    #[error("party {party} is not on the call")]
    NotHere {
        /// Who.
        party: PartyId,
    },
    /// Voicemail is for a caller alone.
    #[error("voicemail needs the caller alone; {present} parties are on the call")]
    NotAlone {
        /// How many there are.
        present: usize,
    },
    /// The call has ended.
    #[error("the call is over")]
    Over,
    /// A recording was due to start and a party has no receipt to rest it on: no permit was made.
    #[error("party {party} has no receipt of a yes")]
    NoReceipt {
        /// Who.
        party: PartyId,
    },
    /// The receipt could not be written down.
    #[error("the receipt has no canonical form: {0}")]
    Canonical(#[from] serde_json::Error),
    /// A signature or key that is not hexadecimal of the right length.
    #[error("the receipt's {field} is not {bytes} bytes in hexadecimal")]
    Malformed {
        /// `signature` or `key`.
        field: &'static str,
        /// How many bytes it must have.
        bytes: usize,
    },
    /// The receipt names a key other than the one it is checked with.
    #[error("the receipt was signed with another key")]
    OtherKey,
    /// The signature does not belong to this receipt.
    #[error("the signature does not belong to this receipt")]
    Forged,
}
