//! Who was asked what, what they answered, and whether a recording may run.
//!
//! Two layers. [`Machine`] holds the rules and nothing else: no clock, no ids of its own, no shared memory, so that
//! it can be cloned, hashed and explored exhaustively (`tests/model` drives this very type). [`Gate`] wraps one
//! machine for one call: it keeps the time, recognises keys, writes receipts and is the sole maker of [`Permit`],
//! without which no recorder starts.
//!
//! This crate plays nothing, records nothing, signs only what it is handed a key for, and reads no clock.
//!
//! # How a call uses it
//! Feed every change of who is on the call, every digit, every prompt's end and every hold into [`Gate::handle`];
//! drain [`Gate::poll`] until it is empty; come back with [`Input::Wake`] at [`Gate::next_wake`].
//!
//! # For whom a yes is good
//! A yes is given for one call, heard by the caller and by the operator's own staff: the question's words say so.
//! It therefore stays good when a receptionist joins, leaves, or hands over to a colleague, and nobody is asked the
//! same thing twice. When somebody from outside joins (a [`Role::Contact`](vorzimmer_types::consent::Role)), the
//! company is not the one that was agreed to: every yes given in this call is void, only a consent on file stays.
//! Whatever joins, leaves, steps aside, comes back or is transferred, the epoch counts up and the running permit dies at once; a new one is
//! made only when each one who is now on the call has a yes that is good for this company.

pub mod error;
pub mod gate;
pub mod keys;
pub mod machine;
pub mod permit;
pub mod receipt;
pub mod rules;
pub mod who;

pub use error::ConsentError;
pub use gate::{Gate, Input, Newcomer, Output, Terms, Verdict};
pub use keys::{Key, Keys};
pub use machine::{Consent, Effect, Kept, Machine, Outcome, Party, Step, StopReason, Tape, Why};
pub use permit::Permit;
pub use receipt::{ReceiptDraft, sign, verify};
pub use rules::{House, Rules};
pub use who::Who;

/// The most people that one call's recording can hold: caller, receptionist, and whom the caller asked for.
pub const MAX_PARTIES: usize = 3;

/// How long a party may think after the question was heard to its end. Then silence is a no.
pub const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(8);

/// How long a question may take to be played. A media path that never reports its end must not keep a caller
/// waiting for ever: after this, the question counts as cut short.
pub const PROMPT_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// How many times a question is repeated after a key that means nothing. After that it is a no.
pub const MAX_REPEATS: u8 = 2;
