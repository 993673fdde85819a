//! Typed views over `rsip::Headers`: each is read when it is asked for, and borrows from the message.
//!
//! Headers with several values are iterated element by element, whether the sender wrote one line or many.

mod cseq;
mod lookup;
mod via;

pub use cseq::{CSeq, MAX_SEQ};
pub use lookup::*;
pub use via::{Via, ViaHost, stamp};
