//! Announcements: a WAV file, its version and its hash, so that a receipt can say which words were heard.

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::clip::{Clip, MAX_CLIP_SAMPLES};
use crate::Error;

/// An announcement ready to be played.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt {
    clip: Arc<Clip>,
    version: u32,
    hash: [u8; 32],
}

impl Prompt {
    /// Reads the bytes of a WAV file: 8000 Hz, mono, 16 bit PCM.
    ///
    /// # Errors
    /// [`Error::NotWav`], [`Error::WrongFormat`] or [`Error::WrongLength`].
    pub fn from_wav(wav: &[u8], version: u32) -> Result<Self, Error> {
        let not_wav = |error: hound::Error| Error::NotWav { why: error.to_string() };
        let reader = hound::WavReader::new(Cursor::new(wav)).map_err(not_wav)?;
        let spec = reader.spec();
        let integer = spec.sample_format == hound::SampleFormat::Int;
        if !integer || (spec.sample_rate, spec.channels, spec.bits_per_sample) != (8000, 1, 16) {
            let (hz, channels, bits) = (spec.sample_rate, spec.channels, spec.bits_per_sample);
            return Err(Error::WrongFormat { hz, channels, bits });
        }
        let samples = reader.into_samples::<i16>().take(MAX_CLIP_SAMPLES + 1);
        let samples = samples.collect::<Result<Vec<i16>, _>>().map_err(not_wav)?;
        if samples.is_empty() || samples.len() > MAX_CLIP_SAMPLES {
            return Err(Error::WrongLength { samples: samples.len() });
        }
        Ok(Self { clip: Arc::new(Clip::new(&samples)), version, hash: Sha256::digest(wav).into() })
    }

    /// Its samples.
    #[must_use]
    pub fn clip(&self) -> &Arc<Clip> {
        &self.clip
    }

    /// Counts up with each change of the words.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of the WAV file's bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt(version {}, {:?})", self.version, self.clip)
    }
}

#[cfg(test)]
mod tests {
    use super::Prompt;
    use crate::{Codec, Error, decode};

    fn wav(hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels, sample_rate: hz, bits_per_sample: 16, sample_format: format };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn both_laws_hold_the_file_and_the_hash_is_the_files() {
        let file = wav(8000, 1, &[0, 1000, -1000, 30_000]);
        let prompt = Prompt::from_wav(&file, 3).unwrap();
        assert_eq!((prompt.version(), prompt.clip().samples()), (3, 4));
        assert_eq!(prompt.hash()[..], <sha2::Sha256 as sha2::Digest>::digest(&file)[..]);
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let heard: Vec<i16> =
                prompt.clip().slice(codec, 0, 9).iter().map(|code| decode(codec, *code)).collect();
            for (heard, meant) in heard.iter().zip([0, 1000, -1000, 30_000]) {
                assert!((heard - meant).abs() <= meant.abs() / 16 + 8, "{codec:?}: {heard} for {meant}");
            }
        }
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        assert!(matches!(Prompt::from_wav(b"RIFFxxxx", 1), Err(Error::NotWav { .. })));
        assert_eq!(
            Prompt::from_wav(&wav(16_000, 1, &[0]), 1),
            Err(Error::WrongFormat { hz: 16_000, channels: 1, bits: 16 })
        );
        assert_eq!(
            Prompt::from_wav(&wav(8000, 2, &[0, 0]), 1),
            Err(Error::WrongFormat { hz: 8000, channels: 2, bits: 16 })
        );
        assert_eq!(Prompt::from_wav(&wav(8000, 1, &[]), 1), Err(Error::WrongLength { samples: 0 }));
    }

    #[test]
    fn a_file_that_ends_early_is_refused() {
        let mut file = wav(8000, 1, &[1; 800]);
        file.truncate(900);
        assert!(Prompt::from_wav(&file, 1).is_err());
    }
}
