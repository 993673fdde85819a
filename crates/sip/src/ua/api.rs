//! What goes into and comes out of the user agent [`super::Ua`]: plain values, no I/O.
//!
//! The user agent owns transactions (RFC 3261 §17, RFC 6026), dialogs (§12), digest, and registrar bindings. Above it
//! there are only *sessions*: an INVITE and everything that happens until its BYE. It does not know what a call is,
//! whose number was rung, or what is in a session description.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use vorzimmer_types::cause::Cause;
use vorzimmer_types::{Pii, ReceptionistId, TrunkId};

use super::carriers::{TrunkNews, TrunkOrder};
use crate::carrier::{Placing, Pulse, Target};
use crate::cause;
use crate::flow::{Binding, ConnectionId, Flow, Transport};
use crate::uri::Uri;

/// One INVITE session, from the first INVITE to the end of its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// One REFER within a session: the number of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferId(pub u32);

/// Which dialog a REFER wants replaced (RFC 3891), as far as it is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// None: it names somebody to be called.
    Nothing,
    /// This session's.
    Session(SessionId),
    /// One that is not there.
    Unknown,
}

/// Whom to call through a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// Through which.
    pub trunk: TrunkId,
    /// Whom, and on whose behalf.
    pub call: Placing,
}

/// The way that a call through a trunk would take now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The trunk's configured name.
    pub name: String,
    /// Without a connection.
    pub flow: Flow,
    /// Whether it answers: one that is down is used only if no other is left.
    pub pulse: Pulse,
}

/// Who stands behind a request, once that is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A configured trunk, known by its address or its digest.
    Trunk {
        /// Which.
        id: TrunkId,
        /// Its configured name.
        name: String,
    },
    /// A receptionist, known by her digest.
    Receptionist(ReceptionistId),
}

/// What comes in.
pub enum Input {
    /// A datagram arrived.
    Datagram {
        /// Where and from whom.
        flow: Flow,
        /// As received; untrusted.
        bytes: Bytes,
    },
    /// A peer opened a connection to us, or one that we asked for ([`Output::Connect`]) is open.
    Opened {
        /// The connection; `flow.connection` is set.
        flow: Flow,
        /// The trunk whose certificate the peer has shown in the handshake, which is over.
        certified: Option<TrunkId>,
    },
    /// Bytes arrived on a connection, cut anywhere; on a WebSocket exactly one of its messages.
    Stream {
        /// Which.
        connection: ConnectionId,
        /// As received; untrusted.
        bytes: Bytes,
    },
    /// A connection is gone, or could not be opened.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// The name of a trunk's provider was looked up.
    Located {
        /// Which trunk's.
        trunk: TrunkId,
        /// Where it is, the best first.
        targets: Vec<Target>,
    },
    /// The layer above wants something.
    Command(Command),
    /// The wake-up time that was asked for has come.
    Timer,
}

/// What goes out, to be carried out in order.
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// Over this way.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// Open a stream connection, then say [`Input::Opened`] or [`Input::Closed`].
    Connect {
        /// The name it will have.
        connection: ConnectionId,
        /// [`Transport::Tcp`] or [`Transport::Tls`].
        transport: Transport,
        /// Where to.
        remote: SocketAddr,
        /// Who must be there: on TLS, a peer without this trunk's certificate is hung up on (RFC 5922 §7.3).
        trunk: Option<TrunkId>,
    },
    /// Close a connection.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Something for the layer above.
    Event(Event),
}

/// What the layer above may ask for.
pub enum Command {
    /// Send a provisional answer (101–199) to an INVITE, with a description for early media or without.
    Progress {
        /// The session.
        session: SessionId,
        /// 180, 181, 182 or 183.
        status: u16,
        /// `application/sdp`.
        sdp: Option<Bytes>,
    },
    /// Accept an INVITE, or a further offer within its dialog, with 200. While such an offer waits, it is the one that is
    /// answered.
    Accept {
        /// The session.
        session: SessionId,
        /// The answer; or the offer, if the INVITE had none (RFC 3264 §4: the answer then comes in the ACK).
        sdp: Bytes,
    },
    /// Refuse an INVITE or re-INVITE.
    Refuse {
        /// The session.
        session: SessionId,
        /// 300–699.
        status: u16,
        /// Further words for the peer, in a Reason header (RFC 3326), or none.
        reason: Option<Reason>,
        /// Retry-After, for 503 and 486.
        retry_after: Option<Duration>,
    },
    /// Ring a device.
    Invite {
        /// The session's name, chosen by the layer above with [`super::Ua::next_session`].
        session: SessionId,
        /// The device.
        to: Box<Binding>,
        /// What stands in From: who is calling, or anonymous.
        from: FromParty,
        /// The offer; none lets the device offer (RFC 3264 §4), and its offer wants an Answer.
        sdp: Option<Bytes>,
        /// Further headers for the device, such as `Alert-Info`; printable ASCII, checked.
        headers: Vec<(String, Pii<String>)>,
    },
    /// Answer a device's offer in a 2xx or reliable provisional answer to an INVITE of ours without one: goes into the ACK
    /// or the PRACK. Who cannot take the offer hangs up.
    Answer {
        /// The session.
        session: SessionId,
        /// The answer.
        sdp: Bytes,
    },
    /// Call somebody through a trunk, as its [`Outbound`](crate::carrier::Outbound) says. Ends in Answered or Refused as
    /// for a device; 408 and 503 are also for a trunk that does not answer, or takes no calls now.
    Dial {
        /// The session's name, chosen by the layer above with [`super::Ua::next_session`].
        session: SessionId,
        /// Whom.
        to: Box<Dialled>,
        /// The offer.
        sdp: Bytes,
    },
    /// Say whether a REFER is tried: 202 begins the telling, anything from 300 up refuses it.
    AnswerRefer {
        /// The session.
        session: SessionId,
        /// Which REFER.
        refer: ReferId,
        /// 202 or 300–699.
        status: u16,
    },
    /// Tell how far an accepted REFER got (RFC 3515 §2.4.5). A status of 200 or above is the last.
    Notify {
        /// The session.
        session: SessionId,
        /// Which REFER.
        refer: ReferId,
        /// The status line that the peer is told.
        status: u16,
    },
    /// Give up an INVITE that was not answered yet. A 2xx that crosses the CANCEL is answered with ACK and BYE.
    Cancel {
        /// The session.
        session: SessionId,
        /// Why, for the Reason header: `SIP ;cause=200 ;text="Call completed elsewhere"` (RFC 3326 §2).
        reason: Option<Reason>,
    },
    /// Offer a new description within the session.
    Reinvite {
        /// The session.
        session: SessionId,
        /// The offer.
        sdp: Bytes,
    },
    /// The same for a change that nobody there need be asked about: by UPDATE (RFC 3311) where the peer allows it, else by
    /// re-INVITE. Ends with [`Event::ReinviteEnded`] too.
    Update {
        /// The session.
        session: SessionId,
        /// The offer.
        sdp: Bytes,
    },
    /// The operator wants something of a trunk.
    Trunk {
        /// Which.
        trunk: TrunkId,
        /// What.
        order: TrunkOrder,
    },
    /// Give every registration with a provider back: the server is about to end.
    Leave,
    /// End the session.
    Hangup {
        /// The session.
        session: SessionId,
        /// Why, for the Reason header.
        reason: Option<Reason>,
    },
}

/// What stands in From of an INVITE of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromParty {
    /// This display name and user part.
    Known {
        /// Shown on the phone.
        display: Option<Pii<String>>,
        /// User part of the SIP URI: a number or a name.
        user: Pii<String>,
    },
    /// `Anonymous <sip:anonymous@anonymous.invalid>` (RFC 3323 §4.1.1.3).
    Anonymous,
}

/// A Reason header (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP` or `Q.850`.
    pub protocol: &'static str,
    /// The cause within that protocol.
    pub cause: u16,
    /// A text without personal data.
    pub text: String,
    /// Under which code the same text stands in a Warning header of a refusal (RFC 3261 §20.43), if it does.
    pub warning: Option<u16>,
}

impl Reason {
    /// What a telephone network is told for this status, if there is anything (RFC 3398 §8.2.6.1).
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        cause::of_status(status).map(Self::in_q850)
    }

    fn in_q850(cause: u16) -> Self {
        Self { protocol: "Q.850", cause, text: String::new(), warning: None }
    }

    /// What another peer is told because one has said this.
    #[must_use]
    pub fn passed_on(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Q850(cause) => Some(Self::in_q850(cause)),
            // Says something about the other dialog alone.
            Cause::Sip(_) => None,
        }
    }
}

/// What the layer above is told.
pub enum Event {
    /// Somebody who may call rings. 100 has been sent; answer with Progress, Accept or Refuse.
    Invited {
        /// The new session.
        session: SessionId,
        /// Who.
        peer: Peer,
        /// The whole request, for its identity headers. Checked: §8.2 of RFC 3261 has been applied.
        request: Box<rsip::Request>,
        /// Its description, if it has one.
        sdp: Option<Bytes>,
        /// The session that it wants to take the place of (RFC 3891); only ever said of a receptionist's.
        replaces: Option<SessionId>,
        /// The way it came: media is offered from the same address family and local address.
        flow: Flow,
    },
    /// The peer says that it can show whether it is recorded (`record-aware`, RFC 7866 §6.2.1): right after its INVITE,
    /// or right before its answer, or whenever it says so first.
    RecordAware {
        /// The session.
        session: SessionId,
    },
    /// The peer gave its INVITE up; 487 was sent. The session is over.
    Cancelled {
        /// The session.
        session: SessionId,
    },
    /// A device that we ring makes progress (180, 181, 182, 183).
    Progressed {
        /// The session.
        session: SessionId,
        /// Which.
        status: u16,
        /// Early media, if described. After an INVITE without an offer, and if the answer is reliable (RFC 3262), it is an
        /// offer that wants an Answer.
        sdp: Option<Bytes>,
    },
    /// A device that we rang answered; ACK was sent. Forked further 2xx are ACKed and ended by the user agent.
    Answered {
        /// The session.
        session: SessionId,
        /// The answer; none if offer and answer were completed by an UPDATE while it rang. After an INVITE without an
        /// offer it is an offer that wants an Answer, which makes the ACK.
        sdp: Option<Bytes>,
    },
    /// A device that we rang refused, or could not be reached (408 timer B, 503 transport). The session is over.
    Refused {
        /// The session.
        session: SessionId,
        /// 300–699.
        status: u16,
        /// Retry-After.
        retry_after: Option<Duration>,
    },
    /// Our reliable provisional answer had an offer, and this answers it (RFC 3262 §5).
    ProgressAnswered {
        /// The session.
        session: SessionId,
        /// The answer.
        sdp: Bytes,
    },
    /// Our 2xx was acknowledged; with the answer if the offer was in the 2xx.
    Acknowledged {
        /// The session.
        session: SessionId,
        /// The answer, if the ACK carried one.
        sdp: Option<Bytes>,
    },
    /// The peer offers a new description (re-INVITE or UPDATE): Accept or Refuse. None: it asks for an offer.
    Reoffered {
        /// The session.
        session: SessionId,
        /// The offer.
        sdp: Option<Bytes>,
    },
    /// The session has to be refreshed (RFC 4028 §10), and the peer knows no UPDATE: Reinvite with what was described
    /// last. Whoever does not will see the session expire.
    RefreshDue {
        /// The session.
        session: SessionId,
    },
    /// Our re-INVITE, or UPDATE with an offer, ended.
    ReinviteEnded {
        /// The session.
        session: SessionId,
        /// 200–699. On 491 the user agent has already retried within RFC 3261 §14.1's bounds; or an offer of theirs was
        /// accepted while this one waited, and is newer: offer anew if it is still wanted.
        status: u16,
        /// The answer, on 2xx.
        sdp: Option<Bytes>,
    },
    /// A digit came by INFO (`application/dtmf-relay` or `application/dtmf`); 200 was sent.
    Digit {
        /// The session.
        session: SessionId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was pressed, if said.
        duration: Option<Duration>,
    },
    /// Something has become of a trunk that we turn to.
    Trunk {
        /// Which.
        trunk: TrunkId,
        /// What.
        news: TrunkNews,
    },
    /// A receptionist's phone wants its peer put through (RFC 3515): answer with AnswerRefer.
    Referred {
        /// The session.
        session: SessionId,
        /// Which REFER.
        refer: ReferId,
        /// To whom, without headers. Nobody is called because it stands here: look up who it may be.
        target: Pii<Uri>,
        /// By replacing which dialog.
        replaced: Replaced,
    },
    /// The peer says why, in a Reason header (RFC 3326): right before the Cancelled, Refused or Ended that it is about.
    Explained {
        /// The session.
        session: SessionId,
        /// Why.
        cause: Cause,
    },
    /// The session is over: BYE came or was answered, or no ACK came in 64·T1, or the dialog broke.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        why: Ending,
    },
    /// A receptionist's bindings changed: keep them, so that they survive a restart.
    BindingsChanged {
        /// Whose.
        receptionist: ReceptionistId,
        /// All that she has now.
        bindings: Vec<Binding>,
    },
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer said BYE.
    PeerHungUp,
    /// We said BYE and it is done.
    WeHungUp,
    /// The peer never acknowledged our 2xx (RFC 3261 §13.3.1.4); BYE was sent.
    NoAck,
    /// A request within the dialog was answered 481 or 408, or not at all (RFC 3261 §12.2.1.2).
    DialogLost,
    /// Nobody refreshed the session in time (RFC 4028 §10); BYE was sent.
    Expired,
}
