//! The recordings of one call: each is begun once, stopped once, and reported once, whatever the recorder says.
//!
//! Whether anything may be recorded is not decided here: a recording begins with a permit of the consent gate.

use std::time::{Duration, Instant};

use vorzimmer_consent::Permit;
use vorzimmer_sdp::Recording as Indication;
use vorzimmer_types::consent::Epoch;
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{Event, RecordingResult};
use vorzimmer_types::{CallId, CustomerId, LegId, PartyId, RecordingId};

use crate::api::{MediaCommand, Output, StopWhy};
use crate::hands::{Hands, Journal};
use crate::limits::{DESTROYED_WITHIN, RECORDER_ENDS_WITHIN, RECORDER_STARTS_WITHIN, RECORDINGS_PER_CALL};

/// All recordings that a call began, the latest last.
#[derive(Debug)]
pub(crate) struct Recordings {
    call: CallId,
    customer: CustomerId,
    all: Vec<Recording>,
    /// Somebody is on hold.
    held: bool,
    /// Somebody's telephone wants a pause.
    wanted: bool,
}

#[derive(Debug)]
struct Recording {
    id: RecordingId,
    epoch: Epoch,
    /// The recorder said that it runs.
    started: bool,
    stage: Stage,
    withdrawn: bool,
    destruction: Destruction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Asked for, not running yet.
    Starting { until: Instant },
    /// Running.
    Open,
    /// Told to stop.
    Closing { until: Instant },
    /// Reported.
    Finished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destruction {
    NotWanted,
    Wanted {
        until: Instant,
    },
    /// Done, or no longer waited for.
    Over,
}

/// What the recorder reports at a recording's end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) result: RecordingResult,
    pub(crate) duration: Duration,
    pub(crate) gaps: [u32; 2],
    pub(crate) pages: u64,
    pub(crate) why: String,
}

impl Report {
    fn failed(why: &str) -> Self {
        let result = RecordingResult::Failed;
        Self { result, duration: Duration::ZERO, gaps: [0; 2], pages: 0, why: why.to_owned() }
    }

    fn event(self, recording: Option<RecordingId>) -> Event {
        Event::RecordingFinished {
            recording,
            result: self.result,
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            gaps: self.gaps,
            pages: self.pages,
            why: self.why,
        }
    }
}

impl Recordings {
    pub(crate) fn new(call: CallId, customer: CustomerId) -> Self {
        Self { call, customer, all: Vec::new(), held: false, wanted: false }
    }

    /// Begins a recording of these two. A permit that does not cover both, or one too many, begins nothing and says so.
    pub(crate) fn begin(
        &mut self,
        permit: Permit,
        tracks: Vec<(LegId, PartyId)>,
        journal: &mut Journal,
        hands: &mut Hands<'_>,
    ) {
        if !tracks.iter().all(|(_, party)| permit.covers(*party)) {
            let why = "the consent is not that of the people on the call";
            journal.write(hands, Report::failed(why).event(None));
            return;
        }
        if self.all.len() >= RECORDINGS_PER_CALL {
            journal.write(hands, Report::failed("too many recordings in one call").event(None));
            return;
        }
        let recording = RecordingId::random(hands.entropy);
        self.all.push(Recording {
            id: recording,
            epoch: permit.epoch(),
            started: false,
            stage: Stage::Starting { until: hands.now.mono + RECORDER_STARTS_WITHIN },
            withdrawn: false,
            destruction: Destruction::NotWanted,
        });
        let (call, customer) = (self.call, self.customer);
        hands.media(MediaCommand::StartRecording { call, customer, recording, permit, tracks });
        self.held = false;
        if self.wanted {
            hands.media(MediaCommand::PauseRecording { call, recording });
        }
    }

    /// The recorder runs.
    pub(crate) fn started(&mut self, id: RecordingId, journal: &mut Journal, hands: &mut Hands<'_>) {
        let Some(recording) = self.all.iter_mut().find(|recording| recording.id == id) else { return };
        if recording.started || recording.stage == Stage::Finished {
            return;
        }
        recording.started = true;
        if matches!(recording.stage, Stage::Starting { .. }) {
            recording.stage = Stage::Open;
        }
        journal.write(hands, Event::RecordingStarted { recording: id, epoch: recording.epoch });
    }

    /// The recorder has closed it, by itself or because it was told to.
    pub(crate) fn ended(
        &mut self,
        id: RecordingId,
        report: Report,
        journal: &mut Journal,
        hands: &mut Hands<'_>,
    ) {
        let Some(recording) = self.all.iter_mut().find(|recording| recording.id == id) else { return };
        recording.finish(report, journal, hands);
    }

    /// Nobody talks for a while: no frames are wanted.
    pub(crate) fn pause(&mut self, hands: &mut Hands<'_>) {
        self.pauses(true, self.wanted, hands);
    }

    /// They talk again.
    pub(crate) fn resume(&mut self, hands: &mut Hands<'_>) {
        self.pauses(false, self.wanted, hands);
    }

    /// Somebody's telephone wants a pause, or nobody's does any more.
    pub(crate) fn wanted_paused(&mut self, wanted: bool, hands: &mut Hands<'_>) {
        self.pauses(self.held, wanted, hands);
    }

    fn pauses(&mut self, held: bool, wanted: bool, hands: &mut Hands<'_>) {
        let (before, after) = (self.held || self.wanted, held || wanted);
        (self.held, self.wanted) = (held, wanted);
        let Some(recording) = self.open().map(|recording| recording.id).filter(|_| before != after) else {
            return;
        };
        let call = self.call;
        hands.media(if after {
            MediaCommand::PauseRecording { call, recording }
        } else {
            MediaCommand::ResumeRecording { call, recording }
        });
    }

    /// What is true about recording now (RFC 7866 §6.1.2): `on` from the recorder's word that it runs to its word that it
    /// is closed.
    pub(crate) fn indication(&self) -> Indication {
        let runs = |recording: &Recording| recording.started && recording.stage != Stage::Finished;
        match self.all.iter().any(runs) {
            false => Indication::Off,
            true if self.held || self.wanted => Indication::Paused,
            true => Indication::On,
        }
    }

    /// Closes the open recording. Whether there was one.
    pub(crate) fn stop(&mut self, why: StopWhy, hands: &mut Hands<'_>) -> bool {
        let until = hands.now.mono + RECORDER_ENDS_WITHIN;
        let Some(recording) = self.all.iter_mut().rfind(|recording| recording.is_open()) else {
            return false;
        };
        recording.stage = Stage::Closing { until };
        recording.withdrawn = why == StopWhy::Withdrawn(OnWithdrawal::Destroy);
        hands.media(MediaCommand::StopRecording { call: self.call, recording: recording.id, why });
        true
    }

    /// Destroys everything that this call has recorded so far.
    pub(crate) fn destroy_all(&mut self, hands: &mut Hands<'_>) {
        let (call, customer) = (self.call, self.customer);
        let until = hands.now.mono + DESTROYED_WITHIN;
        for recording in &mut self.all {
            if recording.destruction == Destruction::NotWanted {
                recording.destruction = Destruction::Wanted { until };
                recording.withdrawn = true;
                let (recording, why) = (recording.id, "withdrawn");
                hands.outputs.push_back(Output::DestroyRecording { recording, customer, call, why });
            }
        }
    }

    /// A recording is destroyed, as was asked.
    pub(crate) fn destroyed(&mut self, id: RecordingId, journal: &mut Journal, hands: &mut Hands<'_>) {
        let wanted = |recording: &&mut Recording| {
            recording.id == id && matches!(recording.destruction, Destruction::Wanted { .. })
        };
        if let Some(recording) = self.all.iter_mut().find(wanted) {
            recording.destruction = Destruction::Over;
            journal.write(hands, Event::RecordingDestroyed { recording: id, why: "withdrawn".into() });
        }
    }

    /// Whoever has not answered in time has failed, and that is said.
    pub(crate) fn wake(&mut self, journal: &mut Journal, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        for recording in &mut self.all {
            if matches!(recording.destruction, Destruction::Wanted { until } if until <= now) {
                recording.destruction = Destruction::Over;
            }
            match recording.stage {
                Stage::Starting { until } if until <= now => {
                    let (recording_id, why) = (recording.id, StopWhy::CallEnded);
                    hands.media(MediaCommand::StopRecording {
                        call: self.call,
                        recording: recording_id,
                        why,
                    });
                    recording.finish(Report::failed("the recorder did not start in time"), journal, hands);
                }
                Stage::Closing { until } if until <= now => {
                    let why = "the recorder did not say in time that it had closed the recording";
                    recording.finish(Report::failed(why), journal, hands);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.all.iter().flat_map(Recording::deadlines).min()
    }

    /// Whether one is being made right now.
    pub(crate) fn is_recording(&self) -> bool {
        self.open().is_some()
    }

    /// Whether nothing is waited for any more.
    pub(crate) fn is_over(&self) -> bool {
        self.all.iter().all(|recording| {
            recording.stage == Stage::Finished && !matches!(recording.destruction, Destruction::Wanted { .. })
        })
    }

    fn open(&self) -> Option<&Recording> {
        self.all.iter().rfind(|recording| recording.is_open())
    }
}

impl Recording {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Starting { .. } | Stage::Open)
    }

    /// Reports it, the first time only.
    fn finish(&mut self, report: Report, journal: &mut Journal, hands: &mut Hands<'_>) {
        if self.stage == Stage::Finished {
            return;
        }
        self.stage = Stage::Finished;
        let result = match report.result {
            RecordingResult::Ok | RecordingResult::Degraded if self.withdrawn => RecordingResult::Withdrawn,
            result => result,
        };
        journal.write(hands, Report { result, ..report }.event(Some(self.id)));
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> + use<> {
        let stage = match self.stage {
            Stage::Starting { until } | Stage::Closing { until } => Some(until),
            Stage::Open | Stage::Finished => None,
        };
        let destruction = match self.destruction {
            Destruction::Wanted { until } => Some(until),
            Destruction::NotWanted | Destruction::Over => None,
        };
        stage.into_iter().chain(destruction)
    }
}
