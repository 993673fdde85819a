//! What goes into the machine and what comes out of it.

use vorzimmer_types::PartyId;
use vorzimmer_types::consent::{Answer, Role};

use crate::keys::Key;
use crate::receipt::ReceiptDraft;
use crate::who::Who;

/// Where one party stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consent {
    /// Not asked, or what it once said is not good for the present company.
    Unasked,
    /// Its consent is on file, and no recording has relied on it yet.
    Standing,
    /// The question is being played to it.
    Hearing {
        /// How many times it was repeated already.
        repeats: u8,
    },
    /// It has heard the question to the end.
    Deciding {
        /// How many times it was repeated already.
        repeats: u8,
    },
    /// It agreed, and has a receipt to show.
    Yes,
    /// It did not agree, or took it back. Nobody asks again unless a receptionist starts a new question.
    No,
}

impl Consent {
    /// Whether an answer is still to come.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Hearing { .. } | Self::Deciding { .. })
    }

    /// Whether this party's voice may be recorded in this company.
    #[must_use]
    pub fn is_yes(self) -> bool {
        matches!(self, Self::Yes | Self::Standing)
    }
}

/// One party on the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    pub(super) id: PartyId,
    pub(super) who: Who,
    pub(super) consent: Consent,
    pub(super) held: bool,
    pub(super) aside: bool,
}

impl Party {
    /// Who, on this call.
    #[must_use]
    pub fn id(&self) -> PartyId {
        self.id
    }

    /// What they are on it.
    #[must_use]
    pub fn who(&self) -> Who {
        self.who
    }

    /// The role that goes into receipts.
    #[must_use]
    pub fn role(&self) -> Role {
        self.who.role()
    }

    /// Where they stand.
    #[must_use]
    pub fn consent(&self) -> Consent {
        self.consent
    }

    /// Whether they have left the talk for a while.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.aside
    }

    /// Whether they pressed hold.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.held
    }
}

/// Whether something is being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tape {
    /// Nothing is.
    Off,
    /// Frames are wanted.
    Running,
    /// A recording is open and wants no frames: somebody is on hold.
    Paused,
}

/// What happened on the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Somebody is about to be heard on the call. Under `ask-before-connect` wait for [`Effect::Settled`] before
    /// connecting them.
    Join {
        /// Who, on this call.
        party: PartyId,
        /// What they are on it.
        who: Who,
    },
    /// Somebody is gone.
    Leave {
        /// Who.
        party: PartyId,
    },
    /// Somebody hands over to somebody else: a leave and a join, with nothing in between.
    Transfer {
        /// Who leaves.
        from: PartyId,
        /// Who takes over.
        to: PartyId,
        /// What the new party is.
        who: Who,
    },
    /// The question was played to its end.
    PromptEnded {
        /// To whom.
        party: PartyId,
    },
    /// The question was not heard to its end, or could not be played at all.
    PromptCut {
        /// By whom.
        party: PartyId,
    },
    /// A key.
    Pressed {
        /// By whom.
        party: PartyId,
        /// Which.
        key: Key,
    },
    /// The party's telephone says no to recording.
    Withdraw {
        /// Whose.
        party: PartyId,
    },
    /// [`ANSWER_WITHIN`](crate::ANSWER_WITHIN) has passed since the question ended.
    Silent {
        /// Who said nothing.
        party: PartyId,
    },
    /// Somebody put the others on hold.
    Hold {
        /// Who.
        party: PartyId,
    },
    /// And came back.
    Resume {
        /// Who.
        party: PartyId,
    },
    /// Somebody leaves the talk for a while: to fetch somebody, or to talk to somebody apart. The epoch ends, and
    /// nothing is recorded until they are back, alone or with whoever joins, or have left.
    StepAside {
        /// Who.
        party: PartyId,
    },
    /// And comes back alone.
    StepBack {
        /// Who.
        party: PartyId,
    },
    /// The caller, alone on the call, begins or ends leaving a message.
    Voicemail {
        /// Begins or ends.
        on: bool,
    },
    /// The call is over.
    End,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Play the question to this party and report its end.
    Ask {
        /// To whom.
        party: PartyId,
        /// 0 for the first time, then how often it was repeated.
        repeat: u8,
    },
    /// Let this party hear that the others are being asked. Its end need not be reported.
    Overhear {
        /// Who.
        party: PartyId,
    },
    /// If the question is still being played to this party, end it.
    StopPrompt {
        /// To whom.
        party: PartyId,
    },
    /// An answer was given.
    Receipt(ReceiptDraft),
    /// Who is on the call has changed: count the next epoch. Nothing of the last one is permitted any more.
    NextEpoch,
    /// Record these parties.
    Record {
        /// Whose voices: the caller first.
        parties: Vec<PartyId>,
    },
    /// Keep the recording open and take no frames.
    Pause,
    /// Take frames again.
    Resume,
    /// End the recording, if one is open.
    Stop {
        /// Why.
        reason: StopReason,
        /// Whether everything that this call has recorded so far is to be destroyed.
        destroy: bool,
    },
    /// Nobody is being asked any more: go on with the call.
    Settled {
        /// What came of it.
        outcome: Outcome,
    },
    /// Nothing is recorded from here on.
    Blocked {
        /// Why.
        why: Why,
    },
    /// The call is over.
    Ended {
        /// What it leaves behind.
        kept: Kept,
    },
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Somebody joined or left: the next epoch needs a permit of its own.
    CompanyChanged,
    /// Somebody took their consent back.
    Withdrawn {
        /// Who.
        party: PartyId,
    },
    /// The message is complete.
    MessageEnded,
    /// The call is over.
    CallEnded,
    /// Somebody on the call cannot be counted.
    TooMany,
    /// Not everybody agrees any more.
    ConsentGone,
}

/// What asking has led to, for those who are on the call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everyone agreed: with two or more on the call, it is being recorded.
    Agreed,
    /// Somebody did not.
    Declined,
    /// Nobody had to be asked yet, or ever.
    NotAsked,
}

impl Outcome {
    /// Whether the call goes on recorded.
    #[must_use]
    pub fn recorded(self) -> bool {
        self == Self::Agreed
    }
}

/// Why nothing is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// This party gave this answer.
    Answered {
        /// Who.
        party: PartyId,
        /// What.
        answer: Answer,
    },
    /// Somebody on the call cannot be counted.
    TooMany,
    /// The caller leaves a message, and the policy wants a receptionist to ask.
    NobodyToAttest,
    /// No question was ever answered, or nobody came to talk to.
    NobodyAsked,
}

/// What a call has left behind so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Nothing was recorded.
    Nothing,
    /// Something was.
    Something,
    /// Something was, and was to be destroyed.
    Destroyed,
}
