//! A permit that is kept in one place cannot be kept in another.

use vorzimmer_consent::Permit;

fn main() {}

fn keep(permit: Permit, here: &mut Vec<Permit>, there: &mut Vec<Permit>) {
    here.push(permit);
    there.push(permit); //~ error[E0382]: use of moved value: `permit`
}
