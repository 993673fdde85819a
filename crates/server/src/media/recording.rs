//! One recording on its worker: from the permit to the final page. The recorder seals, the writer writes; this is what
//! stands between them and the call.

use std::time::{Duration, Instant};

use smallvec::SmallVec;
use vorzimmer_call::api::{MediaEvent, StopWhy};
use vorzimmer_consent::Permit;
use vorzimmer_media::{Content, LegKey, Tap};
use vorzimmer_recorder::queue::QUEUE_PAGES;
use vorzimmer_recorder::{Finished, FrameRef, Params, Recorder, SealedPage};
use vorzimmer_types::event::RecordingResult;
use vorzimmer_types::{CallId, CustomerId, Day, PartyId, RecordingId};
use vorzimmer_vault::callrec::{EndReason, MAX_SLOTS};
use vorzimmer_vault::keys::SlotSecret;

use super::outlet::Outlet;
use super::writer::Job;
use crate::clock::SystemEntropy;

/// How long to wait before the last pages are offered to the writer again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// What is known of a recording before it runs.
pub struct Wanted {
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub customer: CustomerId,
    /// The recording.
    pub recording: RecordingId,
    /// The legs of the slots, as far as they are still there.
    pub legs: SmallVec<[Option<LegKey>; MAX_SLOTS]>,
    /// The parties of the slots.
    pub parties: Vec<PartyId>,
    /// When it was ordered, everybody having said yes.
    pub at: Instant,
}

/// A recording that is wanted, runs, or is being closed.
pub struct Recording {
    wanted: Wanted,
    stage: Stage,
    told_pages: u64,
}

enum Stage {
    /// Keys and file are being made. A stop that comes meanwhile is remembered.
    Waiting(Box<Permit>, Option<StopWhy>),
    Running(Box<Recorder>),
    /// The final page is on its way, or waits until the writer has room for it.
    Closing(Box<Finished>, Option<Vec<SealedPage>>),
    Over,
}

impl Recording {
    /// Asks the writer for keys and a file.
    pub fn begin(wanted: Wanted, permit: Permit, worker: usize, outlet: &mut Outlet<'_>) -> Self {
        let Wanted { call, customer, recording, .. } = wanted;
        let slots = wanted.parties.len();
        let mut new = Self { wanted, stage: Stage::Waiting(Box::new(permit), None), told_pages: 0 };
        if outlet.pages.offer(Job::Begin { worker, call, customer, recording, slots }).is_err() {
            new.fail("the disk does not follow", outlet);
        }
        new
    }

    /// Which.
    pub fn id(&self) -> RecordingId {
        self.wanted.recording
    }

    /// Whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Keys and file are there: starts the recorder, if the permit still lives.
    pub fn ready(
        &mut self,
        secrets: Vec<SlotSecret>,
        expiry: Day,
        key_version: u32,
        now: Instant,
        outlet: &mut Outlet<'_>,
    ) {
        let Stage::Waiting(permit, stop) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let recording = self.wanted.recording;
        if stop.is_some() || !permit.is_live() {
            self.discard("it ended before it began", outlet);
            return;
        }
        let (pages, drain) = outlet.stock.queue(QUEUE_PAGES, self.wanted.parties.len());
        let params = Params {
            recording,
            customer: self.wanted.customer,
            expiry,
            key_version,
            parties: self.wanted.parties.clone(),
            secrets,
            consented: self.wanted.at,
            queue: pages,
        };
        match Recorder::start(*permit, params, now, &mut SystemEntropy) {
            Ok((recorder, header)) => {
                if outlet.pages.offer(Job::Run { recording, header, drain }).is_err() {
                    self.discard("the disk does not follow", outlet);
                    return;
                }
                self.stage = Stage::Running(Box::new(recorder));
                outlet.counters.recording_started();
                outlet.events.push_back(MediaEvent::RecordingStarted { call: self.wanted.call, recording });
            }
            Err(error) => {
                tracing::error!(call = %self.wanted.call, %recording, %error, "the recorder does not start");
                self.discard(&error.to_string(), outlet);
            }
        }
    }

    /// The writer could not begin it.
    pub fn refused(&mut self, why: &str, outlet: &mut Outlet<'_>) {
        if let Stage::Running(_) = self.stage {
            outlet.counters.recording_ended(0);
        }
        self.fail(why, outlet);
    }

    /// The disk did not take page `stored` and what followed.
    pub fn take_back(&mut self, stored: u64) {
        if let Stage::Running(recorder) = &mut self.stage {
            recorder.take_back(stored);
            self.told_pages = recorder.pages();
        }
    }

    /// The file is closed: tells the call what became of it.
    pub fn closed(&mut self, pages: u64, broken: Option<String>, outlet: &mut Outlet<'_>) {
        let Stage::Closing(finished, _) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let gaps = finished.gap_counts();
        let (mut result, mut why) = (finished.result, finished.why);
        if let Some(broken) = broken {
            result = if pages == 0 { RecordingResult::Failed } else { RecordingResult::Degraded };
            why = if why.is_empty() { broken } else { format!("{why}; {broken}") };
        }
        outlet.counters.recording_ended(u64::from(gaps[0]) + u64::from(gaps[1]));
        let duration = Duration::from_millis(finished.duration_ms);
        self.tell_end(result, duration, gaps, pages, why, outlet);
    }

    /// Has what records brought near.
    pub fn soon(&self) {
        if let Stage::Running(recorder) = &self.stage {
            vorzimmer_wire::soon(&**recorder, Recorder::NEAR);
        }
    }

    /// Has what has been taken of a leg's voice brought near, and the permit.
    pub fn slot_soon(&self, leg: LegKey) {
        if let (Stage::Running(recorder), Some(slot)) = (&self.stage, self.slot(leg)) {
            let life = recorder.permit_near();
            vorzimmer_wire::soon(life, 0..size_of_val(life));
            recorder.near(slot).into_iter().for_each(|(slot, part)| vorzimmer_wire::soon(slot, part));
        }
    }

    /// Has the places brought near to which a leg's next frame goes.
    pub fn places_soon(&self, leg: LegKey) {
        if let (Stage::Running(recorder), Some(slot)) = (&self.stage, self.slot(leg)) {
            recorder.places(slot).for_each(|place| vorzimmer_wire::soon(place, 0..place.len()));
        }
    }

    fn slot(&self, leg: LegKey) -> Option<usize> {
        self.wanted.legs.iter().position(|known| *known == Some(leg))
    }

    /// Takes what a tapped leg said.
    pub fn tap(&mut self, tap: &Tap<'_>, outlet: &mut Outlet<'_>) {
        let slot = usize::from(tap.slot);
        let ours = self.wanted.legs.get(slot).is_some_and(|leg| *leg == Some(tap.leg));
        let Stage::Running(recorder) = &mut self.stage else { return };
        if !ours {
            return;
        }
        let frame = FrameRef {
            codec: match tap.content {
                Content::Voice(codec) => codec.into(),
                Content::Noise => vorzimmer_recorder::Codec::Noise,
            },
            ssrc: tap.ssrc,
            rtp_timestamp: tap.timestamp,
            sequence: tap.sequence,
            payload: tap.payload,
        };
        // What is refused is counted by the recorder.
        let _kept = recorder.frame(slot, &frame, tap.at, &mut SystemEntropy);
        self.tell_pages(outlet);
    }

    /// Takes note of a packet that held no voice.
    pub fn passed(&mut self, leg: LegKey, slot: u8, ssrc: u32, sequence: u16) {
        let slot = usize::from(slot);
        if let Stage::Running(recorder) = &mut self.stage
            && self.wanted.legs.get(slot).is_some_and(|known| *known == Some(leg))
        {
            recorder.pass(slot, ssrc, sequence);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, outlet: &mut Outlet<'_>) {
        match &mut self.stage {
            Stage::Running(recorder) => {
                recorder.poll(now, &mut SystemEntropy);
                self.tell_pages(outlet);
            }
            Stage::Closing(_, unsent @ Some(_)) => {
                let last = unsent.take().unwrap_or_default();
                *unsent = hand_in(self.wanted.recording, last, outlet);
            }
            Stage::Closing(_, None) | Stage::Waiting(..) | Stage::Over => {}
        }
    }

    /// When something is due.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Stage::Running(recorder) => recorder.next_wake(),
            Stage::Closing(_, Some(_)) => Some(now + TRY_AGAIN),
            Stage::Closing(_, None) | Stage::Waiting(..) | Stage::Over => None,
        }
    }

    /// Ends it.
    pub fn stop(&mut self, why: StopWhy, now: Instant, outlet: &mut Outlet<'_>) {
        let reason = match why {
            StopWhy::CallEnded => EndReason::HungUp,
            StopWhy::EpochEnded => EndReason::EpochEnded,
            StopWhy::Withdrawn(_) => EndReason::Withdrawn,
        };
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waiting(permit, _) => self.stage = Stage::Waiting(permit, Some(why)),
            Stage::Running(recorder) => self.finish(*recorder, reason, now, outlet),
            other => self.stage = other,
        }
    }

    fn finish(&mut self, recorder: Recorder, reason: EndReason, now: Instant, outlet: &mut Outlet<'_>) {
        let recording = self.wanted.recording;
        let mut finished = match recorder.finish(reason, now, &mut SystemEntropy) {
            Ok(finished) => finished,
            Err(error) => {
                tracing::error!(%recording, %error, "the final page cannot be sealed; the next start closes it");
                outlet.counters.recording_ended(0);
                self.fail(&error.to_string(), outlet);
                return;
            }
        };
        let last = std::mem::take(&mut finished.last_pages);
        let unsent = hand_in(recording, last, outlet);
        self.stage = Stage::Closing(Box::new(finished), unsent);
    }

    /// Tells the writer that a page waits. If it cannot be told, it looks by itself soon.
    fn tell_pages(&mut self, outlet: &mut Outlet<'_>) {
        let Stage::Running(recorder) = &self.stage else { return };
        if recorder.pages() != self.told_pages {
            self.told_pages = recorder.pages();
            drop(outlet.pages.offer(Job::Look { recording: self.wanted.recording }));
        }
    }

    fn discard(&mut self, why: &str, outlet: &mut Outlet<'_>) {
        let recording = self.wanted.recording;
        if outlet.pages.offer(Job::Discard { recording }).is_err() {
            tracing::error!(%recording, "an empty recording could not be removed; the next start does it");
        }
        self.fail(why, outlet);
    }

    fn fail(&mut self, why: &str, outlet: &mut Outlet<'_>) {
        self.stage = Stage::Over;
        self.tell_end(RecordingResult::Failed, Duration::ZERO, [0; 2], 0, why.into(), outlet);
    }

    fn tell_end(
        &self,
        result: RecordingResult,
        duration: Duration,
        gaps: [u32; 2],
        pages: u64,
        why: String,
        outlet: &mut Outlet<'_>,
    ) {
        let (call, recording) = (self.wanted.call, self.wanted.recording);
        outlet.events.push_back(MediaEvent::RecordingEnded {
            call,
            recording,
            result,
            duration,
            gaps,
            pages,
            why,
        });
    }
}

/// Orders the last pages to be written; gives them back if the writer has no room for the order now.
fn hand_in(
    recording: RecordingId,
    last: Vec<SealedPage>,
    outlet: &mut Outlet<'_>,
) -> Option<Vec<SealedPage>> {
    match outlet.pages.offer(Job::Finish { recording, last }).map_err(|job| *job) {
        Err(Job::Finish { last, .. }) => Some(last),
        _ => None,
    }
}
