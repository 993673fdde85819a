//! The words of consent: policies, questions, answers, receipts. The rules live in the `consent` crate.

use serde::{Deserialize, Serialize};

use crate::{CallId, CustomerId, PartyId, ReceiptId, ReceptionistId, UnixMillis};

/// When a customer's calls are recorded, and who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Never recorded, nobody is asked.
    #[default]
    Off,
    /// A prompt asks the caller before a receptionist is rung.
    AskBeforeConnect,
    /// The receptionist starts the question with a key while both are talking; both hear it.
    AskInCall,
    /// The receptionist asks herself and confirms the spoken yes with a key; the receipt names her.
    Attested,
}

/// The language in which a party is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// German.
    #[default]
    De,
    /// English.
    En,
}

/// Counts who-hears-whom: each change of the people on a call starts the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

/// What somebody is on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Who rang the business.
    Caller,
    /// Who took the call.
    Receptionist,
    /// Whom the caller asked for.
    Contact,
}

/// How a question ended. Only [`Answer::Yes`] lets anything be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Said yes.
    Yes,
    /// Said no.
    No,
    /// Said nothing in time.
    Silence,
    /// The prompt was not heard to its end.
    CutShort,
    /// Left while being asked.
    HungUp,
    /// Took an earlier yes back.
    Withdrawn,
}

/// How the answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Method {
    /// By pressing this key.
    Key {
        /// `0`–`9`, `*`, `#`.
        digit: char,
    },
    /// Spoken, and confirmed with a key by this receptionist.
    Attested {
        /// Who confirmed it.
        receptionist: ReceptionistId,
    },
    /// By the telephone's own signalling (RFC 7866 §7.1, `a=recordpref:off`).
    Signalled,
    /// A standing consent on file with the operator.
    Standing,
    /// No answer was given.
    None,
}

/// Exactly which words were played.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromptVersion {
    /// The prompt's name, for example `consent-ask`.
    pub name: String,
    /// Counts up with each change of the words.
    pub version: u32,
    /// The language spoken.
    pub language: Language,
    /// SHA-256 of the WAV file, in hexadecimal.
    pub sha256: String,
}

/// One answer of one party. Holds neither number nor voice, so it may outlive both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// This receipt.
    pub id: ReceiptId,
    /// The call it belongs to.
    pub call: CallId,
    /// On whose behalf the question was asked.
    pub customer: CustomerId,
    /// Who answered; a random id that lives for one call.
    pub party: PartyId,
    /// What that party is on the call.
    pub role: Role,
    /// What was played, if anything was.
    pub prompt: Option<PromptVersion>,
    /// The answer.
    pub answer: Answer,
    /// How it was given.
    pub method: Method,
    /// When.
    pub at: UnixMillis,
    /// What the recording is for, in the words of the customer's contract.
    pub purpose: String,
    /// Which company of people it was given to.
    pub epoch: Epoch,
}

/// A receipt with the operator's signature over its canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Ed25519 (RFC 8032) over `serde_json::to_vec(&receipt)`, 64 bytes in hexadecimal.
    pub signature: String,
    /// The public key that verifies it, 32 bytes in hexadecimal.
    pub key: String,
}
