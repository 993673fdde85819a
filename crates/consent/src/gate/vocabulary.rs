//! What goes into a gate and what comes out of it.

use vorzimmer_types::consent::{Policy, PromptVersion, Receipt};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::{CallId, CustomerId, PartyId};

use crate::machine::{Outcome, StopReason, Who, Why};
use crate::permit::Permit;

/// What is settled before anybody is on the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The call.
    pub call: CallId,
    /// On whose behalf it is answered.
    pub customer: CustomerId,
    /// When it may be recorded.
    pub policy: Policy,
    /// What happens to a recording when consent is withdrawn.
    pub on_withdrawal: OnWithdrawal,
    /// What the recording is for: goes into every receipt.
    pub purpose: String,
}

/// Somebody who is about to be heard on the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Who, on this call.
    pub party: PartyId,
    /// What they are on it.
    pub who: Who,
    /// The words in which they are asked, in their language.
    pub question: PromptVersion,
}

/// What happened on the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The caller was answered, a receptionist answered, a contact was added. Whoever joins is not to be heard by the
    /// others before [`Output::Settled`].
    Join(Newcomer),
    /// Somebody is gone.
    Leave {
        /// Who.
        party: PartyId,
    },
    /// Somebody hands over to somebody else.
    Transfer {
        /// Who leaves.
        from: PartyId,
        /// Who takes over.
        to: Newcomer,
    },
    /// The question was played to its end.
    PromptEnded {
        /// To whom.
        party: PartyId,
    },
    /// The question was interrupted, or could not be played.
    PromptCut {
        /// For whom.
        party: PartyId,
    },
    /// A key was pressed, once, however it was signalled.
    Digit {
        /// By whom.
        party: PartyId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// A telephone says that its user is not to be recorded. Counts like the keys for it.
    Withdraw {
        /// Whose.
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
    /// Somebody leaves the talk for a while: to fetch somebody, or to talk to somebody apart.
    StepAside {
        /// Who.
        party: PartyId,
    },
    /// And comes back alone; wait for [`Output::Settled`]. Whoever joins brings back whoever stands aside.
    StepBack {
        /// Who.
        party: PartyId,
    },
    /// The caller, alone on the call, begins or ends leaving a message.
    Voicemail {
        /// Begins or ends.
        on: bool,
    },
    /// [`Gate::next_wake`](crate::Gate::next_wake) has come.
    Wake,
    /// The call is over. The gate takes nothing after this.
    End,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Play the question to this party; report [`Input::PromptEnded`] or [`Input::PromptCut`].
    Ask {
        /// To whom.
        party: PartyId,
        /// Which words.
        prompt: PromptVersion,
        /// 0 for the first time, then how often it was repeated.
        repeat: u8,
    },
    /// Play the question to this party too, who need not answer it. Nothing is to be reported.
    Overhear {
        /// To whom.
        party: PartyId,
        /// Which words.
        prompt: PromptVersion,
    },
    /// If the question is still being played to this party, end it.
    StopPrompt {
        /// To whom.
        party: PartyId,
    },
    /// An answer, to be signed and kept.
    Receipt(Receipt),
    /// Start a recording with this permit.
    Record(Permit),
    /// Keep the recording open and take no frames. The permit says so already.
    Pause,
    /// Take frames again.
    Resume,
    /// End the recording, if one is open. The permit is dead already.
    Stop {
        /// Why.
        reason: StopReason,
        /// Whether everything that this call has recorded so far is to be destroyed.
        destroy: bool,
    },
    /// Nobody is being asked any more: ring the receptionist, or connect who has joined.
    Settled {
        /// What came of it.
        outcome: Outcome,
    },
    /// Nothing is recorded from here on, unless a new question leads to it.
    Blocked {
        /// Why.
        why: Why,
    },
    /// What became of the call's recording. The last output of a gate.
    Ended {
        /// What.
        verdict: Verdict,
    },
}

/// What became of a call's recording, as far as consent can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The policy is `off`.
    NotWanted,
    /// Something was recorded; the recorder says how well.
    Recorded,
    /// Something was recorded, then destroyed because consent was withdrawn.
    Withdrawn,
    /// Nothing was recorded.
    Blocked {
        /// Why.
        why: Why,
    },
}
