//! What one leg's media was like: counted at the end of the leg, kept in the call record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts and measures of one leg, from its beginning to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Packets received from it.
    pub received: u64,
    /// Packets lost on the way from it.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in microseconds.
    pub jitter_us: u32,
    /// Packets lost on the way to it, as its own reports say, if it made any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_there: Option<u32>,
    /// Round trip in microseconds, if its reports let us measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u32>,
    /// How it sounded, by the E-model (ITU-T G.107); none where nothing came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<Mos>,
}

/// A mean opinion score as listeners would give it (ITU-T P.800): 1 is bad, 4.5 as good as a telephone gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mos {
    /// In hundredths, so that records compare exactly.
    hundredths: u16,
}

impl Mos {
    /// The score nearest to `value`, which is brought between 1 and 5.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 100 and 500")]
    pub fn new(value: f64) -> Self {
        Self { hundredths: (value.clamp(1.0, 5.0) * 100.0).round() as u16 }
    }

    /// The score, 1 to 5.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.hundredths) / 100.0
    }
}

impl fmt::Display for Mos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.value())
    }
}

impl fmt::Display for Quality {
    /// In words: `312 packets, 4 lost (1.3 %), jitter 2.1 ms, round trip 41 ms, MOS 4.31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "a share in tenths of a percent")]
        let share = self.lost as f64 / (self.received + self.lost).max(1) as f64 * 100.0;
        let Self { received, lost, .. } = self;
        write!(f, "{received} packets, {lost} lost ({share:.1} %), jitter {:.1} ms", ms(self.jitter_us))?;
        if let Some(lost) = self.lost_there {
            write!(f, ", {lost} lost on the way there")?;
        }
        if let Some(trip) = self.round_trip_us {
            write!(f, ", round trip {:.1} ms", ms(trip))?;
        }
        self.mos.map_or(Ok(()), |mos| write!(f, ", MOS {mos}"))
    }
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{Mos, Quality};

    #[test]
    fn what_was_written_before_it_had_more_fields_is_still_read() {
        let old = r#"{"received":50,"lost":1,"jitter_us":900}"#;
        let read: Quality = serde_json::from_str(old).expect("the old shape");
        assert_eq!(read, Quality { received: 50, lost: 1, jitter_us: 900, ..Quality::default() });
        assert_eq!(serde_json::to_string(&read).expect("json"), old);
    }

    #[test]
    fn it_reads_as_a_sentence() {
        let quality = Quality {
            received: 95,
            lost: 5,
            jitter_us: 2_100,
            lost_there: Some(2),
            round_trip_us: Some(41_000),
            mos: Some(Mos::new(4.309)),
        };
        assert_eq!(
            quality.to_string(),
            "95 packets, 5 lost (5.0 %), jitter 2.1 ms, 2 lost on the way there, round trip 41.0 ms, MOS 4.31"
        );
        assert_eq!(Mos::new(9.0).value(), 5.0);
        assert_eq!(Mos::new(f64::NEG_INFINITY).value(), 1.0);
    }
}
