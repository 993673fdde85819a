//! A permit cannot be cloned.

fn main() {}

fn twice(permit: vorzimmer_consent::Permit) -> [vorzimmer_consent::Permit; 2] {
    [permit.clone(), permit] //~ error[E0599]: no method named `clone` found for struct `Permit`
}
