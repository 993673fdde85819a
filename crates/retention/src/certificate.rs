//! What a run leaves as proof: what was destroyed, what is left, signed, and tied to the certificate before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vorzimmer_store::{StoredCertificate, Tally};
use vorzimmer_types::{Day, RecordingId, UnixMillis};
use vorzimmer_vault::{PublicKey, SigningKey};

use crate::item::{Item, KeyName};
use crate::{Class, Error, Periods};

/// The version of [`Certificate`]'s JSON.
const VERSION: u32 = 1;
/// What a certificate's signature is for; see [`SigningKey::sign`].
const PURPOSE: &str = "retention certificate";
/// What stands in the first certificate in place of the one before.
const NONE_BEFORE: &str = "";

/// What one run destroyed, together with what killed runs before it had begun. Holds ids and days only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The version of this form: 1.
    pub version: u32,
    /// Counts from 1.
    pub number: u64,
    /// When it was made, by the clock.
    pub made_at: UnixMillis,
    /// Everything that was due on this day or before is destroyed.
    pub through: Day,
    /// SHA-256 of the certificate before this one, as it is kept, in hexadecimal; empty in the first.
    pub previous: String,
    /// Class by class.
    pub classes: Vec<ClassCount>,
    /// The day keys that were destroyed.
    pub keys: Vec<KeyName>,
    /// The recordings that were destroyed.
    pub recordings: Vec<RecordingId>,
    /// The recordings among them that were destroyed before their day, and why.
    pub erasures: BTreeMap<RecordingId, String>,
    /// What was due and could not be removed. Its keys are destroyed; the next run tries again.
    pub left_over: Vec<String>,
}

/// What was destroyed of one class, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Which.
    pub class: Class,
    /// For how long it is kept.
    pub period_days: u32,
    /// On which ground.
    pub basis: String,
    /// Day keys destroyed.
    pub keys: u64,
    /// Parties' secrets destroyed.
    pub secrets: u64,
    /// Files removed.
    pub files: u64,
    /// Rows removed, and events that waited in the spool.
    pub rows: u64,
    /// The day on which the oldest thing left is due; none if nothing is left.
    pub oldest_left_due: Option<Day>,
}

/// A certificate with the operator's signature over its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Ed25519 (RFC 8032) over `serde_json::to_vec(&certificate)`, in hexadecimal.
    pub signature: String,
    /// The public key that verifies it, in hexadecimal.
    pub key: String,
}

impl Certificate {
    /// A certificate that follows on `previous` and counts `certified`.
    pub(crate) fn new(
        made_at: UnixMillis,
        through: Day,
        previous: Option<&StoredCertificate>,
        periods: &Periods,
        certified: &[Tally],
    ) -> Result<Self, Error> {
        let mut certificate = Self {
            version: VERSION,
            number: previous.map_or(1, |previous| previous.number + 1),
            made_at,
            through,
            previous: previous.map_or_else(|| NONE_BEFORE.to_owned(), |previous| digest(&previous.text)),
            classes: Class::ALL.into_iter().map(|class| ClassCount::new(class, periods)).collect(),
            keys: Vec::new(),
            recordings: Vec::new(),
            erasures: BTreeMap::new(),
            left_over: Vec::new(),
        };
        for tally in certified {
            certificate.count(Item::read(tally)?, tally.count);
        }
        certificate.recordings.sort();
        certificate.recordings.dedup();
        Ok(certificate)
    }

    fn count(&mut self, item: Item, count: u64) {
        match item {
            Item::Key(name) => {
                self.class(name.class, |class| class.keys += count);
                self.keys.push(name);
            }
            Item::Slots(name) => self.class(name.class, |class| class.secrets += count),
            Item::Recording { recording } => {
                self.class(Class::Recordings, |class| class.files += count);
                self.recordings.push(recording);
            }
            Item::Erasure { recording, why } => {
                self.class(Class::Recordings, |class| class.files += count);
                self.recordings.push(recording);
                self.erasures.insert(recording, why);
            }
            Item::Log { .. } => self.class(Class::Logs, |class| class.files += count),
            Item::Spool => self.class(Class::CallData, |class| class.rows += count),
            Item::Rows { class } => self.class(class, |class| class.rows += count),
        }
    }

    fn class(&mut self, class: Class, change: impl FnOnce(&mut ClassCount)) {
        if let Some(found) = self.classes.iter_mut().find(|known| known.class == class) {
            change(found);
        }
    }

    /// Signs it.
    pub(crate) fn sign(self, key: &SigningKey) -> Result<SignedCertificate, Error> {
        let signature = key.sign(PURPOSE, &self.message()?).to_string();
        Ok(SignedCertificate { certificate: self, signature, key: key.public_key().to_string() })
    }

    fn message(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(content)
    }
}

impl ClassCount {
    fn new(class: Class, periods: &Periods) -> Self {
        let period = periods.of(class);
        Self {
            class,
            period_days: period.days,
            basis: period.basis.clone(),
            keys: 0,
            secrets: 0,
            files: 0,
            rows: 0,
            oldest_left_due: None,
        }
    }
}

impl SignedCertificate {
    /// The certificate as it is kept and exported: one line of JSON.
    ///
    /// # Errors
    /// [`Error::Content`].
    pub fn to_line(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(content)
    }

    /// Reads a line that [`SignedCertificate::to_line`] wrote.
    ///
    /// # Errors
    /// [`Error::Content`].
    pub fn from_line(line: &str) -> Result<Self, Error> {
        serde_json::from_str(line).map_err(content)
    }

    fn verify(&self, key: &PublicKey) -> Result<(), Error> {
        let number = self.certificate.number;
        let wrong = |_| Error::Certificate { number, what: "has a signature that does not fit" };
        let signature = self.signature.parse().map_err(wrong)?;
        key.verify(PURPOSE, &self.certificate.message()?, &signature).map_err(wrong)
    }
}

/// Checks exported certificates, oldest first and from the first one on: that each is signed by `key`, and that none
/// is missing, changed or out of order. What was cut off at the end cannot be seen from what is left.
///
/// # Errors
/// [`Error::Certificate`] with the first that does not fit, [`Error::Content`].
pub fn verify_chain<'a>(lines: impl IntoIterator<Item = &'a str>, key: &PublicKey) -> Result<u64, Error> {
    let mut count = 0;
    let mut previous = NONE_BEFORE.to_owned();
    for line in lines {
        let signed = SignedCertificate::from_line(line)?;
        let number = signed.certificate.number;
        if number != count + 1 || signed.certificate.previous != previous {
            return Err(Error::Certificate { number, what: "does not follow on the one before it" });
        }
        signed.verify(key)?;
        count += 1;
        previous = digest(line);
    }
    Ok(count)
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn content(source: serde_json::Error) -> Error {
    Error::Content { what: "a certificate", source }
}
