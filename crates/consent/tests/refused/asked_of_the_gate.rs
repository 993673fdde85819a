//! A gate makes permits when everyone agreed, not when it is asked to.

use vorzimmer_consent::{Gate, Permit};

fn main() {}

fn ask(gate: &mut Gate) -> Permit {
    gate.permit(Vec::new()).unwrap() //~ error[E0624]: method `permit` is private
}
