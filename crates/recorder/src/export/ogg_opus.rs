//! Ogg/Opus (RFC 7845): one stereo stream, one packet for 20 ms.

use std::io::{Read, Seek, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder};
use vorzimmer_vault::callrec::Reader;

use super::{CHANNELS, Written};
use crate::error::{Error, Result};

/// Granules in a packet of 20 ms: positions count at 48 kHz whatever the input (RFC 7845 §4).
const GRANULES: u64 = 960;
const GRANULES_HZ: u32 = 48_000;
/// A page is ended after a second, so that players can seek (RFC 7845 §6 advises against longer ones).
const PACKETS_PER_PAGE: u64 = 50;
/// Telephone sound in two channels, and sound with more in it.
const BITRATE: i32 = 48_000;
const WIDE_BITRATE: i32 = 80_000;
/// No Opus packet of one frame is longer (RFC 6716 §3.4).
const MAX_PACKET: usize = 1275;
const VENDOR: &[u8] = b"vorzimmer";

/// Writes an accepted recording as Ogg/Opus, from samples at [`super::rate`].
///
/// # Errors
/// As [`super::samples`]; [`Error::Opus`], [`Error::Ogg`].
pub fn ogg_opus<R: Read + Seek, W: Write>(reader: &mut Reader<R>, to: W) -> Result<Written> {
    let [a, b, c, d, ..] = *reader.header().recording.as_bytes();
    let hz = super::rate(reader)?;
    let mut stream = Stream::start(to, u32::from_be_bytes([a, b, c, d]), hz)?;
    let samples = super::samples(reader, hz, &mut |block| stream.add(block))?;
    stream.finish(samples)?;
    Ok(Written { samples, hz })
}

struct Stream<'a, W: Write> {
    packets: PacketWriter<'a, W>,
    encoder: Encoder,
    serial: u32,
    pre_skip: u64,
    granules_per_sample: u64,
    /// Samples of both channels in a packet.
    frame: usize,
    /// Samples that do not fill a frame yet, interleaved.
    waiting: Vec<i16>,
    /// The packet before the last: held back because the very last one is marked.
    held: Option<Vec<u8>>,
    encoded: u64,
}

impl<W: Write> Stream<'_, W> {
    fn start(to: W, serial: u32, hz: u32) -> Result<Self> {
        let mut encoder = Encoder::new(hz, Channels::Stereo, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(if hz > 8000 { WIDE_BITRATE } else { BITRATE }))?;
        let granules_per_sample = u64::from(GRANULES_HZ / hz.max(1));
        let frame = hz as usize / 50 * CHANNELS;
        let lookahead = u64::try_from(encoder.get_lookahead()?).unwrap_or(0);
        let pre_skip = lookahead * granules_per_sample;
        let mut packets = PacketWriter::new(to);
        let mut write =
            |packet: Vec<u8>| packets.write_packet(packet, serial, PacketWriteEndInfo::EndPage, 0);
        write(id_header(pre_skip, hz)).map_err(Error::Ogg)?;
        write(comment_header()).map_err(Error::Ogg)?;
        let waiting = Vec::new();
        Ok(Self {
            packets,
            encoder,
            serial,
            pre_skip,
            granules_per_sample,
            frame,
            waiting,
            held: None,
            encoded: 0,
        })
    }

    fn add(&mut self, block: &[i16]) -> Result<()> {
        self.waiting.extend_from_slice(block);
        let whole = self.waiting.len() / self.frame * self.frame;
        let rest = self.waiting.split_off(whole);
        let frames = std::mem::replace(&mut self.waiting, rest);
        frames.chunks_exact(self.frame).try_for_each(|frame| self.encode(frame))
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
            let granule = number * GRANULES;
            self.packets.write_packet(held, self.serial, end, granule).map_err(Error::Ogg)?;
        }
        self.encoded += 1;
        Ok(())
    }

    /// Ends the stream: enough packets that all of `count` samples come out of the decoder's delay, and a last granule
    /// position that cuts off what is too much (RFC 7845 §4.4).
    fn finish(mut self, count: u64) -> Result<()> {
        let last = self.pre_skip + count * self.granules_per_sample;
        while self.held.is_none() || self.encoded * GRANULES < last {
            let mut frame = std::mem::take(&mut self.waiting);
            frame.resize(self.frame, 0);
            self.encode(&frame)?;
        }
        let packet = self.held.take().unwrap_or_default();
        self.packets
            .write_packet(packet, self.serial, PacketWriteEndInfo::EndStream, last)
            .map_err(Error::Ogg)
    }
}

/// RFC 7845 §5.1.
fn id_header(pre_skip: u64, hz: u32) -> Vec<u8> {
    let mut header = b"OpusHead".to_vec();
    header.extend([1, CHANNELS as u8]);
    header.extend(u16::try_from(pre_skip).unwrap_or(u16::MAX).to_le_bytes());
    header.extend(hz.to_le_bytes());
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
