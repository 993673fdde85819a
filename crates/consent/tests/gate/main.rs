//! The gate in virtual time, told as calls: what people do, and what they and the operator get.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that finds what it cannot use stops there")]

mod answers;
mod company;
mod lobby;
mod permits;
mod receipts;
mod timing;
