//! Signing and checking consent receipts with the installation's key.

use ed25519_dalek::SigningKey;
use vorzimmer_consent::ConsentError;
use vorzimmer_types::consent::{Receipt, SignedReceipt};
use vorzimmer_vault::KeyStore;

use crate::clock::SystemEntropy;
use crate::failure::{Failure, Kind};

/// Signs receipts, and knows its own signature.
pub struct ReceiptSigner {
    key: SigningKey,
}

impl ReceiptSigner {
    /// Takes the installation's key from the key store.
    ///
    /// # Errors
    /// The key store cannot be read.
    pub fn open(keys: &KeyStore) -> Result<Self, Failure> {
        let key = keys.signing_key(&mut SystemEntropy).map_err(|error| {
            Failure::failed(error, "see that the key store (data.keys) can be read and written")
                .of_kind(Kind::Keys)
        })?;
        Ok(Self { key: key.receipt_key() })
    }

    /// Signs. A receipt that cannot be written as JSON would come back without a signature, which no check accepts.
    pub fn sign(&self, receipt: Receipt) -> SignedReceipt {
        vorzimmer_consent::receipt::sign(receipt.clone(), &self.key).unwrap_or_else(|error| {
            tracing::error!(call = %receipt.call, %error, "a receipt could not be signed");
            SignedReceipt { receipt, signature: String::new(), key: self.public_key() }
        })
    }

    /// Checks.
    ///
    /// # Errors
    /// The signature is somebody else's, or the receipt was changed.
    pub fn verify(&self, signed: &SignedReceipt) -> Result<(), ConsentError> {
        vorzimmer_consent::receipt::verify(signed, &self.key.verifying_key())
    }

    /// What anybody can check receipts with: 64 hexadecimal digits.
    pub fn public_key(&self) -> String {
        hex::encode(self.key.verifying_key().to_bytes())
    }
}
