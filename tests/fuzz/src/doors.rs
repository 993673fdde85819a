//! What is fuzzed: for each kind of bytes from outside, one door that takes any of them and says whether what must
//! always hold did hold.
//!
//! The same doors are gone through with the kept corpora by `tests/tests/corpora.rs`, in every run of the tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use vorzimmer_media::dtls::{Engine, Fingerprint, Hash, Identity, Output, Role};
use vorzimmer_media::{Channel, Command, Event, Input, LegConfig, LegKey, Negotiated, Session, Sink, Tap};
use vorzimmer_types::entropy::Seeded;

/// Takes any bytes; `false`, like a panic, is a bug.
pub type Door = fn(&[u8]) -> bool;

/// Every door with the name of its corpus.
pub const DOORS: &[(&str, Door)] = &[
    ("sip", sip),
    ("auth", auth),
    ("sdp", vorzimmer_sdp::fuzz::description),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("srtp", vorzimmer_media::fuzz::srtp),
    ("stun", stun),
    ("dtls", dtls),
];

/// A SIP message: as a datagram, as a stream, and whose call it is.
fn sip(bytes: &[u8]) -> bool {
    use vorzimmer_sip::fuzz;
    fuzz::message(bytes) && fuzz::stream(bytes) && fuzz::whose(bytes)
}

/// One header's value: credentials, challenges, and what else decides who is meant.
fn auth(bytes: &[u8]) -> bool {
    use vorzimmer_sip::fuzz;
    fuzz::digest(bytes) && fuzz::address(bytes) && fuzz::uri(bytes) && fuzz::via(bytes)
}

fn rtp(bytes: &[u8]) -> bool {
    vorzimmer_media::fuzz::rtp(bytes) && call(Channel::Rtp, bytes)
}

fn rtcp(bytes: &[u8]) -> bool {
    vorzimmer_media::fuzz::rtcp(bytes) && call(Channel::Rtcp, bytes)
}

fn stun(bytes: &[u8]) -> bool {
    vorzimmer_media::fuzz::stun(bytes, epoch())
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time has to begin somewhere; nothing reads on from here"
)]
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

const CALLER: LegKey = LegKey(1);
const CALLEE: LegKey = LegKey(2);

/// A talk of two telephones, one of which sends the input, cut into datagrams by their first byte: how long they are,
/// and with its two lowest bits from whom. No stranger is ever told anything.
fn call(channel: Channel, bytes: &[u8]) -> bool {
    let mut said = Said { home: [peer(CALLER), peer(CALLEE)], strangers: 0 };
    let mut session = Session::new();
    let (mut now, mut random) = (epoch(), Seeded::new(1));
    let opened = [CALLER, CALLEE].into_iter().all(|leg| {
        let config = LegConfig { slot: Some(0), ..LegConfig::default() };
        let remote = Command::Remote { leg, negotiated: negotiated(leg), signalling: None };
        session.command(Command::Open { leg, config }, now, &mut random, &mut said).is_ok()
            && session.command(remote, now, &mut random, &mut said).is_ok()
    });
    let bridge = Command::Bridge { a: CALLER, b: CALLEE, relay_events: true };
    let bridged = session.command(bridge, now, &mut random, &mut said).is_ok();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let (datagram, after) = behind.split_at(usize::from(*first).min(behind.len()));
        rest = after;
        let (leg, from) = match first & 3 {
            0 => (CALLEE, peer(CALLEE)),
            1 => (CALLER, SocketAddr::from((Ipv4Addr::new(192, 0, 2, 66), 6666))),
            _ => (CALLER, peer(CALLER)),
        };
        let mut datagram = datagram.to_vec();
        session.handle(Input { leg, channel, from, bytes: &mut datagram }, now, &mut said);
        now += Duration::from_millis(20);
        session.poll(now, &mut random, &mut said);
    }
    let closed = [CALLER, CALLEE]
        .into_iter()
        .all(|leg| session.command(Command::Close { leg }, now, &mut random, &mut said).is_ok());
    opened && bridged && closed && said.strangers == 0
}

fn peer(leg: LegKey) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), if leg == CALLER { 10_000 } else { 20_000 }))
}

/// What is agreed on with a telephone that offers what all of them offer.
fn negotiated(leg: LegKey) -> Negotiated {
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n",
        peer(leg).port()
    );
    let local = vorzimmer_sdp::Local::new(SocketAddr::from((Ipv4Addr::new(198, 51, 100, 7), 40_000)));
    let mut random = Seeded::new(1);
    let mut session = vorzimmer_sdp::Session::new(&mut random);
    let offer = vorzimmer_sdp::Description::parse(offer.as_bytes()).expect("an offer");
    session.answer(&offer, &local, &mut random).expect("a common codec").1
}

struct Said {
    home: [SocketAddr; 2],
    strangers: usize,
}

impl Sink for Said {
    fn send(&mut self, _: LegKey, _: Channel, to: SocketAddr, _: &[u8]) {
        self.strangers += usize::from(self.home.iter().all(|home| home.ip() != to.ip()));
    }

    fn tap(&mut self, _: Tap<'_>) {}

    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}

    fn event(&mut self, _: Event) {}
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = rcgen::CertificateParams::new(Vec::new()).expect("a name").self_signed(&key);
        Identity::new(certificate.expect("a certificate").der(), &key.serialize_der()).expect("an identity")
    })
}

/// A DTLS record, or several cut apart by their lengths, to a server that wants a cookie, one that does not, and a
/// client: nobody gets keys, and whoever has not shown a cookie gets no more bytes than they sent.
fn dtls(bytes: &[u8]) -> bool {
    let Some(nobody) = Fingerprint::new(Hash::Sha256, &[7; 32]) else { return false };
    [Role::Server, Role::ServerOfProven, Role::Client].into_iter().all(|role| {
        let now = epoch();
        let mut engine = Engine::new(identity(), role, nobody, now);
        let (mut keys, mut sent) = (false, 0);
        let mut out = |output: Output<'_>| match output {
            Output::Keys(_) => keys = true,
            Output::Send(datagram) => sent += datagram.len(),
            Output::Closed | Output::Failed(_) => {}
        };
        engine.poll(now, &mut out);
        for record in records(bytes) {
            engine.receive(record, now, &mut out);
        }
        !keys && (role != Role::Server || sent <= bytes.len().max(64))
    })
}

/// The input, cut where each record says that it ends (RFC 6347 §4.1).
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = rest.get(11..13).map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]));
        let (record, after) = rest.split_at((13 + length).min(rest.len()));
        rest = after;
        (!record.is_empty()).then_some(record)
    })
}
