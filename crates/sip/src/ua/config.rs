//! What the user agent is told once: its names, its trunks, its limits; and whom it asks for accounts.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use vorzimmer_types::{ReceptionistId, TrunkId};

use super::Peer;
use crate::carrier::{Login, Outbound};
use crate::digest::Ha1;
use crate::registrar::Expires;
use crate::uri::Host;

/// Who we are and whom we serve.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// The digest realm; also the host in addresses that we make up.
    pub realm: String,
    /// Host names that are ours. Receptionists register at one of them or at one of our addresses; if there are none,
    /// at any name that leads here.
    pub domains: Vec<String>,
    /// Who may send us calls.
    pub trunks: Vec<Trunk>,
    /// Stands in User-Agent and Server.
    pub user_agent: String,
    /// Which algorithms a REGISTER is challenged with.
    pub phone_digest: PhoneDigest,
    /// How long registrations last.
    pub expires: Expires,
    /// How long a session lives without a refresh.
    pub session_timer: SessionTimer,
    /// What is held at most.
    pub limits: Limits,
}

/// Which digest algorithms (RFC 7616 §3.2) telephones are offered.
///
/// RFC 8760 §2.3 wants the best first and lets a client pass over what it does not know. Common telephones do not:
/// Debian's baresip 1.0 and SIPp 3.6 give up at any challenge that is not MD5, wherever it stands. Both algorithms are
/// accepted whatever is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhoneDigest {
    /// What every telephone knows.
    #[default]
    Md5,
    /// SHA-256 and nothing else.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-256 first, then MD5.
    Both,
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// What we ask for, and grant at most, in whole seconds.
    pub interval: Duration,
    /// The least that we agree to, in whole seconds; shorter ones are refused with 422.
    pub min: Duration,
}

impl SessionTimer {
    /// The least that anybody may ask for (RFC 4028 §4).
    pub const LEAST: Duration = Duration::from_secs(90);
}

impl Default for SessionTimer {
    /// Half an hour, as RFC 4028 §4 recommends, and not below its least.
    fn default() -> Self {
        Self { interval: Duration::from_secs(1800), min: Self::LEAST }
    }
}

/// One trunk.
///
/// Known by address if it has `addresses`, by digest if it has `digest`, by certificate if it has one; whatever it has,
/// it must show all of it.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Which.
    pub id: TrunkId,
    /// Its configured name.
    pub name: String,
    /// Where its requests come from.
    pub addresses: Vec<IpNet>,
    /// User name and secret.
    pub digest: Option<(String, Ha1)>,
    /// Whether it is known by the certificate that it shows (RFC 5922): requests over other connections are not its own.
    pub certificate: bool,
    /// What we do towards it; none: it only sends us calls.
    pub provider: Option<Provider>,
    /// How calls are placed through it, at its provider's; none: it only brings calls.
    pub outbound: Option<Outbound>,
}

/// A trunk that we turn to ourselves: to register with it, to see whether it is there, to place calls.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The host of addresses there: of the request line of REGISTER, and of ours.
    pub domain: String,
    /// The user part of our address there.
    pub identity: String,
    /// What its challenges are answered with.
    pub login: Option<Login>,
    /// The realms whose challenges are answered; empty: the one that the registrar names first.
    pub realms: Vec<String>,
    /// Whether we register, and how.
    pub register: Option<Registration>,
    /// How often it is asked whether it is there.
    pub options_every: Option<Duration>,
}

impl Provider {
    /// The host of addresses there.
    #[must_use]
    pub fn host(&self) -> Host {
        self.domain.parse().map_or_else(|_| Host::Name(self.domain.clone()), Host::Ip)
    }
}

/// How we register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// For how long; none: an hour.
    pub expires: Option<Duration>,
    /// All numbers of the trunk at once (RFC 6140).
    pub bulk: bool,
}

impl Trunk {
    /// It, as a peer.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::Trunk { id: self.id, name: self.name.clone() }
    }

    /// Whether requests of this trunk come from `ip`. IPv4 in IPv6 clothes (RFC 4291 §2.5.5.2) is IPv4.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.addresses.iter().any(|net| net.contains(&ip))
    }
}

/// What is held at most. At a limit new work is refused; what runs goes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions: further INVITEs get 503.
    pub sessions: usize,
    /// Server transactions, and as many client transactions: further requests get a stateless 503. A fifth is kept for
    /// requests within dialogs, so that whoever talks can hang up in a full house. A call by UDP takes two for 32 s
    /// (RFC 3261 §17.2.2, RFC 6026 §7.1), so that 160,000 carry 2,000 new calls a second, at some 6 kB a call.
    pub transactions: usize,
    /// Bindings of one receptionist: a further device takes the place of the one that lapses first.
    pub bindings: usize,
    /// Open connections: further ones are closed. Each may hold one message of the largest size, about 80 kB.
    pub connections: usize,
    /// Addresses remembered as those of proven peers; the oldest is forgotten.
    pub known_flows: usize,
    /// How long a peer on a stream may take for one message, from its first byte to its last.
    pub message: Duration,
    /// How often a device that registered a flow (RFC 5626) must be heard of: told as Flow-Timer (§4.5), and a flow
    /// that was silent for longer than this and [`Limits::FLOW_GRACE`] is dead.
    pub flow_timer: Duration,
}

impl Limits {
    /// RFC 5626 §5.4: a keep-alive may be late by the way it takes.
    pub const FLOW_GRACE: Duration = Duration::from_secs(30);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            transactions: 160_000,
            bindings: 8,
            connections: 4096,
            known_flows: 20_000,
            message: Duration::from_secs(20),
            flow_timer: Duration::from_secs(120),
        }
    }
}

/// One receptionist's log-in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who.
    pub id: ReceptionistId,
    /// What her digest is checked against, for the configured realm.
    pub secret: Ha1,
}

/// Who may register: asked for each request that carries a digest, answered at once from memory.
pub trait Accounts {
    /// The account with this user name.
    fn receptionist(&self, login: &str) -> Option<Account>;
}
