//! What a step of sound holds at the eight frequencies: two steps at a time, all frequencies side by side.
//!
//! Goertzel's recurrence is linear, so that of a window needs no samples but the responses of its halves: the first
//! half's is carried on through as many silent samples, and the second's added. Every sample is thus looked at once,
//! though windows overlap.

use std::sync::LazyLock;

use super::{STEP, TONES, WINDOW};

/// Frequencies: four low, four high.
pub(super) const LANES: usize = 8;

/// Where the recurrences stand after a step that began in silence: the last value and the one before, by frequency.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Response {
    last: [f32; LANES],
    before: [f32; LANES],
}

/// How a recurrence goes on through one step of silence: its last value and the one before, each of both.
#[derive(Clone, Copy, Debug)]
struct Onward {
    last: [[f32; LANES]; 2],
    before: [[f32; LANES]; 2],
}

static COEFFICIENTS: LazyLock<[f32; LANES]> = LazyLock::new(|| {
    let mut all = [0.0; LANES];
    let nominal = TONES.iter().flatten().map(|[nominal, ..]| nominal.coefficient);
    all.iter_mut().zip(nominal).for_each(|(place, coefficient)| *place = coefficient);
    all
});

static ONWARD: LazyLock<Onward> = LazyLock::new(|| {
    let mut onward = Onward { last: [[0.0; LANES]; 2], before: [[0.0; LANES]; 2] };
    for (lane, coefficient) in COEFFICIENTS.iter().enumerate() {
        for (basis, (mut last, mut before)) in [(1.0_f64, 0.0_f64), (0.0, 1.0)].into_iter().enumerate() {
            for _ in 0..STEP {
                (last, before) = (f64::from(*coefficient) * last - before, last);
            }
            let (last, before) = (last as f32, before as f32);
            onward.last[basis][lane] = last;
            onward.before[basis][lane] = before;
        }
    }
    onward
});

/// The responses of steps, side by side.
pub(super) fn respond<const N: usize>(steps: [&[f32; STEP]; N]) -> [Response; N] {
    let coefficients = &*COEFFICIENTS;
    let mut responses = [Response::default(); N];
    for at in 0..STEP {
        for (response, step) in responses.iter_mut().zip(steps) {
            advance(response, coefficients, step[at]);
        }
    }
    responses
}

fn advance(response: &mut Response, coefficients: &[f32; LANES], sample: f32) {
    let mut next = [0.0; LANES];
    for lane in 0..LANES {
        next[lane] = (sample - response.before[lane]) + coefficients[lane] * response.last[lane];
    }
    response.before = response.last;
    response.last = next;
}

/// The energy of two steps together at each frequency, on the scale of the sum of squares.
pub(super) fn together(first: &Response, second: &Response) -> [f32; LANES] {
    let (onward, coefficients) = (&*ONWARD, &*COEFFICIENTS);
    let mut energies = [0.0; LANES];
    for lane in 0..LANES {
        let carried = |through: &[[f32; LANES]; 2]| {
            through[0][lane] * first.last[lane] + through[1][lane] * first.before[lane]
        };
        let last = carried(&onward.last) + second.last[lane];
        let before = carried(&onward.before) + second.before[lane];
        let square = last * last + before * before - coefficients[lane] * last * before;
        energies[lane] = square * (2.0 / WINDOW as f32);
    }
    energies
}

#[cfg(test)]
mod tests {
    use super::super::{TONES, WINDOW, energies};
    use super::{respond, together};

    #[test]
    fn two_halves_say_what_the_window_says() {
        let mut window = [0.0_f32; WINDOW];
        for (at, sample) in window.iter_mut().enumerate() {
            let at = at as f32;
            *sample =
                9_000.0 * (at * 0.55).sin() + 4_000.0 * (at * 1.05).cos() + (at * at * 7.7).sin() * 500.0;
        }
        let (first, second) = window.split_at(WINDOW / 2);
        let [first, second] = respond([first.try_into().unwrap(), second.try_into().unwrap()]);
        let all: f32 = window.iter().map(|sample| sample * sample).sum();
        let nominal = TONES.iter().flatten().map(|[nominal, ..]| energies(&window, [nominal.coefficient])[0]);
        for (slow, fast) in nominal.zip(together(&first, &second)) {
            assert!((slow - fast).abs() < all * 1e-4, "{slow} is not {fast}");
        }
    }
}
