//! HTTP: health, readiness and metrics. Nothing here is personal, and nothing here asks for a log-in: the server
//! listens on loopback unless told otherwise.
//!
//! This crate looks at nothing itself. Whoever runs the server says how it is ([`Readiness`]) and counts what happens
//! through the `metrics` facade, with the names and words of [`meters`].

pub mod meters;
mod readiness;
mod routes;

pub use readiness::{Check, Readiness, Trunk};
pub use routes::{Pages, serve};
