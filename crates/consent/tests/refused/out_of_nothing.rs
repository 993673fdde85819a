//! There is no default permit.

fn main() {}

fn nothing() -> vorzimmer_consent::Permit {
    Default::default() //~ error[E0277]: the trait bound `Permit: Default` is not satisfied
}
