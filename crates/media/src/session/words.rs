//! What a session is told and what it says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use vorzimmer_types::audio::{Codec, Digit, Negotiated};
use vorzimmer_types::ice::Credentials;
use vorzimmer_types::srtp::Suite;

use crate::dtls::Failure;
use crate::{Sound, Stats};

/// A leg within its session, named by whoever opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegKey(pub u32);

/// Something that is played, named by whoever plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u32);

/// Which of a leg's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Voice.
    Rtp,
    /// Reports.
    Rtcp,
}

/// A datagram that came to a leg. Its bytes may be rewritten to be passed on.
pub struct Input<'a> {
    /// Whose port it came to.
    pub leg: LegKey,
    /// Which port.
    pub channel: Channel,
    /// Who sent it.
    pub from: SocketAddr,
    /// The datagram.
    pub bytes: &'a mut [u8],
}

/// How a leg is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegConfig {
    /// The recorder's slot for this party; none if nothing of it is tapped.
    pub slot: Option<u8>,
    /// How long the peer may be silent.
    pub silence: Duration,
    /// Whether keys are also found as tones in the audio.
    pub tones: bool,
    /// How a browser addresses its ICE checks to this leg; none for a peer that signalling tells where to find. Such a
    /// leg is only ever heard and spoken to under keys from a DTLS handshake, and its datagrams all come in as
    /// [`Channel::Rtp`].
    pub ice: Option<Credentials>,
}

impl LegConfig {
    /// How long a peer may send nothing before [`Event::Silent`], unless configured otherwise.
    pub const SILENCE: Duration = Duration::from_secs(30);
}

impl Default for LegConfig {
    /// Not tapped, 30 s, tones listened to.
    fn default() -> Self {
        Self { slot: None, silence: Self::SILENCE, tones: true, ice: None }
    }
}

/// An order.
#[derive(Clone)]
pub enum Command {
    /// Begin a leg.
    Open {
        /// Its name.
        leg: LegKey,
        /// How it is treated.
        config: LegConfig,
    },
    /// The peer was negotiated, for the first time or again: also what allows another source to be believed.
    Remote {
        /// Which leg.
        leg: LegKey,
        /// With what result.
        negotiated: Negotiated,
        /// The address that the leg's signalling comes from, if known: the only one besides the negotiated one that
        /// is believed when the negotiated one is private.
        signalling: Option<IpAddr>,
    },
    /// Play to a leg, in place of the bridge and of what was played before.
    Play {
        /// To whom.
        leg: LegKey,
        /// What.
        sound: Sound,
        /// Its name in [`Event::PromptEnded`].
        id: PlayId,
        /// Again and again until stopped.
        looped: bool,
    },
    /// Stop playing to a leg.
    Stop {
        /// To whom.
        leg: LegKey,
    },
    /// Press a key towards a peer, as a telephone-event.
    Press {
        /// Towards whom.
        leg: LegKey,
        /// Which key.
        digit: Digit,
    },
    /// Let two legs hear each other, in place of any bridge before.
    Bridge {
        /// One.
        a: LegKey,
        /// The other.
        b: LegKey,
        /// Whether telephone-events are passed on.
        relay_events: bool,
    },
    /// Let all of these hear each other, in place of any bridge before: up to [`crate::mix::MAX_PARTIES`]. Each is decoded,
    /// mixed with the others and encoded; two of them are a [`Command::Bridge`]. Keys are not passed on. When one is
    /// closed the others go on.
    Mix {
        /// Who.
        legs: Vec<LegKey>,
    },
    /// Let nobody hear anybody.
    Unbridge,
    /// Put a leg on hold, or back: it is neither heard nor tapped, and hears only what is played to it.
    Hold {
        /// Which leg.
        leg: LegKey,
        /// On or off.
        on: bool,
    },
    /// Tap a leg into a slot of the recorder, or no more.
    Tap {
        /// Which leg.
        leg: LegKey,
        /// The slot.
        slot: Option<u8>,
    },
    /// End a leg.
    Close {
        /// Which.
        leg: LegKey,
    },
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { leg, .. } => write!(f, "Open({})", leg.0),
            Self::Remote { leg, negotiated, .. } => write!(f, "Remote({}, {negotiated:?})", leg.0),
            Self::Play { leg, sound, id, looped } => {
                write!(f, "Play({}, {sound:?}, id {}, looped {looped})", leg.0, id.0)
            }
            Self::Stop { leg } => write!(f, "Stop({})", leg.0),
            Self::Press { leg, .. } => write!(f, "Press({})", leg.0),
            Self::Bridge { a, b, .. } => write!(f, "Bridge({}, {})", a.0, b.0),
            Self::Mix { legs } => write!(f, "Mix({} legs)", legs.len()),
            Self::Unbridge => f.write_str("Unbridge"),
            Self::Hold { leg, on } => write!(f, "Hold({}, {on})", leg.0),
            Self::Tap { leg, slot } => write!(f, "Tap({}, {slot:?})", leg.0),
            Self::Close { leg } => write!(f, "Close({})", leg.0),
        }
    }
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigitSource {
    /// As a telephone-event (RFC 4733).
    Event,
    /// As a tone in the audio.
    Tone,
}

/// What happened to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key went down. Said once a press, as soon as it is sure.
    Digit {
        /// On which leg.
        leg: LegKey,
        /// Which key.
        digit: Digit,
        /// How it came.
        source: DigitSource,
    },
    /// The key came up.
    DigitEnded {
        /// On which leg.
        leg: LegKey,
        /// Which key.
        digit: Digit,
        /// How it came.
        source: DigitSource,
        /// How long it was held.
        duration: Duration,
    },
    /// What was played has ended.
    PromptEnded {
        /// To whom.
        leg: LegKey,
        /// What.
        prompt: PlayId,
        /// Every sample was sent and had its time to be heard.
        complete: bool,
    },
    /// Nothing was heard from the peer for too long.
    Silent {
        /// Which leg.
        leg: LegKey,
    },
    /// The peer's address is known.
    Latched {
        /// Which leg.
        leg: LegKey,
    },
    /// The peer's source said goodbye.
    RtcpBye {
        /// Which leg.
        leg: LegKey,
    },
    /// The DTLS handshake is over: from now on the leg is heard and spoken to.
    Secured {
        /// Which leg.
        leg: LegKey,
        /// How its packets are protected.
        suite: Suite,
    },
    /// The DTLS handshake failed: nothing will ever be heard from this leg.
    Insecure {
        /// Which leg.
        leg: LegKey,
        /// Why.
        failure: Failure,
    },
    /// The leg is gone.
    Closed {
        /// Which.
        leg: LegKey,
        /// What its media was like.
        stats: Stats,
    },
}

/// What a packet for the recorder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Voice.
    Voice(Codec),
    /// Comfort noise (RFC 3389): how it sounds where the party is, while nobody speaks.
    Noise,
}

/// A packet of voice for the recorder: from the peer, not seen before, as it came.
#[derive(Clone, Copy)]
pub struct Tap<'a> {
    /// Which leg.
    pub leg: LegKey,
    /// The party's slot.
    pub slot: u8,
    /// What it holds.
    pub content: Content,
    /// Its synchronization source.
    pub ssrc: u32,
    /// The RTP timestamp of its first sample.
    pub timestamp: u32,
    /// Its sequence number.
    pub sequence: u16,
    /// Its source begins anew here, so neither timestamp nor sequence number follows from what was.
    pub restarted: bool,
    /// When it came.
    pub at: Instant,
    /// Encoded samples.
    pub payload: &'a [u8],
}

/// Takes what a session does. Called for every packet: must neither wait nor allocate.
pub trait Sink {
    /// Sends a datagram from a leg's port.
    fn send(&mut self, leg: LegKey, channel: Channel, to: SocketAddr, bytes: &[u8]);
    /// Gives the recorder what a tapped leg said.
    fn tap(&mut self, tap: Tap<'_>);
    /// Tells the recorder that a packet of a tapped leg's stream held no voice, so that it does not count as lost.
    fn passed(&mut self, leg: LegKey, slot: u8, ssrc: u32, sequence: u16);
    /// Tells the socket's owner that an address has proven by ICE that it is a leg's peer; said again at each check.
    fn proven(&mut self, leg: LegKey, peer: SocketAddr) {
        let _ = (leg, peer);
    }
    /// Tells the call what happened.
    fn event(&mut self, event: Event);
}
