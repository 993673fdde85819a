//! Reads compound packets.

use super::{Block, SenderInfo};

/// One packet of a compound. Of several report blocks only the first is kept: a leg has one stream to hear about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// From someone who sends.
    SenderReport {
        /// Whose.
        ssrc: u32,
        /// What was sent.
        sender: SenderInfo,
        /// What was received, if anything.
        block: Option<Block>,
    },
    /// From someone who only receives.
    ReceiverReport {
        /// Whose.
        ssrc: u32,
        /// What was received, if anything.
        block: Option<Block>,
    },
    /// Who someone is; the items are not looked at.
    Description {
        /// Whose.
        ssrc: Option<u32>,
    },
    /// Someone leaves.
    Bye {
        /// Who.
        ssrc: Option<u32>,
    },
    /// Of another kind.
    Other {
        /// Its packet type.
        kind: u8,
    },
}

/// A compound packet whose lengths were checked.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks the whole datagram (RFC 3550 §A.2): versions, lengths, a report first, padding only at the end.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !matches!(bytes.get(1), Some(200 | 201)) {
            return None;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (one, after) = split(rest)?;
            let [first, ..] = *one else { return None };
            if first & 0x20 != 0 && !after.is_empty() {
                return None;
            }
            read(one)?;
            rest = after;
        }
        Some(Self { rest: bytes })
    }
}

impl Iterator for Compound<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let (one, after) = split(self.rest)?;
        self.rest = after;
        read(one)
    }
}

/// The first packet, by its own length, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([first, _, l0, l1], _) = bytes.split_first_chunk::<4>()?;
    let length = 4 + 4 * usize::from(u16::from_be_bytes([*l0, *l1]));
    (first >> 6 == 2).then(|| bytes.split_at_checked(length))?
}

fn read(packet: &[u8]) -> Option<Packet> {
    let ([first, kind, ..], _) = packet.split_first_chunk::<4>()?;
    let mut body = packet.get(4..)?;
    if first & 0x20 != 0 {
        // RFC 3550 §6.4.1: the last byte counts the padding, a multiple of four.
        let padding = usize::from(*packet.last()?);
        if padding == 0 || !padding.is_multiple_of(4) {
            return None;
        }
        body = body.get(..body.len().checked_sub(padding)?)?;
    }
    let count = usize::from(first & 0x1f);
    Some(match kind {
        200 => {
            let ssrc = word(body, 0)?;
            let ntp = u64::from(word(body, 1)?) << 32 | u64::from(word(body, 2)?);
            let (timestamp, packets, octets) = (word(body, 3)?, word(body, 4)?, word(body, 5)?);
            let sender = SenderInfo { ntp, timestamp, packets, octets };
            Packet::SenderReport { ssrc, sender, block: blocks(body, 6, count)? }
        }
        201 => Packet::ReceiverReport { ssrc: word(body, 0)?, block: blocks(body, 1, count)? },
        202 => Packet::Description { ssrc: word(body, 0).filter(|_| count > 0) },
        203 => Packet::Bye { ssrc: word(body, 0).filter(|_| count > 0) },
        _ => Packet::Other { kind: *kind },
    })
}

fn word(body: &[u8], place: usize) -> Option<u32> {
    let bytes = body.get(4 * place..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The first of `count` blocks from word `place` on; none at all if they do not fit.
fn blocks(body: &[u8], place: usize, count: usize) -> Option<Option<Block>> {
    if body.len() < 4 * (place + 6 * count) {
        return None;
    }
    if count == 0 {
        return Some(None);
    }
    let lost = word(body, place + 1)?;
    Some(Some(Block {
        ssrc: word(body, place)?,
        fraction_lost: (lost >> 24) as u8,
        // 24 bits with sign (§6.4.1).
        lost: (lost << 8).cast_signed() >> 8,
        highest: word(body, place + 2)?,
        jitter: word(body, place + 3)?,
        last_report: word(body, place + 4)?,
        delay: word(body, place + 5)?,
    }))
}
