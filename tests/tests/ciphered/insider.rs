//! A caller that the test holds in its hands: it says over the trunk just what it is told, and holds the keys of its leg.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use vorzimmer_media::dtls::{Engine, Identity, Output, Role};
use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_sdp::{Description, Local, Negotiated, Profile, Protection, Session};
use vorzimmer_tests::crowd::words::Message;
use vorzimmer_tests::datagrams::Peer;
use vorzimmer_tests::server::Server;
use vorzimmer_types::dtls::Fingerprint;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{Keying, SrtpKeys, SrtpPolicy};

/// A certificate of its own, with its key.
pub fn identity() -> Identity {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    Identity::new(certificate.der(), &key.serialize_der()).expect("an identity")
}

/// One call of the trunk's.
pub struct Insider {
    _sip: Peer,
    pub rtp: UdpSocket,
    /// Where the server has its ports for this leg.
    pub to: SocketAddr,
    pub agreed: Negotiated,
    pub keys: Option<(Sealer, Opener)>,
    pub sequence: u16,
}

impl Insider {
    /// Rings, and is answered: with keys in its description, or with this certificate.
    pub fn rings(server: &Server, number: &str, certificate: Option<Fingerprint>) -> Self {
        let (sip, rtp) = (Peer::at("127.0.0.1", server), UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let profile = if certificate.is_some() { Profile::Dtls } else { Profile::Savp };
        let protection = Protection {
            policy: SrtpPolicy::Prefer,
            in_clear: true,
            clear_keys_will_do: true,
            certificate,
            profile,
        };
        let local = Local { protection, ..Local::new(rtp.local_addr().expect("an address")) };
        let mut random = Seeded::new(u64::from(rtp.local_addr().map_or(1, |at| at.port())));
        let mut session = Session::new(&mut random);
        let offer = session.offer(&local, &mut random).expect("an offer").to_bytes();
        let body = String::from_utf8(offer).expect("text");
        sip.send(sip.invite_saying(
            number,
            &format!("insider{}", rtp.local_addr().map_or(0, |at| at.port())),
            &body,
        ));
        let answer = sip.expect("the call to be answered", |message| message.status() == Some(200));
        sip.acknowledge(&answer);
        assert!(Message(&answer).media().is_some(), "{answer}");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let agreed =
            session.accept(&Description::parse(body.as_bytes()).expect("a description")).expect("agreed");
        let keys = match &agreed.keying {
            Keying::Sdes { keys, .. } => {
                Some((Sealer::new(&keys.send), Opener::new(&keys.receive, keys.lifetime)))
            }
            Keying::Plain | Keying::Dtls { .. } => None,
        };
        Self { _sip: sip, rtp, to: agreed.rtp, agreed, keys, sequence: 1 }
    }

    /// Shakes hands as whoever begins.
    pub fn shakes(&mut self, identity: &Identity, limit: Duration) {
        let Keying::Dtls { peer, .. } = &self.agreed.keying else { panic!("no handshake was agreed on") };
        let keys = shake(&self.rtp, self.to, identity, *peer, limit).expect("keys");
        self.keys = Some((Sealer::new(&keys.send), Opener::new(&keys.receive, keys.lifetime)));
    }

    /// The next voice packet, sealed.
    pub fn says(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend(*b"insd");
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.keys.as_mut().expect("keys").0.rtp(&packet).expect("sealed").to_vec()
    }

    /// How many packets of voice come within so long that only it can read, and how many that it cannot.
    pub fn hears(&mut self, limit: Duration) -> (usize, usize) {
        let opener = &mut self.keys.as_mut().expect("keys").1;
        let (mut read, mut not) = (0, 0);
        received(&self.rtp, limit, |packet| {
            // RFC 5761 §4: RTCP is none.
            if packet[0] >= 128 && !(192..=223).contains(&packet[1]) {
                let count = if opener.rtp(packet).is_ok() { &mut read } else { &mut not };
                *count += 1;
            }
            false
        });
        (read, not)
    }
}

/// Hands over what comes within so long, until that is enough.
pub fn received(socket: &UdpSocket, limit: Duration, mut each: impl FnMut(&mut [u8]) -> bool) {
    let (end, mut buffer) = (Instant::now() + limit, [0; 2_048]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("a timeout");
        match socket.recv(&mut buffer) {
            Ok(length) if length > 1 && each(&mut buffer[..length]) => return,
            Ok(_) => {}
            Err(_) if left.is_zero() => return,
            Err(_) => {}
        }
    }
}

/// Begins a handshake and carries it on for so long; its keys, if there are any.
pub fn shake(
    socket: &UdpSocket,
    to: SocketAddr,
    identity: &Identity,
    peer: Fingerprint,
    limit: Duration,
) -> Option<SrtpKeys> {
    let mut engine = Engine::new(identity, Role::Client, peer, Instant::now());
    let (end, mut keys) = (Instant::now() + limit, None);
    let mut out = |output: Output<'_>| match output {
        // While the port is not open yet the kernel says so.
        Output::Send(bytes) => drop(socket.send_to(bytes, to)),
        Output::Keys(new) => keys = Some(new),
        Output::Closed | Output::Failed(_) => {}
    };
    while Instant::now() < end {
        engine.poll(Instant::now(), &mut out);
        received(socket, Duration::from_millis(20), |datagram| {
            let hands = (20..64).contains(&datagram[0]);
            if hands {
                engine.receive(datagram, Instant::now(), &mut out);
            }
            hands
        });
        if engine.is_connected() {
            break;
        }
    }
    keys
}
