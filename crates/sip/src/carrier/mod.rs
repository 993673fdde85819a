//! What we do towards a carrier: registering with it, watching it, finding it, and proving who we are to it.
//!
//! Each file is a machine or an algorithm of its own, told the time and given randomness; the user agent
//! ([`crate::ua`]) runs their transactions, and `server` asks the domain name system.
//!
//! | module | what it does |
//! |---|---|
//! | `registrant` | when to register, and what an answer means (RFC 3261 §10.2, RFC 5626 §4.5, RFC 6140) |
//! | `health` | up, degraded or down, by OPTIONS (RFC 3261 §11) |
//! | `locate` | from a name to targets, by NAPTR, SRV and addresses (RFC 3263 §4) |
//! | `way` | which target is next (RFC 3263 §4.3) |
//! | `placing` | how a call that we place is written for it (SIPconnect 2.0) |
//! | `keyring` | which challenges are answered (RFC 3261 §22, RFC 7616) |

mod health;
mod keyring;
mod locate;
mod placing;
mod registrant;
mod way;

pub use health::{Health, Pulse};
pub use keyring::{Keyring, Login, Refusal};
pub use locate::{Locate, Naptr, Place, Query, Records, Srv};
pub use placing::{Account, Calling, Diverted, Outbound, Placed, Placing, Vouching};
pub use registrant::{Outcome, Registrant, Standing};
pub use way::{Target, Way};
