//! What may be done with a permit: look at it, hand it on, start one recording.

use vorzimmer_consent::{Gate, Output, Permit};
use vorzimmer_types::PartyId;

fn main() {}

fn start(_permit: Permit) {}

fn look(permit: &Permit, party: PartyId) -> bool {
    permit.is_live() && permit.covers(party)
}

fn record(gate: &mut Gate, party: PartyId) -> Option<Vec<u8>> {
    if let Some(Output::Record(permit)) = gate.poll() {
        let hash = serde_json::to_vec(&permit.receipts_hash()).ok();
        look(&permit, party).then(|| start(permit));
        return hash;
    }
    None
}
