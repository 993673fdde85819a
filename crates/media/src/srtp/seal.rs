//! What we send, protected.

use vorzimmer_types::srtp::MasterKey;

use super::derive::Protocol;
use super::transform::{At, Transform};
use super::window::Window;
use super::{CONTROL_HEADER, MAX_TRAILER, control_source};
use crate::rtp::{MAX_PACKET, Preamble};

/// RFC 3711 §9.2: no more SRTCP packets under one key.
const MAX_CONTROL: u32 = (1 << 31) - 1;

/// Seals the packets of one direction; of each protocol from one source only.
pub struct Sealer {
    rtp: Transform,
    rtcp: Transform,
    sent: Option<Window>,
    controls: u32,
    scratch: [u8; MAX_PACKET + MAX_TRAILER],
}

impl Sealer {
    /// Under this key, from the first packet on.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        Self {
            rtp: Transform::new(key, Protocol::Rtp),
            rtcp: Transform::new(key, Protocol::Rtcp),
            sent: None,
            controls: 0,
            scratch: [0; MAX_PACKET + MAX_TRAILER],
        }
    }

    /// The RTP packet as it goes on the wire. None if it is none, or if its index was used before: two packets under
    /// one index would give both away (RFC 3711 §9.1).
    pub fn rtp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let head = Preamble::parse(packet)?;
        let index = match &self.sent {
            Some(sent) => sent.index_of(head.sequence).filter(|index| sent.is_new(*index))?,
            // RFC 3711 §3.3.1: the rollover counter begins at zero.
            None => u64::from(head.sequence),
        };
        self.scratch.get_mut(..packet.len())?.copy_from_slice(packet);
        let at = At { ssrc: head.ssrc, index };
        let length = self.rtp.seal_rtp(&mut self.scratch, head.length, packet.len(), at)?;
        self.sent.get_or_insert_with(|| Window::new(index)).mark(index);
        self.scratch.get(..length)
    }

    /// The RTCP packet as it goes on the wire. None if it is none, or the key is used up.
    pub fn rtcp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let ssrc = control_source(packet).filter(|_| packet.len() >= CONTROL_HEADER)?;
        let index = self.controls;
        if index >= MAX_CONTROL {
            return None;
        }
        self.controls += 1;
        self.scratch.get_mut(..packet.len())?.copy_from_slice(packet);
        let at = At { ssrc, index: u64::from(index) };
        let length = self.rtcp.seal_rtcp(&mut self.scratch, packet.len(), at)?;
        self.scratch.get(..length)
    }
}
