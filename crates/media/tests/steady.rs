//! Law 7: no allocation per packet in the steady state.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vorzimmer_media::dtls::{Role, Setup};
use vorzimmer_media::srtp::Sealer;
use vorzimmer_media::{
    Channel, Codec, Command, Event, Input, LegConfig, LegKey, Negotiated, PlayId, Session, Sink, Sound, Tap,
};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{Keying, MasterKey, SrtpKeys, Suite};
use world::hands::{self, Shaker};
use world::{A, B, Phone, World, addr, agreed};

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counter {
    sent: u64,
    taped: u64,
    events: u64,
}

impl Sink for Counter {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {
        self.sent += 1;
    }

    fn tap(&mut self, _: Tap<'_>) {
        self.taped += 1;
    }

    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}

    fn event(&mut self, _: Event) {
        self.events += 1;
    }
}

struct Call {
    session: Session,
    said: Counter,
    random: Seeded,
    now: Instant,
}

impl Call {
    fn new(now: Instant) -> Self {
        let mut call =
            Self { session: Session::new(), said: Counter::default(), random: Seeded::new(1), now };
        for (leg, slot, at, codec) in
            [(A, 0, "192.0.2.1:4000", Codec::Pcma), (B, 1, "192.0.2.2:4000", Codec::Pcmu)]
        {
            let config = LegConfig { slot: Some(slot), ..LegConfig::default() };
            call.tell(Command::Open { leg, config });
            call.tell(Command::Remote { leg, negotiated: agreed(at, codec), signalling: None });
        }
        call.tell(Command::Bridge { a: A, b: B, relay_events: false });
        call
    }

    fn tell(&mut self, command: Command) {
        self.session.command(command, self.now, &mut self.random, &mut self.said).unwrap();
    }

    /// Packets that came in at 20 ms each, alternately from both.
    fn take(&mut self, packets: &mut [(LegKey, SocketAddr, Vec<u8>)]) {
        for (leg, from, bytes) in packets {
            let input = Input { leg: *leg, channel: Channel::Rtp, from: *from, bytes };
            self.session.handle(input, self.now, &mut self.said);
            self.now += Duration::from_millis(10);
            if self.session.next_wake(self.now).is_some_and(|wake| wake <= self.now) {
                self.session.poll(self.now, &mut self.random, &mut self.said);
            }
        }
    }
}

fn talk(count: usize) -> Vec<(LegKey, SocketAddr, Vec<u8>)> {
    let mut ann = Phone::new(A, "192.0.2.1:4000", Codec::Pcma);
    let mut bob = Phone::new(B, "192.0.2.2:4000", Codec::Pcmu);
    (0..count).flat_map(|_| [(A, ann.addr, ann.next()), (B, bob.addr, bob.next())]).collect()
}

#[test]
fn voice_reports_and_prompts_allocate_nothing() {
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    let mut call = Call::new(Instant::now());
    let mut packets = talk(2000);
    let (start, steady) = packets.split_at_mut(100);
    call.take(start);
    let talking = allocation_counter::measure(|| call.take(steady));
    assert_eq!(talking.count_total, 0, "{talking:?}");
    assert_eq!((call.said.taped, call.said.events), (4000, 2), "everything was heard");
    assert!(call.said.sent > 4000, "and passed on, with reports between: {}", call.said.sent);

    call.tell(Command::Play { leg: A, sound: Sound::Hold, id: PlayId(1), looped: true });
    let before = call.said.sent;
    let playing = allocation_counter::measure(|| {
        for _ in 0..500 {
            call.now += Duration::from_millis(20);
            call.session.poll(call.now, &mut call.random, &mut call.said);
        }
    });
    assert_eq!(playing.count_total, 0, "{playing:?}");
    assert!(call.said.sent - before >= 500);
}

/// The same for voices that are decoded, mixed and encoded: A-law and Opus share no codec.
#[test]
fn transcoding_allocates_nothing() {
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    let mut call = Call::new(Instant::now());
    let negotiated = agreed("192.0.2.2:4000", Codec::Opus);
    call.tell(Command::Remote { leg: B, negotiated, signalling: None });
    let mut ann = Phone::new(A, "192.0.2.1:4000", Codec::Pcma);
    let mut bob = Phone::new(B, "192.0.2.2:4000", Codec::Opus);
    // Narrow band silence of 20 ms, as Opus says it.
    let mut opus = || bob.packet(111, false, vec![0x08, 0xff, 0xfe], 960);
    let mut packets: Vec<_> = (0..1000)
        .flat_map(|_| [(A, ann.addr, ann.next()), (B, world::addr("192.0.2.2:4000"), opus())])
        .collect();
    let (start, steady) = packets.split_at_mut(200);
    call.take(start);
    let before = call.said.sent;
    let talking = allocation_counter::measure(|| call.take(steady));
    assert_eq!(talking.count_total, 0, "{talking:?}");
    assert!(call.said.sent - before > 1500, "both hear each other: {}", call.said.sent - before);
}

/// The keys of a leg of ours.
fn keys(suite: Suite) -> Arc<SrtpKeys> {
    let mut random = Seeded::new(5);
    let (send, receive) = (MasterKey::random(suite, &mut random), MasterKey::random(suite, &mut random));
    Arc::new(SrtpKeys { send, receive, lifetime: SrtpKeys::MAX_LIFETIME })
}

/// The same for legs that are sealed, with reports between.
#[test]
fn sealed_voices_allocate_nothing() {
    for suite in Suite::ALL {
        #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
        let mut call = Call::new(Instant::now());
        let keys = keys(suite);
        for (leg, at, codec) in [(A, "192.0.2.1:4000", Codec::Pcma), (B, "192.0.2.2:4000", Codec::Pcmu)] {
            let keying = Keying::Sdes { keys: Arc::clone(&keys), in_clear: false };
            let negotiated = Negotiated { keying, ..agreed(at, codec) };
            call.tell(Command::Remote { leg, negotiated, signalling: None });
        }
        let mut sealers = [Sealer::new(&keys.receive), Sealer::new(&keys.receive)];
        let mut packets = talk(2000);
        for (leg, _, packet) in &mut packets {
            *packet = sealers[usize::from(*leg == B)].rtp(packet).unwrap().to_vec();
        }
        let (start, steady) = packets.split_at_mut(100);
        call.take(start);
        let talking = allocation_counter::measure(|| call.take(steady));
        assert_eq!(talking.count_total, 0, "{suite:?}: {talking:?}");
        assert_eq!(call.said.taped, 4000, "{suite:?}: everything was heard");
        assert!(call.said.sent > 4000, "{suite:?}: and passed on, with reports: {}", call.said.sent);
    }
}

/// The same with keys out of a handshake, and while others send what is none of the peer's.
#[test]
fn voices_after_a_handshake_and_junk_beside_them_allocate_nothing() {
    let (ours, hers) = (hands::identity(), hands::identity());
    let at = "192.0.2.1:4000";
    let fingerprint = ours.fingerprint();
    let (mut world, mut bob) = hands::call(ours, hers.fingerprint(), Setup::Passive, at);
    let mut ann = Shaker::new(&hers, Role::Client, fingerprint, at, &world);
    ann.shake(&mut world);
    let mut packets: Vec<(LegKey, SocketAddr, Vec<u8>)> = Vec::new();
    for round in 0..1000_u16 {
        packets.push((A, ann.phone.addr, ann.next()));
        packets.push((B, bob.addr, bob.next()));
        packets.extend(junk(&ann.phone, round));
    }
    let now = world.now();
    let World { session, .. } = world;
    let mut call = Call { session, said: Counter::default(), random: Seeded::new(1), now };
    let (start, steady) = packets.split_at_mut(600);
    call.take(start);
    let talking = allocation_counter::measure(|| call.take(steady));
    assert_eq!(talking.count_total, 0, "{talking:?}");
    assert_eq!(call.said.taped, 2000, "everything was heard, and nothing else");
    let stats = call.session.stats(A).unwrap();
    assert_eq!((stats.forged, stats.malformed), (1000, 1000), "{stats:?}");
}

/// From the peer's own address under its source, no SRTP at all, a handshake that nobody wants, and from elsewhere.
fn junk(peer: &Phone, round: u16) -> [(LegKey, SocketAddr, Vec<u8>); 4] {
    let mut forged = vec![0x80, 8];
    forged.extend(round.to_be_bytes());
    forged.extend([0; 4]);
    forged.extend(peer.ssrc.to_be_bytes());
    forged.extend([0x5a; 180]);
    let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1];
    hello.resize(73, 7);
    [
        (A, peer.addr, forged.clone()),
        (A, peer.addr, vec![0; 9]),
        (A, addr("192.0.2.1:9999"), hello),
        (A, addr("198.51.100.66:6666"), forged),
    ]
}
