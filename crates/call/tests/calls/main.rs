//! Calls from the first INVITE to the last report, in virtual time, against a world that behaves.

mod codecs;
mod consent;
mod ends;
mod hold;
mod in_call;
mod random;
mod recorder;
mod refusals;
mod ringing;
mod stage;
mod timeline;
mod world;
