//! Calls, end to end, as one machine without I/O.
//!
//! The [`Exchange`] holds every running call: it answers, asks, rings, connects, holds, records with leave, and ends.
//! SIP sessions come from `sip::ua`, media happens in the workers, consent is decided by the `consent` crate; `server`
//! moves the values of [`api`] between them.
//!
//! What a caller hears:
//! 1. ringing for as long as it takes to open a leg, then we answer: a forwarded call is not kept waiting unanswered;
//! 2. after the ACK the customer's greeting, if there is one, to its end;
//! 3. under `ask-before-connect` the question, and a word on what came of it, which never costs anybody the call;
//! 4. ring-back while receptionists are rung by the plan, and while one who has answered is asked herself;
//! 5. the receptionist; the hold tone when she holds; prompts of `ask-in-call` and `attested`, which both hear;
//! 6. if nobody takes the call, an announcement; if her phone is lost, a word of good-bye; then the end.
//!
//! Nothing here opens a socket, reads a clock, draws randomness, or writes a log.

mod admission;
mod aftermath;
mod aim;
pub mod api;
mod call;
pub mod config;
mod exchange;
mod hands;
mod hold;
mod identity;
mod ids;
mod leg;
pub mod limits;
mod lines;
mod plan;
mod presses;
pub mod prompts;
mod reasons;
mod recordings;
mod routes;
mod security;
mod shortcuts;

pub use api::{Input, MediaCommand, MediaEvent, Output, PlayId, Sound, StopWhy, World};
pub use config::{CodecLists, Colleagues, ExchangeConfig, SrtpConfig, TransferRules};
pub use exchange::{Exchange, Overview};
pub use routes::Routes;
