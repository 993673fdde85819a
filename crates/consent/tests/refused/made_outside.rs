//! The permit's constructor is the gate's alone.

use vorzimmer_consent::Permit;
use vorzimmer_types::CallId;
use vorzimmer_types::consent::Epoch;

fn main() {}

fn forge(call: CallId) -> Permit {
    Permit::new(call, Epoch(1), Vec::new(), [0; 32], todo!()) //~ error[E0624]: associated function `new` is private
}
