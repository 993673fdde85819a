//! Who is served, by whom, and how: customers, their numbers and plans, receptionists and their log-ins.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::consent::{Language, Policy};
use crate::e164::E164Error;
use crate::srtp::SrtpPolicy;
use crate::{ContactId, CustomerId, E164, Pii, ReceptionistId};

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
    #[serde(with = "sealed_list")]
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
    /// What a caller hears on hold.
    #[serde(default)]
    pub hold: HoldSound,
    /// The people there whom a caller may ask for.
    #[serde(default)]
    pub contacts: Vec<Contact>,
}

impl Customer {
    /// The contact with this short number.
    #[must_use]
    pub fn contact_by_short(&self, short: &str) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.short.expose() == short)
    }
}

/// A person at a customer's whom a caller may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Stable over re-imports of the same short number.
    pub id: ContactId,
    /// The digits that a receptionist dials for this person.
    #[serde(with = "crate::pii::sealed")]
    pub short: Pii<String>,
    /// The person's name.
    #[serde(with = "crate::pii::sealed")]
    pub name: Pii<String>,
    /// Where the person is reached, in the order in which it is tried.
    #[serde(with = "sealed_list")]
    pub reach: Vec<Pii<Reach>>,
    /// Whether a caller may be put through, or joined by this person; else the receptionist knows the name only.
    pub transfer: bool,
}

/// Where somebody outside is reached.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reach {
    /// By telephone.
    Number(E164),
    /// At a `sip:` or `sips:` address.
    Address(String),
}

/// Why a text is not a [`Reach`]. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// It begins like a number and is none.
    #[error(transparent)]
    Number(#[from] E164Error),
    /// It is neither.
    #[error("it is neither a number (+49…) nor an address (sip:name@host)")]
    Neither,
}

impl Reach {
    /// As a file has it: `+4930123456` or `sip:name@host`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Address(address) => address,
        }
    }
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reach(‹redacted›)")
    }
}

impl std::str::FromStr for Reach {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        if text.starts_with('+') {
            return Ok(Self::Number(text.parse()?));
        }
        let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:"));
        let (user, host) = rest.and_then(|rest| rest.split_once('@')).ok_or(ReachError::Neither)?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let quiet = |text: &str| !text.contains(['<', '>', '"', '?', ',', '@', '\\']);
        if [user, host].iter().all(|part| plain(part) && quiet(part)) {
            Ok(Self::Address(text.to_owned()))
        } else {
            Err(ReachError::Neither)
        }
    }
}

impl TryFrom<String> for Reach {
    type Error = ReachError;

    fn try_from(text: String) -> Result<Self, ReachError> {
        text.parse()
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> Self {
        reach.as_str().to_owned()
    }
}

/// What a caller hears on hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldSound {
    /// Soft single notes that say "you are on hold".
    #[default]
    Tone,
    /// A tune of our own.
    Music,
    /// Nothing.
    Silence,
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

mod sealed_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Pii;

    pub fn serialize<T: Serialize, S: Serializer>(list: &[Pii<T>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(Pii::expose))
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Pii<T>>, D::Error> {
        Ok(Vec::<T>::deserialize(from)?.into_iter().map(Pii::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn where_people_are_reached() {
        for good in ["+4930123456", "sip:chef@kanzlei.example", "sips:a.b@192.0.2.1:5061;transport=tls"] {
            assert_eq!(good.parse::<Reach>().map(|reach| reach.as_str().to_owned()), Ok(good.to_owned()));
        }
        let bad = [
            "030123",
            "+0",
            "sip:",
            "sip:@host",
            "sip:a@",
            "sip:a b@c",
            "sip:a@b?Replaces=x",
            "sip:a@b>,<c@d",
            "tel:+49",
        ];
        for bad in bad {
            assert!(bad.parse::<Reach>().is_err(), "{bad}");
        }
    }
}
