//! WAV: 16-bit PCM, two channels.

use std::io::{Read, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use vorzimmer_vault::callrec::Reader;

use super::{CHANNELS, Written};
use crate::error::Result;

/// Writes an accepted recording as WAV.
///
/// # Errors
/// As [`super::samples`]; [`crate::Error::Wav`].
pub fn wav<R: Read + Seek, W: Write + Seek>(reader: &mut Reader<R>, to: W) -> Result<Written> {
    let hz = super::rate(reader)?;
    let spec = WavSpec {
        channels: CHANNELS as u16,
        sample_rate: hz,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::new(to, spec)?;
    let samples = super::samples(reader, hz, &mut |block| {
        for sample in block {
            writer.write_sample(*sample)?;
        }
        Ok(())
    })?;
    writer.finalize()?;
    Ok(Written { samples, hz })
}
