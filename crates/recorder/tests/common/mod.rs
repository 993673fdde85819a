//! A call that was permitted, a disk in memory, and ears.
#![allow(dead_code, reason = "each test file uses its part")]

use std::f64::consts::TAU;
use std::io::Cursor;
use std::time::{Duration, Instant};

use audio_codec::Encoder;
use audio_codec::pcma::PcmaEncoder;
use audio_codec::pcmu::PcmuEncoder;
use vorzimmer_consent::{Gate, Input, Newcomer, Output, Permit, Terms, Who};
use vorzimmer_recorder::queue::{self, PageDrain};
use vorzimmer_recorder::{Codec, Finished, FrameRef, Kept, Params, Recorder, SealedPage};
use vorzimmer_types::consent::{Language, Policy, PromptVersion};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CallId, CustomerId, Day, Now, PartyId, ReceptionistId, RecordingId, UnixMillis};
use vorzimmer_vault::SlotSecret;
use vorzimmer_vault::callrec::{EndReason, Expected, Reader};

pub const CALLER: PartyId = PartyId::from_bytes([0xa0; 16]);
pub const RECEPTIONIST: PartyId = PartyId::from_bytes([0xa1; 16]);
pub const RECORDING: RecordingId = RecordingId::from_bytes([0x0e; 16]);
pub const CUSTOMER: CustomerId = CustomerId::from_bytes([0xc0; 16]);
pub const DAY: Day = Day(20_530);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Any moment: tests count from it.
pub fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test's clock has to begin somewhere")]
    *EPOCH.get_or_init(Instant::now)
}

fn newcomer(party: PartyId, who: Who) -> Newcomer {
    let question =
        PromptVersion { name: "ask".into(), version: 1, language: Language::De, sha256: "00".into() };
    Newcomer { party, who, question }
}

/// A call on which both have said yes: the gate, and the permit that it made.
pub fn permitted() -> (Gate, Permit) {
    let mut gate = Gate::new(Terms {
        call: CallId::from_bytes([1; 16]),
        customer: CUSTOMER,
        policy: Policy::AskBeforeConnect,
        on_withdrawal: OnWithdrawal::Destroy,
        purpose: "quality".into(),
    });
    let receptionist = Who::Receptionist { id: ReceptionistId::from_bytes([2; 16]), standing: true };
    let steps = [
        Input::Join(newcomer(CALLER, Who::Caller)),
        Input::PromptEnded { party: CALLER },
        Input::Digit { party: CALLER, digit: '1' },
        Input::Join(newcomer(RECEPTIONIST, receptionist)),
    ];
    let mut permit = None;
    for step in steps {
        gate.handle(step, Now { mono: epoch(), wall: UnixMillis(0) }).unwrap();
        while let Some(output) = gate.poll() {
            if let Output::Record(made) = output {
                permit = Some(made);
            }
        }
    }
    (gate, permit.expect("both said yes"))
}

pub fn secrets() -> Vec<SlotSecret> {
    [0x10, 0x11].map(|byte| SlotSecret::from_bytes([byte; 32])).to_vec()
}

pub fn expected() -> Expected {
    Expected { recording: RECORDING, customer: CUSTOMER, expiry: DAY, parties: vec![CALLER, RECEPTIONIST] }
}

/// A running recording with its file in memory.
pub struct Rig {
    pub gate: Gate,
    pub recorder: Recorder,
    pub drain: PageDrain,
    pub file: Vec<u8>,
    pub entropy: Seeded,
    pub now: Instant,
}

impl Rig {
    pub fn start() -> Self {
        Self::with_queue(queue::QUEUE_PAGES)
    }

    pub fn with_queue(pages: usize) -> Self {
        let (gate, permit) = permitted();
        let (page_queue, drain) = queue::queue(pages, 2);
        let mut entropy = Seeded::new(7);
        let (recorder, header) = Recorder::start(permit, params(page_queue), epoch(), &mut entropy).unwrap();
        Self { gate, recorder, drain, file: header.0, entropy, now: epoch() }
    }

    pub fn frame(&mut self, slot: usize, frame: &FrameRef<'_>) -> Kept {
        let kept = self.recorder.frame(slot, frame, self.now, &mut self.entropy);
        self.write();
        kept
    }

    pub fn poll_at(&mut self, now: Instant) {
        self.now = now;
        self.recorder.poll(now, &mut self.entropy);
        self.write();
    }

    /// What the writer thread does.
    pub fn write(&mut self) {
        while let Ok(Some(page)) = self.drain.next_page() {
            append(&mut self.file, &page);
            self.drain.recycle(page);
        }
    }

    pub fn tell(&mut self, input: Input) {
        self.gate.handle(input, Now { mono: self.now, wall: UnixMillis(0) }).unwrap();
        while self.gate.poll().is_some() {}
    }

    pub fn finish(mut self, reason: EndReason, at: Instant) -> (Finished, Vec<u8>) {
        let finished = self.recorder.finish(reason, at, &mut self.entropy).unwrap();
        while let Ok(Some(page)) = self.drain.next_page() {
            append(&mut self.file, &page);
        }
        for page in &finished.last_pages {
            append(&mut self.file, page);
        }
        (finished, self.file)
    }
}

pub fn params(queue: queue::PageQueue) -> Params {
    Params {
        recording: RECORDING,
        customer: CUSTOMER,
        expiry: DAY,
        key_version: 1,
        parties: vec![CALLER, RECEPTIONIST],
        secrets: secrets(),
        consented: epoch() - ms(1000),
        queue,
    }
}

pub fn append(file: &mut Vec<u8>, page: &SealedPage) {
    assert_eq!(file.len() as u64, 4096 * (page.index + 1), "pages come in order");
    file.extend_from_slice(&page.bytes);
}

pub fn read(file: &[u8]) -> Reader<Cursor<&[u8]>> {
    Reader::open(Cursor::new(file), &expected(), &secrets().into_iter().map(Some).collect::<Vec<_>>())
        .unwrap()
}

/// Left and right of an exported WAV.
pub fn channels(file: &[u8]) -> [Vec<i16>; 2] {
    let mut wav = Cursor::new(Vec::new());
    let count = vorzimmer_recorder::export::wav(&mut read(file), &mut wav).unwrap().samples;
    let samples: Vec<i16> = hound::WavReader::new(Cursor::new(wav.into_inner()))
        .unwrap()
        .into_samples()
        .map(Result::unwrap)
        .collect();
    let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    let both = [channel(0), channel(1)];
    assert_eq!(both.each_ref().map(Vec::len), [count as usize; 2]);
    both
}

/// A tone of `hz` at 8 kHz, sample `at` of it.
pub fn tone(hz: f64, at: u64) -> i16 {
    (f64::cos(TAU * hz * at as f64 / 8000.0) * 12_000.0) as i16
}

/// One talker: a tone, cut into packets.
pub struct Talker {
    pub hz: f64,
    pub codec: Codec,
    pub ssrc: u32,
    pub timestamp: u32,
    pub sequence: u16,
    pub samples: u32,
}

impl Talker {
    /// Packet `number` of the talk.
    pub fn packet(&self, number: u32) -> Packet {
        let from = u64::from(number * self.samples);
        let pcm: Vec<i16> = (from..from + u64::from(self.samples)).map(|at| tone(self.hz, at)).collect();
        let payload = match self.codec {
            Codec::Pcmu => PcmuEncoder::new().encode(&pcm),
            _ => PcmaEncoder::new().encode(&pcm),
        };
        Packet {
            codec: self.codec,
            ssrc: self.ssrc,
            timestamp: self.timestamp.wrapping_add(number * self.samples),
            sequence: self.sequence.wrapping_add(number as u16),
            payload,
        }
    }
}

#[derive(Clone)]
pub struct Packet {
    pub codec: Codec,
    pub ssrc: u32,
    pub timestamp: u32,
    pub sequence: u16,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn frame(&self) -> FrameRef<'_> {
        let Self { codec, ssrc, timestamp, sequence, ref payload } = *self;
        FrameRef { codec, ssrc, rtp_timestamp: timestamp, sequence, payload }
    }
}

pub fn caller() -> Talker {
    // Timestamp and number wrap on the way.
    Talker {
        hz: 440.0,
        codec: Codec::Pcma,
        ssrc: 1,
        timestamp: u32::MAX - 3999,
        sequence: 65_500,
        samples: 160,
    }
}

pub fn receptionist() -> Talker {
    Talker { hz: 1000.0, codec: Codec::Pcmu, ssrc: 2, timestamp: 77, sequence: 9, samples: 160 }
}

/// How much of `samples` is a tone of `hz`: 1 for a pure one (Goertzel).
pub fn share_of(samples: &[i16], hz: f64) -> f64 {
    let step = TAU * hz / 8000.0;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), step * at as f64);
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    if energy == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / (energy * samples.len() as f64) }
}

/// Runs of samples between `from` and `to` (exclusive) that are silent for at least `at_least`.
pub fn silences(samples: &[i16], at_least: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut begin = 0;
    for (at, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 8 {
            if at - begin >= at_least {
                found.push((begin, at));
            }
            begin = at + 1;
        }
    }
    if samples.len() - begin >= at_least {
        found.push((begin, samples.len()));
    }
    found
}
