//! How a leg sounds, computed: the E-model (ITU-T G.107, 06/2015) with its default values, for what comes from one peer.
//!
//! ```text
//!  R = 93.2 − Idd(delay) − Ie,eff(codec, loss)      MOS = 1 + 0.035 R + R (R − 60)(100 − R) 7·10⁻⁶
//! ```
//!
//! Not here: echo, loudness and room noise, which nobody can measure from packets; they have the model's defaults.

use std::time::Duration;

use vorzimmer_types::quality::Mos;

/// R of a connection with all parameters at their defaults (ITU-T G.107 §7.7).
const UNIMPAIRED: f64 = 93.2;
/// What a packet holds and a decoder waits for, beside the network.
const PACKET: Duration = Duration::from_millis(20);

/// What G.711 costs by itself, and how robust it is against loss with the concealment of its Appendix I, which every
/// telephone of today has in some form (ITU-T G.113 Appendix I, tables I.1 and I.2).
const COST: f64 = 0.0;
const ROBUSTNESS: f64 = 25.1;

/// How the peer sounds here, with so many packets received and lost, this jitter, and this round trip to it if known;
/// none where nothing came.
///
/// Every codec counts as G.711: the narrow-band model has no reward for wideband, and G.722 and Opus hide losses no
/// worse, so for them the score is what they reach at least.
///
/// The one-way delay is half of the round trip, a packet, and a buffer of twice the jitter: what stands between the
/// peer's mouth and an ear at this server. Loss counts as random (BurstR = 1).
#[must_use]
pub fn mos(received: u64, lost: u64, jitter: Duration, round_trip: Option<Duration>) -> Option<Mos> {
    if received == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of packets")]
    let loss = lost as f64 / (received + lost) as f64 * 100.0;
    let delay = round_trip.unwrap_or_default() / 2 + PACKET + 2 * jitter;
    let r = UNIMPAIRED - delayed(delay) - equipment(COST, ROBUSTNESS, loss);
    Some(Mos::new(opinion(r)))
}

/// Ie,eff (ITU-T G.107 §7.5, equation 7-29), with loss in percent.
fn equipment(cost: f64, robustness: f64, loss: f64) -> f64 {
    cost + (95.0 - cost) * loss / (loss + robustness)
}

/// Idd: what a long way costs even without echo (ITU-T G.107 §7.4, equations 7-27 and 7-28).
fn delayed(way: Duration) -> f64 {
    let ms = way.as_secs_f64() * 1000.0;
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let root = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// ITU-T G.107 Annex B, equation B-4.
fn opinion(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, delayed, equipment, mos, opinion};

    fn near(found: f64, expected: f64, off: f64) {
        assert!((found - expected).abs() <= off, "{found}, not {expected}");
    }

    /// ITU-T G.107 Annex B, table B.1, and G.109 table 1: R and what people say of it.
    #[test]
    fn opinions_are_those_of_the_recommendation() {
        for (r, expected) in
            [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            near(opinion(r), expected, 0.01);
        }
        assert_eq!((opinion(-5.0), opinion(120.0)), (1.0, 4.5));
    }

    #[test]
    fn delay_costs_nothing_up_to_100_ms_and_ever_more_behind() {
        assert_eq!(delayed(Duration::from_millis(100)), 0.0);
        let costs = [150, 200, 300, 400, 600].map(|ms| delayed(Duration::from_millis(ms)));
        assert!(costs.windows(2).all(|pair| pair[0] < pair[1]), "{costs:?}");
        // X = 1: 25 (2^(1/6) − 3 (1 + 3⁻⁶)^(1/6) + 2).
        near(delayed(Duration::from_millis(200)), 3.04, 0.02);
        near(delayed(Duration::from_millis(400)), 24.0, 1.0);
    }

    #[test]
    fn loss_costs_what_the_codec_cannot_hide() {
        near(equipment(0.0, 25.1, 5.0), 15.78, 0.01);
        near(equipment(0.0, 25.1, 0.0), 0.0, 0.0);
        let of = |received, lost, jitter, trip: Option<u64>| {
            let trip = trip.map(Duration::from_millis);
            mos(received, lost, Duration::from_millis(jitter), trip).map(|mos| mos.value())
        };
        assert_eq!(of(0, 0, 0, None), None);
        assert_eq!(of(1_000, 0, 0, None), Some(4.41));
        assert_eq!(of(950, 50, 0, Some(20)), Some(3.92));
        assert!(of(950, 50, 40, Some(200)) < of(950, 50, 0, Some(20)));
        assert!(of(1, 999, 0, None) < Some(1.3));
    }
}
