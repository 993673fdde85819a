//! Somebody who shakes hands by DTLS with leg A, in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;

use vorzimmer_media::dtls::{Engine, Fingerprint, Identity, Output, Role, Setup};
use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_media::{Channel, Codec, Command, LegConfig, Negotiated, Session};
use vorzimmer_types::srtp::{Keying, SrtpKeys};

use super::{A, B, Phone, World, addr, agreed};

/// A certificate of its own, with its key.
pub fn identity() -> Identity {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    Identity::new(certificate.der(), &key.serialize_der()).unwrap()
}

/// Keeps what an engine says.
pub fn taken(output: Output<'_>, mine: &mut Vec<Vec<u8>>, keys: &mut Option<SrtpKeys>) {
    match output {
        Output::Send(bytes) => mine.push(bytes.to_vec()),
        Output::Keys(new) => *keys = Some(new),
        Output::Closed | Output::Failed(_) => {}
    }
}

/// One end of a handshake with leg A.
pub struct Shaker {
    pub phone: Phone,
    pub engine: Engine,
    pub keys: Option<SrtpKeys>,
    pub sealer: Option<Sealer>,
    pub opener: Option<Opener>,
}

impl Shaker {
    pub fn new(identity: &Identity, role: Role, peer: Fingerprint, at: &str, world: &World) -> Self {
        let engine = Engine::new(identity, role, peer, world.now());
        Self { phone: Phone::new(A, at, Codec::Pcma), engine, keys: None, sealer: None, opener: None }
    }

    fn at(&self) -> SocketAddr {
        self.phone.addr
    }

    /// What it says of itself.
    pub fn says(&mut self, world: &World) -> Vec<Vec<u8>> {
        let (mut mine, keys) = (Vec::new(), &mut self.keys);
        self.engine.poll(world.now(), &mut |output| taken(output, &mut mine, keys));
        mine
    }

    /// Carries the handshake on until nothing more comes.
    pub fn shake(&mut self, world: &mut World) {
        let (mut mine, mut seen) = (self.says(world), 0);
        loop {
            for datagram in std::mem::take(&mut mine) {
                world.receive(A, Channel::Rtp, self.at(), &datagram);
            }
            let theirs: Vec<_> =
                world.said.sent[seen..].iter().filter(|sent| sent.3 == self.at()).cloned().collect();
            seen = world.said.sent.len();
            let (now, keys) = (world.now(), &mut self.keys);
            for (.., datagram) in theirs.iter().filter(|sent| (20..64).contains(&sent.4[0])) {
                self.engine.receive(datagram, now, &mut |output| taken(output, &mut mine, keys));
            }
            if mine.is_empty() {
                break;
            }
        }
        if let Some(keys) = &self.keys {
            self.sealer.get_or_insert_with(|| Sealer::new(&keys.send));
            self.opener.get_or_insert_with(|| Opener::new(&keys.receive, keys.lifetime));
        }
    }

    /// Its next packet, sealed.
    pub fn next(&mut self) -> Vec<u8> {
        let packet = self.phone.next();
        self.sealer.as_mut().unwrap().rtp(&packet).unwrap().to_vec()
    }

    /// One packet every 20 ms, `count` of them, beginning now.
    pub fn talk_on(&mut self, world: &mut World, count: u64) {
        for _ in 0..count {
            let packet = self.next();
            world.receive(A, Channel::Rtp, self.at(), &packet);
            world.until(world.now_ms() + 20);
        }
    }
}

/// Leg A awaits a telephone at `at` that is `theirs` by its certificate, leg B is an ordinary telephone; they are bridged.
pub fn call(ours: Identity, theirs: Fingerprint, setup: Setup, at: &str) -> (World, Phone) {
    let mut world = World::new();
    world.session = Session::with_identity(Arc::new(ours));
    world.tell(Command::Open { leg: A, config: LegConfig { slot: Some(0), ..LegConfig::default() } });
    let plain = agreed(at, Codec::Pcma);
    let keying = Keying::Dtls { peer: theirs, ours: setup };
    let negotiated = Negotiated { keying, rtcp: addr(at), ..plain };
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    world.tell(Command::Open { leg: B, config: LegConfig { slot: Some(1), ..LegConfig::default() } });
    let other = agreed("198.51.100.2:4000", Codec::Pcma);
    world.tell(Command::Remote { leg: B, negotiated: other, signalling: None });
    world.bridge();
    (world, Phone::new(B, "198.51.100.2:4000", Codec::Pcma))
}
