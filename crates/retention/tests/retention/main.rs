//! What is due is gone, on SQLite and on PostgreSQL, whatever happens in between.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails with what it met")]

mod backup;
mod clock;
mod days;
mod house;
mod kill;
