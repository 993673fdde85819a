//! A browser on a leg, in virtual time: it proves itself by ICE, shakes hands by DTLS, and is heard only then.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use vorzimmer_media::dtls::{Engine, Fingerprint, Identity, Role, Setup};
use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_media::{
    Channel, Codec, Command, Event, Input, LegConfig, LegKey, Negotiated, RingBack, Session, Sink, Sound, Tap,
};
use vorzimmer_types::ice::{Credentials, Ends};
use vorzimmer_types::srtp::{Keying, SrtpKeys};

use world::hands::{identity, taken};
use world::{A, B, Phone, World, addr, agreed};

const OURS: (&str, &str) = ("00ours", "ourpasswordourpassword00");
const THEIRS: (&str, &str) = ("theirs", "theirpasswordtheirpassw0");
const STRANGER: &str = "203.0.113.66:6666";

/// A browser that calls leg A.
struct Browser {
    at: SocketAddr,
    engine: Engine,
    keys: Option<SrtpKeys>,
    opener: Option<Opener>,
    sealer: Option<Sealer>,
    phone: Phone,
    /// How many of what the session sent it has taken.
    taken: usize,
}

impl Browser {
    fn check(&self, world: &mut World) {
        self.check_as(world, OURS, THEIRS);
    }

    fn check_as(&self, world: &mut World, ours: (&str, &str), theirs: (&str, &str)) {
        let mut out = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        out.extend([7; 12]);
        let name = format!("{}:{}", ours.0, theirs.0);
        out.extend([0, 6, 0, name.len() as u8]);
        out.extend(name.bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend([0, 0x24, 0, 4, 0x6e, 0, 1, 0xff, 0, 0x25, 0, 0]);
        out[3] = (out.len() - 20 + 24) as u8;
        let mut mac = Hmac::<Sha1>::new_from_slice(ours.1.as_bytes()).unwrap();
        mac.update(&out);
        out.extend([0, 8, 0, 20]);
        out.extend(mac.finalize().into_bytes());
        world.receive(A, Channel::Rtp, self.at, &out);
    }

    /// Carries the handshake on until nothing more comes.
    fn shake(&mut self, world: &mut World) {
        let mut mine = Vec::new();
        let (now, keys) = (world.now(), &mut self.keys);
        self.engine.poll(now, &mut |output| taken(output, &mut mine, keys));
        loop {
            for datagram in std::mem::take(&mut mine) {
                world.receive(A, Channel::Rtp, self.at, &datagram);
            }
            let theirs: Vec<_> = world.said.sent[self.taken..].iter().map(|sent| sent.4.clone()).collect();
            self.taken = world.said.sent.len();
            let keys = &mut self.keys;
            for datagram in theirs.iter().filter(|bytes| (20..64).contains(&bytes[0])) {
                self.engine.receive(datagram, now, &mut |output| taken(output, &mut mine, keys));
            }
            if mine.is_empty() {
                break;
            }
        }
        if let Some(keys) = &self.keys {
            self.sealer = Some(Sealer::new(&keys.send));
            self.opener = Some(Opener::new(&keys.receive, keys.lifetime));
        }
    }

    fn talk(&mut self, world: &mut World) {
        let packet = self.phone.next();
        let sealed = self.sealer.as_mut().unwrap().rtp(&packet).unwrap().to_vec();
        world.receive(A, Channel::Rtp, self.at, &sealed);
    }

    /// The voice packets that it can open, of those that it was sent since the last time.
    fn hears(&mut self, world: &World) -> usize {
        let news = &world.said.sent[self.taken..];
        self.taken = world.said.sent.len();
        let mine = news.iter().filter(|sent| sent.1 == A && sent.3 == self.at);
        let opener = self.opener.as_mut().unwrap();
        mine.filter(|sent| sent.4[0] >= 128 && opener.rtp(&mut sent.4.clone()).is_ok()).count()
    }
}

/// What is agreed on with a browser whose certificate is this one, under these names.
fn agreed_with(peer: Fingerprint, ours: (&str, &str), theirs: (&str, &str)) -> Negotiated {
    let [ours, theirs] = [ours, theirs].map(|(ufrag, password)| Credentials::new(ufrag, password).unwrap());
    Negotiated {
        rtp: Negotiated::ANYWHERE,
        rtcp: Negotiated::ANYWHERE,
        keying: Keying::Dtls { peer, ours: Setup::Passive },
        ice: Some(Box::new(Ends { ours, theirs })),
        ..agreed("192.0.2.9:9", Codec::Pcma)
    }
}

/// Leg A awaits a browser whose certificate is `promised` (its own, if none), leg B is an ordinary telephone.
fn call(promised: Option<Fingerprint>) -> (World, Browser, Phone) {
    let theirs = identity();
    call_of(&theirs, promised.unwrap_or(theirs.fingerprint()))
}

/// The same for a browser with this certificate, while signalling promised `peer`.
fn call_of(theirs: &Identity, peer: Fingerprint) -> (World, Browser, Phone) {
    let ours = identity();
    let mut world = World::new();
    let engine = Engine::new(theirs, Role::Client, ours.fingerprint(), world.now());
    world.session = Session::with_identity(Arc::new(ours));
    let ice = Credentials::new(OURS.0, OURS.1);
    world.tell(Command::Open { leg: A, config: LegConfig { slot: Some(0), ice, ..LegConfig::default() } });
    let negotiated = agreed_with(peer, OURS, THEIRS);
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    world.tell(Command::Open { leg: B, config: LegConfig::default() });
    let other = agreed("198.51.100.2:4000", Codec::Pcma);
    world.tell(Command::Remote { leg: B, negotiated: other, signalling: None });
    let at = addr("198.51.100.77:50000");
    let phone = Phone::new(A, "198.51.100.77:50000", Codec::Pcma);
    let browser = Browser { at, engine, keys: None, opener: None, sealer: None, phone, taken: 0 };
    (world, browser, Phone::new(B, "198.51.100.2:4000", Codec::Pcma))
}

fn kept(world: &mut World) -> Vec<String> {
    world.events()
}

#[test]
fn a_browser_that_proves_itself_is_heard_and_hears() {
    let (mut world, mut browser, mut other) = call(None);
    browser.check(&mut world);
    browser.shake(&mut world);
    assert!(kept(&mut world).iter().any(|event| event.contains("Secured")));
    world.bridge();
    for _ in 0..5 {
        browser.talk(&mut world);
        other.talk(&mut world);
        world.until(world.now_ms() + 20);
    }
    assert_eq!(world.heard_by(B).len(), 5, "the telephone hears the browser");
    assert_eq!(world.said.taps.len(), 5, "and so does the recorder");
    assert_eq!(browser.hears(&world), 5, "the browser hears the telephone");
    assert_eq!(world.session.stats(A).unwrap().received, 5);
}

#[test]
fn nothing_is_sent_and_nothing_is_heard_before_there_are_keys() {
    let (mut world, mut browser, mut other) = call(None);
    world.bridge();
    world.play(A, Sound::RingBack(RingBack::Germany), 1, true);
    other.talk_on(&mut world, 3);
    assert_eq!(world.said.sent.iter().filter(|sent| sent.1 == A).count(), 0, "nowhere to send to");
    browser.check(&mut world);
    let plain = browser.phone.next();
    world.receive(A, Channel::Rtp, browser.at, &plain);
    other.talk_on(&mut world, 3);
    let rtp = |world: &World| world.said.sent.iter().filter(|sent| sent.1 == A && sent.4[0] >= 128).count();
    assert_eq!(rtp(&world), 0, "nothing in the clear");
    assert!(world.said.taps.is_empty() && world.heard_by(B).is_empty(), "nothing is taken in the clear");
    assert_eq!(world.session.stats(A).unwrap().forged, 1);
    browser.shake(&mut world);
    world.until(world.now_ms() + 100);
    assert!(browser.hears(&world) >= 4, "the sound that waited is played now");
}

/// RFC 8445 §9: the browser has another network, and says so in an offer with new names.
#[test]
fn ice_begins_anew_while_both_talk_on() {
    const OURS_NOW: (&str, &str) = ("00anew", "anotherpasswordofours000");
    const THEIRS_NOW: (&str, &str) = ("them", "anotherpasswordoftheirs0");
    let theirs = identity();
    let (mut world, mut browser, mut other) = call_of(&theirs, theirs.fingerprint());
    browser.check(&mut world);
    browser.shake(&mut world);
    world.bridge();
    let negotiated = agreed_with(theirs.fingerprint(), OURS_NOW, THEIRS_NOW);
    world.tell(Command::Remote { leg: A, negotiated, signalling: None });
    let mut talk_on = |world: &mut World, browser: &mut Browser| {
        let (heard, before) = (world.heard_by(B).len(), browser.hears(world));
        assert_eq!(before, 0);
        for _ in 0..5 {
            browser.talk(world);
            other.talk(world);
            world.until(world.now_ms() + 20);
        }
        (world.heard_by(B).len() - heard, browser.hears(world))
    };
    assert_eq!(talk_on(&mut world, &mut browser), (5, 5), "over the path that there is");
    browser.at = addr("198.51.100.88:60000");
    let answers = |world: &World| world.said.sent.iter().filter(|sent| sent.3 == browser.at).count();
    browser.check(&mut world);
    browser.check_as(&mut world, OURS, THEIRS_NOW);
    browser.check_as(&mut world, OURS_NOW, THEIRS);
    assert_eq!(answers(&world), 0, "the old names are nobody's");
    browser.check_as(&mut world, OURS_NOW, THEIRS_NOW);
    assert_eq!(answers(&world), 1);
    browser.taken = world.said.sent.len();
    assert_eq!(talk_on(&mut world, &mut browser), (5, 5), "over the new path, under the same keys");
    assert!(!kept(&mut world).iter().any(|event| event.contains("Insecure")));
}

/// The race that others lost: whoever sends its ClientHello first.
#[test]
fn a_strangers_client_hello_does_not_reach_the_handshake() {
    let (mut world, mut browser, _) = call(None);
    let thief = identity();
    let mut engine = Engine::new(&thief, Role::Client, thief.fingerprint(), world.now());
    let mut hello = Vec::new();
    engine.poll(world.now(), &mut |output| taken(output, &mut hello, &mut None));
    for before in [true, false] {
        for datagram in &hello {
            world.receive(A, Channel::Rtp, addr(STRANGER), datagram);
        }
        assert!(world.said.sent.iter().all(|sent| sent.3 != addr(STRANGER)), "the stranger is not answered");
        if before {
            browser.check(&mut world);
        }
    }
    browser.shake(&mut world);
    assert!(browser.keys.is_some(), "the browser is not disturbed");
    assert_eq!(world.session.stats(A).unwrap().foreign, 2 * hello.len() as u64);
}

#[test]
fn a_browser_with_another_certificate_is_never_heard() {
    let (mut world, mut browser, _) = call(Some(identity().fingerprint()));
    browser.check(&mut world);
    browser.shake(&mut world);
    let insecure = |(_, event): &(u64, Event)| matches!(event, Event::Insecure { .. });
    assert!(world.said.events.iter().any(insecure), "{:?}", world.said.events);
    browser.sealer.is_some().then(|| browser.talk(&mut world));
    assert!(world.said.taps.is_empty());
}

/// A page that is reloaded closes its end and says nothing more.
#[test]
fn a_browser_that_closes_its_end_is_not_waited_for_as_long_as_one_that_is_silent() {
    let (mut world, mut browser, _) = call(None);
    browser.check(&mut world);
    browser.shake(&mut world);
    world.bridge();
    browser.talk(&mut world);
    let mut last = Vec::new();
    browser.engine.close(&mut |output| taken(output, &mut last, &mut None));
    assert_eq!(last.len(), 1, "a close_notify");
    world.receive(A, Channel::Rtp, browser.at, &last[0]);
    let silent = |world: &mut World| {
        kept(world)
            .iter()
            .filter(|event| event.contains("Silent { leg: LegKey(1)"))
            .cloned()
            .collect::<Vec<_>>()
    };
    world.until(1_900);
    assert!(silent(&mut world).is_empty(), "a BYE may still come");
    world.until(5_000);
    assert!(silent(&mut world)[0].starts_with("2000: "));
}

#[test]
fn when_checks_stop_nothing_more_is_sent() {
    let (mut world, mut browser, _) = call(None);
    browser.check(&mut world);
    browser.shake(&mut world);
    world.play(A, Sound::RingBack(RingBack::Germany), 1, true);
    world.until(31_000);
    let last = world.said.sent.iter().filter(|sent| sent.1 == A).map(|sent| sent.0).max().unwrap();
    assert!((29_000..=30_000).contains(&last), "the last packet went at {last} ms");
    browser.check(&mut world);
    world.until(world.now_ms() + Duration::from_secs(1).as_millis() as u64);
    let again = world.said.sent.iter().filter(|sent| sent.1 == A).map(|sent| sent.0).max().unwrap();
    assert!(again > 31_000, "it is back, and so is the sound");
}

/// Counts what is sent, and keeps nothing.
struct Counter(usize);

impl Sink for Counter {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {
        self.0 += 1;
    }
    fn tap(&mut self, _: Tap<'_>) {}
    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}
    fn event(&mut self, _: Event) {}
}

#[test]
fn a_browsers_voice_allocates_nothing() {
    let (mut world, mut browser, mut other) = call(None);
    browser.check(&mut world);
    browser.shake(&mut world);
    world.bridge();
    let mut packets: Vec<(LegKey, SocketAddr, Vec<u8>)> = Vec::new();
    for _ in 0..600 {
        let packet = browser.phone.next();
        let sealed = browser.sealer.as_mut().unwrap().rtp(&packet).unwrap().to_vec();
        packets.push((A, browser.at, sealed));
        packets.push((B, other.addr, other.next()));
    }
    let (mut counter, mut now) = (Counter(0), world.now());
    let mut take = |packets: &mut [(LegKey, SocketAddr, Vec<u8>)]| {
        for (leg, from, bytes) in packets {
            now += Duration::from_millis(10);
            let input = Input { leg: *leg, channel: Channel::Rtp, from: *from, bytes };
            world.session.handle(input, now, &mut counter);
        }
    };
    let (start, steady) = packets.split_at_mut(100);
    take(start);
    let talking = allocation_counter::measure(|| take(steady));
    assert_eq!(talking.count_total, 0, "{talking:?}");
    assert_eq!(counter.0, 1_200, "everything was passed on");
}
