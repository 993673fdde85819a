//! What an ear would say of a recording: which tone, from when to when, with which holes.

use std::f64::consts::TAU;
use std::path::Path;

/// Samples a second of everything on a telephone.
pub const RATE: f64 = 8_000.0;

/// Samples in one looked-at window: 10 ms.
pub const WINDOW: usize = 80;

/// Samples in one window in which a leak is looked for: 100 ms.
const EAR: usize = 800;

/// One channel of audio, samples from -1 to 1.
#[derive(Clone, Debug, Default)]
pub struct Track(pub Vec<f32>);

/// Reads a WAV at 8 kHz or a multiple of it as one at 8 kHz, one track a channel.
///
/// # Panics
/// When the file is not a 16-bit WAV at such a rate.
#[must_use]
pub fn read_wav(path: &Path) -> Vec<Track> {
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let spec = wav.spec();
    assert_eq!((spec.sample_rate % 8_000, spec.bits_per_sample), (0, 16), "{}: {spec:?}", path.display());
    let channels = usize::from(spec.channels);
    // Every so many-th sample will do: what is listened for are tones far below 4 kHz.
    let step = usize::try_from(spec.sample_rate / 8_000).expect("a small number");
    let mut tracks = vec![Track::default(); channels];
    for (at, sample) in wav.samples::<i16>().enumerate() {
        if at / channels % step == 0 {
            tracks[at % channels].0.push(f32::from(sample.expect("a sample")) / 32_768.0);
        }
    }
    tracks
}

/// Writes a mono WAV of `seconds` of a sine at `hertz`, at half of full scale.
///
/// # Panics
/// When the file cannot be written.
pub fn write_sine(path: &Path, hertz: f64, seconds: f64) {
    write_tones(path, &[(hertz, seconds)]);
}

/// Writes a mono WAV of sines one after the other, each with its frequency (0 is silence) and its seconds.
///
/// # Panics
/// When the file cannot be written.
pub fn write_tones(path: &Path, tones: &[(f64, f64)]) {
    let sections: Vec<_> = tones.iter().map(|(hertz, seconds)| (Voice::tone(*hertz), *seconds)).collect();
    write_voices(path, &sections);
}

/// A voice of sines, and whether each is spoken in [`WORD_MS`] words with [`PAUSE_MS`] pauses.
#[derive(Clone, Debug, Default)]
pub struct Voice(pub Vec<(f64, bool)>);

/// How long a word of a [`Voice`] is, in milliseconds.
pub const WORD_MS: usize = 700;

/// How long it says nothing between two words, in milliseconds.
pub const PAUSE_MS: usize = 500;

impl Voice {
    /// One sine without end.
    #[must_use]
    pub fn tone(hertz: f64) -> Self {
        Self(vec![(hertz, false)])
    }

    /// A sine without end, and words of another.
    #[must_use]
    pub fn speaking(hertz: f64, words: f64) -> Self {
        Self(vec![(hertz, false), (words, true)])
    }

    /// Two sines at once, for a short time, with pauses of the same voice's silence: a key that is pressed.
    #[must_use]
    pub fn key(low: f64, high: f64) -> Self {
        Self(vec![(low, true), (high, true)])
    }

    fn sample(&self, at: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (word, period) = (WORD_MS as f64 / 1_000.0 * RATE, (WORD_MS + PAUSE_MS) as f64 / 1_000.0 * RATE);
        let spoken = at % period < word;
        let sounding = self.0.iter().filter(|(_, in_words)| spoken || !in_words);
        // Half of full scale for the first, a quarter for each further one.
        let parts = sounding.enumerate().map(|(place, (hertz, _))| {
            let level = if place == 0 { 16_000.0 } else { 8_000.0 };
            (TAU * hertz * at / RATE).sin() * level
        });
        parts.sum()
    }
}

/// Writes a mono WAV of these voices one after the other, each for so many seconds.
///
/// # Panics
/// When the file cannot be written.
pub fn write_voices(path: &Path, sections: &[(Voice, f64)]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).expect("a WAV can be written");
    for (voice, seconds) in sections {
        let count = (seconds * RATE).round();
        let mut at = 0.0;
        while at < count {
            #[expect(clippy::cast_possible_truncation, reason = "within 16 bits by construction")]
            wav.write_sample(voice.sample(at) as i16).expect("a sample can be written");
            at += 1.0;
        }
    }
    wav.finalize().expect("a WAV can be closed");
}

/// The power of `hertz` in these samples (Goertzel), 1.0 for a full-scale sine.
#[must_use]
pub fn power(samples: &[f32], hertz: f64) -> f64 {
    let step = TAU * hertz / RATE;
    let (mut re, mut im) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "an index into a few seconds of audio")]
        let angle = step * at as f64;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
    let half = samples.len() as f64 / 2.0;
    (re * re + im * im) / (half * half)
}

/// Where a tone is heard on a track, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// From the track's beginning to the first window with the tone.
    pub from_ms: usize,
    /// To the end of the last window with the tone.
    pub to_ms: usize,
    /// Each hole between these two of at least one window: where it begins and how long it is.
    pub holes: Vec<(usize, usize)>,
}

impl Heard {
    /// From the first to the last window.
    #[must_use]
    pub fn length_ms(&self) -> usize {
        self.to_ms - self.from_ms
    }

    /// The longest hole; 0 without any.
    #[must_use]
    pub fn longest_hole_ms(&self) -> usize {
        self.holes.iter().map(|(_, length)| *length).max().unwrap_or(0)
    }
}

/// Where on the track the tone is at least a tenth as loud as [`write_sine`] makes it.
#[must_use]
pub fn find(track: &Track, hertz: f64) -> Option<Heard> {
    let there: Vec<bool> = track.0.chunks_exact(WINDOW).map(|window| power(window, hertz) > 0.025).collect();
    let first = there.iter().position(|there| *there)?;
    let last = there.iter().rposition(|there| *there)?;
    let mut holes = Vec::new();
    let mut at = first;
    while at <= last {
        if there[at] {
            at += 1;
            continue;
        }
        let end = (at..=last).find(|at| there[*at]).unwrap_or(last);
        holes.push((at * 10, (end - at) * 10));
        at = end;
    }
    Some(Heard { from_ms: first * 10, to_ms: (last + 1) * 10, holes })
}

/// The whole words of a [`Voice`] on a track, each with its beginning and its length in milliseconds: those between
/// the first pause and the last.
#[must_use]
pub fn words(track: &Track, hertz: f64) -> Vec<(usize, usize)> {
    let Some(heard) = find(track, hertz) else { return Vec::new() };
    let pauses: Vec<_> = heard.holes.iter().filter(|(_, length)| *length > 20).collect();
    pauses
        .windows(2)
        .map(|pair| {
            let begins = pair[0].0 + pair[0].1;
            (begins, pair[1].0 - begins)
        })
        .collect()
}

/// How loud the track is for `length_ms` from `from_ms`, in decibel below full scale; -120 when nothing is there.
#[must_use]
pub fn level_db(track: &Track, from_ms: usize, length_ms: usize) -> f64 {
    let samples: Vec<_> = track.0.iter().skip(from_ms * 8).take(length_ms * 8).collect();
    let sum: f64 = samples.iter().map(|sample| f64::from(**sample).powi(2)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
    let mean = sum / samples.len().max(1) as f64;
    10.0 * mean.max(1e-12).log10()
}

/// How much of `other`'s tone leaks into a track that should hold `own`, in decibel below it.
///
/// The powers of windows of 100 ms are added up. Over the whole track at once, a tone that goes on in the opposite phase
/// after a hold or a lost packet would cancel itself, and the loudest `own` look as soft as any leak. The windows are
/// Hann's and overlap by half, so that neither an edge of `own` sounds like `other`, nor a short `other` falls between two.
#[must_use]
pub fn leakage_db(track: &Track, own: f64, other: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an index into one window")]
    let hann = |at: usize| (0.5 - 0.5 * (TAU * (at as f64 + 0.5) / EAR as f64).cos()) as f32;
    let (mut of_own, mut of_other) = (0.0, 0.0);
    for begin in (0..track.0.len()).step_by(EAR / 2) {
        let end = (begin + EAR).min(track.0.len());
        let mut window: Vec<f32> =
            track.0[begin..end].iter().enumerate().map(|(at, sample)| sample * hann(at)).collect();
        window.resize(EAR, 0.0);
        of_own += power(&window, own);
        of_other += power(&window, other);
    }
    10.0 * (of_other.max(1e-12) / of_own.max(1e-12)).log10()
}

/// Breaks in a sine's phase between neighbouring windows, in milliseconds from the beginning: audio was cut or
/// inserted there even though the tone never stopped.
#[must_use]
pub fn phase_jumps(track: &Track, hertz: f64, from_ms: usize, to_ms: usize) -> Vec<usize> {
    let phase = |window: &[f32]| {
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in window.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "an index into one window")]
            let angle = TAU * hertz / RATE * at as f64;
            re += f64::from(*sample) * angle.cos();
            im -= f64::from(*sample) * angle.sin();
        }
        im.atan2(re)
    };
    // Two windows at once smooth G.711's quantisation.
    let length = 2 * WINDOW;
    let samples = &track.0[(from_ms * 8).min(track.0.len())..(to_ms * 8).min(track.0.len())];
    let windows: Vec<f64> = samples.chunks_exact(length).map(phase).collect();
    #[expect(clippy::cast_precision_loss, reason = "160 samples")]
    let advance = TAU * hertz / RATE * length as f64;
    windows
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| {
            let off = (pair[1] - pair[0] - advance).rem_euclid(TAU);
            off.min(TAU - off) > 0.35
        })
        .map(|(at, _)| from_ms + (at + 1) * length / 8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Track, Voice, find, leakage_db, phase_jumps, read_wav, words, write_sine, write_voices};

    fn tone(hertz: f64) -> Track {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tone.wav");
        write_sine(&path, hertz, 2.0);
        read_wav(&path).remove(0)
    }

    #[test]
    fn a_tone_is_found_where_it_is_with_its_holes() {
        let mut track = Track(vec![0.0; 4_000]);
        track.0.extend(tone(440.0).0);
        track.0[8_000..8_320].fill(0.0);
        let heard = find(&track, 440.0).expect("the tone");
        assert_eq!((heard.from_ms, heard.to_ms, heard.longest_hole_ms()), (500, 2_500, 40));
        assert!(find(&track, 1_015.0).is_none());
    }

    #[test]
    fn whole_words_are_found_with_their_lengths() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("voice.wav");
        write_voices(&path, &[(Voice::tone(1_300.0), 0.3), (Voice::speaking(440.0, 640.0), 5.0)]);
        let mut track = read_wav(&path).remove(0);
        assert_eq!(words(&track, 640.0), [(1_500, 700), (2_700, 700), (3_900, 700)]);
        // 60 ms are lost in the middle of a word.
        track.0.drain(2_800 * 8..2_860 * 8);
        assert_eq!(words(&track, 640.0), [(1_500, 700), (2_700, 640), (3_840, 700)]);
    }

    #[test]
    fn a_cut_is_seen_even_if_the_tone_goes_on() {
        let mut track = tone(1_015.0);
        assert_eq!(phase_jumps(&track, 1_015.0, 0, 2_000), Vec::<usize>::new());
        track.0.drain(8_000..8_160);
        assert_eq!(phase_jumps(&track, 1_015.0, 0, 1_980).len(), 1);
    }

    #[test]
    fn leakage_is_measured_against_the_own_tone() {
        let mut track = tone(440.0);
        for (sample, other) in track.0.iter_mut().zip(tone(1_015.0).0) {
            *sample += other * 0.01;
        }
        let leak = leakage_db(&track, 440.0, 1_015.0);
        assert!((-41.0..-39.0).contains(&leak), "{leak}");
    }

    #[test]
    fn a_tone_that_goes_on_in_the_opposite_phase_is_as_loud_as_before() {
        let mut track = tone(1_015.0);
        let clean = leakage_db(&track, 1_015.0, 440.0);
        track.0.extend(vec![0.0; 8_000]);
        track.0.extend(tone(1_015.0).0.into_iter().map(|sample| -sample));
        let after_a_hold = leakage_db(&track, 1_015.0, 440.0);
        assert!(after_a_hold < clean.max(-55.0), "{after_a_hold} dB, {clean} dB before");

        // One packet of the other's voice is still heard.
        track.0[20_000..20_160].copy_from_slice(&tone(440.0).0[..160]);
        let leak = leakage_db(&track, 1_015.0, 440.0);
        assert!(leak > -35.0, "{leak} dB");
    }
}
