//! Who hears whom: two parties whose packets are relayed, or everybody mixed where that cannot be.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::{LegKey, Session};
use crate::leg::{Accepted, Kind, Leg};
use crate::mix::{Heard, MAX_PARTIES, Mixer, TICK};
use crate::{Error, Sink};

/// A mixer this far behind its clock goes on from now instead of mixing everything at once.
const MAX_LAG: Duration = Duration::from_millis(100);
/// Rates that are mixed at.
const NARROW_HZ: u32 = 8000;
const WIDE_HZ: u32 = 16_000;

/// Parties that hear each other.
pub(super) struct Talk {
    pub(super) legs: SmallVec<[LegKey; MAX_PARTIES]>,
    pub(super) relay_events: bool,
    hz: u32,
    /// Made when somebody is decoded for the first time.
    mixer: Option<Box<Mixer>>,
    /// When the next 10 ms are due; none while nobody is decoded.
    pub(super) next_at: Option<Instant>,
}

impl Talk {
    /// The other of two.
    fn other(&self, key: LegKey) -> Option<LegKey> {
        match self.legs.as_slice() {
            [a, b] if *a == key => Some(*b),
            [a, b] if *b == key => Some(*a),
            _ => None,
        }
    }
}

impl Session {
    /// Lets these hear each other, in place of whoever did before.
    pub(super) fn join(&mut self, legs: &[LegKey], relay_events: bool) -> Result<(), Error> {
        if legs.len() > MAX_PARTIES {
            return Err(Error::TooManyParties { limit: MAX_PARTIES });
        }
        for (at, key) in legs.iter().enumerate() {
            if legs.iter().take(at).any(|other| other == key) {
                return Err(Error::SameLeg(*key));
            }
            self.leg(*key)?;
        }
        self.part();
        for key in legs {
            self.leg(*key)?.hear_anew();
        }
        let legs = SmallVec::from_slice(legs);
        self.talk = Some(Talk { legs, relay_events, hz: NARROW_HZ, mixer: None, next_at: None });
        self.settle_rate();
        Ok(())
    }

    /// Nobody hears anybody.
    pub(super) fn part(&mut self) {
        let Some(talk) = self.talk.take() else { return };
        for leg in self.legs.iter_mut().filter(|leg| talk.legs.contains(&leg.key)) {
            leg.stop_decoding();
            leg.stop_encoding();
        }
    }

    /// One is gone: the others go on, as long as they are two.
    pub(super) fn leave(&mut self, key: LegKey) {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.legs.contains(&key)) else { return };
        talk.legs.retain(|leg| *leg != key);
        if talk.legs.len() < 2 {
            self.part();
        }
        self.settle_rate();
    }

    /// One is gone, or its codec has changed: 16 kHz if at least two have it, so that one can hear what another says.
    pub(super) fn settle_rate(&mut self) {
        let Some(talk) = &mut self.talk else { return };
        let wide = |leg: &&Leg| {
            talk.legs.contains(&leg.key) && leg.format().is_some_and(|format| !format.send.codec.is_g711())
        };
        let hz = if self.legs.iter().filter(wide).count() >= 2 { WIDE_HZ } else { NARROW_HZ };
        if hz != talk.hz {
            talk.hz = hz;
            talk.mixer = None;
        }
    }

    /// A packet of one who may be heard by others; whether it is decoded, so that it is heard only when that is due.
    pub(super) fn pass_on(
        &mut self,
        key: LegKey,
        accepted: &Accepted,
        bytes: &mut [u8],
        now: Instant,
        sink: &mut dyn Sink,
    ) -> bool {
        let Some(talk) = self.talk.as_ref().filter(|talk| talk.legs.contains(&key)) else { return false };
        let (hz, relay_events, other) = (talk.hz, talk.relay_events, talk.other(key));
        let to = other
            .and_then(|other| self.legs.iter().find(|leg| leg.key == other))
            .and_then(Leg::format)
            .copied();
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.key == key) else { return false };
        let decoded = match accepted.kind {
            Kind::Audio(codec) => match (other, to) {
                (Some(_), Some(format)) => !codec.relays_to(format.send.codec),
                // Nobody knows yet what the other one wants.
                (Some(_), None) => return false,
                (None, _) => true,
            },
            Kind::Noise | Kind::Event | Kind::Empty => leg.is_decoded(),
        };
        if decoded && !matches!(accepted.kind, Kind::Event | Kind::Empty) {
            leg.take_in(accepted, bytes, hz, now);
            if let Some(talk) = &mut self.talk {
                talk.next_at.get_or_insert(now + TICK);
            }
            return true;
        }
        if !decoded {
            leg.stop_decoding();
        }
        if let Some(other) = other.and_then(|other| self.find(other)) {
            other.relay(accepted, bytes, relay_events && !decoded, now, sink);
        }
        decoded
    }

    /// Mixes what is due.
    pub(super) fn mix_due(&mut self, now: Instant, sink: &mut dyn Sink) {
        let Some(talk) = &mut self.talk else { return };
        while let Some(at) = talk.next_at.filter(|at| *at <= now) {
            let late = now.duration_since(at) > MAX_LAG;
            talk.next_at = Some(if late { now } else { at } + TICK);
            if !mix(talk, &mut self.legs, now, sink) {
                talk.next_at = None;
            }
        }
    }
}

/// One tick; whether anybody is decoded.
fn mix(talk: &mut Talk, legs: &mut [Leg], now: Instant, sink: &mut dyn Sink) -> bool {
    let mixer = talk.mixer.get_or_insert_with(|| Box::new(Mixer::new(talk.hz)));
    let mut heard = [(false, Heard::Nothing); MAX_PARTIES];
    for ((party, key), heard) in talk.legs.iter().enumerate().zip(&mut heard) {
        let voice = mixer.voice(party);
        match legs.iter_mut().find(|leg| leg.key == *key) {
            Some(leg) => *heard = (leg.is_decoded(), leg.pull(voice, now)),
            None => voice.fill(0),
        }
    }
    mixer.add_up(talk.legs.len());
    for (party, key) in talk.legs.iter().enumerate() {
        let Some(leg) = legs.iter_mut().find(|leg| leg.key == *key) else { continue };
        let others =
            || heard.iter().enumerate().filter(|(other, _)| *other != party).map(|(_, heard)| *heard);
        if others().any(|(decoded, _)| decoded) {
            let quiet = others().all(|(_, heard)| heard != Heard::Voice);
            leg.say(mixer.for_party(party), quiet, talk.hz, now, sink);
        }
    }
    heard.iter().any(|(decoded, _)| *decoded)
}
