//! SIP: messages, transactions, dialogs, digest and bindings, without I/O.

pub mod ua;
