//! Calls, end to end, as one machine without I/O.
pub mod api;
