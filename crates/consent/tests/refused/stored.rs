//! A permit cannot be written to disk.

fn main() {}

fn store(permit: vorzimmer_consent::Permit) -> Vec<u8> {
    serde_json::to_vec(&permit).unwrap_or_default() //~ error[E0277]: the trait bound `Permit: serde::Serialize`
}
