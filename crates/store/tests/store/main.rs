//! What the store promises, on SQLite and on a PostgreSQL of its own: every test of a promise runs on both.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails with what it met")]

mod directory;
mod fixture;
mod forgetting;
mod log;
mod outage;
mod queries;
