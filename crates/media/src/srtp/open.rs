//! What the peer sends, checked and decrypted.
//!
//! A packet is looked up, tried and only then remembered: a stranger's costs one or a few tags, and leaves nothing.

use vorzimmer_types::srtp::MasterKey;

use super::control_source;
use super::derive::Protocol;
use super::transform::{At, Transform};
use super::window::Window;
use crate::rtp::Preamble;

/// Most sources that one key is used with in each protocol. More than a telephone ever has; further ones are not heard.
pub const MAX_SOURCES: usize = 64;

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// No packet of that protocol.
    #[error("not a packet")]
    Malformed,
    /// Not made with the peer's key, or changed on the way.
    #[error("not authentic")]
    Forged,
    /// It was here before, or is too old to tell (RFC 3711 §3.3.2).
    #[error("seen before, or too old to tell")]
    Replayed,
    /// The key has been used for as many packets as were agreed on, or with too many sources.
    #[error("the key is used up")]
    UsedUp,
}

/// Opens the packets of one direction.
pub struct Opener {
    rtp: Transform,
    rtcp: Transform,
    pub(super) sources: Vec<Source>,
    controls: Vec<Source>,
    /// Where the rollover counter stood under the key before: some do not begin anew with a new key.
    carried: u64,
    left: u64,
}

/// One source that has authenticated itself.
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) window: Window,
}

impl Opener {
    /// Under this key, for so many packets.
    #[must_use]
    pub fn new(key: &MasterKey, lifetime: u64) -> Self {
        Self {
            rtp: Transform::new(key, Protocol::Rtp),
            rtcp: Transform::new(key, Protocol::Rtcp),
            sources: Vec::new(),
            controls: Vec::new(),
            carried: 0,
            left: lifetime,
        }
    }

    /// Under a new key, after this one.
    #[must_use]
    pub fn after(&self, key: &MasterKey, lifetime: u64) -> Self {
        let carried = self.sources.iter().map(|source| source.window.rollover()).max().unwrap_or(0);
        Self { carried, ..Self::new(key, lifetime) }
    }

    /// How many sources have state here, of both protocols.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len() + self.controls.len()
    }

    /// Opens an SRTP packet in place and gives back its length.
    ///
    /// # Errors
    /// [`Unopened`]; the packet is as it was.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Result<usize, Unopened> {
        let head = Preamble::parse(packet).ok_or(Unopened::Malformed)?;
        if self.left == 0 {
            return Err(Unopened::UsedUp);
        }
        let known = self.sources.iter_mut().find(|source| source.ssrc == head.ssrc);
        let length = match known {
            Some(source) => {
                let index = source.window.index_of(head.sequence).ok_or(Unopened::Forged)?;
                if !source.window.is_new(index) {
                    return Err(Unopened::Replayed);
                }
                let at = At { ssrc: head.ssrc, index };
                let length = self.rtp.open_rtp(packet, head.length, at).ok_or(Unopened::Forged)?;
                source.window.mark(index);
                length
            }
            None => self.first(packet, head)?,
        };
        self.left -= 1;
        Ok(length)
    }

    /// The first packet of a source: its rollover counter is not known yet.
    fn first(&mut self, packet: &mut [u8], head: Preamble) -> Result<usize, Unopened> {
        if self.sources.len() >= MAX_SOURCES {
            return Err(Unopened::UsedUp);
        }
        // At the beginning it is zero, or one if all packets before the wrap were lost; or it goes on as before.
        let wrapped = u64::from(head.sequence < 0x8000);
        let candidates = [0, wrapped, self.carried, self.carried + wrapped];
        for (place, roc) in candidates.into_iter().enumerate() {
            if candidates.iter().take(place).any(|tried| *tried == roc) {
                continue;
            }
            let at = At { ssrc: head.ssrc, index: roc << 16 | u64::from(head.sequence) };
            if let Some(length) = self.rtp.open_rtp(packet, head.length, at) {
                self.sources.push(Source { ssrc: head.ssrc, window: Window::new(at.index) });
                return Ok(length);
            }
        }
        Err(Unopened::Forged)
    }

    /// Opens an SRTCP packet in place and gives back its length.
    ///
    /// # Errors
    /// [`Unopened`]; the packet is as it was.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Unopened> {
        let ssrc = control_source(packet).ok_or(Unopened::Malformed)?;
        let index = self.rtcp.control_index(packet).ok_or(Unopened::Malformed)?;
        let known = self.controls.iter().position(|source| source.ssrc == ssrc);
        let window = known.and_then(|place| self.controls.get(place)).map(|source| source.window);
        if window.is_some_and(|window| !window.is_new(index)) {
            return Err(Unopened::Replayed);
        }
        if known.is_none() && self.controls.len() >= MAX_SOURCES {
            return Err(Unopened::UsedUp);
        }
        let length = self.rtcp.open_rtcp(packet, At { ssrc, index }).ok_or(Unopened::Forged)?;
        match known.and_then(|place| self.controls.get_mut(place)) {
            Some(source) => source.window.mark(index),
            None => self.controls.push(Source { ssrc, window: Window::new(index) }),
        }
        Ok(length)
    }
}
