//! What one leg's media was like.

use std::time::Duration;

use vorzimmer_types::quality::Mos;

/// Counts and qualities of one leg since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// RTP packets taken from the peer.
    pub received: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Round trip by RTCP, if the peer reports.
    pub rtt: Option<Duration>,
    /// RTP packets that the peer reports as lost on the way to it, if it reports.
    pub lost_there: Option<u32>,
    /// How the peer sounds, by the E-model.
    pub mos: Option<Mos>,
    /// RTP packets sent to the peer.
    pub sent: u64,
    /// Packets from others than the peer: neither heard nor answered.
    pub foreign: u64,
    /// RTP from the peer's address, but from a source that is not the one being heard.
    pub other_source: u64,
    /// Packets of payload types that were not agreed on.
    pub not_negotiated: u64,
    /// What is no RTP or RTCP, or holds no or too much audio.
    pub malformed: u64,
    /// SRTP and SRTCP packets that were not made with the peer's key, or for which the key was used up.
    pub forged: u64,
    /// SRTP and SRTCP packets that came before, or too late to tell.
    pub replayed: u64,
    /// Packets of ours that could not be protected and so were not sent.
    pub unsealed: u64,
    /// Packets seen before.
    pub duplicate: u64,
    /// Packets too old to be heard, or from a leap in sequence numbers that nothing confirmed.
    pub late: u64,
    /// Packets that came although the peer was told to send none.
    pub unwanted: u64,
}

impl Stats {
    /// Packets that were neither heard nor answered: from others, or nothing that was agreed on.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let peers = self.other_source + self.not_negotiated + self.unwanted + self.replayed;
        self.foreign + self.forged + self.malformed + peers
    }
}
