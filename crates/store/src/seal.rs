//! What the store asks of the vault: to seal and open what stands in one place of one table, and to blind a number.
//! No key is kept here longer than a batch takes, so that a destroyed key is gone at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use vorzimmer_types::{CustomerId, Day, E164, Entropy, entropy};
use vorzimmer_vault::keys::KeyId;
use vorzimmer_vault::{
    ALL_CUSTOMERS, BlindIndex, BlindKey, Class, Error, FieldKey, KeyStore, NO_EXPIRY, SealedField,
};
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
        self.keyring().seal(id, place, plain)
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn open(&self, id: KeyId, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.keyring().open(id, place, sealed)
    }

    /// Keys for one batch.
    pub(crate) fn keyring(&self) -> Keyring<'_> {
        Keyring { seals: self, fields: HashMap::new(), blinds: HashMap::new() }
    }

    /// The blind index of `number` for what is due on `day`; none if that day's index key is gone.
    pub(crate) fn existing_blind(&self, day: Day, number: &E164) -> Result<Option<BlindIndex>, Error> {
        let key = self.keys.existing_day_key(Class::Index, ALL_CUSTOMERS, day)?;
        Ok(key.map(|key| BlindIndex::of(&key, number)))
    }
}

/// The keys of one batch: each is asked for once, however much it seals, and wiped when the batch is done.
///
/// Asking takes the key store's file lock, reads its header and unwraps the key. What a batch still seals under a key that
/// is destroyed meanwhile can be opened by nobody, as if it had been sealed a moment earlier.
pub(crate) struct Keyring<'a> {
    seals: &'a Seals,
    fields: HashMap<KeyId, FieldKey>,
    blinds: HashMap<Day, BlindKey>,
}

impl Keyring<'_> {
    /// As [`Seals::seal`].
    pub(crate) fn seal(&mut self, id: KeyId, place: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.fields.contains_key(&id) {
            let KeyId { class, customer, day } = id;
            let keys = &self.seals.keys;
            let key = self.seals.with_entropy(|entropy| keys.day_key(class, customer, day, entropy))?;
            self.fields.insert(id, FieldKey::of(&key));
        }
        let key = self.fields.get(&id).ok_or(Error::Destroyed { class: id.class, day: id.day })?;
        self.seals.with_entropy(|entropy| key.seal(place, plain, entropy)).map(SealedField::into_bytes)
    }

    /// As [`Seals::open`].
    pub(crate) fn open(
        &mut self,
        id: KeyId,
        place: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let destroyed = Error::Destroyed { class: id.class, day: id.day };
        if !self.fields.contains_key(&id)
            && let Some(key) = self.seals.keys.existing_day_key(id.class, id.customer, id.day)?
        {
            self.fields.insert(id, FieldKey::of(&key));
        }
        let key = self.fields.get(&id).ok_or(destroyed)?;
        key.open(&SealedField::from_bytes(sealed.to_vec())?, place)
    }

    /// The blind index of `number` for what is due on `day`, making the index key if it is not there yet.
    pub(crate) fn blind(&mut self, day: Day, number: &E164) -> Result<BlindIndex, Error> {
        if !self.blinds.contains_key(&day) {
            let keys = &self.seals.keys;
            let key =
                self.seals.with_entropy(|entropy| keys.day_key(Class::Index, ALL_CUSTOMERS, day, entropy))?;
            self.blinds.insert(day, BlindKey::of(&key));
        }
        let key = self.blinds.get(&day).ok_or(Error::Destroyed { class: Class::Index, day })?;
        Ok(key.index(number))
    }
}

/// Whether a refusal means that the data is due and its key gone, which is as it should be.
pub(crate) fn is_forgotten(error: &Error) -> bool {
    matches!(error, Error::Destroyed { .. })
}
