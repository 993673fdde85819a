//! Two engines on a bad network in virtual time, and engines that meet somebody else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509Builder, X509NameBuilder};
use proptest::prelude::*;
use vorzimmer_types::entropy::{Entropy, Seeded};

use super::{Engine, Failure, Fingerprint, Hash, Identity, Output, Role, SrtpKeys, is_dtls};
use crate::testing::start;

fn identity() -> Identity {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    Identity::new(certificate.der(), &key.serialize_der()).unwrap()
}

/// One end with what it said.
struct End {
    engine: Engine,
    keys: Vec<SrtpKeys>,
    failures: Vec<Failure>,
    closed: bool,
}

impl End {
    fn new(identity: &Identity, role: Role, peer: Fingerprint, now: Instant) -> Self {
        let engine = Engine::new(identity, role, peer, now);
        Self { engine, keys: Vec::new(), failures: Vec::new(), closed: false }
    }

    fn step(&mut self, datagram: Option<&[u8]>, now: Instant) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let (keys, failures, closed) = (&mut self.keys, &mut self.failures, &mut self.closed);
        let mut out = |output: Output<'_>| match output {
            Output::Send(bytes) => {
                assert!(is_dtls(bytes) && bytes.len() <= super::DATAGRAM);
                sent.push(bytes.to_vec());
            }
            Output::Keys(new) => keys.push(new),
            Output::Failed(failure) => failures.push(failure),
            Output::Closed => *closed = true,
        };
        match datagram {
            Some(datagram) => self.engine.receive(datagram, now, &mut out),
            None => self.engine.poll(now, &mut out),
        }
        let overdue = self.engine.next_wake().is_some_and(|at| at <= now);
        assert!(datagram.is_some() || !overdue, "what was due is done");
        sent
    }
}

/// A network that loses, delays and so reorders what two ends send, by a seed.
struct Network {
    random: Seeded,
    loss_percent: u8,
    jitter_ms: u8,
    flying: BinaryHeap<Reverse<Flying>>,
    count: usize,
}

/// Sorted by when it arrives, then by when it was sent.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    at: Instant,
    number: usize,
    to: usize,
    datagram: Vec<u8>,
}

impl Network {
    fn new(seed: u64, loss_percent: u8, jitter_ms: u8) -> Self {
        Self { random: Seeded::new(seed), loss_percent, jitter_ms, flying: BinaryHeap::new(), count: 0 }
    }

    fn send(&mut self, to: usize, sent: Vec<Vec<u8>>, now: Instant) {
        for datagram in sent {
            let mut drawn = [0; 2];
            self.random.fill(&mut drawn);
            if drawn[0] % 100 < self.loss_percent {
                continue;
            }
            let delay = 10 + u64::from(drawn[1] % self.jitter_ms.max(1));
            self.count += 1;
            let at = now + Duration::from_millis(delay);
            self.flying.push(Reverse(Flying { at, number: self.count, to, datagram }));
        }
    }

    /// Runs both ends until nothing is due within `limit`.
    fn run(&mut self, ends: &mut [End; 2], from: Instant, limit: Duration) -> Instant {
        let mut now = from;
        self.poll(ends, now);
        loop {
            let next = self.flying.peek().map(|Reverse(flying)| flying.at);
            let due = ends.iter().filter_map(|end| end.engine.next_wake()).chain(next).min();
            let Some(due) = due.filter(|due| *due <= from + limit) else { return now };
            now = now.max(due);
            while self.flying.peek().is_some_and(|Reverse(flying)| flying.at <= now) {
                let Some(Reverse(Flying { to, datagram, .. })) = self.flying.pop() else { break };
                let sent = ends[to].step(Some(&datagram), now);
                self.send(1 - to, sent, now);
            }
            self.poll(ends, now);
        }
    }

    fn poll(&mut self, ends: &mut [End; 2], now: Instant) {
        for (at, end) in ends.iter_mut().enumerate() {
            let sent = end.step(None, now);
            self.send(1 - at, sent, now);
        }
    }
}

fn pair(server: Role, now: Instant) -> [End; 2] {
    let (one, two) = (identity(), identity());
    [End::new(&one, Role::Client, two.fingerprint(), now), End::new(&two, server, one.fingerprint(), now)]
}

fn agree(ends: &[End; 2]) {
    let [client, server] = ends;
    assert_eq!((client.failures.as_slice(), server.failures.as_slice()), ([].as_slice(), [].as_slice()));
    assert_eq!((client.keys.len(), server.keys.len()), (1, 1), "each end is given keys once");
    assert!(client.keys[0].send == server.keys[0].receive && client.keys[0].receive == server.keys[0].send);
    assert!(client.keys[0].send != client.keys[0].receive);
    assert!(client.engine.is_connected() && server.engine.is_connected());
}

#[test]
fn two_ends_agree_on_keys() {
    for role in [Role::Server, Role::ServerOfProven] {
        let now = start();
        let mut ends = pair(role, now);
        let end = Network::new(1, 0, 0).run(&mut ends, now, Duration::from_secs(1));
        agree(&ends);
        assert!(end - now < Duration::from_millis(200), "{:?}", end - now);
    }
}

/// An RSA certificate, as many telephones have one, by far not all of them with a key of 2,048 bits.
fn rsa(bits: u32) -> Identity {
    let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "telephone").unwrap();
    let name = name.build();
    let mut certificate = X509Builder::new().unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::from_unix(1).unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = certificate.build().to_der().unwrap();
    Identity::new(&certificate, &key.private_key_to_pkcs8().unwrap()).unwrap()
}

#[test]
fn a_telephone_with_an_rsa_certificate_agrees_whichever_end_it_is() {
    let now = start();
    let ours = identity();
    for theirs in [rsa(1024), rsa(2048)] {
        for roles in [[Role::Client, Role::Server], [Role::Server, Role::Client]] {
            let ends = [(&ours, theirs.fingerprint(), roles[0]), (&theirs, ours.fingerprint(), roles[1])];
            let mut ends = ends.map(|(identity, peer, role)| End::new(identity, role, peer, now));
            Network::new(1, 0, 0).run(&mut ends, now, Duration::from_secs(1));
            agree(&ends);
        }
    }
}

/// The engine draws nonces of its own, so that a seed does not lose the same datagrams in each run: seldom, every retry of
/// a flight is among them, and the handshake is given up.
#[test]
fn a_bad_network_only_delays_them() {
    let mut agreed = 0;
    for seed in 0..25 {
        let now = start();
        let mut ends = pair(Role::ServerOfProven, now);
        Network::new(seed, 20, 80).run(&mut ends, now, Duration::from_secs(30));
        if ends.iter().all(|end| end.failures.is_empty()) {
            agree(&ends);
            agreed += 1;
        } else {
            let told = ends.iter().flat_map(|end| end.failures.iter());
            assert!(told.into_iter().all(|failure| *failure == Failure::TimedOut));
        }
    }
    assert!(agreed >= 22, "{agreed} of 25 agreed");
}

#[test]
fn a_peer_that_signalling_did_not_vouch_for_gets_no_keys() {
    let now = start();
    let (one, two, other) = (identity(), identity(), identity());
    let mut ends = [
        End::new(&one, Role::Client, two.fingerprint(), now),
        End::new(&two, Role::Server, other.fingerprint(), now),
    ];
    Network::new(1, 0, 0).run(&mut ends, now, Duration::from_secs(60));
    assert_eq!(ends[1].failures, [Failure::Fingerprint]);
    assert!(ends[1].keys.is_empty() && !ends[1].engine.is_connected());
    let mut ends = [
        End::new(&one, Role::Client, other.fingerprint(), now),
        End::new(&two, Role::Server, one.fingerprint(), now),
    ];
    Network::new(1, 0, 0).run(&mut ends, now, Duration::from_secs(60));
    assert_eq!(ends[0].failures, [Failure::Fingerprint]);
    assert!(ends[0].keys.is_empty() && !ends[0].engine.is_connected());
}

#[test]
fn a_peer_that_never_answers_is_given_up_and_one_that_never_begins_costs_nothing() {
    let now = start();
    let mut ends = pair(Role::Server, now);
    Network::new(1, 100, 0).run(&mut ends, now, Duration::from_secs(120));
    assert_eq!(ends[0].failures, [Failure::TimedOut]);
    assert_eq!(ends[0].engine.next_wake(), None);
    assert_eq!(ends[1].failures, []);
}

#[test]
fn a_key_that_cannot_sign_is_found_out_before_the_first_handshake() {
    assert!(Identity::new(b"certificate", b"key").is_err());
    let other = Fingerprint::new(Hash::Sha256, &[1; 32]).unwrap();
    assert_ne!(identity().fingerprint(), other);
}

#[test]
fn what_is_forged_into_a_running_connection_changes_nothing() {
    let now = start();
    let mut ends = pair(Role::ServerOfProven, now);
    let now = Network::new(3, 0, 0).run(&mut ends, now, Duration::from_secs(1));
    let forged: [&[u8]; 5] = [
        &[],
        &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        &[21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 1],
        &[23, 254, 253, 0, 1, 0],
    ];
    for end in &mut ends {
        for datagram in forged {
            end.step(Some(datagram), now);
        }
        // Sealed by nobody, of every length that may be taken for something.
        for (content, length) in (20..=24).flat_map(|content| (0..80).map(move |length| (content, length))) {
            let header = [content, 254, 253, 0, 1, 0, 0, 0, 0, 1, content, 0, length];
            end.step(Some(&[&header[..], &vec![length; usize::from(length)]].concat()), now);
        }
    }
    agree(&ends);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_survived(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20),
    ) {
        let now = start();
        let [mut client, mut server] = pair(Role::ServerOfProven, now);
        client.step(None, now);
        for datagram in &datagrams {
            client.step(Some(datagram), now);
            server.step(Some(datagram), now);
        }
        prop_assert!(client.keys.is_empty() && server.keys.is_empty());
    }

    #[test]
    fn a_handshake_with_changed_bytes_is_survived(
        place in any::<usize>(), change in any::<u8>(), cut in 0_usize..40, which in 0_usize..12,
    ) {
        let now = start();
        let mut ends = pair(Role::ServerOfProven, now);
        let mut waiting = vec![(1_usize, ends[0].step(None, now))];
        let mut count = 0;
        while let Some((to, datagrams)) = waiting.pop() {
            for mut datagram in datagrams {
                if count == which {
                    let length = datagram.len();
                    datagram[place % length] ^= change;
                    datagram.truncate(length - cut.min(length));
                }
                count += 1;
                let sent = ends[to].step(Some(&datagram), now);
                if count < 200 {
                    waiting.push((1 - to, sent));
                }
            }
        }
    }
}
