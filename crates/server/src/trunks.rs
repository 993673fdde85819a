//! What a trunk is called inside.

use sha2::{Digest, Sha256};
use vorzimmer_types::TrunkId;

/// A trunk's id is its name's: the same after each start.
pub fn id(name: &str) -> TrunkId {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    TrunkId::from_bytes(id)
}
