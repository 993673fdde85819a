//! Handshakes with telephones: without ICE anybody at their address may say hello first, and nobody else is believed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use vorzimmer_media::dtls::{Failure, Identity, Role, Setup};
use vorzimmer_media::{Channel, Event, Stats};
use world::hands::{Shaker, call, identity};
use world::{A, B, Phone, World, addr};

const ANN: &str = "203.0.113.1:10000";
/// Where a NAT may have put her, and where a neighbour may be.
const BESIDE: &str = "203.0.113.1:6000";
const STRANGER: &str = "198.51.100.66:6666";

struct Stage {
    world: World,
    ann: Shaker,
    bob: Phone,
    ours: Identity,
}

/// Ann begins, or waits for us.
fn stage(at: &str, setup: Setup) -> Stage {
    let (ours, hers) = (identity(), identity());
    let (world, bob) = call(ours.clone(), hers.fingerprint(), setup, ANN);
    let role = if setup == Setup::Passive { Role::Client } else { Role::Server };
    let ann = Shaker::new(&hers, role, ours.fingerprint(), at, &world);
    Stage { world, ann, bob, ours }
}

impl Stage {
    /// Somebody with a certificate of its own.
    fn thief(&self, at: &str) -> Shaker {
        Shaker::new(&identity(), Role::Client, self.ours.fingerprint(), at, &self.world)
    }

    fn is_secured(&self) -> bool {
        self.world.said.events.iter().any(|(_, event)| matches!(event, Event::Secured { .. }))
    }

    fn failures(&self) -> Vec<Failure> {
        let failures = self.world.said.events.iter().filter_map(|(_, event)| match event {
            Event::Insecure { failure, .. } => Some(*failure),
            _ => None,
        });
        failures.collect()
    }

    fn stats(&self) -> Stats {
        self.world.session.stats(A).unwrap()
    }

    /// How many packets of hers are heard, and how many of Bob's she hears where she is.
    fn talk(&mut self) -> (usize, usize) {
        let (taped, sent) = (self.world.said.taps.len(), self.world.said.sent.len());
        for _ in 0..10 {
            self.ann.talk_on(&mut self.world, 1);
            self.bob.talk(&mut self.world);
        }
        let heard = self.world.said.taps[taped..].iter().filter(|tap| tap.slot == 0).count();
        let opener = self.ann.opener.as_mut().unwrap();
        let hers =
            self.world.said.sent[sent..].iter().filter(|sent| sent.1 == A && sent.3 == self.ann.phone.addr);
        let opened =
            hers.filter(|sent| sent.4[1] & 0x7f == 8 && opener.rtp(&mut sent.4.clone()).is_ok()).count();
        (heard, opened)
    }
}

#[test]
fn whoever_begins_is_heard_and_hears() {
    for setup in [Setup::Passive, Setup::Active] {
        let mut stage = stage(ANN, setup);
        if setup == Setup::Active {
            stage.world.until(1);
            let hello: Vec<_> = stage.world.said.sent.iter().filter(|sent| sent.1 == A).cloned().collect();
            assert!(hello.iter().all(|sent| sent.3 == addr(ANN)) && !hello.is_empty(), "we begin");
            let (now, keys) = (stage.world.now(), &mut stage.ann.keys);
            let mut mine = Vec::new();
            for (.., datagram) in &hello {
                let engine = &mut stage.ann.engine;
                engine.receive(datagram, now, &mut |output| world::hands::taken(output, &mut mine, keys));
            }
            mine.iter().for_each(|datagram| stage.world.receive(A, Channel::Rtp, addr(ANN), datagram));
        }
        stage.ann.shake(&mut stage.world);
        assert!(stage.is_secured(), "{setup:?}");
        assert_eq!(stage.talk(), (10, 10), "{setup:?}");
    }
}

/// What others had to patch: whoever said hello first took the call, or at least spoiled it.
#[test]
fn who_says_hello_first_gets_nothing_and_spoils_nothing() {
    let mut stage = stage(ANN, Setup::Passive);
    for (at, answered) in [(BESIDE, true), (STRANGER, false)] {
        let mut thief = stage.thief(at);
        let before = stage.world.said.sent.len();
        thief.shake(&mut stage.world);
        let said = stage.world.said.sent[before..].iter().filter(|sent| sent.3 == addr(at)).count();
        assert_eq!(said > 0, answered, "{at}: only who may be the peer is spoken to");
        assert!(!stage.is_secured() && stage.failures().is_empty(), "{at}: {:?}", stage.failures());
    }
    stage.ann.shake(&mut stage.world);
    assert!(stage.is_secured());
    assert_eq!(stage.talk(), (10, 10));
    let mut late = stage.thief(BESIDE);
    late.shake(&mut stage.world);
    assert_eq!(stage.talk(), (10, 10), "nor when it comes later");
    assert!(stage.failures().is_empty());
}

#[test]
fn a_crowd_that_says_hello_again_and_again_keeps_nobody_out() {
    let mut stage = stage(ANN, Setup::Passive);
    for n in 0..200_u16 {
        let mut thief = stage.thief(BESIDE);
        thief.phone.addr.set_port(6_000 + n);
        for datagram in thief.says(&stage.world) {
            let from = thief.phone.addr;
            stage.world.receive(A, Channel::Rtp, from, &datagram);
        }
        stage.world.until(stage.world.now_ms() + 20);
    }
    stage.ann.shake(&mut stage.world);
    assert!(stage.is_secured());
    assert_eq!(stage.talk(), (10, 10));
}

#[test]
fn half_a_handshake_of_a_neighbour_disturbs_nobody() {
    let mut stage = stage(ANN, Setup::Passive);
    let mut thief = stage.thief(BESIDE);
    let hello = thief.says(&stage.world);
    let hers = stage.ann.says(&stage.world);
    for (own, others) in hers.iter().zip(&hello) {
        stage.world.receive(A, Channel::Rtp, addr(BESIDE), others);
        stage.world.receive(A, Channel::Rtp, addr(ANN), own);
        stage.world.receive(A, Channel::Rtp, addr(BESIDE), own);
    }
    // What was lost of it is said again.
    for _ in 0..8 {
        stage.world.until(stage.world.now_ms() + 300);
        stage.ann.shake(&mut stage.world);
    }
    assert!(stage.is_secured());
    assert_eq!(stage.talk(), (10, 10));
}

#[test]
fn a_telephone_behind_a_nat_is_found_by_its_certificate() {
    let mut stage = stage(BESIDE, Setup::Passive);
    stage.ann.shake(&mut stage.world);
    assert!(stage.is_secured());
    // No probation, no waiting: from the first packet on, and to where it is.
    assert_eq!(stage.talk(), (10, 10));
}

#[test]
fn another_certificate_at_the_signalled_address_ends_it_and_elsewhere_does_not() {
    for (at, failed) in [(ANN, true), (BESIDE, false)] {
        let mut stage = stage(ANN, Setup::Passive);
        let mut other = stage.thief(at);
        other.shake(&mut stage.world);
        let expected = if failed { vec![Failure::Fingerprint] } else { Vec::new() };
        assert_eq!(stage.failures(), expected, "{at}");
        stage.world.until(25_000);
        assert_eq!(
            stage.failures(),
            [Failure::Fingerprint],
            "{at}: said once, at the latest when time is up"
        );
        assert!(!stage.is_secured());
    }
}

#[test]
fn what_is_no_handshake_any_more_ends_nothing() {
    let mut stage = stage(ANN, Setup::Passive);
    stage.ann.shake(&mut stage.world);
    for (at, first) in [(ANN, 22), (ANN, 21), (ANN, 20), (ANN, 63), (BESIDE, 22), (STRANGER, 22)] {
        for length in [1, 13, 14, 60, 1_400] {
            let mut junk: Vec<u8> = (0..length).map(|n| (n * 7) as u8).collect();
            junk[0] = first;
            stage.world.receive(A, Channel::Rtp, addr(at), &junk);
            if length > 13 {
                junk[1..13].copy_from_slice(&[0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1]);
                stage.world.receive(A, Channel::Rtp, addr(at), &junk);
            }
        }
    }
    stage.world.until(stage.world.now_ms() + 30_000);
    assert!(stage.failures().is_empty(), "{:?}", stage.failures());
    assert_eq!(stage.talk(), (10, 10));
}

#[test]
fn reports_come_and_go_where_the_voice_does() {
    let mut stage = stage(ANN, Setup::Passive);
    stage.ann.shake(&mut stage.world);
    stage.talk();
    stage.world.until(stage.world.now_ms() + 10_000);
    let control: Vec<_> =
        stage.world.said.sent.iter().filter(|sent| sent.1 == A && (192..=223).contains(&sent.4[1])).collect();
    assert!(!control.is_empty());
    let same = |sent: &&&(u64, vorzimmer_media::LegKey, Channel, std::net::SocketAddr, Vec<u8>)| {
        (sent.2, sent.3) == (Channel::Rtp, addr(ANN))
    };
    assert_eq!(control.iter().filter(same).count(), control.len(), "on the port of the voice");
    assert_eq!(stage.stats().unsealed, 0);
    let mut report = [&[0x80, 201, 0, 1][..], &stage.ann.phone.ssrc.to_be_bytes()].concat();
    report.extend([0x81, 203, 0, 1]);
    report.extend(stage.ann.phone.ssrc.to_be_bytes());
    let sealed = stage.ann.sealer.as_mut().unwrap().rtcp(&report).unwrap().to_vec();
    stage.world.receive(A, Channel::Rtp, addr(ANN), &sealed);
    assert!(
        stage.world.said.events.iter().any(|(_, event)| matches!(event, Event::RtcpBye { leg } if *leg == A))
    );
    assert!(stage.world.heard_by(B).len() >= 10);
}
