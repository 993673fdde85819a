//! Voices that have to be decoded: two parties without a codec in common, or up to [`MAX_PARTIES`] who all hear each other.
//!
//! Every [`TICK`] each party's [`Inlet`] gives 10 ms of its voice, the [`Mixer`] adds up what each is to hear (all but
//! itself), and each party's [`Outlet`] makes packets of it. Two parties with a codec in common never come here: their
//! packets are relayed as they are. The recorder does not either: it gets what each party sent.

mod conceal;
mod inlet;
mod jitter;
mod outlet;

use std::time::Duration;

pub(crate) use inlet::{Heard, Inlet};
pub(crate) use outlet::{Outlet, Packet};

/// Most parties that hear each other.
pub const MAX_PARTIES: usize = 8;
/// Milliseconds of sound that are mixed at a time.
pub(crate) const FRAME: usize = 10;
/// The same as a time.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Samples of it at the highest rate.
const MOST: usize = 16 * FRAME;

/// Adds up, for each of several voices, all the others.
///
/// All memory is its own; a voice louder than 16 bits can say is cut off, never wrapped.
pub struct Mixer {
    frame: usize,
    voices: [[i16; MOST]; MAX_PARTIES],
    sum: [i32; MOST],
    mixed: [i16; MOST],
}

impl Mixer {
    /// For frames of 10 ms at 8000 or 16,000 Hz.
    #[must_use]
    pub fn new(hz: u32) -> Self {
        Self {
            frame: (hz as usize / 1000 * FRAME).min(MOST),
            voices: [[0; MOST]; MAX_PARTIES],
            sum: [0; MOST],
            mixed: [0; MOST],
        }
    }

    /// Where the next frame of this party goes; empty for a party beyond the last.
    pub fn voice(&mut self, party: usize) -> &mut [i16] {
        let frame = self.frame;
        self.voices.get_mut(party).and_then(|voice| voice.get_mut(..frame)).unwrap_or_default()
    }

    /// All of the first `parties` voices are there: adds them up.
    pub fn add_up(&mut self, parties: usize) {
        self.sum.fill(0);
        for voice in self.voices.iter().take(parties) {
            for (sum, sample) in self.sum.iter_mut().zip(voice) {
                *sum += i32::from(*sample);
            }
        }
    }

    /// What this party hears: everybody but itself.
    pub fn for_party(&mut self, party: usize) -> &[i16] {
        let Some(own) = self.voices.get(party) else { return &[] };
        for ((mixed, sum), own) in self.mixed.iter_mut().zip(&self.sum).zip(own) {
            let others = sum - i32::from(*own);
            *mixed = others.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
        self.mixed.get(..self.frame).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PARTIES, Mixer};

    #[test]
    fn everybody_hears_all_but_itself() {
        let mut mixer = Mixer::new(8000);
        for party in 0..MAX_PARTIES {
            assert_eq!(mixer.voice(party).len(), 80);
            mixer.voice(party).fill(1 << party);
        }
        mixer.add_up(MAX_PARTIES);
        for party in 0..MAX_PARTIES {
            assert_eq!(mixer.for_party(party), [255 - (1 << party); 80]);
        }
        mixer.add_up(2);
        assert_eq!((mixer.for_party(0)[0], mixer.for_party(1)[0]), (2, 1));
        assert!(mixer.voice(MAX_PARTIES).is_empty() && mixer.for_party(MAX_PARTIES).is_empty());
    }

    #[test]
    fn too_loud_is_cut_off() {
        let mut mixer = Mixer::new(16_000);
        for (party, level) in [(0, i16::MAX), (1, i16::MAX), (2, i16::MAX), (3, i16::MIN)] {
            mixer.voice(party).fill(level);
        }
        mixer.add_up(3);
        assert_eq!(mixer.for_party(0), [i16::MAX; 160]);
        mixer.add_up(4);
        assert_eq!(mixer.for_party(0)[0], i16::MAX - 1);
        mixer.voice(1).fill(i16::MIN);
        mixer.voice(2).fill(i16::MIN);
        mixer.add_up(4);
        assert_eq!(mixer.for_party(0), [i16::MIN; 160]);
    }
}
