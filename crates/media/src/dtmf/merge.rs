//! One stream of digits from two detectors, so that a press that arrives as an event and as a tone counts once.

use std::mem::offset_of;
use std::time::{Duration, Instant};

use super::{Digit, EventBody, EventReceiver, Key, ToneDetector};
use crate::DigitSource;

/// A tone and an event of the same digit that begin within this time are one press.
const SAME_PRESS: Duration = Duration::from_millis(600);

/// The digits of one leg.
///
/// A leg that sends events is believed in those alone: from its first event on, tones are no longer listened to.
/// What is left to merge is that first press, whose tone may have been noticed before its first event came.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Digits {
    speaks_events: bool,
    /// The end of the press under way was told already.
    mute_up: bool,
    /// What was last told because of a tone.
    told: Option<Told>,
    events: EventReceiver,
    tones: ToneDetector,
}

#[derive(Clone, Copy)]
struct Told {
    digit: Digit,
    at: Instant,
    up: bool,
}

impl Digits {
    /// Bytes that hold what is looked at while only voice comes.
    pub(crate) const NEAR: usize = offset_of!(Self, tones) + ToneDetector::NEAR;

    /// Takes the payload of an event packet.
    pub(crate) fn event(
        &mut self,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        clock_hz: u32,
        now: Instant,
        mut tell: impl FnMut(Key, DigitSource),
    ) {
        let Some(body) = EventBody::parse(payload) else { return };
        self.events.set_clock(clock_hz);
        for key in self.events.receive(marker, timestamp, body, now).into_iter().flatten() {
            self.on_event(key, now, &mut tell);
        }
    }

    /// Whether tones are listened to.
    pub(crate) fn wants_audio(&self) -> bool {
        !self.speaks_events
    }

    /// Takes a packet of audio, as samples at 8000 Hz, with the first one's timestamp.
    pub(crate) fn audio(
        &mut self,
        timestamp: u32,
        samples: impl ExactSizeIterator<Item = i16>,
        now: Instant,
        mut tell: impl FnMut(Key, DigitSource),
    ) {
        if self.speaks_events {
            return;
        }
        let told = &mut self.told;
        self.tones.audio(timestamp, samples, |key| {
            match key {
                Key::Down(digit) => *told = Some(Told { digit, at: now, up: false }),
                Key::Up(..) => *told = told.map(|told| Told { up: true, ..told }),
            }
            tell(key, DigitSource::Tone);
        });
    }

    /// Ends presses whose packets have stopped coming.
    pub(crate) fn poll(&mut self, now: Instant, mut tell: impl FnMut(Key, DigitSource)) {
        if let Some(key) = self.events.poll(now) {
            self.on_event(key, now, &mut tell);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.events.next_wake()
    }

    /// The stream is another one now: ends what is down, and listens to tones again.
    pub(crate) fn reset(&mut self, mut tell: impl FnMut(Key, DigitSource)) {
        let mut before = std::mem::take(self);
        if let Some(key) = before.events.end().filter(|_| !before.mute_up) {
            tell(key, DigitSource::Event);
        }
        if let Some(key) = before.tones.release() {
            tell(key, DigitSource::Tone);
        }
    }

    fn on_event(&mut self, key: Key, now: Instant, tell: &mut impl FnMut(Key, DigitSource)) {
        match key {
            Key::Down(digit) => {
                self.speaks_events = true;
                // Taken, so that a tone absorbs one event only: the next press of the key counts again.
                let told = self.told.take().filter(|told| told.digit == digit);
                let told = told.filter(|told| now.duration_since(told.at) <= SAME_PRESS);
                self.mute_up = told.is_some_and(|told| told.up);
                // A tone that is being heard gets its end from the event of the same press.
                let tone = self.tones.release();
                if told.is_none() {
                    tone.into_iter().for_each(|key| tell(key, DigitSource::Tone));
                    tell(key, DigitSource::Event);
                }
            }
            Key::Up(..) if std::mem::take(&mut self.mute_up) => {}
            Key::Up(..) => tell(key, DigitSource::Event),
        }
    }
}
