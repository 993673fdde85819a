//! What the store asks of the vault: to seal and open what stands in one place of one table, and to blind a number.
//! No key is kept here between two calls, so that a destroyed key is gone at once.

use std::sync::{Arc, Mutex, PoisonError};

use vorzimmer_types::{CustomerId, Day, E164, Entropy, entropy};
use vorzimmer_vault::keys::KeyId;
use vorzimmer_vault::{ALL_CUSTOMERS, BlindIndex, Class, Error, KeyStore, NO_EXPIRY, SealedField};
use zeroize::Zeroizing;

/// The customer of an event of which nobody knows whose it is, as a call to a number that nobody has.
pub(crate) const NOBODY: CustomerId = ALL_CUSTOMERS;

/// The key that seals the directory and what belongs to it: kept as long as the installation.
pub(crate) const DIRECTORY_KEY: KeyId =
    KeyId { class: Class::Directory, customer: ALL_CUSTOMERS, day: NO_EXPIRY };

/// The key of one customer's call data that is due on `day`.
pub(crate) fn call_data_key(customer: CustomerId, day: Day) -> KeyId {
    KeyId { class: Class::CallData, customer, day }
}

/// Seals and opens fields with the keys of one key store.
pub(crate) struct Seals {
    keys: Arc<KeyStore>,
    entropy: Mutex<Box<dyn Entropy + Send>>,
}

impl Seals {
    pub(crate) fn new(keys: Arc<KeyStore>, entropy: Box<dyn Entropy + Send>) -> Self {
        Self { keys, entropy: Mutex::new(entropy) }
    }

    /// The key store itself.
    pub(crate) fn keys(&self) -> &Arc<KeyStore> {
        &self.keys
    }

    /// Runs `draw` with the installation's randomness.
    pub(crate) fn with_entropy<T>(&self, draw: impl FnOnce(&mut dyn Entropy) -> T) -> T {
        // A generator has no invariant that a panic elsewhere could have broken.
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&mut **entropy)
    }

    /// Sixteen fresh bytes for an id.
    pub(crate) fn random_id(&self) -> [u8; 16] {
        self.with_entropy(|entropy| entropy::array(entropy))
    }

    /// Seals `plain` for `place` (`table.column:row`), making the key if it is not there yet.
    pub(crate) fn seal(&self, id: KeyId, place: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        self.with_entropy(|entropy| {
            let key = self.keys.day_key(id.class, id.customer, id.day, entropy)?;
            SealedField::seal(&key, place, plain, entropy).map(SealedField::into_bytes)
        })
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn open(&self, id: KeyId, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let key = self.keys.existing_day_key(id.class, id.customer, id.day)?;
        let key = key.ok_or(Error::Destroyed { class: id.class, day: id.day })?;
        SealedField::from_bytes(sealed.to_vec())?.open(&key, place)
    }

    /// The blind index of `number` for what is due on `day`, making the index key if it is not there yet.
    pub(crate) fn blind(&self, day: Day, number: &E164) -> Result<BlindIndex, Error> {
        let key =
            self.with_entropy(|entropy| self.keys.day_key(Class::Index, ALL_CUSTOMERS, day, entropy))?;
        Ok(BlindIndex::of(&key, number))
    }

    /// The blind index of `number` for what is due on `day`; none if that day's index key is gone.
    pub(crate) fn existing_blind(&self, day: Day, number: &E164) -> Result<Option<BlindIndex>, Error> {
        let key = self.keys.existing_day_key(Class::Index, ALL_CUSTOMERS, day)?;
        Ok(key.map(|key| BlindIndex::of(&key, number)))
    }
}

/// Whether a refusal means that the data is due and its key gone, which is as it should be.
pub(crate) fn is_forgotten(error: &Error) -> bool {
    matches!(error, Error::Destroyed { .. })
}
