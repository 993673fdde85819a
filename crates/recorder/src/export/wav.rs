//! WAV: 16-bit PCM, two channels, 8 kHz.

use std::io::{Read, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use vorzimmer_vault::callrec::Reader;

use super::CHANNELS;
use crate::error::Result;
use crate::frame::CLOCK_HZ;

/// Writes an accepted recording as WAV. Says how many samples each channel has.
///
/// # Errors
/// As [`super::samples`]; [`crate::Error::Wav`].
pub fn wav<R: Read + Seek, W: Write + Seek>(reader: &mut Reader<R>, to: W) -> Result<u64> {
    let spec = WavSpec {
        channels: CHANNELS as u16,
        sample_rate: CLOCK_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::new(to, spec)?;
    let count = super::samples(reader, &mut |block| {
        for sample in block {
            writer.write_sample(*sample)?;
        }
        Ok(())
    })?;
    writer.finalize()?;
    Ok(count)
}
