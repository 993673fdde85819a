//! A gate cannot be cloned: two of them would answer for one call's consent.

fn main() {}

fn twice(gate: vorzimmer_consent::Gate) -> [vorzimmer_consent::Gate; 2] {
    [gate.clone(), gate] //~ error[E0599]: no method named `clone` found for struct `Gate`
}
