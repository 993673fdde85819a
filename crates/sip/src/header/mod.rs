//! Typed views over `rsip::Headers`: each is read when it is asked for, and borrows from the message.
//!
//! Headers with several values are iterated element by element, whether the sender wrote one line or many.

mod auth;
mod contact;
mod cseq;
mod diversion;
mod history;
mod lookup;
mod privacy;
mod reason;
mod reliable;
mod replaces;
mod timing;
mod via;

pub use auth::{Auth, MAX_AUTH_PARAMS};
pub use contact::{Contact, contacts};
pub use cseq::{CSeq, MAX_SEQ};
pub use diversion::{Diversion, diversions};
pub use history::{HistoryInfo, MAX_INDEX_LEVELS, history};
pub use lookup::*;
pub use privacy::{Privacy, privacy};
pub use reason::{Reason, reasons};
pub use reliable::{RAck, rack, rseq};
pub use replaces::{Replaces, replaces};
use timing::seconds;
pub use timing::{Refresher, SessionExpires, expires, min_session_expires, retry_after, session_expires};
pub use via::{Via, ViaHost, stamp};
