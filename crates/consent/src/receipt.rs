//! Receipts: one per answer, canonical, signed, and gathered into one hash per recording.
//!
//! A receipt holds ids that are random and live for one call, one key, times, and words the operator wrote
//! (purpose, prompt name). It has no field that could take a number, a name or audio, so it may outlive all three.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use vorzimmer_types::consent::{Answer, Method, Receipt, Role, SignedReceipt};
use vorzimmer_types::{CallId, PartyId, ReceiptId};

use crate::error::ConsentError;

/// What the machine knows of an answer; [`Gate`](crate::Gate) adds the call, the epoch, the words, the time and an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiptDraft {
    /// Who answered.
    pub party: PartyId,
    /// What that party is on the call.
    pub role: Role,
    /// The answer.
    pub answer: Answer,
    /// How it was given.
    pub method: Method,
    /// Whether the question was played to this party for this answer.
    pub prompted: bool,
}

/// The bytes that are signed and hashed: `serde_json` without spaces, fields in the order [`Receipt`] declares them,
/// no maps and no floating point, so one receipt has exactly one form.
///
/// # Errors
/// [`ConsentError::Canonical`] if it cannot be serialised.
pub fn canonical(receipt: &Receipt) -> Result<Vec<u8>, ConsentError> {
    Ok(serde_json::to_vec(receipt)?)
}

/// The id of a call's `seq`-th receipt: the first 16 bytes of SHA-256("vorzimmer receipt" ‖ call ‖ u32 seq).
///
/// Call ids are random, so these are too for anyone who has not seen the call's; and making one needs no randomness.
#[must_use]
pub fn receipt_id(call: CallId, seq: u32) -> ReceiptId {
    let mut hash = Sha256::new();
    hash.update(b"vorzimmer receipt");
    hash.update(call.as_bytes());
    hash.update(seq.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let (id, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    ReceiptId::from_bytes(*id)
}

/// One hash over several receipts, in the order given:
/// SHA-256(0x01 ‖ leaf…), leaf = SHA-256(0x00 ‖ canonical JSON).
///
/// The prefixes are those of RFC 6962 §2.1, so that no receipt can pass for a root. Being made of leaf hashes, it can
/// be checked by somebody who may see one party's receipt and only the hashes of the others'.
///
/// # Errors
/// [`ConsentError::Canonical`] if one cannot be serialised.
pub fn root<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> Result<[u8; 32], ConsentError> {
    let mut root = Sha256::new();
    root.update([0x01]);
    for receipt in receipts {
        let mut leaf = Sha256::new();
        leaf.update([0x00]);
        leaf.update(canonical(receipt)?);
        root.update(leaf.finalize());
    }
    Ok(root.finalize().into())
}

/// Signs a receipt (Ed25519, RFC 8032) in its canonical form.
///
/// # Errors
/// [`ConsentError::Canonical`] if it cannot be serialised.
pub fn sign(receipt: Receipt, key: &SigningKey) -> Result<SignedReceipt, ConsentError> {
    let signature = key.sign(&canonical(&receipt)?);
    Ok(SignedReceipt {
        receipt,
        signature: hex::encode(signature.to_bytes()),
        key: hex::encode(key.verifying_key().to_bytes()),
    })
}

/// Checks a receipt against the operator's key. The key written in the receipt is a hint, never trusted by itself.
///
/// # Errors
/// [`ConsentError::Malformed`], [`ConsentError::OtherKey`], [`ConsentError::Forged`].
pub fn verify(signed: &SignedReceipt, key: &VerifyingKey) -> Result<(), ConsentError> {
    if fixed::<32>("key", &signed.key)? != key.to_bytes() {
        return Err(ConsentError::OtherKey);
    }
    let signature = Signature::from_bytes(&fixed::<64>("signature", &signed.signature)?);
    // Strict: refuses the small-order keys and non-canonical points that RFC 8032 leaves to the implementer.
    key.verify_strict(&canonical(&signed.receipt)?, &signature).map_err(|_| ConsentError::Forged)
}

fn fixed<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], ConsentError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ConsentError::Malformed { field, bytes: N })?;
    Ok(bytes)
}
