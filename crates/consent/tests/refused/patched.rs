//! A live permit cannot be stretched to somebody who did not agree.

use vorzimmer_consent::Permit;
use vorzimmer_types::PartyId;

fn main() {}

fn stretch(permit: &mut Permit, party: PartyId) {
    permit.parties = Box::new([party]); //~ error[E0616]: field `parties` of struct `Permit` is private
}
