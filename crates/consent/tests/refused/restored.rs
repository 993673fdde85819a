//! A permit cannot be read from disk.

fn main() {}

fn restore(bytes: &[u8]) -> Option<vorzimmer_consent::Permit> {
    serde_json::from_slice(bytes).ok() //~ error[E0277]: the trait bound `Permit: serde::Deserialize
}
