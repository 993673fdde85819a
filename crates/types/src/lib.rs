//! Words that every room of Vorzimmer shares: ids, time, personal data and the facts that happen to a call.
//!
//! This crate does no I/O, reads no clock and draws no randomness: both come in as parameters ([`Now`],
//! [`Entropy`]), so that whatever is built on it can be replayed in virtual time.

pub mod audio;
pub mod cause;
pub mod consent;
pub mod directory;
pub mod dtls;
pub mod e164;
pub mod entropy;
pub mod event;
pub mod ice;
pub mod id;
pub mod pii;
pub mod quality;
pub mod record;
pub mod srtp;
pub mod time;

pub use e164::E164;
pub use entropy::Entropy;
pub use event::{Event, EventRecord};
pub use id::{
    CallId, ContactId, CustomerId, LegId, PartyId, ReceiptId, ReceptionistId, RecordingId, TrunkId,
};
pub use pii::Pii;
pub use quality::Quality;
pub use record::CallRecord;
pub use time::{Day, Now, UnixMillis};
