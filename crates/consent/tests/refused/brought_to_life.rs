//! What keeps a permit alive is out of reach.

use vorzimmer_consent::permit::Life; //~ error[E0603]: struct `Life` is private

fn main() {}

fn revive() {
    Life::begin();
}
