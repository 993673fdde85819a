//! The four transaction machines of RFC 3261 §17, with RFC 6026, and the tables that hold them.
//!
//! Each machine is pure: an event gives [`Step`]s. [`Servers`] and [`Clients`] carry those out: they send through a
//! [`Wire`], keep the timers and match messages to machines by key. They build no message and know no dialog. Both
//! tables are bounded: at the limit a new transaction is refused, a running one is never dropped.

mod client_invite;
mod client_other;
mod clients;
mod key;
mod own;
mod server_invite;
mod server_other;
mod servers;
mod step;
mod timer;

use bytes::Bytes;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use clients::{Clients, Gone, Received};
pub use key::{ClientKey, MergeKey, ServerKey};
pub(crate) use own::ByOwn;
pub use server_invite::ServerInvite;
pub use server_other::ServerOther;
pub use servers::{Acked, Lapsed, Servers};
pub use step::{Step, Steps};
pub use timer::{PATIENCE, T1, T2, T4, Timer, Timers};

use crate::flow::Flow;

/// One transaction, for as long as its table holds it. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u64);

/// Of a table's places, one in so many is kept for what goes on: in a full house whoever talks can hang up.
const WITHIN_DIALOGS: usize = 5;

/// The table holds as many transactions as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of transactions is full")]
pub struct Full;

/// Where transactions send to.
pub trait Wire {
    /// Sends one whole message over `flow`.
    fn transmit(&mut self, flow: &Flow, bytes: Bytes);
}

/// Which pair of machines a request runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// INVITE (§17.1.1, §17.2.1).
    Invite,
    /// Everything else but ACK (§17.1.2, §17.2.2).
    Other,
}
