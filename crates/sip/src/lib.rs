//! SIP: messages, transactions, dialogs, digest and bindings, without I/O.
//!
//! Bytes from the network are [`wire::Untrusted`] until [`wire::parse`] has read them. The message types are those of
//! `rsip`; its parser and printer are not used. Nothing here opens a socket, reads a clock or draws randomness.

pub mod auth;
pub mod carrier;
pub mod cause;
pub mod dialog;
pub mod digest;
pub mod fault;
pub mod flow;
pub mod fuzz;
pub mod header;
pub mod identity;
pub mod registrar;
pub mod transaction;
pub mod ua;
pub mod uri;
pub mod wire;

pub(crate) mod chars;
