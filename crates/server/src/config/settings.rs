//! The options, typed. `config/vorzimmer.toml` explains each of them to the operator; a test holds the two together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use vorzimmer_retention::{Class, Periods};
use vorzimmer_sip::ua::PhoneDigest;
use vorzimmer_types::audio::Codec;
use vorzimmer_types::srtp::SrtpPolicy;

use super::outbound::Outbound;
use super::provider::Provider;
use super::tls::{Tls, TrunkCertificate};
use super::turn::Turn;
use super::values::{Level, Listen, PortRange};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Signalling.
    pub sip: Sip,
    /// Our certificates.
    pub tls: Tls,
    /// How numbers are written where we are.
    pub numbers: Numbers,
    /// Who may forward calls to us, by name.
    pub trunks: BTreeMap<String, Trunk>,
    /// Receptionists' telephones.
    pub receptionists: Receptionists,
    /// By which trunks calls go out, by the beginning of the number or address.
    pub routes: BTreeMap<String, Vec<String>>,
    /// Whom a caller may be put through to.
    pub transfer: Transfer,
    /// Voices.
    pub media: Media,
    /// The operator's TURN server, for browsers.
    pub turn: Turn,
    /// What is kept, and where.
    pub data: Data,
    /// Where the key that protects all others comes from.
    pub key: Key,
    /// What is done to recordings after their calls.
    pub reencoding: Reencoding,
    /// How long things are kept.
    pub retention: Retention,
    /// Health and metrics.
    pub http: Http,
    /// What is written down about the running of the server.
    pub logs: Logs,
    /// What is too much.
    pub limits: Limits,
    /// How the server ends.
    pub drain: Drain,
}

/// Signalling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// UDP listeners.
    pub udp: Vec<Listen>,
    /// TCP listeners.
    pub tcp: Vec<Listen>,
    /// TLS listeners.
    pub tls: Vec<Listen>,
    /// Secure WebSocket listeners, for browsers.
    pub wss: Vec<Listen>,
    /// WebSocket listeners without TLS: loopback only, behind a proxy of the operator's.
    pub ws: Vec<Listen>,
    /// The pages whose scripts may speak SIP to us, as browsers write their Origin.
    pub origins: Vec<String>,
    /// How often a device that keeps a flow open must be heard of, in seconds.
    pub flow_timer_s: u64,
    /// Name servers that providers are looked up with; empty: the system's.
    pub name_servers: Vec<Listen>,
    /// The realm of receptionists' log-ins.
    pub realm: String,
    /// Which digest algorithms telephones are offered.
    pub phone_digest: PhoneDigest,
    /// After how many seconds without a refresh a session is over (RFC 4028).
    pub session_expires_s: u32,
    /// The shortest such time that a peer may ask for.
    pub min_session_expires_s: u32,
    /// The addresses that peers reach us at, if they differ from the ones we listen on: one IPv4, one IPv6 at most.
    pub advertise: Vec<IpAddr>,
}

impl Default for Sip {
    fn default() -> Self {
        let loopback = Listen(([127, 0, 0, 1], 5060).into());
        Self {
            udp: vec![loopback],
            tcp: vec![loopback],
            tls: vec![Listen(([127, 0, 0, 1], 5061).into())],
            wss: vec![Listen(([127, 0, 0, 1], 5443).into())],
            ws: Vec::new(),
            origins: vec!["http://127.0.0.1:8080".to_owned(), "http://localhost:8080".to_owned()],
            flow_timer_s: 120,
            name_servers: Vec::new(),
            realm: "vorzimmer".to_owned(),
            phone_digest: PhoneDigest::default(),
            session_expires_s: 1800,
            min_session_expires_s: 90,
            advertise: Vec::new(),
        }
    }
}

impl Sip {
    /// What a peer of `local`'s family is told instead of `local`, if anything.
    pub fn advertised(&self, local: IpAddr) -> Option<IpAddr> {
        self.advertise.iter().copied().find(|address| address.is_ipv4() == local.is_ipv4())
    }
}

/// How numbers are written where we are: turns what trunks send into E.164.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbers {
    /// Country code without `+`.
    pub country: String,
    /// What is dialled before a national number.
    pub national_prefix: String,
    /// What is dialled before an international number.
    pub international_prefix: String,
    /// Area code for numbers without one, without the national prefix; empty: such numbers are unknown.
    pub area: String,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            country: "49".to_owned(),
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            area: String::new(),
        }
    }
}

/// One carrier or exchange that forwards calls to us.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trunk {
    /// Address ranges that are this trunk; empty: it is known by its digest only.
    pub addresses: Vec<IpNet>,
    /// The user name of its digest; without one it is known by its address only.
    pub user: Option<String>,
    /// A file whose first line is the password of `user`.
    pub password_file: Option<PathBuf>,
    /// Instead of the password: MD5 of `user:realm:password`, 32 hexadecimal digits.
    pub ha1_md5: Option<String>,
    /// Instead of the password: SHA-256 of `user:realm:password`, 64 hexadecimal digits.
    pub ha1_sha256: Option<String>,
    /// The certificate that it shows on TLS; with one, only calls over TLS are this trunk's.
    pub certificate: Option<TrunkCertificate>,
    /// Where this trunk tells which number was reached.
    pub called_number: CalledNumber,
    /// Whether its media is encrypted.
    pub srtp: SrtpPolicy,
    /// Codecs that it is offered and that are taken from it, in this order; empty: those of [`Media`].
    pub codecs: Vec<Codec>,
    /// What we do towards it; none: it only sends us calls.
    pub provider: Option<Provider>,
    /// How calls are placed through it, at its provider's; none: it only brings calls.
    pub outbound: Option<Outbound>,
}

/// Receptionists' telephones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receptionists {
    /// Codecs that they are offered and that are taken from them, in this order; empty: those of [`Media`].
    pub codecs: Vec<Codec>,
}

/// Whom a caller may be put through to, besides the contacts of the customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// Which receptionists.
    pub receptionists: TransferTo,
    /// Beginnings of numbers in international form.
    pub allowed: Vec<String>,
}

/// Which receptionists a caller may be put through to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferTo {
    /// All of the operator's.
    #[default]
    All,
    /// Those in the customer's team.
    Team,
    /// None.
    None,
}

/// Where a trunk tells which number was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalledNumber {
    /// In the request line, as RFC 3261 has it.
    #[default]
    RequestUri,
    /// In To: the request line names the trunk's account.
    To,
}

/// Voices.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Ports for RTP and RTCP.
    pub ports: PortRange,
    /// The one port for all browsers; 0 if none may come.
    pub browser_port: u16,
    /// Worker threads; 0 is one for each core.
    pub workers: usize,
    /// How datagrams are moved.
    pub driver: MediaDriver,
    /// Local addresses for media if they differ from those of the signalling: one IPv4, one IPv6 at most.
    pub bind: Vec<IpAddr>,
    /// Codecs that are offered and taken, in this order, where neither a trunk nor the receptionists have their own.
    pub codecs: Vec<Codec>,
    /// After this long without a packet a leg is ended, in seconds.
    pub silence_timeout_s: u64,
    /// This long a port rests before it is used again, in seconds.
    pub port_rest_s: u64,
    /// The folder with the prompts.
    pub prompts: PathBuf,
    /// Where SRTP is required, keys that were sent over unencrypted SIP will do.
    pub srtp_keys_in_clear: bool,
}

/// How voices' datagrams are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaDriver {
    /// By `io_uring` where the kernel allows it, else by epoll.
    #[default]
    Auto,
    /// By epoll.
    Epoll,
    /// By `io_uring`, or not at all.
    IoUring,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            ports: PortRange { first: 20_000, last: 29_999 },
            browser_port: 30_000,
            workers: 0,
            driver: MediaDriver::Auto,
            bind: Vec::new(),
            codecs: Codec::ALL.to_vec(),
            silence_timeout_s: 30,
            port_rest_s: 30,
            prompts: PathBuf::from("prompts"),
            srtp_keys_in_clear: false,
        }
    }
}

impl Media {
    /// After this long without a packet a leg is ended.
    pub fn silence_timeout(&self) -> Duration {
        Duration::from_secs(self.silence_timeout_s)
    }

    /// This long a port rests before it is used again.
    pub fn port_rest(&self) -> Duration {
        Duration::from_secs(self.port_rest_s)
    }
}

/// What is kept, and where.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The server's own folder: the SQLite database and the spool.
    pub folder: PathBuf,
    /// The sealed recordings.
    pub recordings: PathBuf,
    /// The key store: a file of its own, to be backed up apart from everything else.
    pub keys: PathBuf,
    /// `sqlite:FILE` or `postgres://…`; empty: SQLite in `folder`.
    pub database: String,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("../.run/data"),
            recordings: PathBuf::from("../recordings"),
            keys: PathBuf::from("../.run/keys/keys.db"),
            database: String::new(),
        }
    }
}

impl Data {
    /// Where the database is.
    pub fn database_url(&self) -> String {
        if self.database.is_empty() {
            format!("sqlite:{}", self.folder.join("vorzimmer.db").display())
        } else {
            self.database.clone()
        }
    }
}

/// Where the key-encryption key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    /// Which kind of place.
    pub source: KeySource,
    /// The file, for [`KeySource::File`].
    pub file: PathBuf,
}

impl Default for Key {
    fn default() -> Self {
        Self { source: KeySource::File, file: PathBuf::from("../.run/key/vorzimmer.key") }
    }
}

/// A kind of place for the key-encryption key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// A file, made at the first start.
    #[default]
    File,
    /// The systemd credential `vorzimmer-kek`.
    Credential,
    /// The environment variable `VORZIMMER_KEK`.
    Env,
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Voices.
    pub recordings: Period,
    /// Who rang whom, when: call records and events.
    pub calls: Period,
    /// The server's own logs.
    pub logs: Period,
    /// The proof that a party said yes.
    pub receipts: Period,
    /// Who looked at what, and for which purpose.
    pub audit: Period,
    /// Hour of the day in UTC at which the daily run begins, 0 to 23.
    pub hour_utc: u8,
}

/// One class of things, how long it is kept, and on what ground.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Days.
    pub days: u32,
    /// The lawful basis, in words that a supervisory authority would understand.
    pub basis: String,
}

impl Default for Retention {
    /// What the `retention` crate ships.
    fn default() -> Self {
        let periods = Periods::default();
        let period = |class| {
            let shipped = periods.of(class);
            Period { days: shipped.days, basis: shipped.basis.clone() }
        };
        Self {
            recordings: period(Class::Recordings),
            calls: period(Class::CallData),
            logs: period(Class::Logs),
            receipts: period(Class::Receipts),
            audit: period(Class::Audit),
            hour_utc: 2,
        }
    }
}

impl Retention {
    /// In the words of the `retention` crate.
    pub fn periods(&self) -> Periods {
        let period =
            |period: &Period| vorzimmer_retention::Period { days: period.days, basis: period.basis.clone() };
        Periods {
            recordings: period(&self.recordings),
            call_data: period(&self.calls),
            receipts: period(&self.receipts),
            audit: period(&self.audit),
            logs: period(&self.logs),
        }
    }
}

/// Encoding recordings again, to Opus, while there is nothing else to do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reencoding {
    /// Whether that is wanted.
    pub enabled: bool,
    /// With so many running calls the machine still counts as idle.
    pub max_calls: usize,
    /// With such a load, for each core and over the last minute, nothing is begun.
    pub max_load: f64,
    /// So many minutes after they began, recordings are looked at.
    pub after_minutes: u32,
}

impl Default for Reencoding {
    fn default() -> Self {
        Self { enabled: false, max_calls: 0, max_load: 0.5, after_minutes: 60 }
    }
}

impl Reencoding {
    /// How old a recording must be, in milliseconds.
    pub fn after_ms(&self) -> i64 {
        i64::from(self.after_minutes) * 60_000
    }
}

/// Health and metrics.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where `/health`, `/ready` and `/metrics` are; empty: nowhere.
    pub listen: Vec<Listen>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: vec![Listen(([127, 0, 0, 1], 8080).into())] }
    }
}

/// What is written down about the running of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logs {
    /// How much.
    pub level: Level,
    /// How.
    pub format: LogFormat,
    /// A folder for daily files; none: standard error only.
    pub folder: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// What is too much.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls at a time; further ones get 503.
    pub max_calls: usize,
    /// New calls get 503, too, while a thread that calls depend on is busy for more than so many hundredths of the time;
    /// 100 switches that off.
    pub max_busy_percent: u8,
    /// Connections at a time over TCP, TLS and WebSockets, all peers together.
    pub tcp_connections: usize,
    /// Connections at a time from one address.
    pub tcp_connections_per_address: usize,
    /// A connection over which nothing came for this long is closed, in seconds.
    pub tcp_idle_s: u64,
    /// TLS and WebSocket handshakes together may take so long, in seconds.
    pub handshake_s: u64,
    /// One message may take so long from its first byte to its last, in seconds.
    pub message_s: u64,
    /// So often a WebSocket's peer is asked whether it is still there, in seconds.
    pub websocket_ping_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_calls: 200,
            max_busy_percent: 70,
            tcp_connections: 1000,
            tcp_connections_per_address: 50,
            tcp_idle_s: 900,
            handshake_s: 10,
            message_s: 20,
            websocket_ping_s: 30,
        }
    }
}

/// How the server ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// How long running calls may go on after SIGTERM, in seconds.
    pub deadline_s: u64,
}

impl Default for Drain {
    fn default() -> Self {
        Self { deadline_s: 300 }
    }
}

impl Drain {
    /// How long running calls may go on after SIGTERM.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_s)
    }
}

impl Settings {
    /// Every codec that any leg may have.
    pub fn codecs(&self) -> Vec<Codec> {
        let lists = [&self.media.codecs, &self.receptionists.codecs];
        let lists = || lists.into_iter().chain(self.trunks.values().map(|trunk| &trunk.codecs));
        Codec::ALL.into_iter().filter(|codec| lists().any(|list| list.contains(codec))).collect()
    }

    /// Paths in the file are relative to the file's folder `base`.
    pub(super) fn resolve_paths(&mut self, base: &Path) {
        let paths = [
            Some(&mut self.media.prompts),
            Some(&mut self.data.folder),
            Some(&mut self.data.recordings),
            Some(&mut self.data.keys),
            Some(&mut self.key.file),
            Some(&mut self.tls.folder),
            self.logs.folder.as_mut(),
            self.turn.secret_file.as_mut(),
        ];
        let passwords = self.trunks.values_mut().flat_map(|trunk| {
            let ca = trunk.certificate.as_mut().and_then(|certificate| certificate.ca.as_mut());
            let login = trunk.provider.as_mut().into_iter().flat_map(|provider| {
                provider.login_password_file.as_mut().into_iter().chain(provider.ca.as_mut())
            });
            trunk.password_file.as_mut().into_iter().chain(ca).chain(login)
        });
        let ours = self.tls.certificates.iter_mut().flat_map(|ours| [&mut ours.chain, &mut ours.key]);
        for path in paths.into_iter().flatten().chain(passwords).chain(ours) {
            *path = clean(&base.join(&path));
        }
    }
}

/// `config/../recordings` is `recordings`: shorter to read, and comparable.
fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}
