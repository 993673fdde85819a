//! A permit has no fields that another crate could fill in, the mark of life least of all.

use vorzimmer_consent::Permit;
use vorzimmer_types::CallId;
use vorzimmer_types::consent::Epoch;

fn main() {}

fn forge(call: CallId) -> Permit {
    Permit { call, epoch: Epoch(1), parties: Default::default(), receipts: [0; 32], life: todo!() } //~ error[E0451]: fields
}
