//! Who may only look at a permit cannot start a recording with it.

use vorzimmer_consent::Permit;

fn main() {}

fn start(_permit: Permit) {}

fn look(permit: &Permit) {
    start(*permit); //~ error[E0507]: cannot move out of `*permit`
}
