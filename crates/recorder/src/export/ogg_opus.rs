//! Ogg/Opus (RFC 7845): one stereo stream, one packet for 20 ms.

use std::io::{Read, Seek, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder};
use vorzimmer_vault::callrec::Reader;

use super::CHANNELS;
use crate::error::{Error, Result};
use crate::frame::CLOCK_HZ;

/// Samples of each channel in a packet: 20 ms at 8 kHz.
const FRAME: usize = 160;
/// Granule positions count at 48 kHz whatever the input (RFC 7845 §4).
const GRANULES_PER_SAMPLE: u64 = 48_000 / CLOCK_HZ as u64;
/// A page is ended after a second, so that players can seek (RFC 7845 §6 advises against longer ones).
const PACKETS_PER_PAGE: u64 = 50;
/// Telephone sound in two channels.
const BITRATE: i32 = 48_000;
/// No Opus packet of one frame is longer (RFC 6716 §3.4).
const MAX_PACKET: usize = 1275;
const VENDOR: &[u8] = b"vorzimmer";

/// Writes an accepted recording as Ogg/Opus. Says how many samples at 8 kHz each channel has.
///
/// # Errors
/// As [`super::samples`]; [`Error::Opus`], [`Error::Ogg`].
pub fn ogg_opus<R: Read + Seek, W: Write>(reader: &mut Reader<R>, to: W) -> Result<u64> {
    let [a, b, c, d, ..] = *reader.header().recording.as_bytes();
    let mut stream = Stream::start(to, u32::from_be_bytes([a, b, c, d]))?;
    let count = super::samples(reader, &mut |block| stream.add(block))?;
    stream.finish(count)?;
    Ok(count)
}

struct Stream<'a, W: Write> {
    packets: PacketWriter<'a, W>,
    encoder: Encoder,
    serial: u32,
    pre_skip: u64,
    /// Samples that do not fill a frame yet, interleaved.
    waiting: Vec<i16>,
    /// The packet before the last: held back because the very last one is marked.
    held: Option<Vec<u8>>,
    encoded: u64,
}

impl<W: Write> Stream<'_, W> {
    fn start(to: W, serial: u32) -> Result<Self> {
        let mut encoder = Encoder::new(CLOCK_HZ, Channels::Stereo, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        let lookahead = u64::try_from(encoder.get_lookahead()?).unwrap_or(0);
        let pre_skip = lookahead * GRANULES_PER_SAMPLE;
        let mut packets = PacketWriter::new(to);
        let mut write =
            |packet: Vec<u8>| packets.write_packet(packet, serial, PacketWriteEndInfo::EndPage, 0);
        write(id_header(pre_skip)).map_err(Error::Ogg)?;
        write(comment_header()).map_err(Error::Ogg)?;
        Ok(Self { packets, encoder, serial, pre_skip, waiting: Vec::new(), held: None, encoded: 0 })
    }

    fn add(&mut self, block: &[i16]) -> Result<()> {
        self.waiting.extend_from_slice(block);
        let whole = self.waiting.len() / (FRAME * CHANNELS) * (FRAME * CHANNELS);
        let rest = self.waiting.split_off(whole);
        let frames = std::mem::replace(&mut self.waiting, rest);
        frames.chunks_exact(FRAME * CHANNELS).try_for_each(|frame| self.encode(frame))
    }

    fn encode(&mut self, frame: &[i16]) -> Result<()> {
        let packet = self.encoder.encode_vec(frame, MAX_PACKET)?;
        if let Some(held) = self.held.replace(packet) {
            let number = self.encoded;
            let end = if number.is_multiple_of(PACKETS_PER_PAGE) {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            let granule = number * FRAME as u64 * GRANULES_PER_SAMPLE;
            self.packets.write_packet(held, self.serial, end, granule).map_err(Error::Ogg)?;
        }
        self.encoded += 1;
        Ok(())
    }

    /// Ends the stream: enough packets that all of `count` samples come out of the decoder's delay, and a last granule
    /// position that cuts off what is too much (RFC 7845 §4.4).
    fn finish(mut self, count: u64) -> Result<()> {
        let last = self.pre_skip + count * GRANULES_PER_SAMPLE;
        while self.held.is_none() || self.encoded * FRAME as u64 * GRANULES_PER_SAMPLE < last {
            let mut frame = std::mem::take(&mut self.waiting);
            frame.resize(FRAME * CHANNELS, 0);
            self.encode(&frame)?;
        }
        let packet = self.held.take().unwrap_or_default();
        self.packets
            .write_packet(packet, self.serial, PacketWriteEndInfo::EndStream, last)
            .map_err(Error::Ogg)
    }
}

/// RFC 7845 §5.1.
fn id_header(pre_skip: u64) -> Vec<u8> {
    let mut header = b"OpusHead".to_vec();
    header.extend([1, CHANNELS as u8]);
    header.extend(u16::try_from(pre_skip).unwrap_or(u16::MAX).to_le_bytes());
    header.extend(CLOCK_HZ.to_le_bytes());
    // Output gain 0, channel mapping family 0.
    header.extend([0, 0, 0]);
    header
}

/// RFC 7845 §5.2: who made it, and no comment.
fn comment_header() -> Vec<u8> {
    let mut header = b"OpusTags".to_vec();
    header.extend((VENDOR.len() as u32).to_le_bytes());
    header.extend(VENDOR);
    header.extend(0_u32.to_le_bytes());
    header
}
