//! The user agent against scripted peers and against itself, in virtual time.
//!
//! Laid out by what RFC 3261 and its companions demand; each module is named after its section.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

mod basics;
mod carrier;
mod dialling;
mod lossy;
mod property;
mod rfc3262_reliable;
mod rfc3264_late_offer;
mod rfc3311_update;
mod rfc3326_reason;
mod rfc3327_path;
mod rfc3515_refer;
mod rfc4028_timers;
mod s08_server;
mod s09_cancel;
mod s10_register;
mod s12_dialog;
mod s13_invite;
mod s14_reinvite;
mod s15_bye;
mod s17_transactions;
mod s18_transport;
mod s22_digest;
mod s5626_flows;
mod s5922_certificates;
mod world;
