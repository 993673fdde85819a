//! Who is served, by whom, and how: customers, their numbers and plans, receptionists and their log-ins.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::consent::{Language, Policy};
use crate::srtp::SrtpPolicy;
use crate::{CustomerId, E164, Pii, ReceptionistId};

/// Everything the operator has told us. Held in memory whole; sealed in the store row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// The businesses that forward their calls.
    pub customers: Vec<Customer>,
    /// The people who take them.
    pub receptionists: Vec<Receptionist>,
}

impl Directory {
    /// Whose number this is.
    #[must_use]
    pub fn customer_by_number(&self, did: &E164) -> Option<&Customer> {
        self.customers.iter().find(|customer| customer.numbers.iter().any(|number| number.expose() == did))
    }

    /// The receptionist with this id.
    #[must_use]
    pub fn receptionist(&self, id: ReceptionistId) -> Option<&Receptionist> {
        self.receptionists.iter().find(|receptionist| receptionist.id == id)
    }

    /// The receptionist who logs in with this user name.
    #[must_use]
    pub fn receptionist_by_login(&self, login: &str) -> Option<&Receptionist> {
        self.receptionists.iter().find(|receptionist| receptionist.login.expose() == login)
    }
}

/// A business that forwards its calls to numbers of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Stable over re-imports of the same key.
    pub id: CustomerId,
    /// The short name the operator uses in files and commands.
    #[serde(with = "crate::pii::sealed")]
    pub key: Pii<String>,
    /// The business's name.
    #[serde(with = "crate::pii::sealed")]
    pub name: Pii<String>,
    /// Our numbers that it forwards to.
    #[serde(with = "sealed_numbers")]
    pub numbers: Vec<Pii<E164>>,
    /// The language its callers are spoken to in.
    pub language: Language,
    /// The prompt that greets its callers before anything else, by name; none is silence.
    pub greeting: Option<String>,
    /// When its calls are recorded.
    pub recording: Policy,
    /// What the recording is for: spoken of in receipts.
    pub purpose: String,
    /// What happens to a recording when consent is withdrawn.
    pub on_withdrawal: OnWithdrawal,
    /// Who is rung, and how.
    pub plan: RingPlan,
    /// Its calls are under professional secrecy (§ 203 StGB): a receptionist's leg without SRTP is refused.
    #[serde(default)]
    pub secrecy: bool,
    /// Whether all legs of its calls are encrypted.
    #[serde(default)]
    pub srtp: SrtpPolicy,
}

/// What a withdrawal does to what was recorded before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnWithdrawal {
    /// It is destroyed at once.
    #[default]
    Destroy,
    /// It is closed and kept until its day.
    Keep,
}

/// Who is rung for a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingPlan {
    /// All at once, or one after the other.
    pub order: RingOrder,
    /// The team, in order.
    pub team: Vec<Place>,
}

/// Whether a team is rung together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RingOrder {
    /// All at once; the first answer wins.
    #[default]
    Together,
    /// One after the other.
    InOrder,
}

/// One receptionist's place in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Who.
    pub receptionist: ReceptionistId,
    /// How long her devices ring, in seconds.
    pub timeout_s: u16,
}

impl Place {
    /// How long her devices ring.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_s))
    }
}

/// A person who takes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receptionist {
    /// Stable over re-imports of the same log-in.
    pub id: ReceptionistId,
    /// SIP user name.
    #[serde(with = "crate::pii::sealed")]
    pub login: Pii<String>,
    /// Her name.
    #[serde(with = "crate::pii::sealed")]
    pub name: Pii<String>,
    /// The language she is spoken to in.
    pub language: Language,
    /// Her consent to be recorded, given once and on file, or none: then she is asked in each call.
    pub standing_consent: Option<StandingConsent>,
    /// What her password is checked against.
    pub credential: Credential,
    /// Whether her legs are encrypted.
    #[serde(default)]
    pub srtp: SrtpPolicy,
}

/// A consent that a receptionist gave in writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingConsent {
    /// The day it was given, as written: `2026-01-31`.
    pub given_on: String,
    /// Which text she signed.
    pub text: String,
}

/// Digest secrets for one realm (RFC 7616 §3.4.2): hashes of `user:realm:password`, hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The realm they are good for.
    pub realm: String,
    /// MD5, 32 digits.
    pub ha1_md5: String,
    /// SHA-256, 64 digits.
    pub ha1_sha256: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(‹redacted›)")
    }
}

mod sealed_numbers {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::{E164, Pii};

    pub fn serialize<S: Serializer>(numbers: &[Pii<E164>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(numbers.iter().map(Pii::expose))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Pii<E164>>, D::Error> {
        Ok(Vec::<E164>::deserialize(from)?.into_iter().map(Pii::new).collect())
    }
}
