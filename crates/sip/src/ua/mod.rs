//! The user agent: transactions, dialogs, digest and bindings under one roof, without I/O.

mod api;

pub use api::{
    Binding, Command, ConnectionId, Ending, Event, Flow, FromParty, Input, Output, Peer, Reason, SessionId,
    Transport,
};
