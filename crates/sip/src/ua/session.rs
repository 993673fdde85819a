//! What is remembered about a session, stage by stage. No behaviour: that is in the modules named after what happens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rsip::{Method, Request};
use vorzimmer_types::TrunkId;

use super::compose::Envelope;
use super::interval::{Interval, Life};
use super::reliable::{Provisional, Reliably};
use super::respond::Opened;
use super::{Binding, ConnectionId, Ending, Flow, Peer, Reason, ReferId, SessionId};
use crate::dialog::Dialog;
use crate::transaction::TransactionId;

/// An INVITE and everything until its BYE.
pub(super) struct Session {
    pub id: SessionId,
    pub peer: Peer,
    /// The way to the peer.
    pub flow: Flow,
    /// Call-ID and our tag, under which the dialog is found.
    pub key: (String, String),
    /// The device that was rung, for reaching it once its connection is gone.
    pub device: Option<Box<Binding>>,
    pub can: Abilities,
    pub life: Life,
    /// A reliable answer of ours that waits for its PRACK. It may come after the INVITE's final answer.
    pub provisional: Option<Provisional>,
    pub stage: Stage,
}

/// Every session by its name. Boxed: a table has places for twice as many, and they are large.
#[derive(Default)]
pub(super) struct Sessions(HashMap<SessionId, Box<Session>>);

impl Sessions {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, id: &SessionId) -> Option<&Session> {
        self.0.get(id).map(|session| &**session)
    }

    pub fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.0.get_mut(id).map(|session| &mut **session)
    }

    pub fn contains_key(&self, id: &SessionId) -> bool {
        self.0.contains_key(id)
    }

    pub fn insert(&mut self, id: SessionId, session: Session) {
        self.0.insert(id, Box::new(session));
    }

    pub fn remove(&mut self, id: &SessionId) -> Option<Session> {
        self.0.remove(id).map(|session| *session)
    }
}

/// What a peer can do, by the latest of its messages that said so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abilities {
    /// Its Allow holds UPDATE (RFC 3311 §4).
    pub update: bool,
    /// Its Supported holds `record-aware` (RFC 7866 §6.2.1).
    pub record_aware: bool,
}

pub(super) enum Stage {
    /// Their INVITE waits for our answer.
    Invited(Box<Invited>),
    /// Our INVITE waits for theirs.
    Calling(Calling),
    /// The dialog is confirmed.
    Talking(Box<Talking>),
    /// BYE is under way.
    Closing(Box<Closing>),
}

pub(super) struct Invited {
    pub pending: Pending,
    pub dialog: Dialog,
    /// The latest 101–199, repeated each minute (RFC 3261 §13.3.1.1).
    pub progress: Option<(u16, Option<Bytes>)>,
    pub reliably: Reliably,
    /// An UPDATE or PRACK with a further offer: Accept and Refuse answer it before the INVITE.
    pub theirs: Option<Pending>,
}

/// An INVITE of theirs that has no final answer yet.
pub(super) struct Pending {
    pub transaction: TransactionId,
    pub envelope: Envelope,
    /// Record-Route, which answers that make a dialog repeat (§12.1.1).
    pub record_routes: Vec<rsip::Header>,
    pub seq: u32,
    /// INVITE, UPDATE or PRACK.
    pub method: Method,
    /// Whether it had an offer: else ours goes into the 2xx and the answer comes in the ACK.
    pub offered: bool,
    /// The session timer that its 2xx grants.
    pub interval: Option<Interval>,
}

pub(super) struct Calling {
    pub transaction: TransactionId,
    /// A 1xx came, so a CANCEL may be sent (§9.1).
    pub heard: bool,
    pub cancel: Cancel,
    pub early: Vec<Early>,
    /// A PRACK that waits for the layer above: the answer to the offer in a reliable answer.
    pub owed: Option<Owed>,
    /// As it was sent, without Via: for sending it again with what an answer asked for.
    pub request: Box<Request>,
}

impl Calling {
    /// An INVITE that has just been sent.
    pub fn new(transaction: TransactionId, request: Request) -> Self {
        Self {
            transaction,
            heard: false,
            cancel: Cancel::No,
            early: Vec::new(),
            owed: None,
            request: Box::new(request),
        }
    }

    /// Whether it had an offer; else the device makes one.
    pub fn offered(&self) -> bool {
        !self.request.body.is_empty()
    }
}

/// One fork of an INVITE of ours, as far as it has come.
pub(super) struct Early {
    pub dialog: Dialog,
    /// The RSeq of the latest reliable answer, and how many there were.
    pub rseq: Option<u32>,
    pub acknowledged: u8,
    /// The answer to our offer, if it came reliably: it counts, whatever the 2xx says (RFC 3262 §5).
    pub answer: Option<Bytes>,
    /// Their UPDATE with an offer, waiting for Accept or Refuse.
    pub theirs: Option<Pending>,
    /// Offer and answer are complete, and the layer above knows.
    pub settled: bool,
}

/// Something that we owe a device until the layer above has answered its offer.
pub(super) enum Owed {
    /// The PRACK in the fork at this place.
    Prack { fork: usize, rseq: u32 },
    /// The ACK of this fork's 2xx.
    Ack { transaction: TransactionId, tag: String },
}

/// Whether an INVITE of ours was given up.
#[derive(PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// As soon as a 1xx comes.
    Wanted(Option<Reason>),
    Sent,
}

pub(super) struct Talking {
    pub dialog: Dialog,
    pub unacknowledged: Option<Unacknowledged>,
    /// Their re-INVITE or UPDATE with an offer, waiting for Accept or Refuse.
    pub theirs: Option<Pending>,
    pub ours: Reinvite,
    /// An UPDATE of ours that only refreshes.
    pub refresh: Option<TransactionId>,
    /// The ACK of a 2xx with an offer, which must hold the answer.
    pub owed: Option<Owed>,
    /// A BYE that waits for the ACK of our 2xx (§15).
    pub hangup: Option<Option<Reason>>,
    /// A REFER of theirs that is not over.
    pub refer: Option<Refer>,
    /// There was a REFER before.
    pub was_referred: bool,
}

/// A REFER that was not answered finally, or whose outcome is still to be told.
pub(super) struct Refer {
    pub id: ReferId,
    /// Until it is answered.
    pub opened: Option<Opened>,
    /// No NOTIFY is wanted (RFC 4488 §4).
    pub quiet: bool,
    /// Not the first of its dialog, so that NOTIFYs say which one they are about (RFC 3515 §2.4.6).
    pub named: bool,
}

/// A 2xx of ours without its ACK (§13.3.1.4).
pub(super) struct Unacknowledged {
    pub transaction: TransactionId,
    pub seq: u32,
    pub response: Bytes,
    pub interval: Duration,
    pub until: Instant,
    /// Whether the ACK must carry the answer to the offer in the 2xx.
    pub offer: bool,
}

impl Talking {
    /// A dialog that has just been confirmed.
    pub fn new(dialog: Dialog, unacknowledged: Option<Unacknowledged>) -> Self {
        Self {
            dialog,
            unacknowledged,
            theirs: None,
            ours: Reinvite::None,
            refresh: None,
            owed: None,
            hangup: None,
            refer: None,
            was_referred: false,
        }
    }

    /// Whether the ACK of the 2xx with this tag waits for the layer above.
    pub fn owes_ack_to(&self, tag: &str) -> bool {
        matches!(&self.owed, Some(Owed::Ack { tag: owed, .. }) if owed == tag)
    }
}

/// An offer of ours within the dialog.
pub(super) enum Reinvite {
    None,
    Sent {
        transaction: TransactionId,
        offer: Offer,
    },
    /// After a 491 (§14.1) or a 500 with Retry-After (RFC 3311 §5.1).
    Waiting {
        offer: Offer,
    },
}

/// What is offered, and how.
#[derive(Clone)]
pub(super) struct Offer {
    pub sdp: Bytes,
    /// INVITE or UPDATE.
    pub by: Method,
    /// Counts from one.
    pub attempt: u8,
}

pub(super) struct Closing {
    pub dialog: Dialog,
    /// A re-INVITE of ours that was still open: its 2xx would be acknowledged until the BYE is answered.
    pub reinvite: Option<TransactionId>,
    pub why: Ending,
}

/// An INVITE of ours for as long as its transaction lives: what its ACKs and its CANCEL are made of.
pub(super) struct OurInvite {
    pub session: SessionId,
    /// Without body.
    pub request: Box<Request>,
    pub flow: Flow,
    /// The highest number that was used in any of its dialogs.
    pub spent: u32,
    /// The ACKs of its 2xx, for when a 2xx is repeated (§13.2.2.4).
    pub acks: Vec<Ack>,
}

/// The ACK that one fork's 2xx got.
pub(super) struct Ack {
    /// The fork's To tag.
    pub tag: String,
    pub flow: Flow,
    pub bytes: Bytes,
}

/// Whom a client transaction's answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Invite(SessionId),
    Reinvite(SessionId),
    /// An UPDATE with an offer.
    Update(SessionId),
    /// An UPDATE without one.
    Refresh(SessionId),
    Bye(SessionId),
    /// A REGISTER to a trunk.
    Register(TrunkId),
    /// An OPTIONS to a trunk.
    Probe(TrunkId),
    /// A CANCEL, or the BYE of a fork that nobody wanted: whatever the answer is.
    Nobody,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wake {
    /// Repeat the unacknowledged 2xx.
    Repeat(SessionId),
    /// Repeat the latest 1xx.
    Remind(SessionId),
    /// Repeat the reliable 1xx that has no PRACK yet.
    Reassure(SessionId),
    /// Their INVITE's Expires, or our limit for a ringing one.
    GiveUp(SessionId),
    /// A trunk should have said something to our INVITE by now.
    Unheard(SessionId),
    /// No answer came to a CANCEL of ours.
    Uncancelled(SessionId),
    /// Send the re-INVITE again.
    Retry(SessionId),
    /// The re-INVITE was heard of, and then nothing more.
    Overdue(SessionId),
    /// The session has to be refreshed (RFC 4028 §10).
    Refresh(SessionId),
    /// Nobody has refreshed it.
    Expire(SessionId),
    /// A binding lapses.
    Lapse,
    /// Whoever connected should have said by now who it is.
    Prove(ConnectionId),
    /// The message that began to arrive should be whole by now.
    Whole(ConnectionId),
    /// A device that keeps a flow should have been heard of by now.
    Silent(ConnectionId),
    /// Something is to be done for a trunk.
    Carrier(TrunkId),
    /// A trunk should have answered an OPTIONS by now.
    Late(TrunkId),
}

impl Reinvite {
    pub fn transaction(&self) -> Option<TransactionId> {
        match self {
            Self::Sent { transaction, .. } => Some(*transaction),
            Self::None | Self::Waiting { .. } => None,
        }
    }
}

impl Session {
    /// The dialog, once there is one and only one.
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.stage {
            Stage::Invited(invited) => Some(&invited.dialog),
            Stage::Calling(_) => None,
            Stage::Talking(talking) => Some(&talking.dialog),
            Stage::Closing(closing) => Some(&closing.dialog),
        }
    }

    /// The dialog, early ones included, with these tags.
    pub fn dialog_mut(&mut self, call_id: &str, local: &str, remote: &str) -> Option<&mut Dialog> {
        let matches = |dialog: &&mut Dialog| dialog.matches(call_id, local, remote);
        match &mut self.stage {
            Stage::Invited(invited) => Some(&mut invited.dialog).filter(matches),
            Stage::Calling(calling) => calling.early.iter_mut().map(|early| &mut early.dialog).find(matches),
            Stage::Talking(talking) => Some(&mut talking.dialog).filter(matches),
            Stage::Closing(closing) => Some(&mut closing.dialog).filter(matches),
        }
    }

    /// A re-INVITE of ours that is under way.
    pub fn reinvite(&self) -> Option<TransactionId> {
        match &self.stage {
            Stage::Talking(talking) => talking.ours.transaction(),
            Stage::Closing(closing) => closing.reinvite,
            Stage::Invited(_) | Stage::Calling(_) => None,
        }
    }

    /// What of theirs waits for Accept or Refuse.
    pub fn pending(&self) -> Option<&Pending> {
        match &self.stage {
            Stage::Invited(invited) => Some(invited.theirs.as_ref().unwrap_or(&invited.pending)),
            Stage::Calling(calling) => calling.early.iter().find_map(|early| early.theirs.as_ref()),
            Stage::Talking(talking) => talking.theirs.as_ref(),
            Stage::Closing(_) => None,
        }
    }

    /// Whether offer and answer of their INVITE are complete before its final answer.
    pub fn is_settled(&self) -> bool {
        matches!(&self.stage, Stage::Invited(invited) if invited.reliably.settled)
    }

    /// Takes what of theirs waits besides a first INVITE.
    pub fn take_theirs(&mut self) -> Option<Pending> {
        match &mut self.stage {
            Stage::Invited(invited) => invited.theirs.take(),
            Stage::Calling(calling) => calling.early.iter_mut().find_map(|early| early.theirs.take()),
            Stage::Talking(talking) => talking.theirs.take(),
            Stage::Closing(_) => None,
        }
    }

    /// The number of the next request within the dialog.
    pub fn next_number(&mut self) -> Option<u32> {
        match &mut self.stage {
            Stage::Talking(talking) => Some(talking.dialog.next_number()),
            Stage::Closing(closing) => Some(closing.dialog.next_number()),
            Stage::Invited(_) | Stage::Calling(_) => None,
        }
    }

    pub fn talking(&mut self) -> Option<&mut Talking> {
        match &mut self.stage {
            Stage::Talking(talking) => Some(talking),
            _ => None,
        }
    }
}
