//! The media of one call on its worker: the session, the sockets of its legs, its recordings.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use vorzimmer_call::api::{MediaCommand, MediaEvent, PlayId, Sound as Asked};
use vorzimmer_consent::Permit;
use vorzimmer_media::dtls::Identity;
use vorzimmer_media::{
    Channel, Command, Error, Event, Input, LegConfig, LegKey, RingBack, Session, Sink, Sound, Stats, Tap,
};
use vorzimmer_types::consent::Language;

use vorzimmer_types::{CallId, CustomerId, LegId, PartyId, Quality, RecordingId};
use vorzimmer_wire::Wire;

use super::outlet::{Outlet, Proven};
use super::recording::{Recording, Wanted};
use super::sockets::LegSockets;
use super::writer::Report;
use crate::clock::SystemEntropy;

/// The tune among the prompts; it has no words, and is listed under one language only.
const HOLD_MUSIC: &str = "hold-music";

/// An order to record.
pub struct RecordingOrder {
    /// Whose call.
    pub customer: CustomerId,
    /// The new recording.
    pub recording: RecordingId,
    /// The proof that everybody said yes.
    pub permit: Permit,
    /// Slot 0 and slot 1.
    pub tracks: Vec<(LegId, PartyId)>,
}

/// The media of one call.
pub struct CallMedia {
    call: CallId,
    session: Session,
    /// Within the call itself, as its recording: what lies apart has to be fetched apart.
    legs: SmallVec<[LegMedia; 2]>,
    next_leg: u32,
    recordings: SmallVec<[Recording; 1]>,
    closed: Vec<LegSockets>,
    ended: Vec<RecordingId>,
    scheduled: Option<Instant>,
    /// When the session wants to be looked at, as it said last.
    session_due: Option<Instant>,
    /// It may want that sooner.
    stirred: bool,
}

/// How far from the call itself a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its legs, and what records.
    Parts,
    /// What has been taken of its voice.
    Slot,
    /// Where the next of it goes.
    Places,
}

struct LegMedia {
    id: LegId,
    key: LegKey,
    sockets: LegSockets,
    /// Where the peer's signalling comes from.
    signalling: IpAddr,
    playing: Option<PlayId>,
    /// Packets that were neither heard nor answered, as far as they were counted.
    refused: u64,
}

impl CallMedia {
    /// A call without legs.
    pub fn new(call: CallId, identity: Arc<Identity>) -> Self {
        Self {
            call,
            session: Session::with_identity(identity),
            legs: SmallVec::new(),
            next_leg: 0,
            recordings: SmallVec::new(),
            closed: Vec::new(),
            ended: Vec::new(),
            scheduled: None,
            session_due: None,
            stirred: true,
        }
    }

    /// Which.
    pub fn id(&self) -> CallId {
        self.call
    }

    /// A new leg with these sockets, and what it is called here.
    ///
    /// # Errors
    /// The session takes no further leg; the sockets come back.
    pub fn open(
        &mut self,
        id: LegId,
        sockets: LegSockets,
        signalling: IpAddr,
        config: LegConfig,
        now: Instant,
    ) -> Result<LegKey, (Box<LegSockets>, Error)> {
        let key = LegKey(self.next_leg);
        let open = Command::Open { leg: key, config };
        if let Err(error) = self.session.command(open, now, &mut SystemEntropy, &mut Nobody) {
            return Err((Box::new(sockets), error));
        }
        self.next_leg += 1;
        self.stirred = true;
        self.legs.push(LegMedia { id, key, sockets, signalling, playing: None, refused: 0 });
        Ok(key)
    }

    /// Leaves to the kernel to serve those peers alone that speak, and everybody where a peer is silent. Says whether
    /// anybody speaks.
    pub fn fasten(&mut self, now: Instant, wire: &mut Wire) -> bool {
        let mut anybody = false;
        for leg in &mut self.legs {
            let speaker = self.session.settled(leg.key, now);
            leg.sockets.fasten(wire, speaker);
            anybody |= speaker.is_some();
        }
        anybody
    }

    /// A browser's leg is addressed by this name from now on; which leg it is and its name before, if that was another.
    pub fn rename(&mut self, id: LegId, ufrag: &str) -> Option<(LegKey, String)> {
        let leg = self.legs.iter_mut().find(|known| known.id == id)?;
        let LegSockets::Shared(share) = &mut leg.sockets else { return None };
        let before = std::mem::replace(&mut share.ufrag, ufrag.to_owned());
        (before != ufrag).then_some((leg.key, before))
    }

    /// Carries out a command that needs neither sockets nor the writer to be made.
    pub fn command(&mut self, command: MediaCommand, now: Instant, outlet: &mut Outlet<'_>) {
        match command {
            MediaCommand::Connect { leg, negotiated, .. } => {
                let mut known = self.legs.iter_mut().find(|known| known.id == leg);
                if let Some(known) = &mut known {
                    // The peer may be elsewhere from now on.
                    known.sockets.fasten(outlet.wire, None);
                }
                let signalling = known.map(|known| known.signalling);
                self.order(leg, now, outlet, |leg| Command::Remote { leg, negotiated, signalling });
            }
            MediaCommand::Play { leg, play, sound, .. } => self.play(leg, play, &sound, now, outlet),
            MediaCommand::StopPlay { leg, .. } => {
                self.playing(leg, None);
                self.order(leg, now, outlet, |leg| Command::Stop { leg });
            }
            MediaCommand::Bridge { caller, other, .. } => {
                let (Some(a), Some(b)) = (self.key(caller), self.key(other)) else { return };
                self.session_command(Command::Bridge { a, b, relay_events: false }, now, outlet);
            }
            MediaCommand::Mix { legs, .. } => {
                let legs = legs.into_iter().filter_map(|leg| self.key(leg)).collect();
                self.session_command(Command::Mix { legs }, now, outlet);
            }
            MediaCommand::Unbridge { .. } => self.session_command(Command::Unbridge, now, outlet),
            // The permit itself says whether frames are wanted; this is the moment to look at it.
            MediaCommand::PauseRecording { recording, .. }
            | MediaCommand::ResumeRecording { recording, .. } => {
                self.with_recording(recording, |recording| recording.tick(now, outlet));
            }
            MediaCommand::StopRecording { recording, why, .. } => {
                self.with_recording(recording, |recording| recording.stop(why, now, outlet));
            }
            // Those are the worker's.
            MediaCommand::Open { .. } | MediaCommand::Close { .. } | MediaCommand::StartRecording { .. } => {}
        }
    }

    /// Asks for keys and a file; the recorder starts when they are there.
    pub fn start_recording(
        &mut self,
        order: RecordingOrder,
        worker: usize,
        now: Instant,
        outlet: &mut Outlet<'_>,
    ) {
        let RecordingOrder { customer, recording, permit, tracks } = order;
        let legs: SmallVec<_> = tracks.iter().map(|(leg, _)| self.key(*leg)).collect();
        for (slot, leg) in (0..).zip(&legs) {
            let Some(leg) = *leg else { continue };
            self.session_command(Command::Tap { leg, slot: Some(slot) }, now, outlet);
        }
        let parties = tracks.into_iter().map(|(_, party)| party).collect();
        let wanted = Wanted { call: self.call, customer, recording, legs, parties, at: now };
        self.recordings.push(Recording::begin(wanted, permit, worker, outlet));
        self.forget_recordings();
    }

    /// What the writer has to say.
    pub fn report(&mut self, report: Report, now: Instant, outlet: &mut Outlet<'_>) {
        match report {
            Report::Ready { recording, secrets, expiry, key_version } => {
                self.with_recording(recording, |recording| {
                    recording.ready(secrets, expiry, key_version, now, outlet);
                });
            }
            Report::Refused { recording, why } => {
                self.with_recording(recording, |recording| recording.refused(&why, outlet));
            }
            Report::TakeBack { recording, stored } => {
                self.with_recording(recording, |recording| recording.take_back(stored));
            }
            Report::Closed { recording, pages, why } => {
                self.with_recording(recording, |recording| recording.closed(pages, why, outlet));
            }
        }
    }

    /// Has the call's parts brought near for a datagram that is taken soon: those that the parts one step nearer point to.
    pub fn soon(&self, leg: LegKey, step: Step) {
        match step {
            Step::Parts => {
                self.recordings.iter().for_each(Recording::soon);
                self.session.near(leg).for_each(|(leg, part)| vorzimmer_wire::soon(leg, part));
            }
            Step::Slot => self.recordings.iter().for_each(|one| one.slot_soon(leg)),
            Step::Places => self.recordings.iter().for_each(|one| one.places_soon(leg)),
        }
    }

    /// Takes a datagram.
    pub fn take(
        &mut self,
        leg: LegKey,
        channel: Channel,
        from: SocketAddr,
        bytes: &mut [u8],
        now: Instant,
        outlet: &mut Outlet<'_>,
    ) {
        outlet.turn.received += 1;
        let input = Input { leg, channel, from, bytes };
        let mut sink =
            CallSink { call: self.call, legs: &mut self.legs, recordings: &mut self.recordings, outlet };
        if !self.session.handle(input, now, &mut sink) {
            // A voice that was passed on, as nearly everything that comes.
            return;
        }
        self.stirred = true;
        let refused = self.session.refused(leg);
        if let Some(known) = self.legs.iter_mut().find(|known| known.key == leg) {
            outlet.turn.dropped += refused - std::mem::replace(&mut known.refused, refused);
        }
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant, outlet: &mut Outlet<'_>) {
        self.stirred = true;
        for recording in &mut self.recordings {
            recording.tick(now, outlet);
        }
        let mut sink =
            CallSink { call: self.call, legs: &mut self.legs, recordings: &mut self.recordings, outlet };
        self.session.poll(now, &mut SystemEntropy, &mut sink);
        self.forget_recordings();
    }

    /// Ends a leg; its sockets are then among [`CallMedia::take_closed`].
    pub fn close(&mut self, leg: LegId, now: Instant, outlet: &mut Outlet<'_>) {
        let Some(key) = self.key(leg) else { return };
        self.session_command(Command::Close { leg: key }, now, outlet);
        if let Some(at) = self.legs.iter().position(|known| known.key == key) {
            let leg = self.legs.remove(at);
            self.closed.push(leg.sockets);
        }
    }

    /// Closes everything: the process is ending.
    pub fn end(&mut self, now: Instant, outlet: &mut Outlet<'_>) {
        for recording in &mut self.recordings {
            recording.stop(vorzimmer_call::api::StopWhy::CallEnded, now, outlet);
        }
        while let Some(leg) = self.legs.first() {
            let id = leg.id;
            self.close(id, now, outlet);
        }
    }

    /// Sockets of legs that were closed.
    pub fn take_closed(&mut self) -> Vec<LegSockets> {
        std::mem::take(&mut self.closed)
    }

    /// Recordings that are over.
    pub fn take_ended_recordings(&mut self) -> Vec<RecordingId> {
        std::mem::take(&mut self.ended)
    }

    /// Whether nothing is left of the call.
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.recordings.is_empty()
    }

    /// A time to be woken at, if none that is early enough was named before.
    pub fn reschedule(&mut self, now: Instant) -> Option<Instant> {
        // Voice that is passed on puts nothing off to an earlier time, and that is nearly all that ever comes.
        if std::mem::take(&mut self.stirred) {
            self.session_due = self.session.next_wake(now);
        }
        let next = self.due(now)?;
        if self.scheduled.is_some_and(|at| at <= next) {
            return None;
        }
        self.scheduled = Some(next);
        Some(next)
    }

    /// Whether a timer that was set for `at` still means something.
    pub fn fires(&mut self, at: Instant) -> bool {
        self.scheduled.take_if(|scheduled| *scheduled == at).is_some()
    }

    /// Whether there is anything to do, as far as is known without a look at the legs.
    pub fn is_due(&self, now: Instant) -> bool {
        self.stirred || self.due(now).is_some_and(|due| due <= now)
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let recordings = self.recordings.iter().filter_map(|one| one.next_wake(now));
        recordings.chain(self.session_due).min()
    }

    fn play(&mut self, leg: LegId, play: PlayId, asked: &Asked, now: Instant, outlet: &mut Outlet<'_>) {
        let (sound, looped) = match asked {
            Asked::Prompt { name, language } => match outlet.prompts.prompt(name, *language) {
                Some(prompt) => (Sound::Prompt(prompt), false),
                None => {
                    tracing::error!(call = %self.call, prompt = name, ?language, "no such prompt");
                    let (call, complete) = (self.call, false);
                    outlet.events.push_back(MediaEvent::PlayEnded { call, leg, play, complete });
                    return;
                }
            },
            Asked::Ringback(Language::De) => (Sound::RingBack(RingBack::Germany), true),
            Asked::Ringback(Language::En) => (Sound::RingBack(RingBack::UnitedKingdom), true),
            Asked::HoldTone => (Sound::Hold, true),
            Asked::HoldMusic => match outlet.prompts.prompt(HOLD_MUSIC, Language::De) {
                Some(music) => (Sound::Prompt(music), true),
                None => (Sound::Hold, true),
            },
            Asked::Silence => (Sound::Silence, true),
        };
        self.playing(leg, Some(play));
        let id = short(play);
        self.order(leg, now, outlet, |leg| Command::Play { leg, sound, id, looped });
    }

    fn playing(&mut self, leg: LegId, play: Option<PlayId>) {
        if let Some(leg) = self.legs.iter_mut().find(|known| known.id == leg) {
            leg.playing = play;
        }
    }

    fn order(
        &mut self,
        leg: LegId,
        now: Instant,
        outlet: &mut Outlet<'_>,
        command: impl FnOnce(LegKey) -> Command,
    ) {
        if let Some(key) = self.key(leg) {
            self.session_command(command(key), now, outlet);
        }
    }

    fn session_command(&mut self, command: Command, now: Instant, outlet: &mut Outlet<'_>) {
        self.stirred = true;
        let mut sink =
            CallSink { call: self.call, legs: &mut self.legs, recordings: &mut self.recordings, outlet };
        if let Err(error) = self.session.command(command, now, &mut SystemEntropy, &mut sink) {
            tracing::error!(call = %self.call, %error, "a media command cannot be carried out");
        }
    }

    fn with_recording(&mut self, id: RecordingId, act: impl FnOnce(&mut Recording)) {
        if let Some(recording) = self.recordings.iter_mut().find(|known| known.id() == id) {
            act(recording);
        }
        self.forget_recordings();
    }

    fn forget_recordings(&mut self) {
        let over = self.recordings.iter().filter(|known| known.is_over()).map(Recording::id);
        self.ended.extend(over);
        self.recordings.retain(|known| !known.is_over());
    }

    fn key(&self, leg: LegId) -> Option<LegKey> {
        self.legs.iter().find(|known| known.id == leg).map(|known| known.key)
    }
}

/// Plays are counted over all calls; within a leg the low bits tell them apart.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn short(play: PlayId) -> vorzimmer_media::PlayId {
    vorzimmer_media::PlayId(play.0 as u32)
}

/// Where a session's doings go.
struct CallSink<'a, 'b> {
    call: CallId,
    legs: &'a mut [LegMedia],
    recordings: &'a mut [Recording],
    outlet: &'a mut Outlet<'b>,
}

impl CallSink<'_, '_> {
    fn leg(&mut self, key: LegKey) -> Option<&mut LegMedia> {
        self.legs.iter_mut().find(|leg| leg.key == key)
    }
}

impl Sink for CallSink<'_, '_> {
    fn send(&mut self, leg: LegKey, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let wire = &mut *self.outlet.wire;
        let leg = self.legs.iter().find(|known| known.key == leg);
        let sent = leg.is_some_and(|leg| leg.sockets.send(wire, channel, to, bytes).is_ok());
        if sent {
            self.outlet.turn.sent += 1;
        } else {
            self.outlet.turn.dropped += 1;
        }
    }

    fn tap(&mut self, tap: Tap<'_>) {
        for recording in self.recordings.iter_mut() {
            recording.tap(&tap, self.outlet);
        }
    }

    fn passed(&mut self, leg: LegKey, slot: u8, ssrc: u32, sequence: u16) {
        for recording in self.recordings.iter_mut() {
            recording.passed(leg, slot, ssrc, sequence);
        }
    }

    fn proven(&mut self, leg: LegKey, peer: SocketAddr) {
        let instead_of = match self.leg(leg).map(|leg| &mut leg.sockets) {
            Some(LegSockets::Shared(share)) => share.found(peer),
            _ => None,
        };
        self.outlet.proven.push(Proven { call: self.call, leg, peer, instead_of });
    }

    fn event(&mut self, event: Event) {
        let call = self.call;
        let event = match event {
            Event::Secured { leg, suite } => {
                self.leg(leg).map(|leg| MediaEvent::Secured { call, leg: leg.id, suite })
            }
            Event::Insecure { leg, failure } => {
                tracing::warn!(%call, %failure, "a leg's handshake failed");
                self.leg(leg).map(|leg| MediaEvent::Insecure { call, leg: leg.id })
            }
            Event::Digit { leg, digit, .. } => {
                self.leg(leg).map(|leg| MediaEvent::Digit { call, leg: leg.id, digit: digit.as_char() })
            }
            Event::PromptEnded { leg, prompt, complete } => self.leg(leg).and_then(|leg| {
                let play = leg.playing.take_if(|play| short(*play) == prompt)?;
                Some(MediaEvent::PlayEnded { call, leg: leg.id, play, complete })
            }),
            Event::Silent { leg } => self.leg(leg).map(|leg| MediaEvent::Silent { call, leg: leg.id }),
            Event::Closed { leg, stats } => self.leg(leg).map(|leg| quality(call, leg.id, &stats)),
            Event::DigitEnded { .. } | Event::Latched { .. } | Event::RtcpBye { .. } => None,
        };
        self.outlet.events.extend(event);
    }
}

fn quality(call: CallId, leg: LegId, stats: &Stats) -> MediaEvent {
    let us = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let quality = Quality {
        received: stats.received,
        lost: stats.lost,
        jitter_us: us(stats.jitter),
        lost_there: stats.lost_there,
        round_trip_us: stats.rtt.map(us),
        mos: stats.mos,
    };
    MediaEvent::Quality { call, leg, quality }
}

/// For orders that send nothing.
struct Nobody;

impl Sink for Nobody {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {}
    fn tap(&mut self, _: Tap<'_>) {}
    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}
    fn event(&mut self, _: Event) {}
}
