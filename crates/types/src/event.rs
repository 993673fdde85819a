//! Every fact that happens to a call, in the order it happened. The call record is folded from these.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::consent::{Epoch, Policy, SignedReceipt};
use crate::srtp::Security;
use crate::{
    CallId, ContactId, CustomerId, E164, LegId, PartyId, Pii, Quality, ReceptionistId, RecordingId,
    UnixMillis,
};

/// One fact with its place in a call's history. `(call, seq)` is unique, so writing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The call it happened to.
    pub call: CallId,
    /// Counts from 0 within the call.
    pub seq: u32,
    /// When.
    pub at: UnixMillis,
    /// Whose call it is, once that is known.
    pub customer: Option<CustomerId>,
    /// What.
    pub event: Event,
}

/// What happened. Serialised only to be sealed: personal fields go through [`crate::pii::sealed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A trunk forwarded a call to us.
    Offered {
        /// The trunk's configured name.
        trunk: String,
        /// The number of ours that was rung.
        #[serde(with = "crate::pii::sealed")]
        did: Pii<E164>,
        /// Who rings.
        caller: Caller,
        /// How the call came to us, most recent forwarding first.
        chain: Vec<Hop>,
        /// The customer's recording policy at this moment.
        policy: Policy,
    },
    /// We did not take the call.
    Refused {
        /// The SIP status we gave.
        status: u16,
        /// Why, in the operator's words.
        why: String,
    },
    /// We answered the caller.
    Answered,
    /// A prompt was started for a party.
    Prompted {
        /// Who hears it.
        party: PartyId,
        /// The prompt's name.
        prompt: String,
    },
    /// A party answered a consent question.
    Consented {
        /// The answer, signed.
        receipt: SignedReceipt,
    },
    /// A receptionist's device is being rung.
    Rung {
        /// The leg towards the device.
        leg: LegId,
        /// Whose device.
        receptionist: ReceptionistId,
    },
    /// Somebody outside is being called.
    ContactRung {
        /// The leg towards them.
        leg: LegId,
        /// Which contact of the customer's; none for a number that the operator allows besides.
        contact: Option<ContactId>,
        /// The configured name of the trunk that the call goes out by.
        #[serde(default)]
        trunk: Option<String>,
    },
    /// A rung leg ended without being connected.
    RingEnded {
        /// The leg.
        leg: LegId,
        /// Why.
        outcome: RingOutcome,
    },
    /// Caller and receptionist hear each other.
    Connected {
        /// The receptionist's leg.
        leg: LegId,
        /// Her party.
        party: PartyId,
        /// Who she is.
        receptionist: ReceptionistId,
    },
    /// The caller and somebody outside hear each other.
    ContactConnected {
        /// The leg towards them.
        leg: LegId,
        /// Their party.
        party: PartyId,
        /// Which contact of the customer's; none for a number that the operator allows besides.
        contact: Option<ContactId>,
    },
    /// A receptionist wants the call put through to somebody, or to talk to somebody first.
    TransferAsked {
        /// Who asked.
        by: PartyId,
        /// To whom.
        to: Aim,
        /// How.
        how: TransferBy,
    },
    /// It was asked for somebody who may not be reached, or cannot be.
    TransferRefused {
        /// Who asked.
        by: PartyId,
        /// Why, in the operator's words: never the number.
        why: String,
    },
    /// What came of it.
    TransferEnded {
        /// How it ended.
        outcome: TransferOutcome,
    },
    /// Who hears whom has changed: from here on these hear each other, and each other party hears nobody.
    Together {
        /// Counts the changes, as recordings and receipts do.
        epoch: Epoch,
        /// Who.
        parties: Vec<PartyId>,
    },
    /// A party left the call, and others stay.
    Left {
        /// Who.
        party: PartyId,
    },
    /// A party was put on hold.
    Held {
        /// Who pressed hold.
        party: PartyId,
    },
    /// The hold ended.
    Resumed {
        /// Who resumed.
        party: PartyId,
    },
    /// A recording began.
    RecordingStarted {
        /// Which.
        recording: RecordingId,
        /// Under which consent.
        epoch: Epoch,
    },
    /// A recording ended. Each call that was to be recorded has one of these.
    RecordingFinished {
        /// Which; none if it never began.
        recording: Option<RecordingId>,
        /// How.
        result: RecordingResult,
        /// Its length.
        duration_ms: u64,
        /// How many gaps each party's track has, caller first.
        gaps: [u32; 2],
        /// How many pages are on disk.
        pages: u64,
        /// Why it is not simply ok; empty if it is.
        why: String,
    },
    /// A recording was destroyed before its day.
    RecordingDestroyed {
        /// Which.
        recording: RecordingId,
        /// Why: `withdrawn`, `erasure`, `operator`.
        why: String,
    },
    /// A recording was encoded again, to Opus: a smaller file, sealed under the same keys, has taken the first one's
    /// place.
    RecordingReencoded {
        /// Which.
        recording: RecordingId,
        /// How many pages are on disk now.
        pages: u64,
        /// Bytes of the file that is gone.
        bytes_before: u64,
        /// Bytes of the one that is there.
        bytes_after: u64,
    },
    /// A recording was looked at for encoding again, and stays as it came.
    RecordingNotReencoded {
        /// Which.
        recording: RecordingId,
        /// Why, in the operator's words.
        why: String,
    },
    /// How a leg's media is protected, once that is known and whenever it changes.
    Secured {
        /// The leg.
        leg: LegId,
        /// How.
        security: Security,
    },
    /// What one leg's media was like.
    Quality {
        /// The leg.
        leg: LegId,
        /// Loss, jitter, round trip, opinion.
        #[serde(flatten)]
        quality: Quality,
    },
    /// Whoever refused, gave up or hung up has said why, in terms of the network. What it led to comes next.
    Explained {
        /// The leg that it was said on; none is the caller's.
        leg: Option<LegId>,
        /// Why.
        cause: Cause,
    },
    /// The call is over.
    Ended {
        /// Who ended it.
        by: EndedBy,
        /// Why, in the operator's words.
        why: String,
    },
}

/// Who rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Caller {
    /// The network vouches for this number or address.
    Known {
        /// E.164, or a SIP address where there is no number.
        #[serde(with = "crate::pii::sealed")]
        address: Pii<String>,
        /// The display name that came along.
        #[serde(with = "crate::pii::sealed_option")]
        name: Option<Pii<String>>,
    },
    /// The caller wants not to be known: nothing is kept.
    Withheld,
    /// Nothing usable came along.
    Unknown,
}

/// One forwarding that brought the call to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who forwarded: E.164 or address; none if that party is private.
    #[serde(with = "crate::pii::sealed_option")]
    pub from: Option<Pii<String>>,
    /// `unconditional`, `user-busy`, `no-answer`, … (RFC 5806 §4), or a History-Info cause.
    pub reason: String,
    /// How many forwardings this entry stands for.
    pub count: u32,
    /// Where it was read: `diversion` or `history-info`.
    pub source: String,
}

/// How the ringing of one device ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum RingOutcome {
    /// Refused or failed with this SIP status.
    Failed {
        /// 4xx–6xx; 408 for no answer at all.
        status: u16,
    },
    /// Rang for its time and was given up.
    TimedOut,
    /// Somebody else took the call.
    TakenElsewhere,
    /// The caller hung up.
    CallerGone,
}

/// To whom a call is to be put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Aim {
    /// A colleague.
    Receptionist {
        /// Who.
        receptionist: ReceptionistId,
    },
    /// A contact of the customer's.
    Contact {
        /// Who.
        contact: ContactId,
    },
    /// A number that the operator allows besides.
    Number,
}

/// How a transfer was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferBy {
    /// By REFER: put through without asking first.
    Refer,
    /// By key: asked first.
    Key,
    /// By a second call of the receptionist's phone: asked first.
    SecondCall,
    /// By INVITE with Replaces: a colleague picks the call up.
    PickUp,
}

/// What came of a transfer or a consultation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum TransferOutcome {
    /// The caller talks to whom they were put through to.
    PutThrough,
    /// All three talk.
    Joined,
    /// The receptionist went back to the caller.
    Returned,
    /// Nobody was reached; the caller is brought back.
    Failed {
        /// The SIP status that says why; 408 for no answer.
        status: u16,
    },
    /// The caller, or whoever was asked, hung up.
    HungUp,
}

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingResult {
    /// Whole, without a gap of ours.
    Ok,
    /// Kept, with gaps counted.
    Degraded,
    /// Nothing usable was kept.
    Failed,
    /// Somebody did not say yes, so nothing was recorded.
    Blocked,
    /// Recorded, then destroyed because consent was withdrawn.
    Withdrawn,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// The caller, or the trunk for them.
    Caller,
    /// The receptionist.
    Receptionist,
    /// Somebody outside, to whom the call was put through.
    Contact,
    /// We did.
    Vorzimmer,
}
