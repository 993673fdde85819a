//! One party's voice as linear samples, 10 ms at a time, whatever its packets do.
//!
//! Packets wait for the slowest of them as long as the network has made it necessary lately. A packet that does not come
//! in time is replaced by what its codec or [`Concealer`] makes up, and the delay has then grown by so much. When for
//! [`SLACK_OVER`] every packet came earlier than needed, 10 ms are taken out.

use std::time::{Duration, Instant};

use vorzimmer_types::audio::Codec;

use super::conceal::Concealer;
use super::jitter::{Jitter, Waiting};
use super::{FRAME, TICK};
use crate::Error;
use crate::codec::{Decoder, MAX_PACKET_MS};
use crate::noise::Noise;

/// Ticks over which packets must come early before the delay is shortened: 2 s.
const SLACK_OVER: u32 = 200;
/// By so much they must: one tick is taken out, the other stays as a margin.
const SLACK: Duration = Duration::from_millis(20);
/// Shortest and longest wait for the first packet's followers.
const HOLD: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// Ticks without a packet after which the voice is taken to pause: 120 ms, beyond which nothing can be made up that
/// anybody would believe; for Opus that has said that nobody speaks, 1 s.
const PAUSE_TICKS: u32 = 12;
const QUIET_TICKS: u32 = 100;
/// More than this waiting is too late to be heard: half of it is passed over.
const MOST_WAITING: Duration = Duration::from_millis(400);
/// An Opus packet this short says that nobody speaks (RFC 7587 §3.1.3).
const DTX_BYTES: usize = 2;
/// Longest piece that is regained from the packet after it: 60 ms.
const REGAINED_MS: i64 = 60;

/// What a tick gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing: nobody is there.
    Nothing,
    /// Noise, or silence between words.
    Quiet,
    /// Voice, or what takes its place.
    Voice,
}

/// From packets to samples.
pub(crate) struct Inlet {
    clock_hz: u32,
    /// Samples in a tick.
    frame: usize,
    hz: u32,
    decoder: Decoder,
    jitter: Jitter,
    concealer: Concealer,
    noise: Option<Noise>,
    decoded: Box<[i16]>,
    ready: Box<[i16]>,
    waiting: usize,
    playing: Option<Playing>,
}

/// Where playing is.
#[derive(Clone, Copy, Debug)]
struct Playing {
    /// The timestamp of what is decoded next.
    next: i64,
    /// The packet that was decoded last.
    last: u64,
    /// Timestamp units made up since then.
    made_up: i64,
    /// Ticks without a packet.
    ticks: u32,
    /// Opus has said that nobody speaks.
    quiet: bool,
    /// The least that was ready in good time, in units, and over how many ticks.
    slack: i64,
    slack_ticks: u32,
}

impl Inlet {
    /// For a codec, giving samples at `hz`.
    pub(crate) fn new(codec: Codec, hz: u32) -> Result<Self, Error> {
        let per_ms = hz as usize / 1000;
        Ok(Self {
            clock_hz: codec.clock_hz(),
            frame: per_ms * FRAME,
            hz,
            decoder: Decoder::new(codec, hz)?,
            jitter: Jitter::new(),
            concealer: Concealer::new(hz),
            noise: None,
            decoded: vec![0; per_ms * MAX_PACKET_MS].into(),
            ready: vec![0; per_ms * (MAX_PACKET_MS + 2 * FRAME)].into(),
            waiting: 0,
            playing: None,
        })
    }

    /// What it decodes, and at which rate.
    pub(crate) fn serves(&self, codec: Codec, hz: u32) -> bool {
        self.decoder.codec() == codec && self.hz == hz
    }

    /// Takes a packet: of comfort noise if `units` is 0.
    pub(crate) fn push(&mut self, extended: u64, timestamp: u32, units: u32, payload: &[u8], now: Instant) {
        self.jitter.push(extended, timestamp, units, self.clock_hz, payload, now);
    }

    /// The stream begins anew.
    pub(crate) fn restart(&mut self) {
        self.jitter = Jitter::new();
        self.playing = None;
    }

    /// The next tick's samples.
    pub(crate) fn pull(&mut self, out: &mut [i16], now: Instant) -> Heard {
        if self.playing.is_none() {
            self.begin(now);
        }
        if let Some(playing) = self.playing.take() {
            self.playing = self.fill(playing);
        }
        if self.waiting >= self.frame {
            return self.take(out);
        }
        match &mut self.noise {
            Some(noise) => {
                noise.fill(out);
                Heard::Quiet
            }
            None => {
                out.fill(0);
                Heard::Nothing
            }
        }
    }

    /// Begins to play once the first packet has waited for as long as others may be late.
    fn begin(&mut self, now: Instant) {
        while let Some(first) = self.jitter.first() {
            if first.units == 0 {
                self.noise = Some(Noise::new(self.jitter.payload()));
                self.jitter.pop();
                continue;
            }
            let hold = self.jitter.spread().clamp(HOLD.0, HOLD.1);
            if now.saturating_duration_since(first.at) >= hold {
                self.noise = None;
                self.playing = Some(Playing {
                    next: first.timestamp,
                    last: first.extended.wrapping_sub(1),
                    made_up: 0,
                    ticks: 0,
                    quiet: false,
                    slack: i64::MAX,
                    slack_ticks: 0,
                });
            }
            return;
        }
    }

    /// Sees to it that a tick's samples are ready. None when the voice pauses.
    fn fill(&mut self, mut playing: Playing) -> Option<Playing> {
        self.keep_pace(&mut playing);
        while self.waiting < self.frame {
            let Some(first) = self.jitter.first() else {
                playing.ticks += 1;
                let most = if playing.quiet { QUIET_TICKS } else { PAUSE_TICKS };
                if playing.ticks > most {
                    return None;
                }
                self.make_up(self.frame);
                playing.made_up += self.units(self.frame);
                continue;
            };
            if first.units == 0 {
                return None;
            }
            if first.timestamp + i64::from(first.units) <= playing.next {
                self.jitter.pop();
                playing.last = playing.last.max(first.extended);
                continue;
            }
            let gap = first.timestamp - playing.next - playing.made_up;
            if gap > 0 && first.timestamp > playing.next {
                if !self.close_gap(&mut playing, &first, gap) {
                    return None;
                }
                continue;
            }
            self.play(&mut playing, &first);
        }
        Some(playing)
    }

    /// Decodes the first packet: it is its turn, or later than that.
    fn play(&mut self, playing: &mut Playing, first: &Waiting) {
        let payload = self.jitter.payload();
        playing.quiet = self.decoder.codec() == Codec::Opus && payload.len() <= DTX_BYTES;
        let count = self.decoder.decode(payload, &mut self.decoded).unwrap_or(0);
        self.jitter.pop();
        if let Some(samples) = self.decoded.get_mut(..count) {
            self.concealer.real(samples);
        }
        self.add(count);
        playing.next = first.timestamp + i64::from(first.units);
        (playing.last, playing.made_up, playing.ticks) = (first.extended, 0, 0);
    }

    /// Something is missing before the first packet. False if that is a pause.
    fn close_gap(&mut self, playing: &mut Playing, first: &Waiting, gap: i64) -> bool {
        let lost = first.extended != playing.last.wrapping_add(1);
        let per_ms = i64::from(self.clock_hz) / 1000;
        if !lost && !playing.quiet {
            // Nobody spoke: what comes now begins anew, with a wait of its own.
            return false;
        }
        let whole = lost && playing.made_up == 0 && gap <= REGAINED_MS * per_ms && gap % (per_ms * 5) == 0;
        let samples = self.samples(gap);
        if whole
            && let Some(room) = self.decoded.get_mut(..samples)
            && self.decoder.regain(self.jitter.payload(), room)
        {
            self.add(samples);
            playing.next = first.timestamp;
            return true;
        }
        let count = samples.min(self.frame);
        self.make_up(count);
        playing.made_up += self.units(count).max(1);
        true
    }

    /// What might have been said, for so many samples.
    fn make_up(&mut self, count: usize) {
        if let Some(room) = self.decoded.get_mut(..count)
            && !self.decoder.conceal(room)
        {
            self.concealer.make_up(room);
        }
        self.add(count);
    }

    /// What is decoded is ready.
    fn add(&mut self, count: usize) {
        let room = self.ready.len().saturating_sub(self.waiting);
        let count = count.min(room).min(self.decoded.len());
        let places = self.ready.get_mut(self.waiting..self.waiting + count);
        if let (Some(places), Some(samples)) = (places, self.decoded.get(..count)) {
            places.copy_from_slice(samples);
            self.waiting += count;
        }
    }

    fn take(&mut self, out: &mut [i16]) -> Heard {
        let count = self.frame.min(out.len());
        if let (Some(places), Some(samples)) = (out.get_mut(..count), self.ready.get(..count)) {
            places.copy_from_slice(samples);
        }
        self.ready.copy_within(count..self.waiting, 0);
        self.waiting -= count;
        match self.playing {
            Some(playing) if playing.quiet => Heard::Quiet,
            _ => Heard::Voice,
        }
    }

    /// Shortens the delay when packets have long come earlier than needed, and at once when far too much waits.
    fn keep_pace(&mut self, playing: &mut Playing) {
        let Some(end) = self.jitter.end() else {
            playing.slack = 0;
            return;
        };
        let ready = self.units(self.waiting) - self.units(self.frame);
        let most = self.units_in(MOST_WAITING);
        while end - playing.next > most
            && self.jitter.first().is_some_and(|first| first.timestamp < end - most / 2)
        {
            self.jitter.pop();
            playing.next = self.jitter.first().map_or(playing.next, |first| first.timestamp);
        }
        playing.slack = playing.slack.min(end - playing.next + ready);
        playing.slack_ticks += 1;
        if playing.slack_ticks < SLACK_OVER {
            return;
        }
        if playing.slack >= self.units_in(SLACK) && self.waiting >= 2 * self.frame {
            self.shorten();
            (playing.slack, playing.slack_ticks) = (i64::MAX, 0);
        } else if playing.slack < self.units_in(SLACK) {
            (playing.slack, playing.slack_ticks) = (i64::MAX, 0);
        }
    }

    /// Takes one tick out of what is ready: the second fades over the first.
    fn shorten(&mut self) {
        let length = self.frame;
        for at in 0..length {
            let (Some(old), Some(new)) = (self.ready.get(at).copied(), self.ready.get(at + length).copied())
            else {
                return;
            };
            let (at_i, length_i) = (at as i32, length as i32);
            let mixed = (i32::from(old) * (length_i - at_i) + i32::from(new) * at_i) / length_i;
            self.ready[at] = mixed as i16;
        }
        self.ready.copy_within(2 * length..self.waiting, length);
        self.waiting -= length;
    }

    fn units(&self, samples: usize) -> i64 {
        samples as i64 * i64::from(self.clock_hz) / i64::from(self.hz)
    }

    fn samples(&self, units: i64) -> usize {
        usize::try_from(units * i64::from(self.hz) / i64::from(self.clock_hz)).unwrap_or(0)
    }

    fn units_in(&self, time: Duration) -> i64 {
        time.as_millis() as i64 * i64::from(self.clock_hz) / 1000
    }
}

/// The time between two pulls.
const _: () = assert!(TICK.as_millis() == FRAME as u128);
