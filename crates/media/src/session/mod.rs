//! The media of one call: its legs, and the bridge between two of them.

mod talk;
mod words;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use vorzimmer_types::Entropy;

use talk::Talk;
pub use words::{Channel, Command, Content, DigitSource, Event, Input, LegConfig, LegKey, PlayId, Sink, Tap};

use crate::dtls::Identity;
use crate::leg::{Accepted, Kind, Leg};
use crate::sound::Player;
use crate::{Error, Stats};

/// The media of one call.
#[derive(Default)]
pub struct Session {
    legs: Vec<Leg>,
    /// The keys of the legs, in their order: which leg is meant is known without looking at any of them.
    keys: SmallVec<[LegKey; 4]>,
    talk: Option<Talk>,
    identity: Option<Arc<Identity>>,
}

impl Session {
    /// Most legs of a call: the caller and every device that is rung at the same time.
    pub const MAX_LEGS: usize = 32;

    /// A call without legs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, able to shake hands by DTLS.
    #[must_use]
    pub fn with_identity(identity: Arc<Identity>) -> Self {
        Self { identity: Some(identity), ..Self::default() }
    }

    /// Takes a datagram. Whatever it leads to has gone into `sink` when this returns. Whether something may be due sooner
    /// than [`Session::next_wake`] said before, or it was refused: not so after a voice that was only passed on.
    pub fn handle(&mut self, input: Input<'_>, now: Instant, sink: &mut dyn Sink) -> bool {
        let Input { leg, channel, from, bytes } = input;
        let sorted = match channel {
            Channel::Rtp => self.find(leg).and_then(|leg| leg.sort(from, bytes, now, sink)),
            Channel::Rtcp => Some((channel, from)),
        };
        let Some((channel, from)) = sorted else { return true };
        match channel {
            Channel::Rtp => self.handle_rtp(leg, from, bytes, now, sink),
            Channel::Rtcp => {
                if let Some(leg) = self.find(leg) {
                    leg.receive_control(from, bytes, now, sink);
                }
                true
            }
        }
    }

    /// Carries out an order.
    ///
    /// # Errors
    /// [`Error`] if it names a leg that is not there, or would make one too many.
    pub fn command(
        &mut self,
        command: Command,
        now: Instant,
        random: &mut dyn Entropy,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        match command {
            Command::Open { leg, config } => self.open(leg, config, now, random)?,
            Command::Remote { leg, negotiated, signalling } => {
                self.leg(leg)?.remote(negotiated, signalling, now, random, sink);
                self.settle_rate();
            }
            Command::Play { leg, sound, id, looped } => {
                self.leg(leg)?.play(Player::new(id, sound.clip(), looped), now, sink);
            }
            Command::Stop { leg } => self.leg(leg)?.stop(sink),
            Command::Press { leg, digit } => {
                if !self.leg(leg)?.press(digit) {
                    return Err(Error::NotPressed { leg, digit });
                }
            }
            Command::Bridge { a, b, relay_events } => self.join(&[a, b], relay_events)?,
            Command::Mix { legs } => self.join(&legs, false)?,
            Command::Unbridge => self.part(),
            Command::Hold { leg, on } => self.leg(leg)?.hold(on, now),
            Command::Tap { leg, slot } => self.leg(leg)?.tap(slot),
            Command::Close { leg } => self.close(leg, now, sink)?,
        }
        Ok(())
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant, random: &mut dyn Entropy, sink: &mut dyn Sink) {
        for leg in &mut self.legs {
            leg.poll(now, random, sink);
        }
        self.mix_due(now, sink);
    }

    /// When [`Session::poll`] has something to do; ask again after every call of the others. `now` if at once.
    #[must_use]
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let mixing = self.talk.as_ref().and_then(|talk| talk.next_at);
        self.legs.iter().filter_map(|leg| leg.next_wake(now)).chain(mixing).min()
    }

    /// What a leg's media is like so far.
    #[must_use]
    pub fn stats(&self, leg: LegKey) -> Option<Stats> {
        self.legs.iter().find(|l| l.key == leg).map(Leg::stats)
    }

    /// Where a leg's peer is, if it was heard within the last 100 ms: what comes from elsewhere to its port for RTP would
    /// not be heard, and nothing is sent elsewhere, until it has been silent for longer than that or a command says
    /// otherwise. So whoever moves packets may leave the rest to the kernel, and look again within 250 ms.
    #[must_use]
    pub fn settled(&self, leg: LegKey, now: Instant) -> Option<SocketAddr> {
        self.legs.iter().find(|l| l.key == leg)?.settled(now)
    }

    /// How many packets that came to a leg's ports were neither heard nor answered so far.
    #[must_use]
    pub fn refused(&self, leg: LegKey) -> u64 {
        self.legs.iter().find(|l| l.key == leg).map_or(0, Leg::refused)
    }

    /// The legs that a packet of this leg needs, and which of their bytes: for whoever wants them near before they are
    /// needed. What they are is nobody's business.
    pub fn near(&self, leg: LegKey) -> impl Iterator<Item = (&(impl Sized + use<>), Range<usize>)> {
        self.legs.iter().zip(&self.keys).flat_map(move |(one, key)| {
            let parts = if *key == leg { Leg::HEARD } else { Leg::TOLD };
            parts.into_iter().map(move |part| (one, part))
        })
    }

    /// Whether no leg is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    fn find(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.key == key)
    }

    fn leg(&mut self, key: LegKey) -> Result<&mut Leg, Error> {
        self.find(key).ok_or(Error::UnknownLeg(key))
    }

    fn open(
        &mut self,
        key: LegKey,
        config: LegConfig,
        now: Instant,
        random: &mut dyn Entropy,
    ) -> Result<(), Error> {
        if self.find(key).is_some() {
            return Err(Error::LegExists(key));
        }
        if self.legs.len() >= Self::MAX_LEGS {
            return Err(Error::TooManyLegs { limit: Self::MAX_LEGS });
        }
        self.legs.push(Leg::new(key, config, self.identity.clone(), now, random));
        self.keys.push(key);
        Ok(())
    }

    fn close(&mut self, key: LegKey, now: Instant, sink: &mut dyn Sink) -> Result<(), Error> {
        let leg = self.leg(key)?;
        leg.close(now, sink);
        sink.event(Event::Closed { leg: key, stats: leg.stats() });
        self.legs.retain(|leg| leg.key != key);
        self.keys.retain(|known| *known != key);
        self.leave(key);
        Ok(())
    }

    fn handle_rtp(
        &mut self,
        key: LegKey,
        from: SocketAddr,
        bytes: &mut [u8],
        now: Instant,
        sink: &mut dyn Sink,
    ) -> bool {
        let Some(leg) = self.find(key) else { return true };
        let Some(accepted) = leg.receive(from, bytes, now, sink) else { return true };
        if leg.held() {
            return true;
        }
        let goes_on = matches!(accepted.kind, Kind::Audio(_)) && !accepted.restarted && !leg.hears_a_key();
        if let Some(slot) = leg.slot() {
            tap(key, slot, &accepted, bytes, now, sink);
        }
        let decoded = self.pass_on(key, &accepted, bytes, now, sink);
        decoded || !goes_on
    }
}

/// Hands the recorder what was heard, as it came.
fn tap(leg: LegKey, slot: u8, accepted: &Accepted, bytes: &[u8], now: Instant, sink: &mut dyn Sink) {
    let view = &accepted.view;
    let content = match accepted.kind {
        Kind::Audio(codec) => Content::Voice(codec),
        Kind::Noise => Content::Noise,
        Kind::Event | Kind::Empty => {
            sink.passed(leg, slot, view.ssrc, view.sequence);
            return;
        }
    };
    sink.tap(Tap {
        leg,
        slot,
        content,
        ssrc: view.ssrc,
        timestamp: view.timestamp,
        sequence: view.sequence,
        restarted: accepted.restarted,
        at: now,
        payload: view.payload(bytes),
    });
}
