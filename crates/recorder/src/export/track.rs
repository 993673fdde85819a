//! One party's sound: its frames decoded in the order of their places, whatever order they arrived in.
//!
//! G.722 and Opus go on from what was, so a frame is decoded only when no earlier one can come any more. What is missing
//! stays silent, for exactly as long as it is missing: nothing is made up in a recording but the noise that the party's
//! own telephone asked for.

use std::collections::VecDeque;

use vorzimmer_media::codec::{Decoder, MAX_SAMPLES};
use vorzimmer_media::noise::Noise;
use vorzimmer_media::rate::Converter;
use zeroize::Zeroizing;

use crate::frame::{CLOCK_HZ, Codec};
use crate::table::{AUDIO_LEN, PlacedFrame};

/// How far the sound of a frame may lie before its place, while a rate is converted.
pub(super) const EARLY: u64 = 2 * Converter::LATENCY as u64;
/// Room for the longest frame, and for one that was placed a little late.
const ROOM: usize = 2 * AUDIO_LEN + 2 * EARLY as usize;
/// Noise and Opus' own silence are not drawn out longer than this without a word from their sender: 5 s.
const MAX_QUIET: u64 = 40_000;
/// In such pieces Opus makes its own silence: 20 ms.
const QUIET_PIECE: u64 = 160;
/// An Opus packet this short holds nothing but the word that nobody speaks (RFC 7587 §3.1.3).
const DTX_BYTES: usize = 2;

/// A party's track at one rate.
pub(super) struct Track {
    hz: u32,
    /// Samples for one of the timeline.
    times: u64,
    waiting: VecDeque<Waiting>,
    voice: Option<Voice>,
    noise: Option<(Noise, u64)>,
    /// From [`Track::emitted`] on.
    window: Zeroizing<Vec<i16>>,
    emitted: u64,
    decoded: Zeroizing<Vec<i16>>,
}

struct Waiting {
    position: u64,
    codec: Codec,
    payload: Zeroizing<Vec<u8>>,
}

struct Voice {
    decoder: Decoder,
    /// Where the next frame of it is expected.
    next: u64,
    /// Its sender said that nobody speaks.
    quiet: bool,
}

impl Track {
    /// A track from which at most `block` samples of the timeline are taken at a time.
    pub(super) fn new(hz: u32, block: usize) -> Self {
        let times = u64::from(hz / CLOCK_HZ).max(1);
        let window = (block + ROOM) * times as usize;
        Self {
            hz,
            times,
            waiting: VecDeque::new(),
            voice: None,
            noise: None,
            window: Zeroizing::new(vec![0; window]),
            emitted: 0,
            decoded: Zeroizing::new(vec![0; MAX_SAMPLES.max(AUDIO_LEN * times as usize)]),
        }
    }

    /// Takes a frame; `None` if its place has been taken out already.
    pub(super) fn add(&mut self, frame: &PlacedFrame<'_>) -> Option<()> {
        if frame.position < self.emitted {
            return None;
        }
        let at = self.waiting.partition_point(|waiting| waiting.position <= frame.position);
        let payload = Zeroizing::new(frame.payload.to_vec());
        self.waiting.insert(at, Waiting { position: frame.position, codec: frame.codec, payload });
        Some(())
    }

    /// The sound up to `until` on the timeline, beginning where the last call ended. No frame may come that stands before
    /// `until` plus [`EARLY`].
    pub(super) fn render(&mut self, until: u64) -> &[i16] {
        while self.waiting.front().is_some_and(|waiting| waiting.position < until + EARLY) {
            let Some(frame) = self.waiting.pop_front() else { break };
            self.put(&frame);
        }
        self.make_noise(until);
        let count = self.window.len().min(((until - self.emitted) * self.times) as usize);
        &self.window[..count]
    }

    /// What was rendered has been taken.
    pub(super) fn taken(&mut self, until: u64) {
        let count = self.window.len().min(((until - self.emitted) * self.times) as usize);
        self.window.copy_within(count.., 0);
        let left = self.window.len() - count;
        self.window[left..].fill(0);
        self.emitted = until;
    }

    fn put(&mut self, frame: &Waiting) {
        self.make_noise(frame.position);
        self.noise = None;
        let Some(codec) = frame.codec.voice() else {
            self.end_voice();
            self.noise = Some((Noise::new(&frame.payload), frame.position));
            return;
        };
        let goes_on = self
            .voice
            .as_ref()
            .is_some_and(|voice| voice.decoder.codec() == codec && voice.next == frame.position);
        if !goes_on {
            self.bridge_quiet(codec, frame.position);
        }
        let voice = self.voice.take().or_else(|| {
            let decoder = Decoder::new(codec, self.hz).ok()?;
            Some(Voice { decoder, next: frame.position, quiet: false })
        });
        let Some(mut voice) = voice else { return };
        if let Some(count) = voice.decoder.decode(&frame.payload, &mut self.decoded) {
            let late = voice.decoder.latency();
            self.place(frame.position, late, count);
        }
        voice.next = frame.position + frame.codec.samples(&frame.payload);
        voice.quiet = frame.codec == Codec::Opus && frame.payload.len() <= DTX_BYTES;
        self.voice = Some(voice);
    }

    /// The voice does not simply go on: another codec, which begins anew, or a pause, over which the decoder keeps what it
    /// knows, as its encoder did. Opus fills a pause that was announced; everything else leaves silence.
    fn bridge_quiet(&mut self, codec: vorzimmer_types::audio::Codec, until: u64) {
        let Some(mut voice) = self.voice.take_if(|voice| voice.decoder.codec() == codec) else {
            self.end_voice();
            return;
        };
        let late = voice.decoder.latency();
        let count = voice.decoder.flush(&mut self.decoded);
        self.place(voice.next, late, count);
        let end = until.min(voice.next.saturating_add(MAX_QUIET));
        while voice.quiet && voice.next + QUIET_PIECE <= end {
            let count = (QUIET_PIECE * self.times) as usize;
            if !voice.decoder.conceal(&mut self.decoded[..count]) {
                break;
            }
            self.place(voice.next, 0, count);
            voice.next += QUIET_PIECE;
        }
        self.voice = Some(voice);
    }

    /// The last samples of a voice that are still on their way through the rate converter.
    fn end_voice(&mut self) {
        if let Some(mut voice) = self.voice.take() {
            let late = voice.decoder.latency();
            let count = voice.decoder.flush(&mut self.decoded);
            self.place(voice.next, late, count);
        }
    }

    fn make_noise(&mut self, until: u64) {
        let Some((mut noise, mut from)) = self.noise.take() else { return };
        let end = until.min(from.saturating_add(MAX_QUIET));
        while from < end {
            let length = (end - from).min(QUIET_PIECE);
            let count = (length * self.times) as usize;
            noise.fill(&mut self.decoded[..count]);
            self.place(from, 0, count);
            from += length;
        }
        self.noise = Some((noise, from));
    }

    /// Puts the first `count` decoded samples where they belong: `late` samples before `position`.
    fn place(&mut self, position: u64, late: usize, count: usize) {
        let begin =
            (position * self.times).cast_signed() - late as i64 - (self.emitted * self.times).cast_signed();
        let skip = usize::try_from(-begin).unwrap_or(0).min(count);
        let at = usize::try_from(begin).unwrap_or(0);
        let Some(places) = self.window.get_mut(at..) else { return };
        for (place, sample) in places.iter_mut().zip(&self.decoded[skip..count]) {
            *place = *sample;
        }
    }
}

/// The rate that a frame needs so that nothing of it is lost.
pub(super) fn rate_of(frame: &PlacedFrame<'_>) -> u32 {
    match (frame.codec, frame.payload.first().map_or(0, |toc| toc >> 3)) {
        (Codec::Pcma | Codec::Pcmu | Codec::Noise, _) => 8000,
        (Codec::G722, _) => 16_000,
        // RFC 6716 §3.1: narrow band, as SILK or as CELT.
        (Codec::Opus, 0..=3 | 16..=19) => 8000,
        // Medium and wide band.
        (Codec::Opus, 4..=11 | 20..=23) => 16_000,
        (Codec::Opus, _) => 48_000,
    }
}
