//! The Vorzimmer server.
fn main() {}
