//! Between sampling rates that are whole multiples of each other: 8, 16 and 48 kHz.
//!
//! One low-pass filter (windowed sinc, linear phase) at the higher rate, taken apart into phases. It passes what both
//! rates can hold up to about 40 % of the lower one, and delays by [`Converter::LATENCY`] samples of the lower rate.

use std::f64::consts::PI;

/// Samples of the lower rate on either side of the filter's middle.
const HALF: usize = Converter::LATENCY;
/// Most input samples filtered at a time.
const BLOCK: usize = 480;
/// Where the filter has halved a tone, as part of the lower rate.
const CUTOFF: f64 = 0.462;
/// Kaiser window: what should not pass is 60 dB down.
const BETA: f64 = 6.0;

/// Changes the rate of one stream.
#[derive(Clone)]
pub struct Converter {
    step: Step,
    /// The filter at the higher rate.
    taps: Box<[f32]>,
    /// The last input samples, then the block at hand.
    window: Box<[f32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Same,
    Up(usize),
    Down(usize),
}

impl Converter {
    /// How much later the sound comes out, in samples of the lower of the two rates.
    pub const LATENCY: usize = 16;

    /// From `from_hz` to `to_hz`, one a multiple of the other; rates that are not go through unchanged.
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let times = |more: u32, less: u32| usize::try_from(more.checked_div(less).unwrap_or(1)).unwrap_or(1);
        let step = match (times(to_hz, from_hz), times(from_hz, to_hz)) {
            (up, _) if up > 1 => Step::Up(up),
            (_, down) if down > 1 => Step::Down(down),
            _ => Step::Same,
        };
        let (taps, history) = match step {
            Step::Same => (Vec::new(), 0),
            Step::Up(times) => (filter(times, times as f64), 2 * HALF),
            Step::Down(times) => (filter(times, 1.0), 2 * HALF * times),
        };
        Self { step, taps: taps.into(), window: vec![0.0; history + BLOCK].into() }
    }

    /// Whether nothing is changed or delayed.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.step == Step::Same
    }

    /// Converts all of `input` into `out` and says how many samples that made. Going down, `input` is a multiple of the
    /// factor long; what does not fit into `out` is lost.
    pub fn convert(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let mut made = 0;
        match self.step {
            Step::Same => {
                made = input.len().min(out.len());
                out[..made].copy_from_slice(&input[..made]);
            }
            Step::Up(times) => {
                for block in input.chunks(BLOCK) {
                    self.up(block, times, &mut out[made..]);
                    made = (made + block.len() * times).min(out.len());
                }
            }
            Step::Down(times) => {
                for block in input.chunks(BLOCK) {
                    self.down(block, times, &mut out[made..]);
                    made = (made + block.len() / times).min(out.len());
                }
            }
        }
        made
    }

    fn load(&mut self, block: &[i16], history: usize) {
        for (place, sample) in self.window[history..].iter_mut().zip(block) {
            *place = f32::from(*sample);
        }
    }

    fn up(&mut self, block: &[i16], times: usize, out: &mut [i16]) {
        let history = 2 * HALF;
        self.load(block, history);
        for (at, outs) in out.chunks_mut(times).take(block.len()).enumerate() {
            let samples = &self.window[at..=at + history];
            for (phase, out) in outs.iter_mut().enumerate() {
                let taps = self.taps[phase..].iter().step_by(times);
                *out = rounded(taps.zip(samples.iter().rev()).map(|(tap, sample)| tap * sample).sum());
            }
        }
        self.window.copy_within(block.len()..block.len() + history, 0);
    }

    fn down(&mut self, block: &[i16], times: usize, out: &mut [i16]) {
        let history = 2 * HALF * times;
        self.load(block, history);
        for (at, out) in out.iter_mut().take(block.len() / times).enumerate() {
            let samples = &self.window[at * times..=at * times + history];
            *out = rounded(self.taps.iter().zip(samples).map(|(tap, sample)| tap * sample).sum());
        }
        self.window.copy_within(block.len()..block.len() + history, 0);
    }
}

fn rounded(sample: f32) -> i16 {
    // Saturates (the reference: `as` between numbers).
    sample.round() as i16
}

/// A low-pass filter at `times` the lower rate, with this gain.
fn filter(times: usize, gain: f64) -> Vec<f32> {
    let middle = (HALF * times) as f64;
    let cutoff = CUTOFF / times as f64;
    let tap = |at: usize| {
        let off = at as f64 - middle;
        let sinc = if off == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * off).sin() / (PI * off) };
        sinc * bessel(BETA * (1.0 - (off / middle).powi(2)).max(0.0).sqrt()) / bessel(BETA)
    };
    let taps: Vec<f64> = (0..=2 * HALF * times).map(tap).collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap * gain / sum) as f32).collect()
}

/// The modified Bessel function of the first kind, order 0.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..32 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::Converter;

    fn tone(hz: f64, rate: u32, ms: u32) -> Vec<i16> {
        let step = TAU * hz / f64::from(rate);
        (0..rate / 1000 * ms).map(|at| ((step * f64::from(at)).sin() * 10_000.0) as i16).collect()
    }

    /// In blocks of 10 ms, as they come.
    fn convert(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
        let mut converter = Converter::new(from, to);
        let mut all = Vec::new();
        for block in input.chunks(from as usize / 100) {
            let mut out = vec![0; to as usize / 100];
            assert_eq!(converter.convert(block, &mut out), out.len());
            all.extend(out);
        }
        all
    }

    #[test]
    fn a_tone_stays_what_it_was_and_comes_exactly_so_much_later() {
        let rates = [
            (8000, 16_000),
            (8000, 48_000),
            (16_000, 48_000),
            (16_000, 8000),
            (48_000, 16_000),
            (48_000, 8000),
        ];
        for (from, to) in rates {
            for hz in [100.0, 440.0, 1015.0, 3000.0] {
                let out = convert(from, to, &tone(hz, from, 200));
                let expected = tone(hz, to, 200);
                let late = Converter::LATENCY * to as usize / from.min(to) as usize;
                let pairs = out[late..].iter().zip(&expected).skip(to as usize / 50);
                let worst = pairs.map(|(got, wanted)| (i32::from(*got) - i32::from(*wanted)).abs()).max();
                assert!(worst < Some(120), "{hz} Hz from {from} to {to}: off by {worst:?} of 10000");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        for hz in [4600.0, 5500.0, 7000.0] {
            let out = convert(16_000, 8000, &tone(hz, 16_000, 100));
            let worst = out[200..].iter().map(|sample| sample.abs()).max();
            assert!(worst < Some(60), "{hz} Hz leaves {worst:?} of 10000");
        }
    }

    #[test]
    fn loud_is_cut_off_and_does_not_wrap() {
        let square: Vec<i16> =
            (0..800).map(|at| if at / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = convert(8000, 16_000, &square);
        let flips = out.windows(2).filter(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() > 60_000);
        assert_eq!(flips.count(), 0);
    }

    #[test]
    fn one_rate_is_left_alone() {
        let input = tone(440.0, 8000, 50);
        assert_eq!(convert(8000, 8000, &input), input);
    }
}
