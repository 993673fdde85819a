//! Calls, end to end, as one machine without I/O.
//!
//! The [`Exchange`] holds every running call: it answers, asks, rings, connects, holds, records with leave, and ends.
//! SIP sessions come from `sip::ua`, media happens in the workers, consent is decided by the `consent` crate; `server`
//! moves the values of [`api`] between them.
//!
//! Nothing here opens a socket, reads a clock, draws randomness, or writes a log.

mod admission;
mod aftermath;
pub mod api;
mod call;
pub mod config;
mod exchange;
mod hands;
mod hold;
mod identity;
mod leg;
pub mod limits;
mod plan;
mod presses;
pub mod prompts;
mod reasons;
mod recordings;

pub use api::{Input, MediaCommand, MediaEvent, Output, PlayId, Sound, StopWhy, World};
pub use config::ExchangeConfig;
pub use exchange::{Exchange, Overview};
