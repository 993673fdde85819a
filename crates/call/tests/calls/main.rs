//! Calls from the first INVITE to the last report, in virtual time, against a world that behaves.

#![expect(clippy::expect_used, clippy::panic, reason = "a script that cannot go on is a test that fails")]

mod codecs;
mod consent;
mod encrypted;
mod ends;
mod hold;
mod identity;
mod in_call;
mod random;
mod reasons;
mod record_aware;
mod recorder;
mod refresh;
mod refusals;
mod ringing;
mod routes;
mod stage;
mod timeline;
mod transfer;
mod world;
