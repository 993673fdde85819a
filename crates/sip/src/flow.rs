//! The way to one peer, and the devices that are reached over it.

use std::net::SocketAddr;

use vorzimmer_types::{Pii, ReceptionistId, UnixMillis};

/// A transport that SIP messages travel over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams (RFC 3261 §18).
    Udp,
    /// A byte stream framed by Content-Length (RFC 3261 §18.3).
    Tcp,
}

impl Transport {
    /// Whether it retransmits by itself (RFC 3261 §17).
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self == Self::Tcp
    }
}

/// One stream connection. Never reused while the process lives.
///
/// The driver names the connections that peers open, below 2⁶³; the user agent names those that it asks for with
/// [`Output::Connect`], from 2⁶³ up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

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
    /// Call-ID of the registration, for the order of re-registrations (RFC 3261 §10.3 step 7).
    pub call_id: Pii<String>,
    /// CSeq of the registration.
    pub cseq: u32,
    /// `+sip.instance` (RFC 5626 §4.1), if given.
    pub instance: Option<Pii<String>>,
    /// Preference, 0–1000 for q = 0.000–1.000.
    pub q_milli: u16,
    /// When it lapses, on the wall clock, so that it survives a restart.
    pub expires_at: UnixMillis,
}
