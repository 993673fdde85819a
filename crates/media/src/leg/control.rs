//! The RTCP of one leg: who may report, what is reported, and when.
//!
//! Our reports go to where signalling says until the peer reports from elsewhere, and that is believed only of the
//! address whose RTP is heard, and only:
//!
//! * on the port next to that of its RTP, or the same (RFC 3550 §11, RFC 5761), from the source that is heard;
//! * on any other port, as NATs have it, if the report also speaks of what we send: nobody else knows both numbers;
//! * on any port, if it is authentic (SRTCP).
//!
//! Who shares the peer's address, and neither hears it nor us, is told nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vorzimmer_types::{Entropy, entropy};

use super::incoming::Incoming;
use super::latch::canonical;
use super::outgoing::Outgoing;
use crate::rtcp::{self, Block, Compound, MAX_REPORT, Packet, Report, SenderInfo};

/// The RTCP side of a leg.
pub(crate) struct Control {
    epoch: Instant,
    cname: [u8; 16],
    signalled: Option<SocketAddr>,
    latched: Option<SocketAddr>,
    /// NTP middle and arrival of the peer's last sender report.
    last_report: Option<(u32, Instant)>,
    rtt: Option<Duration>,
    /// What the peer says it lost of ours.
    lost_there: Option<u32>,
    next_at: Option<Instant>,
}

/// What is known of the peer when it reports.
pub(crate) struct Known {
    /// Whom the leg hears.
    pub(crate) peer: Option<SocketAddr>,
    /// The source that it hears.
    pub(crate) source: Option<u32>,
    /// The source that the peer hears.
    pub(crate) ours: u32,
    /// Only what is authentic is looked at.
    pub(crate) sealed: bool,
}

/// What a datagram on the RTCP port was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Reports of the peer.
    Report,
    /// Reports of the peer, and its source's goodbye.
    Bye,
    /// From somebody else.
    Foreign,
    /// No RTCP.
    Malformed,
}

impl Control {
    pub(crate) fn new(random: &mut dyn Entropy, now: Instant) -> Self {
        // RFC 7022 §4.2: 96 bits, as printable characters; hexadecimal of 64 bits would do, letters are as good.
        let cname = entropy::array::<16>(random).map(|byte| b'a' + byte % 26);
        Self {
            epoch: now,
            cname,
            signalled: None,
            latched: None,
            last_report: None,
            rtt: None,
            lost_there: None,
            next_at: None,
        }
    }

    /// Signalling has named where the peer receives RTCP.
    pub(crate) fn remote(&mut self, signalled: SocketAddr, random: &mut dyn Entropy, now: Instant) {
        let signalled = Some(canonical(signalled)).filter(|to| !to.ip().is_unspecified() && to.port() != 0);
        if signalled != self.signalled {
            self.latched = None;
        }
        self.signalled = signalled;
        if self.next_at.is_none() {
            self.next_at = Some(now + rtcp::interval(true, draw(random)));
        }
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(crate) fn lost_there(&self) -> Option<u32> {
        self.lost_there
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.target().and(self.next_at)
    }

    fn target(&self) -> Option<SocketAddr> {
        self.signalled.map(|signalled| self.latched.unwrap_or(signalled))
    }

    /// The peer's RTP comes from another address than before: its reports may too.
    pub(crate) fn moved(&mut self) {
        self.latched = None;
    }

    /// Whether a datagram from there could be the peer's. Changes nothing.
    pub(crate) fn may_be_peer(&self, from: SocketAddr, known: &Known) -> bool {
        let from = canonical(from);
        match self.latched {
            Some(latched) => latched == from,
            None => self.signalled == Some(from) || known.peer.is_some_and(|peer| peer.ip() == from.ip()),
        }
    }

    /// Takes a datagram, opened if it was sealed.
    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8], known: &Known, now: Instant) -> Heard {
        let from = canonical(from);
        if self.latched.is_some_and(|latched| latched != from) {
            return Heard::Foreign;
        }
        let Some(mut packets) = Compound::parse(bytes) else { return Heard::Malformed };
        let (by, about) = match packets.next() {
            Some(Packet::SenderReport { ssrc, block, .. } | Packet::ReceiverReport { ssrc, block, .. }) => {
                (ssrc, block.map(|block| block.ssrc))
            }
            _ => return Heard::Malformed,
        };
        let settled = self.signalled == Some(from) || self.latched == Some(from);
        if !settled && !known.believes(from, by, about) {
            return Heard::Foreign;
        }
        self.latched = Some(from);
        self.take(bytes, known.source, known.ours, now)
    }

    fn take(&mut self, bytes: &[u8], source: Option<u32>, ours: u32, now: Instant) -> Heard {
        let mut heard = Heard::Report;
        for packet in Compound::parse(bytes).into_iter().flatten() {
            match packet {
                Packet::SenderReport { sender, block, .. } => {
                    self.last_report = Some((rtcp::middle(sender.ntp), now));
                    self.reported(block, ours, now);
                }
                Packet::ReceiverReport { block, .. } => self.reported(block, ours, now),
                Packet::Bye { ssrc } if ssrc.is_some() && ssrc == source => heard = Heard::Bye,
                _ => {}
            }
        }
        heard
    }

    /// What the peer says about our stream: losses, and from RFC 3550 §6.4.1 the round trip: now − LSR − DLSR, all in
    /// 1/65536 s.
    fn reported(&mut self, block: Option<Block>, ours: u32, now: Instant) {
        let Some(block) = block.filter(|block| block.ssrc == ours) else { return };
        // Duplicates may make it negative.
        self.lost_there = Some(u32::try_from(block.lost).unwrap_or(0));
        if block.last_report == 0 {
            return;
        }
        let passed = rtcp::middle(self.ntp(now)).wrapping_sub(block.last_report);
        // A peer whose delay is longer than the whole way says nonsense.
        if let Some(trip) = passed.checked_sub(block.delay) {
            self.rtt = Some(Duration::from_nanos((u64::from(trip) * 1_000_000_000) >> 16));
        }
    }

    /// The next report into `out` with its length and receiver, if it is due.
    pub(crate) fn poll(
        &mut self,
        incoming: Option<&mut Incoming>,
        outgoing: &Outgoing,
        out: &mut [u8; MAX_REPORT],
        random: &mut dyn Entropy,
        now: Instant,
    ) -> Option<(usize, SocketAddr)> {
        let to = self.target()?;
        self.next_at.filter(|at| *at <= now)?;
        self.next_at = Some(now + rtcp::interval(false, draw(random)));
        let length = rtcp::build(&self.report(incoming, outgoing, false, now), out)?;
        Some((length, to))
    }

    /// The goodbye into `out` with its length and receiver, if the peer may have heard us.
    pub(crate) fn bye(
        &self,
        incoming: Option<&mut Incoming>,
        outgoing: &Outgoing,
        out: &mut [u8; MAX_REPORT],
        now: Instant,
    ) -> Option<(usize, SocketAddr)> {
        let to = self.target().filter(|_| outgoing.packets > 0 || incoming.is_some())?;
        let length = rtcp::build(&self.report(incoming, outgoing, true, now), out)?;
        Some((length, to))
    }

    fn report(
        &self,
        incoming: Option<&mut Incoming>,
        outgoing: &Outgoing,
        bye: bool,
        now: Instant,
    ) -> Report {
        let sender = (outgoing.packets > 0).then(|| SenderInfo {
            ntp: self.ntp(now),
            timestamp: outgoing.timestamp_at(now),
            packets: outgoing.packets,
            octets: outgoing.octets,
        });
        Report {
            ssrc: outgoing.ssrc,
            sender,
            about: incoming.map(|i| self.block(i, now)),
            cname: self.cname,
            bye,
        }
    }

    fn block(&self, incoming: &mut Incoming, now: Instant) -> Block {
        let since = |at: Instant| (now.duration_since(at).as_micros() * 65_536 / 1_000_000) as u32;
        Block {
            ssrc: incoming.ssrc,
            fraction_lost: incoming.fraction_lost(),
            // §6.4.1: 24 bits with sign.
            lost: i32::try_from(incoming.lost()).unwrap_or(i32::MAX).min(0x007f_ffff),
            highest: incoming.highest(),
            jitter: incoming.jitter(),
            last_report: self.last_report.map_or(0, |(middle, _)| middle),
            delay: self.last_report.map_or(0, |(_, at)| since(at)),
        }
    }

    /// Time since the leg's beginning as an NTP time (RFC 3550 §4: elapsed time, the top bit clear). Starts at one
    /// second, since a report that says 0 means none.
    fn ntp(&self, now: Instant) -> u64 {
        let passed = now.duration_since(self.epoch) + Duration::from_secs(1);
        passed.as_secs() << 32 | ((u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000)
    }
}

impl Known {
    /// Whether a report by this source, about that one, makes whoever sent it the peer.
    fn believes(&self, from: SocketAddr, by: u32, about: Option<u32>) -> bool {
        let Some(peer) = self.peer.map(canonical).filter(|peer| peer.ip() == from.ip()) else { return false };
        let beside = from.port() == peer.port() || Some(from.port()) == peer.port().checked_add(1);
        let heard = self.source == Some(by);
        self.sealed || (heard && (beside || about == Some(self.ours)))
    }
}

fn draw(random: &mut dyn Entropy) -> u32 {
    u32::from_be_bytes(entropy::array(random))
}
