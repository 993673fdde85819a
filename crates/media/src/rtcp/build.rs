//! Makes the compound packets that a leg sends.

use super::Block;

/// A sender's part of a report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender's time, 32.32 bits. Ours counts from the leg's beginning, as §4 allows.
    pub ntp: u64,
    /// The same moment in timestamp units of the stream.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// What to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Our own source.
    pub ssrc: u32,
    /// What we sent; none makes it a receiver report.
    pub sender: Option<SenderInfo>,
    /// What we received.
    pub about: Option<Block>,
    /// Our canonical name: random, so that it leads to nobody (RFC 7022 §4.2).
    pub cname: [u8; 16],
    /// We leave.
    pub bye: bool,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const VERSION: u8 = 0x80;

/// Writes into `out` from its start.
struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.out.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn words(&mut self, words: &[u32]) -> Option<()> {
        words.iter().try_for_each(|word| self.bytes(&word.to_be_bytes()))
    }

    /// The first word of a packet whose body has `words` words.
    fn head(&mut self, count: u8, kind: u8, words: u8) -> Option<()> {
        self.bytes(&[VERSION | count, kind, 0, words])
    }
}

/// Builds a compound packet (RFC 3550 §6.1: report, description, perhaps a goodbye) and gives back its length; none
/// if `out` is too short.
pub fn build(report: &Report, out: &mut [u8]) -> Option<usize> {
    let mut to = Writer { out, length: 0 };
    let count = u8::from(report.about.is_some());
    match report.sender {
        Some(sender) => {
            to.head(count, SENDER_REPORT, 6 + 6 * count)?;
            let (high, low) = ((sender.ntp >> 32) as u32, sender.ntp as u32);
            to.words(&[report.ssrc, high, low, sender.timestamp, sender.packets, sender.octets])?;
        }
        None => {
            to.head(count, RECEIVER_REPORT, 1 + 6 * count)?;
            to.words(&[report.ssrc])?;
        }
    }
    if let Some(block) = report.about {
        let lost = u32::from(block.fraction_lost) << 24 | (block.lost.cast_unsigned() & 0x00ff_ffff);
        to.words(&[block.ssrc, lost, block.highest, block.jitter, block.last_report, block.delay])?;
    }
    // §6.5: one chunk: source, CNAME item, its end, padded to a word.
    to.head(1, DESCRIPTION, 6)?;
    to.words(&[report.ssrc])?;
    to.bytes(&[CNAME, report.cname.len() as u8])?;
    to.bytes(&report.cname)?;
    to.bytes(&[0, 0])?;
    if report.bye {
        to.head(1, BYE, 1)?;
        to.words(&[report.ssrc])?;
    }
    Some(to.length)
}
