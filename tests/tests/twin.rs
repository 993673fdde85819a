//! Twin runs: two calls that differ only in what was said before the consent leave byte-identical disks.
//!
//! The shipped media session, consent gate, recorder and vault are driven in virtual time with fixed randomness. What
//! would reach a disk is compared byte for byte: the recording's file, and the receipts as the store seals them. A twin
//! that differs after the consent must leave another disk, or the comparison could not fail.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vorzimmer_consent::{Gate, Input as Said, Newcomer, Output, Permit, Terms, Who};
use vorzimmer_media::{
    Channel, Codec, Command, Event, Format, Input, LegConfig, LegKey, Negotiated, Session, Sink, Tap,
};
use vorzimmer_recorder::queue::{PageDrain, QUEUE_PAGES, queue};
use vorzimmer_recorder::{FrameRef, Params, Recorder};
use vorzimmer_types::audio::{Direction, EventPayload};
use vorzimmer_types::consent::{Language, Policy, PromptVersion, Receipt};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CallId, CustomerId, Day, Now, PartyId, ReceptionistId, RecordingId, UnixMillis};
use vorzimmer_vault::callrec::EndReason;
use vorzimmer_vault::field::SealedField;
use vorzimmer_vault::keys::{Class, DayKey, KeyId, SlotSecret};

const CALLER: PartyId = PartyId::from_bytes([0xa0; 16]);
const DESK: PartyId = PartyId::from_bytes([0xa1; 16]);
const CUSTOMER: CustomerId = CustomerId::from_bytes([0xc0; 16]);
const LEGS: [LegKey; 2] = [LegKey(0), LegKey(1)];
const FRAME_MS: u32 = 20;
/// The question is heard to its end in this frame, the key goes down in the next.
const ASKED: u32 = 100;
/// The talk lasts so many frames after the yes.
const TALK: u32 = 200;

/// One call and all that it would leave on a disk.
struct Call {
    session: Session,
    gate: Gate,
    recorder: Option<(Recorder, PageDrain)>,
    disk: Vec<u8>,
    receipts: Vec<Receipt>,
    digits: Vec<char>,
    entropy: Seeded,
    start: Instant,
    now: Instant,
}

impl Sink for Call {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, tap: Tap<'_>) {
        let Some((recorder, _)) = &mut self.recorder else { return };
        let codec = match tap.codec {
            Codec::Pcma => vorzimmer_recorder::Codec::Pcma,
            Codec::Pcmu => vorzimmer_recorder::Codec::Pcmu,
        };
        let frame = FrameRef {
            codec,
            ssrc: tap.ssrc,
            rtp_timestamp: tap.timestamp,
            sequence: tap.sequence,
            payload: tap.payload,
        };
        let _kept = recorder.frame(usize::from(tap.slot), &frame, tap.at, &mut self.entropy);
    }

    fn passed(&mut self, _: LegKey, slot: u8, ssrc: u32, sequence: u16) {
        if let Some((recorder, _)) = &mut self.recorder {
            recorder.pass(usize::from(slot), ssrc, sequence);
        }
    }

    fn event(&mut self, event: Event) {
        if let Event::Digit { leg, digit, .. } = event
            && leg == LEGS[0]
        {
            self.digits.push(digit.as_char());
        }
    }
}

impl Call {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to begin somewhere; nothing is read from here on"
    )]
    fn new() -> Self {
        let start = Instant::now();
        let terms = Terms {
            call: CallId::from_bytes([1; 16]),
            customer: CUSTOMER,
            policy: Policy::AskBeforeConnect,
            on_withdrawal: OnWithdrawal::Destroy,
            purpose: "pass requests on".into(),
        };
        let mut call = Self {
            session: Session::new(),
            gate: Gate::new(terms),
            recorder: None,
            disk: Vec::new(),
            receipts: Vec::new(),
            digits: Vec::new(),
            entropy: Seeded::new(7),
            start,
            now: start,
        };
        for (slot, leg) in (0..).zip(LEGS) {
            call.order(Command::Open { leg, config: LegConfig { slot: Some(slot), ..LegConfig::default() } });
            call.order(Command::Remote { leg, negotiated: negotiated(leg), signalling: None });
        }
        call.order(Command::Bridge { a: LEGS[0], b: LEGS[1], relay_events: false });
        call.consent(Said::Join(newcomer(CALLER, Who::Caller)));
        call
    }

    fn order(&mut self, command: Command) {
        let mut session = std::mem::take(&mut self.session);
        let (now, mut entropy) = (self.now, self.entropy.clone());
        session.command(command, now, &mut entropy, self).expect("the order can be carried out");
        self.entropy = entropy;
        self.session = session;
    }

    fn receive(&mut self, leg: LegKey, mut packet: Vec<u8>) {
        let mut session = std::mem::take(&mut self.session);
        let now = self.now;
        session.handle(Input { leg, channel: Channel::Rtp, from: peer(leg), bytes: &mut packet }, now, self);
        self.session = session;
        for digit in std::mem::take(&mut self.digits) {
            self.consent(Said::Digit { party: CALLER, digit });
        }
    }

    fn consent(&mut self, input: Said) {
        let wall = i64::try_from((self.now - self.start).as_millis()).expect("a short call");
        self.gate.handle(input, Now { mono: self.now, wall: UnixMillis(wall) }).expect("the gate takes it");
        while let Some(output) = self.gate.poll() {
            match output {
                Output::Receipt(receipt) => self.receipts.push(receipt),
                Output::Record(permit) => self.record(permit),
                _ => {}
            }
        }
    }

    fn record(&mut self, permit: Permit) {
        let (pages, drain) = queue(QUEUE_PAGES, 2);
        let params = Params {
            recording: RecordingId::from_bytes([0x0e; 16]),
            customer: CUSTOMER,
            expiry: Day(20_530),
            key_version: 1,
            parties: vec![CALLER, DESK],
            secrets: [0x10, 0x11].map(|byte| SlotSecret::from_bytes([byte; 32])).to_vec(),
            consented: self.now,
            queue: pages,
        };
        let (recorder, header) =
            Recorder::start(permit, params, self.now, &mut self.entropy).expect("the recorder starts");
        self.disk.extend(header.0);
        self.recorder = Some((recorder, drain));
    }

    /// What the writer thread does.
    fn write(&mut self) {
        let Some((recorder, drain)) = &mut self.recorder else { return };
        recorder.poll(self.now, &mut self.entropy);
        while let Ok(Some(page)) = drain.next_page() {
            self.disk.extend(&page.bytes[..]);
            drain.recycle(page);
        }
    }

    /// Ends the call; gives everything that is on the disk then.
    fn end(mut self) -> Vec<u8> {
        self.write();
        let (recorder, drain) = self.recorder.take().expect("it was recorded");
        let finished = recorder
            .finish(EndReason::HungUp, self.now, &mut self.entropy)
            .expect("the recording can be closed");
        while let Ok(Some(page)) = drain.next_page() {
            self.disk.extend(&page.bytes[..]);
        }
        for page in &finished.last_pages {
            self.disk.extend(&page.bytes[..]);
        }
        let id = KeyId { class: Class::CallData, customer: CUSTOMER, day: Day(20_560) };
        let key = DayKey::from_bytes(id, [5; 32]);
        for receipt in &self.receipts {
            let json = serde_json::to_vec(receipt).expect("a receipt is JSON");
            let sealed = SealedField::seal(&key, "receipts|receipt", &json, &mut self.entropy);
            self.disk.extend(sealed.expect("a receipt can be sealed").into_bytes());
        }
        self.disk
    }
}

fn newcomer(party: PartyId, who: Who) -> Newcomer {
    let question =
        PromptVersion { name: "consent-ask".into(), version: 1, language: Language::De, sha256: "00".into() };
    Newcomer { party, who, question }
}

fn peer(leg: LegKey) -> SocketAddr {
    let port = 4_000 + u16::try_from(leg.0).expect("two legs") * 2;
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn negotiated(leg: LegKey) -> Negotiated {
    let rtp = peer(leg);
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
    let format =
        Format { events: Some(EventPayload { send: 101, receive: 101 }), ..Format::plain(Codec::Pcma) };
    Negotiated { format, direction: Direction::SendRecv, rtp, rtcp }
}

/// RFC 3550 §5.1.
fn rtp(leg: LegKey, payload_type: u8, number: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(u16::try_from(number % 65_536).expect("sixteen bits").to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend((0x1000 + leg.0).to_be_bytes());
    packet.extend(payload);
    packet
}

/// Speech that nobody could mistake for another's: noise that belongs to a seed.
fn speech(seed: u64, number: u32) -> Vec<u8> {
    let mut frame = vec![0; 160];
    vorzimmer_types::Entropy::fill(&mut Seeded::new(seed ^ (u64::from(number) << 20)), &mut frame);
    frame
}

/// A call whose caller says `before` until asked and `after` from then on.
fn call(before: u64, after: u64) -> Vec<u8> {
    let mut call = Call::new();
    for number in 0..ASKED + TALK {
        call.now = call.start + Duration::from_millis(u64::from(number * FRAME_MS));
        let timestamp = number * 160;
        match number {
            ASKED => call.consent(Said::PromptEnded { party: CALLER }),
            // Key 1 goes down, and comes up with its end said three times (RFC 4733 §2.5.1.4).
            key if (ASKED + 1..ASKED + 5).contains(&key) => {
                let end = if key == ASKED + 1 { 0 } else { 0x80 };
                call.receive(LEGS[0], rtp(LEGS[0], 101, key, (ASKED + 1) * 160, &[1, end | 10, 3, 0x20]));
            }
            _ => {
                let seed = if number < ASKED { before } else { after };
                call.receive(LEGS[0], rtp(LEGS[0], 8, number, timestamp, &speech(seed, number)));
            }
        }
        if number == ASKED + 6 {
            let who = Who::Receptionist { id: ReceptionistId::from_bytes([2; 16]), standing: true };
            call.consent(Said::Join(newcomer(DESK, who)));
        }
        call.receive(LEGS[1], rtp(LEGS[1], 8, number, timestamp, &speech(99, number)));
        call.write();
    }
    assert!(call.recorder.is_some(), "the yes was heard");
    call.end()
}

#[test]
fn what_was_said_before_the_yes_leaves_no_trace() {
    let (one, other) = (call(1, 3), call(2, 3));
    assert!(one.len() > 20 * 4_096, "four seconds of talk are on the disk, not {} bytes", one.len());
    assert!(one == other, "two calls that differ only before the consent left different disks");
}

#[test]
fn what_was_said_after_the_yes_does() {
    assert!(call(1, 3) != call(1, 4), "two calls that differ after the consent left the same disk");
}
