//! Finds keys by their two tones in the audio (ITU-T Q.23), within the tolerances of ITU-T Q.24.
//!
//! Windows of 20 ms every 10 ms are compared with the eight frequencies (Goertzel). A key counts when three windows
//! in a row show it, two of them with hardly anything else in them: tones of 40 ms always pass, tones of 20 ms and
//! voices do not.

mod scan;

use std::f32::consts::TAU;
use std::mem::offset_of;
use std::sync::LazyLock;
use std::time::Duration;

use self::scan::{LANES, Response, respond, together};
use super::{Digit, Key};

/// Samples a second of what is listened to.
pub(crate) const HZ: u32 = 8000;
const WINDOW: usize = 160;
const STEP: usize = 80;
const STEP_TIME: Duration = Duration::from_millis(10);

/// Windows in a row that make a key.
const HITS: u8 = 3;
/// How many of those must hold the tones alone at a steady level: two if nothing else is in them, more if there is
/// noise, since a voice may for a moment look like a noisy key.
const PURE_HITS: u8 = 2;
const CLEAR_HITS: u8 = 5;
/// Windows in a row without the key that end it: Q.24 wants a pause of 40 ms seen and a dropout of 10 ms ignored.
const MISSES: u8 = 3;
/// Least energy of each tone in a window, that of −31 dBm0.
const MIN_ENERGY: f32 = 630.0 * 630.0 / 2.0 * WINDOW as f32;
/// A tone that fills half of a window shows a quarter of its energy.
const PARTLY: f32 = 0.25;
/// Least energy of a window that is looked at: where people pause, nothing is reckoned.
const LEAST: f32 = 2.0 * MIN_ENERGY * PARTLY;
/// Least part of a window's energy that both tones hold, for a pure window, a clear one and any other.
const PURE_PURITY: f32 = 0.97;
const CLEAR_PURITY: f32 = 0.88;
const PARTLY_PURITY: f32 = 0.4;
/// Most that the low tone may exceed the high one (9 dB), and the high one the low (6.5 dB).
const TWIST_LOW: f32 = 8.0;
const TWIST_HIGH: f32 = 4.5;
/// Most that a window's energy changes from one clear window to the next (0.6 dB). A single tone's may seem to change
/// more, since each leaks a little into the other.
const STEADY: f32 = 1.15;
/// Least distance to the other three of a group (6 dB).
const PEAK: f32 = 4.0;
/// Least part of a tone's energy that shows at its nominal frequency, however far it may be off.
const BESIDE: f32 = 0.4;
/// Lost audio up to this many samples is passed over, a longer gap begins anew.
const MAX_GAP: i32 = 480;

const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Senders may be off by 1.5 % (Q.23 §1.3, Q.24), so each tone is also looked for beside its nominal frequency.
const OFFSETS: [f32; 3] = [1.0, 0.988, 1.012];
/// The keys in the order of low times four plus high.
const KEYPAD: [char; 16] = ['1', '2', '3', 'A', '4', '5', '6', 'B', '7', '8', '9', 'C', '*', '0', '#', 'D'];

/// One tone, nominal first.
type Tone = [Frequency; 3];

/// A frequency as radians a sample, and its Goertzel coefficient.
#[derive(Clone, Copy, Debug)]
struct Frequency {
    radians: f32,
    coefficient: f32,
}

static TONES: LazyLock<[[Tone; 4]; 2]> = LazyLock::new(|| {
    let frequency = |hz: f32| {
        let radians = TAU * hz / HZ as f32;
        Frequency { radians, coefficient: 2.0 * radians.cos() }
    };
    [LOW, HIGH].map(|group| group.map(|hz| OFFSETS.map(|offset| frequency(hz * offset))))
});

/// One window's verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hit {
    digit: Digit,
    /// All energy in the window.
    energy: f32,
    /// The part of it that both tones hold.
    purity: f32,
    /// Loud enough to fill the window.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    digit: Digit,
    hits: u8,
    clear: u8,
    pure: u8,
    /// The energy of the last clear window.
    energy: Option<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    digit: Digit,
    windows: u32,
    misses: u8,
}

/// Finds keys in one stream of audio. Its parts lie in this order, so that what packets of 20 ms need is together.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ToneDetector {
    expected: Option<u32>,
    /// How many samples wait.
    filled: usize,
    candidate: Option<Candidate>,
    active: Option<Active>,
    /// How loud the last step that was judged is, what it holds if that was asked, and the step itself: small, since every
    /// packet of every leg comes by here.
    energy: f32,
    before: Option<Response>,
    last: [i16; STEP],
    /// What has come since.
    waiting: [i16; WINDOW],
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self {
            expected: None,
            filled: 0,
            candidate: None,
            active: None,
            energy: 0.0,
            before: None,
            last: [0; STEP],
            waiting: [0; WINDOW],
        }
    }
}

impl ToneDetector {
    /// Bytes that a packet of whole windows needs.
    pub(super) const NEAR: usize = offset_of!(Self, waiting);

    /// Takes one packet's samples at 8000 Hz and the timestamp of the first; late packets are ignored.
    pub fn audio(
        &mut self,
        timestamp: u32,
        mut samples: impl ExactSizeIterator<Item = i16>,
        mut tell: impl FnMut(Key),
    ) {
        if let Some(expected) = self.expected {
            let gap = timestamp.wrapping_sub(expected).cast_signed();
            if (-MAX_GAP..0).contains(&gap) {
                return;
            }
            if gap.abs() > MAX_GAP {
                self.release().into_iter().for_each(&mut tell);
                self.last.fill(0);
                self.filled = 0;
                (self.energy, self.before) = (0.0, None);
            }
        }
        self.expected = Some(timestamp.wrapping_add(samples.len() as u32));
        while samples.len() > 0 {
            if self.filled == 0 && samples.len() >= WINDOW {
                let mut window = [0; WINDOW];
                window.iter_mut().zip(&mut samples).for_each(|(place, sample)| *place = sample);
                self.judge(&window, &mut tell);
                continue;
            }
            let places = self.waiting.get_mut(self.filled..).unwrap_or_default();
            let taken = places.len().min(samples.len());
            places.iter_mut().zip(samples.by_ref().take(taken)).for_each(|(place, sample)| *place = sample);
            self.filled += taken;
            if self.filled == WINDOW {
                let window = self.waiting;
                self.filled = 0;
                self.judge(&window, &mut tell);
            }
        }
    }

    /// Looks at the two windows that these new steps end.
    fn judge(&mut self, new: &[i16; WINDOW], tell: &mut impl FnMut(Key)) {
        let samples = new.map(f32::from);
        let [first_step, second_step] = steps(&samples);
        let (first_energy, second_energy) = (energy(first_step), energy(second_step));
        let (earlier_energy, later_energy) = (self.energy + first_energy, first_energy + second_energy);
        let before = self.before.take();
        let hits = if earlier_energy.max(later_energy) < LEAST {
            [None; 2]
        } else {
            let last = || self.last.map(f32::from);
            let before = before.unwrap_or_else(|| respond([&last()])[0]);
            let [first, second] = respond([first_step, second_step]);
            self.before = Some(second);
            let earlier = || {
                let mut window = [0.0; WINDOW];
                let both = last().into_iter().chain(first_step.iter().copied());
                window.iter_mut().zip(both).for_each(|(place, sample)| *place = sample);
                window
            };
            [look(earlier, earlier_energy, &before, &first), look(|| samples, later_energy, &first, &second)]
        };
        for hit in hits {
            self.step(hit).into_iter().flatten().for_each(&mut *tell);
        }
        self.energy = second_energy;
        if let Some(last) = new.last_chunk() {
            self.last = *last;
        }
    }

    /// Forgets what it heard, and says the end of the key that was down.
    pub fn release(&mut self) -> Option<Key> {
        self.candidate = None;
        self.active.take().map(|active| active.up())
    }

    fn step(&mut self, hit: Option<Hit>) -> [Option<Key>; 2] {
        if let (Some(active), Some(hit)) = (&mut self.active, hit)
            && active.digit == hit.digit
        {
            active.windows += 1;
            active.misses = 0;
            self.candidate = None;
            return [None; 2];
        }
        let next = self.count(hit);
        let over = self.active.as_mut().is_some_and(|active| {
            active.misses += 1;
            active.misses >= MISSES
        });
        let up = if over || next.is_some() { self.active.take().map(|active| active.up()) } else { None };
        let down = next.map(|digit| {
            self.candidate = None;
            self.active = Some(Active { digit, windows: u32::from(HITS), misses: 0 });
            Key::Down(digit)
        });
        [up, down]
    }

    /// Counts towards a new key, and gives it once it has enough.
    fn count(&mut self, hit: Option<Hit>) -> Option<Digit> {
        let Some(hit) = hit else {
            self.candidate = None;
            return None;
        };
        let before = self.candidate.filter(|candidate| candidate.digit == hit.digit);
        let candidate = before.unwrap_or(Candidate::new(hit.digit)).with(&hit);
        self.candidate = Some(candidate);
        candidate.is_key().then_some(hit.digit)
    }
}

impl Candidate {
    fn new(digit: Digit) -> Self {
        Self { digit, hits: 0, clear: 0, pure: 0, energy: None }
    }

    fn with(mut self, hit: &Hit) -> Self {
        self.hits = self.hits.saturating_add(1);
        if !hit.full || hit.purity < CLEAR_PURITY {
            return self;
        }
        let before = self.energy.replace(hit.energy);
        if before.is_some_and(|before| before > hit.energy * STEADY || hit.energy > before * STEADY) {
            (self.clear, self.pure) = (0, 0);
        }
        self.clear = self.clear.saturating_add(1);
        self.pure = self.pure.saturating_add(u8::from(hit.purity >= PURE_PURITY));
        self
    }

    fn is_key(&self) -> bool {
        self.hits >= HITS && (self.pure >= PURE_HITS || self.clear >= CLEAR_HITS)
    }
}

impl Active {
    fn up(self) -> Key {
        Key::Up(self.digit, STEP_TIME * self.windows)
    }
}

/// A window's two steps.
fn steps(window: &[f32; WINDOW]) -> [&[f32; STEP]; 2] {
    const NONE: &[f32; STEP] = &[0.0; STEP];
    [window.first_chunk().unwrap_or(NONE), window.last_chunk().unwrap_or(NONE)]
}

/// The sum of a step's squares.
fn energy(step: &[f32; STEP]) -> f32 {
    // Eight sums instead of one: no addition waits for the one before.
    let mut sums = [0.0; LANES];
    for eight in step.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += eight[lane] * eight[lane];
        }
    }
    sums.iter().sum()
}

/// Which key a window shows, of which `all` is the energy and whose halves hold this; its samples are asked for only if it
/// may show one.
fn look(
    window: impl FnOnce() -> [f32; WINDOW],
    all: f32,
    first: &Response,
    second: &Response,
) -> Option<Hit> {
    if all < LEAST {
        return None;
    }
    let nominal: [f32; LANES] = together(first, second);
    let (lows, highs) = nominal.split_first_chunk::<4>()?;
    let highs = highs.first_chunk::<4>()?;
    // Nearly every window of a voice is none of a key's already by this.
    let (low_place, low_peak) = peak(lows)?;
    let (high_place, high_peak) = peak(highs)?;
    let both = low_peak + high_peak;
    if both < all * PARTLY_PURITY * BESIDE || low_peak.min(high_peak) < MIN_ENERGY * PARTLY * BESIDE {
        return None;
    }
    let window = &window();
    let [low_group, high_group] = &*TONES;
    let low = strongest(window, low_group, lows, low_place)?;
    let high = strongest(window, high_group, highs, high_place)?;
    let weakest = low.energy.min(high.energy);
    if weakest < MIN_ENERGY * PARTLY
        || low.energy > high.energy * TWIST_LOW
        || high.energy > low.energy * TWIST_HIGH
        || low.energy + high.energy < all * PARTLY_PURITY
    {
        return None;
    }
    let purity = 1.0 - remainder(window, [low.frequency, high.frequency]) / all;
    let digit = Digit::from_char(*KEYPAD.get(low.place * 4 + high.place)?)?;
    Some(Hit { digit, energy: all, purity, full: weakest >= MIN_ENERGY })
}

/// The strongest tone of a group.
#[derive(Clone, Copy)]
struct Strongest {
    place: usize,
    frequency: Frequency,
    energy: f32,
}

/// Where a group is strongest and how strong, by its nominal frequencies; none if another comes close however far the
/// sender is off.
fn peak(nominal: &[f32; 4]) -> Option<(usize, f32)> {
    let (place, best) = nominal.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let close = |(other, energy): (usize, &f32)| other != place && energy * PEAK * BESIDE > best;
    (!nominal.iter().enumerate().any(close)).then_some((place, best))
}

/// The tone of a group whose nominal frequency is strongest; none if another comes close.
fn strongest(
    window: &[f32; WINDOW],
    group: &[Tone; 4],
    nominal: &[f32; 4],
    place: usize,
) -> Option<Strongest> {
    let tones = group.get(place)?;
    let energies = energies(window, tones.map(|frequency| frequency.coefficient));
    let (frequency, most) = tones.iter().copied().zip(energies).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = nominal.iter().enumerate().all(|(other, energy)| other == place || energy * PEAK <= most);
    alone.then_some(Strongest { place, frequency, energy: most })
}

/// The energy that is left of a window without these two frequencies.
///
/// Each leaks a little into the other, so both are taken out in turns until next to nothing of them is left.
fn remainder(window: &[f32; WINDOW], frequencies: [Frequency; 2]) -> f32 {
    const TURNS: usize = 3;
    let mut rest = *window;
    for _ in 0..TURNS {
        for frequency in frequencies {
            take_out(&mut rest, frequency);
        }
    }
    rest.iter().map(|sample| sample * sample).sum()
}

fn take_out(rest: &mut [f32; WINDOW], frequency: Frequency) {
    let (step_sin, step_cos) = frequency.radians.sin_cos();
    let turn = |(cos, sin): (f32, f32)| (cos * step_cos - sin * step_sin, sin * step_cos + cos * step_sin);
    let (mut in_phase, mut quadrature, mut pointer) = (0.0, 0.0, (1.0, 0.0));
    for sample in rest.iter() {
        in_phase += sample * pointer.0;
        quadrature += sample * pointer.1;
        pointer = turn(pointer);
    }
    let scale = 2.0 / WINDOW as f32;
    pointer = (1.0, 0.0);
    for sample in rest {
        *sample -= scale * (in_phase * pointer.0 + quadrature * pointer.1);
        pointer = turn(pointer);
    }
}

/// The energy in a window at these frequencies, on the scale of the sum of squares (Goertzel's algorithm). They go side
/// by side: each waits for its own last step, and meanwhile the others take theirs.
fn energies<const N: usize>(window: &[f32; WINDOW], coefficients: [f32; N]) -> [f32; N] {
    let (mut last, mut before) = ([0.0_f32; N], [0.0_f32; N]);
    for sample in window {
        let mut next = [0.0; N];
        for lane in 0..N {
            next[lane] = (sample - before[lane]) + coefficients[lane] * last[lane];
        }
        (before, last) = (last, next);
    }
    std::array::from_fn(|lane| {
        let (last, before) = (last[lane], before[lane]);
        (last * last + before * before - coefficients[lane] * last * before) * 2.0 / WINDOW as f32
    })
}

#[cfg(test)]
mod tests;
