//! The way to one peer, and the devices that are reached over it.

use std::net::SocketAddr;

use vorzimmer_types::{Pii, ReceptionistId, UnixMillis};

use crate::uri::NameAddr;

/// A transport that SIP messages travel over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams (RFC 3261 §18).
    Udp,
    /// A byte stream framed by Content-Length (RFC 3261 §18.3).
    Tcp,
    /// The same, encrypted (RFC 3261 §26.2.1).
    Tls,
    /// A WebSocket, whose every message is one SIP message (RFC 7118 §5).
    Ws,
    /// A WebSocket over TLS.
    Wss,
}

impl Transport {
    /// Whether it retransmits by itself (RFC 3261 §17).
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Whether nobody on the way can read or change what it carries.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it hands over one whole message at a time (RFC 7118 §5), unlike a stream.
    #[must_use]
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// As it stands in Via (RFC 3261 §20.42, RFC 7118 §5.1).
    #[must_use]
    pub fn in_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The `transport` parameter of a URI that is reached by it; none for what is meant without one. RFC 7118 §5.2 has
    /// one value for both WebSockets.
    #[must_use]
    pub fn in_uri(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
            Self::Ws | Self::Wss => Some("ws"),
        }
    }
}

/// One stream connection. Never reused while the process lives.
///
/// The driver names the connections that peers open, below 2⁶³; the user agent names those that it asks for with
/// [`Output::Connect`], from 2⁶³ up.
///
/// [`Output::Connect`]: crate::ua::Output::Connect
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// The first name of a connection that we open.
    pub const FIRST_OF_OURS: u64 = 1 << 63;

    /// Whether we opened it.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.0 >= Self::FIRST_OF_OURS
    }
}

/// The way to one peer: which transport, from which address of ours, to which of theirs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs, as packets really come from it.
    pub remote: SocketAddr,
    /// The connection, for streams.
    pub connection: Option<ConnectionId>,
}

impl std::fmt::Debug for Flow {
    /// Without the peer's address, which may be a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({:?} {} → ‹redacted›)", self.transport, self.local)
    }
}

/// One device of a receptionist (RFC 3261 §10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose device.
    pub receptionist: ReceptionistId,
    /// The Contact URI as she gave it.
    pub contact: Pii<String>,
    /// The way it registered over: requests go back there.
    pub flow: Flow,
    /// The proxies between it and us (RFC 3327), as they wrote themselves down: the route of requests to it.
    pub path: Vec<Pii<String>>,
    /// Call-ID of the registration, for the order of re-registrations (RFC 3261 §10.3 step 7).
    pub call_id: Pii<String>,
    /// CSeq of the registration.
    pub cseq: u32,
    /// `+sip.instance` (RFC 5626 §4.1), if given.
    pub instance: Option<Pii<String>>,
    /// `reg-id` (RFC 5626 §4.2): which of the device's flows this is; none for devices without `outbound`.
    pub reg_id: Option<u32>,
    /// Preference, 0–1000 for q = 0.000–1.000.
    pub q_milli: u16,
    /// When it lapses, on the wall clock, so that it survives a restart.
    pub expires_at: UnixMillis,
}

impl Binding {
    /// The route of requests to it.
    pub(crate) fn route(&self) -> Vec<NameAddr> {
        self.path.iter().filter_map(|hop| NameAddr::parse(hop.expose()).ok()).collect()
    }

    /// Whether both are flows of one device (RFC 5626 §5.3): then only one of them is used for a request.
    #[must_use]
    pub fn is_same_device(&self, other: &Self) -> bool {
        self.receptionist == other.receptionist && self.instance.is_some() && self.instance == other.instance
    }
}
