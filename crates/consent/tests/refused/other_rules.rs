//! A gate follows the rules of the house, whatever other rules somebody writes.

use vorzimmer_consent::{Gate, Machine, Rules};

fn main() {}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lax;

impl Rules for Lax {
    fn must_agree(_role: vorzimmer_types::consent::Role) -> bool {
        false
    }
}

fn lax(machine: Machine<Lax>, gate: &mut Gate) {
    gate.machine = machine; //~ error[E0616]: field `machine` of struct `Gate` is private
}
