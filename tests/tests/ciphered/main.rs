//! Encrypted media with real clients, and what attackers do to it, against the running server.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk, and attack, in real time")]

mod house;
mod insider;
mod junk;
mod race;
mod talks;
