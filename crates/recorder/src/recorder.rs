//! One recording while it runs.

use std::collections::VecDeque;
use std::fmt;
use std::mem::offset_of;
use std::ops::Range;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use vorzimmer_consent::Permit;
use vorzimmer_types::{CustomerId, Day, Entropy, PartyId, RecordingId};
use vorzimmer_vault::SlotSecret;
use vorzimmer_vault::callrec::{Context, EndReason, Ending, Form, MAX_SLOTS, Writer};

use crate::error::{Error, Result};
use crate::finished::{Finished, judge};
use crate::frame::{Codec, FrameRef, SAMPLES_PER_MS};
use crate::gaps::GapKind;
use crate::queue::{PageQueue, SealedPage};
use crate::slot::Slot;
use crate::table::AUDIO_LEN;
use crate::timeline::Stamp;

/// A page is sealed this long after its first frame arrived. A frame holds some 20 ms that were spoken before, and the
/// writer takes its time: together that stays within the 200 ms that a kill may cost.
pub const PAGE_SPAN: Duration = Duration::from_millis(160);
/// A frame that comes so shortly before closes the page: nobody need be woken for it.
const SHORTLY: Duration = Duration::from_millis(5);
/// For how many pages it is remembered what they held, in case the disk does not take them.
const IN_FLIGHT_PAGES: usize = 32;

/// What a recording is made for.
#[derive(Debug)]
pub struct Params {
    /// The recording.
    pub recording: RecordingId,
    /// Whose recording it is.
    pub customer: CustomerId,
    /// The day on which it is due.
    pub expiry: Day,
    /// The version of the key that wraps its secrets.
    pub key_version: u32,
    /// Whose voice each slot holds: the caller in slot 0, the receptionist in slot 1.
    pub parties: Vec<PartyId>,
    /// Each slot's secret.
    pub secrets: Vec<SlotSecret>,
    /// When the last yes was known. A frame that was begun before is not taken, though it arrives after: its first
    /// samples were spoken without consent.
    pub consented: Instant,
    /// Where sealed pages go.
    pub queue: PageQueue,
}

/// The first page of a recording's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPage(pub Vec<u8>);

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the page that fills.
    Yes,
    /// The permit does not cover it, or no longer. It was not looked at.
    Blocked,
    /// The call is on hold.
    Held,
    /// It came before, or too late to be placed.
    Stale,
    /// It cannot be kept: empty, or longer than a page.
    Unusable,
}

/// How many samples of each slot a page held that is sealed but perhaps not stored.
type InFlight = [u16; MAX_SLOTS];

/// A recording that runs. It owns the permit that lets it. Its parts lie in this order: what each frame asks for lies
/// together.
#[repr(C)]
pub struct Recorder {
    slots: SmallVec<[Slot; 2]>,
    /// When the first frame of the page that fills arrived.
    page_began: Option<Instant>,
    held_since: Option<Instant>,
    started: Instant,
    consented: Instant,
    writer: Writer,
    permit: Permit,
    queue: PageQueue,
    /// When the permit was first seen dead.
    dead_since: Option<Instant>,
    run: u32,
    /// The newest pages, the last one last.
    in_flight: VecDeque<InFlight>,
    blocked: u64,
    recording: RecordingId,
}

impl Recorder {
    /// Starts a recording; gives the page that its file begins with.
    ///
    /// # Errors
    /// [`Error::PermitEnded`], [`Error::NotCovered`]; [`Error::QueuePages`] if the queue is for another number of
    /// parties; [`Error::Vault`] if parties and secrets do not make a recording.
    pub fn start(
        permit: Permit,
        params: Params,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, HeaderPage)> {
        if !permit.is_live() {
            return Err(Error::PermitEnded);
        }
        if let Some(slot) = params.parties.iter().position(|party| !permit.covers(*party)) {
            return Err(Error::NotCovered { slot });
        }
        let slots = params.parties.iter().map(|party| Slot::new(*party)).collect();
        let context = Context {
            recording: params.recording,
            customer: params.customer,
            expiry: params.expiry,
            key_version: params.key_version,
            // Each frame names its own.
            codec: 0,
            form: Form::AsItCame,
            parties: params.parties,
            receipts_hash: permit.receipts_hash(),
        };
        let (writer, header) = Writer::start(&context, &params.secrets, entropy)?;
        let (expected, found) = (writer.page_len(), params.queue.page_len());
        if expected != found {
            return Err(Error::QueuePages { expected, found });
        }
        let recorder = Self {
            permit,
            recording: params.recording,
            writer,
            queue: params.queue,
            slots,
            consented: params.consented,
            started: now,
            page_began: None,
            held_since: None,
            dead_since: None,
            run: 0,
            in_flight: VecDeque::with_capacity(IN_FLIGHT_PAGES),
            blocked: 0,
        };
        Ok((recorder, HeaderPage(header)))
    }

    /// Takes a frame that arrived for slot `slot`.
    pub fn frame(
        &mut self,
        slot: usize,
        frame: &FrameRef<'_>,
        now: Instant,
        entropy: &mut dyn Entropy,
    ) -> Kept {
        self.look(now, now + SHORTLY, entropy);
        let covered = self.slots.get(slot).is_some_and(|slot| self.permit.covers(slot.party));
        if !covered {
            self.blocked += 1;
            return Kept::Blocked;
        }
        if self.held_since.is_some() {
            return Kept::Held;
        }
        let kept = self.place(slot, frame, now, entropy);
        self.blocked += u64::from(kept == Kept::Blocked);
        kept
    }

    /// Takes note of a packet of slot `slot`'s stream that holds no voice, a telephone-event for one: it is not lost.
    pub fn pass(&mut self, slot: usize, ssrc: u32, sequence: u16) {
        if let Some(slot) = self.slots.get_mut(slot).filter(|_| self.held_since.is_none()) {
            slot.pass(ssrc, sequence);
        }
    }

    /// Does what is due: wipes what a withdrawal forbids, follows hold and resume, seals a page whose time is
    /// up. Call it at least at [`Recorder::next_wake`], and every few milliseconds while frames come.
    pub fn poll(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        self.look(now, now, entropy);
    }

    /// The same, for pages whose time is up at `until`.
    fn look(&mut self, now: Instant, until: Instant, entropy: &mut dyn Entropy) {
        if !self.permit.is_live() {
            self.permit_ended(now);
            return;
        }
        match (self.permit.is_running(), self.held_since) {
            (false, None) => self.pause(now, entropy),
            (true, Some(since)) => self.resume(since, now),
            _ => {}
        }
        if self.page_began.is_some_and(|began| until >= began + PAGE_SPAN) {
            self.close_page(entropy);
        }
    }

    /// When to call [`Recorder::poll`] next if no frame comes.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.page_began.filter(|_| self.permit.is_live()).map(|began| began + PAGE_SPAN)
    }

    /// Whether the permit still lets it record.
    #[must_use]
    pub fn is_permitted(&self) -> bool {
        self.permit.is_live()
    }

    /// The bytes that each frame needs, for whoever wants them near before they are needed; how many slots there are stands
    /// right before.
    pub const NEAR: Range<usize> =
        offset_of!(Self, page_began) - size_of::<usize>()..offset_of!(Self, permit) + Permit::NEAR;

    /// What the next frame of a slot needs besides, and which bytes of it.
    #[must_use]
    pub fn near(&self, slot: usize) -> Option<(&(impl Sized + use<>), Range<usize>)> {
        self.slots.get(slot).map(|slot| (slot, Slot::NEAR))
    }

    /// What the permit is asked by.
    #[must_use]
    pub fn permit_near(&self) -> &(impl Sized + use<>) {
        self.permit.near()
    }

    /// Where the bytes of a slot's next frame go, likewise.
    pub fn places(&self, slot: usize) -> impl Iterator<Item = &[u8]> {
        self.slots.get(slot).into_iter().flat_map(|slot| slot.page.next())
    }

    /// The recording.
    #[must_use]
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Pages of sound sealed so far.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.writer.pages()
    }

    /// The disk did not take page `stored` and what followed: they become a gap, and the next page gets number
    /// `stored`, with the next [`SealedPage::run`]. The writer has cut the file there and throws away what is still on
    /// its way from the run before.
    pub fn take_back(&mut self, stored: u64) {
        if stored >= self.writer.pages() {
            return;
        }
        let back = usize::try_from(self.writer.pages() - stored).unwrap_or(usize::MAX);
        self.writer.take_back(stored);
        self.run += 1;
        let mut samples = [0; MAX_SLOTS];
        let kept = self.in_flight.len().saturating_sub(back);
        for page in self.in_flight.drain(kept..) {
            for (sum, of_page) in samples.iter_mut().zip(page) {
                *sum += u64::from(of_page);
            }
        }
        for (slot, samples) in self.slots.iter_mut().zip(samples) {
            slot.kept_samples = slot.kept_samples.saturating_sub(samples);
            slot.drop_sound(GapKind::Disk, samples);
        }
    }

    /// Ends the recording. What was taken before the permit ended is kept, the caller's last words included, unless
    /// consent was taken back.
    ///
    /// # Errors
    /// [`Error::Vault`] if the final page cannot be sealed: the file then stays open, to be recovered.
    pub fn finish(mut self, reason: EndReason, now: Instant, entropy: &mut dyn Entropy) -> Result<Finished> {
        self.poll(now, entropy);
        if let Some(since) = self.held_since.filter(|_| self.permit.is_live()) {
            self.resume(since, now);
        }
        let mut last_pages = Vec::with_capacity(2);
        if self.page_began.is_some() {
            let mut buffer = vec![0; self.writer.page_len()].into_boxed_slice();
            if let Some(index) = self.seal_into(&mut buffer, entropy) {
                last_pages.push(SealedPage { index, run: self.run, bytes: buffer });
            }
        }
        for slot in &mut self.slots {
            slot.finish_stream();
        }
        let end = self.slots.iter().map(|slot| slot.timeline.end()).max().unwrap_or(0);
        let lasted = samples_between(self.started, self.dead_since.unwrap_or(now));
        let duration_ms = lasted.max(end).div_ceil(SAMPLES_PER_MS);
        let slots: Vec<_> = self.slots.iter().map(|slot| slot.tally.total).collect();
        let kept = self.slots.iter().map(|slot| slot.kept_samples).sum();
        let (result, why) = judge(reason, duration_ms, kept, &slots);
        let pages = self.writer.pages();
        let receipts_root = self.permit.receipts_hash();
        let ending = Ending { reason, duration_ms, slots: slots.clone(), receipts_root };
        let mut bytes = vec![0; self.writer.page_len()].into_boxed_slice();
        let index = self.writer.seal_final(&ending, &mut bytes, entropy)?;
        last_pages.push(SealedPage { index, run: self.run, bytes });
        let (recording, blocked) = (self.recording, self.blocked);
        Ok(Finished { recording, result, why, duration_ms, pages, slots, blocked, last_pages })
    }

    fn place(&mut self, index: usize, frame: &FrameRef<'_>, now: Instant, entropy: &mut dyn Entropy) -> Kept {
        let wall = samples_between(self.started, now);
        let Some(slot) = self.slots.get_mut(index) else {
            return Kept::Blocked;
        };
        let samples = frame.codec.samples(frame.payload);
        if samples_between(self.consented, now) < samples {
            // Begun before everybody had said yes.
            return Kept::Blocked;
        }
        let nothing = samples == 0 && frame.codec != Codec::Noise;
        if nothing || frame.payload.is_empty() || frame.payload.len() > AUDIO_LEN {
            slot.tally.count(GapKind::Unusable, 1, samples);
            return Kept::Unusable;
        }
        let follows = slot.follows(frame);
        if !slot.arrive(frame) {
            return Kept::Stale;
        }
        if samples > 0 {
            slot.frame_samples = samples;
        }
        let stamp =
            Stamp { ssrc: frame.ssrc, timestamp: frame.rtp_timestamp, clock_hz: frame.codec.clock_hz() };
        let Some(position) = slot.timeline.place(stamp, samples, wall, follows) else {
            // Spoken before it was permitted.
            return Kept::Blocked;
        };
        if !slot.page.fits(frame.payload) {
            self.close_page(entropy);
        }
        let began = samples_between(self.started, *self.page_began.get_or_insert(now));
        let offset = position.cast_signed().wrapping_sub(began.cast_signed());
        let Some((slot, offset)) = self.slots.get_mut(index).zip(i32::try_from(offset).ok()) else {
            return Kept::Unusable;
        };
        slot.page.push(offset, frame.codec, frame.payload);
        Kept::Yes
    }

    /// Seals the page that fills and lets it out; without room for it, counts a gap.
    fn close_page(&mut self, entropy: &mut dyn Entropy) {
        let Some(mut buffer) = self.queue.take() else {
            self.drop_page(GapKind::QueueFull);
            return;
        };
        let Some(index) = self.seal_into(&mut buffer, entropy) else {
            self.queue.give_back(buffer);
            return;
        };
        let page = SealedPage { index, run: self.run, bytes: buffer };
        if self.queue.put(page).is_err() {
            // The writer is gone: what was sealed is as good as unwritten.
            self.take_back(index);
        }
    }

    /// Seals the page that fills into `buffer`; `None` if that fails, and then it is a gap.
    fn seal_into(&mut self, buffer: &mut [u8], entropy: &mut dyn Entropy) -> Option<u64> {
        if !self.permit.may_seal() {
            // Consent was taken back: nothing unsealed is written any more.
            self.clear();
            return None;
        }
        let began = samples_between(self.started, self.page_began?);
        let mut texts: [&[u8]; MAX_SLOTS] = [&[]; MAX_SLOTS];
        let mut samples = [0; MAX_SLOTS];
        let count = self.slots.len();
        for ((slot, text), samples) in self.slots.iter_mut().zip(&mut texts).zip(&mut samples) {
            *samples = slot.page.samples();
            *text = slot.page.text(began, &slot.tally.unwritten);
        }
        let pages = self.writer.pages();
        let sealed = self.writer.seal_page(texts.get(..count)?, buffer, entropy);
        let Ok(index) = sealed else {
            self.writer.take_back(pages);
            self.drop_page(GapKind::Sealing);
            return None;
        };
        for (slot, samples) in self.slots.iter_mut().zip(samples) {
            slot.sealed(samples);
        }
        if self.in_flight.len() == IN_FLIGHT_PAGES {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(samples.map(|samples| u16::try_from(samples).unwrap_or(u16::MAX)));
        self.clear();
        Some(index)
    }

    /// Makes a gap of the page that fills.
    fn drop_page(&mut self, kind: GapKind) {
        for slot in &mut self.slots {
            let samples = slot.page.samples();
            slot.drop_sound(kind, samples);
        }
        self.clear();
    }

    fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.page.clear();
        }
        self.page_began = None;
    }

    /// No further frame is taken. If consent was taken back, nothing unsealed is ever written; otherwise the last words
    /// wait for [`Recorder::finish`].
    fn permit_ended(&mut self, now: Instant) {
        self.dead_since.get_or_insert(now);
        if !self.permit.may_seal() {
            self.clear();
        }
    }

    fn pause(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        if self.page_began.is_some() {
            self.close_page(entropy);
        }
        self.held_since = Some(now);
    }

    fn resume(&mut self, since: Instant, now: Instant) {
        let samples = samples_between(since, now);
        let wall = samples_between(self.started, now);
        for slot in &mut self.slots {
            slot.finish_stream();
            slot.timeline.lift(wall);
            slot.tally.count(GapKind::Hold, 1, samples);
        }
        self.held_since = None;
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("recording", &self.recording)
            .field("pages", &self.pages())
            .finish_non_exhaustive()
    }
}

/// Samples at 8 kHz from one moment to a later one.
fn samples_between(from: Instant, to: Instant) -> u64 {
    let time = to.saturating_duration_since(from);
    let part = u64::from(time.subsec_micros()) * SAMPLES_PER_MS / 1000;
    time.as_secs().saturating_mul(SAMPLES_PER_MS * 1000).saturating_add(part)
}
