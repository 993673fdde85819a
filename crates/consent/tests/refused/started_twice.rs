//! A permit that has started a recording cannot start another.

use vorzimmer_consent::Permit;

fn main() {}

fn start(_permit: Permit) {}

fn start_twice(permit: Permit) {
    start(permit);
    start(permit); //~ error[E0382]: use of moved value: `permit`
}
