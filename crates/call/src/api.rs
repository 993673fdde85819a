//! What goes into and comes out of the exchange [`crate::Exchange`]: plain values, no I/O.
//!
//! The exchange holds every running call. SIP sessions come from `sip::ua`, media happens in the workers; between them
//! stand only these values, moved by `server`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vorzimmer_consent::Permit;
use vorzimmer_sdp::{Browser, Negotiated};
use vorzimmer_sip::ua;
use vorzimmer_types::consent::Language;
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::RecordingResult;
use vorzimmer_types::srtp::Suite;
use vorzimmer_types::{
    CallId, CustomerId, EventRecord, LegId, PartyId, Pii, Quality, ReceptionistId, RecordingId, TrunkId,
};

/// One playing of a prompt or tone, so that a late "it ended" is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// From the SIP user agent.
    Sip(ua::Event),
    /// From the media workers.
    Media(MediaEvent),
    /// The operator wants no new calls: they get 503 with Retry-After; running calls go on.
    Drain,
    /// Whether there is too much to do for further calls: while there is, they get 503 with Retry-After; running calls go on,
    /// and take whom they want.
    Overloaded(bool),
    /// The operator's deadline has come: every running call is ended properly now.
    EndAll,
    /// A recording that [`Output::DestroyRecording`] was about is destroyed: its keys, its file, its row.
    ///
    /// The call's history then says so. A call that is no longer known ([`crate::Exchange::knows`]) has its history in
    /// the store alone, and the fact is to be added there.
    RecordingDestroyed {
        /// The call, as it was named.
        call: CallId,
        /// Which.
        recording: RecordingId,
    },
    /// The wake-up time that was asked for has come.
    Timer,
}

/// What goes out, to be carried out in order.
#[derive(Debug)]
pub enum Output {
    /// For the SIP user agent.
    Sip(ua::Command),
    /// For the media workers.
    Media(MediaCommand),
    /// A fact for the store.
    Event(EventRecord),
    /// Destroy a recording now: its keys, its file, its row. It may still be being closed.
    DestroyRecording {
        /// Which.
        recording: RecordingId,
        /// Whose.
        customer: CustomerId,
        /// In which call, for the event that says it is done.
        call: CallId,
        /// `withdrawn`.
        why: &'static str,
    },
}

/// What a leg hears besides the other party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// A prompt from `config/prompts`, once.
    Prompt {
        /// Its name without language, for example `consent-ask`.
        name: String,
        /// Which language's recording.
        language: Language,
    },
    /// Ring-back as that language's country knows it, until stopped.
    Ringback(Language),
    /// Something gentle that says "you are on hold", until stopped.
    HoldTone,
    /// The tune for whoever waits, until stopped.
    HoldMusic,
    /// Nothing, in packets that keep the path open, until stopped.
    Silence,
}

/// What the media workers are told.
#[derive(Debug)]
pub enum MediaCommand {
    /// Make a leg with ports of its own on this local address; answered by [`MediaEvent::Opened`] or `OpenFailed`.
    Open {
        /// The call; all its legs live on one worker.
        call: CallId,
        /// The new leg.
        leg: LegId,
        /// Our address on the network where the peer is.
        local: IpAddr,
        /// Where the peer's signalling comes from: whence its voice may come if its description says nowhere useful.
        signalling: Pii<IpAddr>,
        /// The peer is a browser: the leg is one of those behind the browsers' port, found by ICE.
        browser: bool,
    },
    /// The description is agreed (first time, or again after a re-INVITE).
    Connect {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Codec, payload types, addresses, direction.
        negotiated: Negotiated,
    },
    /// Let a leg hear something. Replaces what it hears now; on a bridged leg the other party is muted meanwhile.
    Play {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// This playing.
        play: PlayId,
        /// What.
        sound: Sound,
    },
    /// Stop what a leg hears besides the other party. No `PlayEnded` follows for it.
    StopPlay {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The two legs hear each other.
    Bridge {
        /// The call.
        call: CallId,
        /// The caller's.
        caller: LegId,
        /// The other party's.
        other: LegId,
    },
    /// All of these hear each other, up to eight: mixed, each hearing everybody but itself. Replaces any bridge before; two
    /// are better bridged.
    Mix {
        /// The call.
        call: CallId,
        /// Whose legs.
        legs: Vec<LegId>,
    },
    /// Nobody hears anybody.
    Unbridge {
        /// The call.
        call: CallId,
    },
    /// Record these two legs. The permit is handed to the recorder and to nobody else.
    StartRecording {
        /// The call.
        call: CallId,
        /// Whose call.
        customer: CustomerId,
        /// The new recording.
        recording: RecordingId,
        /// The proof that everybody said yes.
        permit: Permit,
        /// Slot by slot: the caller, then the others; at most as many as the consent crate counts.
        tracks: Vec<(LegId, PartyId)>,
    },
    /// Take no frames until resumed: somebody is on hold. A named gap in the recording.
    PauseRecording {
        /// The call.
        call: CallId,
        /// The recording.
        recording: RecordingId,
    },
    /// Take frames again.
    ResumeRecording {
        /// The call.
        call: CallId,
        /// The recording.
        recording: RecordingId,
    },
    /// Close a recording; answered by [`MediaEvent::RecordingEnded`].
    StopRecording {
        /// The call.
        call: CallId,
        /// The recording.
        recording: RecordingId,
        /// Why it ends.
        why: StopWhy,
    },
    /// Give a leg up. Its port rests before it is used again.
    Close {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
}

impl MediaCommand {
    /// The call that it is about.
    #[must_use]
    pub fn call(&self) -> CallId {
        match self {
            Self::Open { call, .. }
            | Self::Connect { call, .. }
            | Self::Play { call, .. }
            | Self::StopPlay { call, .. }
            | Self::Bridge { call, .. }
            | Self::Mix { call, .. }
            | Self::Unbridge { call }
            | Self::StartRecording { call, .. }
            | Self::PauseRecording { call, .. }
            | Self::ResumeRecording { call, .. }
            | Self::StopRecording { call, .. }
            | Self::Close { call, .. } => *call,
        }
    }
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// The talk is over.
    CallEnded,
    /// Somebody joined or left: a new consent epoch.
    EpochEnded,
    /// A party took the consent back.
    Withdrawn(OnWithdrawal),
}

/// What the media workers tell.
#[derive(Debug)]
pub enum MediaEvent {
    /// The leg has ports.
    Opened {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Where it receives RTP; RTCP is one port higher, or on the same port for a browser.
        rtp: SocketAddr,
        /// What a browser is told besides, if one was asked for.
        browser: Option<Box<Browser>>,
    },
    /// No port could be had.
    OpenFailed {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// A key was pressed (RFC 4733, or heard in-band). Each press comes once.
    Digit {
        /// The call.
        call: CallId,
        /// Whose leg.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// A prompt ended.
    PlayEnded {
        /// The call.
        call: CallId,
        /// Whose leg.
        leg: LegId,
        /// Which playing.
        play: PlayId,
        /// Whether every frame of it was sent while the leg could hear.
        complete: bool,
    },
    /// Nothing was heard from a leg for too long.
    Silent {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// A leg's DTLS handshake is over: it is heard from now on.
    Secured {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// How its packets are protected.
        suite: Suite,
    },
    /// A leg's DTLS handshake failed: it will never be heard.
    Insecure {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The recording really runs: its header page is written.
    RecordingStarted {
        /// The call.
        call: CallId,
        /// The recording.
        recording: RecordingId,
    },
    /// A recording is closed, or could not be begun.
    RecordingEnded {
        /// The call.
        call: CallId,
        /// The recording.
        recording: RecordingId,
        /// `Ok`, `Degraded` or `Failed`.
        result: RecordingResult,
        /// Its length.
        duration: Duration,
        /// Gaps of each track.
        gaps: [u32; 2],
        /// Pages on disk.
        pages: u64,
        /// Why it is not simply ok.
        why: String,
    },
    /// What a closed leg's media was like.
    Quality {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Loss, jitter, round trip, opinion.
        quality: Quality,
    },
}

/// What the exchange asks of the world while it decides; answered at once from memory.
pub trait World {
    /// The directory as it is now.
    fn directory(&self) -> &vorzimmer_types::directory::Directory;
    /// The devices of a receptionist that can be rung now.
    fn devices(&self, receptionist: ReceptionistId) -> Vec<ua::Binding>;
    /// The way that a call through this trunk would take now; none if it takes no calls.
    fn way_out(&self, trunk: TrunkId) -> Option<ua::WayOut>;
    /// The version and hash of a prompt, or none if it is not shipped in that language.
    fn prompt(&self, name: &str, language: Language) -> Option<vorzimmer_types::consent::PromptVersion>;
    /// Signs a receipt with the operator's key.
    fn sign(&self, receipt: vorzimmer_types::consent::Receipt) -> vorzimmer_types::consent::SignedReceipt;
}
