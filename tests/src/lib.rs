//! Acceptance by real clients: the harness that the tests in this folder share.
//!
//! A test starts the real server in a folder of its own ([`server::Server`]), real clients beside it
//! ([`baresip::Baresip`], [`sipp`]), and judges what comes out by ear ([`tone`]). Everything listens on loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "real clients run in real time, so the harness reads the real clock"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that cannot go on must end the test with the reason"
)]

pub mod baresip;
pub mod browser;
pub mod cable;
pub mod canary;
pub mod cpu;
pub mod crowd;
pub mod datagrams;
pub mod disk;
pub mod impair;
pub mod kamailio;
pub mod leaks;
pub mod line;
pub mod names;
pub mod phone;
pub mod ports;
pub mod relay;
pub mod server;
pub mod sipp;
pub mod tone;
pub mod wait;
