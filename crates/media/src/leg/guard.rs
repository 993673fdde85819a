//! A leg's SRTP: which keys it has, and those it had a moment ago.
//!
//! After a new description the peer may go on under the old key until our answer has reached it, so for a while both
//! are believed (RFC 4568 §7.1.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use vorzimmer_types::audio::Negotiated;
use vorzimmer_types::srtp::{Keying, SrtpKeys};

use crate::srtp::{Opener, Sealer, Unopened};

/// How long our answer with a new key may take to arrive: as long as it is sent again (RFC 3261 §13.3.1.4: 64·T1).
const OLD_KEY: Duration = Duration::from_secs(32);
/// How long the old key is believed beside the new one once that was heard: packets overtake each other.
const OVERLAP: Duration = Duration::from_secs(1);

/// The keys of one leg at work.
pub(crate) struct Guard {
    keys: Arc<SrtpKeys>,
    pub(crate) sealer: Sealer,
    opener: Opener,
    before: Option<Before>,
}

/// What was believed before a new key.
struct Before {
    opener: Opener,
    until: Instant,
}

impl Guard {
    /// What a leg needs after this negotiation, given what it had.
    pub(crate) fn follow(had: Option<Box<Self>>, negotiated: &Negotiated, now: Instant) -> Option<Box<Self>> {
        let Keying::Sdes { keys, .. } = &negotiated.keying else { return None };
        match had {
            Some(guard) if guard.keys == *keys => Some(guard),
            had => Some(Box::new(Self::new(Arc::clone(keys), had, now))),
        }
    }

    /// Keys out of a handshake, given what there was.
    pub(crate) fn of(keys: SrtpKeys, had: Option<Box<Self>>, now: Instant) -> Box<Self> {
        Box::new(Self::new(Arc::new(keys), had, now))
    }

    fn new(keys: Arc<SrtpKeys>, had: Option<Box<Self>>, now: Instant) -> Self {
        let (send, receive, lifetime) = (&keys.send, &keys.receive, keys.lifetime);
        let Some(had) = had.map(|had| *had) else {
            let (sealer, opener) = (Sealer::new(send), Opener::new(receive, lifetime));
            return Self { keys, sealer, opener, before: None };
        };
        // A key that stays goes on where it was: begun anew, its indexes would come twice.
        let sealer = if had.keys.send == *send { had.sealer } else { Sealer::new(send) };
        if had.keys.receive == *receive {
            return Self { keys, sealer, opener: had.opener, before: had.before };
        }
        let opener = had.opener.after(receive, lifetime);
        let before = Before { opener: had.opener, until: now + OLD_KEY };
        Self { keys, sealer, opener, before: Some(before) }
    }

    /// Opens an SRTP packet in place.
    pub(crate) fn open_rtp(&mut self, packet: &mut [u8], now: Instant) -> Result<usize, Unopened> {
        self.open(now, |opener| opener.rtp(packet))
    }

    /// Opens an SRTCP packet in place.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8], now: Instant) -> Result<usize, Unopened> {
        self.open(now, |opener| opener.rtcp(packet))
    }

    fn open(
        &mut self,
        now: Instant,
        mut open: impl FnMut(&mut Opener) -> Result<usize, Unopened>,
    ) -> Result<usize, Unopened> {
        self.before.take_if(|before| before.until <= now);
        let opened = open(&mut self.opener);
        match (&mut self.before, opened) {
            (Some(before), Err(Unopened::Forged)) => open(&mut before.opener),
            (Some(before), Ok(length)) => {
                before.until = before.until.min(now + OVERLAP);
                Ok(length)
            }
            (_, opened) => opened,
        }
    }
}
