//! What is counted and logged of each call: from its events, with the call's id and nothing personal.

use std::collections::HashMap;

use metrics::{counter, histogram};
use vorzimmer_api::meters;
use vorzimmer_types::consent::Answer;
use vorzimmer_types::event::{EndedBy, RecordingResult};
use vorzimmer_types::record::Disposition;
use vorzimmer_types::{CallId, Event, EventRecord, Quality, UnixMillis};

/// What is remembered of calls that run. An entry goes when its call ends.
#[derive(Default)]
pub(super) struct Ledger(HashMap<CallId, Entry>);

struct Entry {
    offered_at: UnixMillis,
    connected: bool,
}

impl Ledger {
    pub(super) fn note(&mut self, record: &EventRecord) {
        let call = record.call;
        match &record.event {
            Event::Offered { trunk, .. } => {
                tracing::info!(%call, trunk, "a call is offered");
                self.0.insert(call, Entry { offered_at: record.at, connected: false });
            }
            Event::Refused { status, why } => {
                tracing::info!(%call, status, why, "the call is refused");
                self.0.remove(&call);
                count_call(Disposition::Refused);
            }
            Event::Answered => {
                tracing::info!(%call, "the call is answered");
                histogram!(meters::SETUP_SECONDS).record(self.seconds_since_offer(record));
            }
            Event::Connected { .. } | Event::ContactConnected { .. } => {
                tracing::info!(%call, "somebody is connected");
                self.connected(record);
            }
            Event::Consented { receipt } => {
                counter!(meters::CONSENT, "outcome" => answer(receipt.receipt.answer)).increment(1);
            }
            Event::RecordingStarted { recording, .. } => {
                tracing::info!(%call, %recording, "recording begins")
            }
            Event::RecordingFinished { result, gaps, why, .. } => finished(call, *result, *gaps, why),
            Event::RecordingDestroyed { recording, why } => {
                tracing::info!(%call, %recording, why, "the recording is destroyed");
            }
            Event::Ended { by, why } => {
                tracing::info!(%call, ?by, why, "the call is over");
                let connected = self.0.remove(&call).is_some_and(|entry| entry.connected);
                count_call(disposition(connected, *by));
            }
            Event::Secured { security, .. } => {
                counter!(meters::LEGS, "security" => security.label()).increment(1);
            }
            Event::TransferAsked { how, .. } => tracing::info!(%call, ?how, "the call is to be put through"),
            Event::TransferRefused { why, .. } => tracing::info!(%call, why, "a transfer is refused"),
            Event::TransferEnded { outcome } => tracing::info!(%call, ?outcome, "the transfer is over"),
            // Told by whoever encodes, after the call.
            Event::RecordingReencoded { .. } | Event::RecordingNotReencoded { .. } => {}
            Event::Prompted { .. }
            | Event::ContactRung { .. }
            | Event::Explained { .. }
            | Event::Together { .. }
            | Event::Left { .. }
            | Event::Rung { .. }
            | Event::RingEnded { .. }
            | Event::Held { .. }
            | Event::Resumed { .. } => {}
            Event::Quality { quality, .. } => heard(quality),
        }
    }

    fn connected(&mut self, record: &EventRecord) {
        let seconds = self.seconds_since_offer(record);
        if let Some(entry) = self.0.get_mut(&record.call)
            && !std::mem::replace(&mut entry.connected, true)
        {
            histogram!(meters::CONNECT_SECONDS).record(seconds);
        }
    }

    fn seconds_since_offer(&self, record: &EventRecord) -> f64 {
        let millis =
            self.0.get(&record.call).map_or(0, |entry| record.at.0.saturating_sub(entry.offered_at.0));
        f64::from(i32::try_from(millis.max(0)).unwrap_or(i32::MAX)) / 1000.0
    }
}

fn count_call(disposition: Disposition) {
    let word = match disposition {
        Disposition::Open => "open",
        Disposition::Refused => "refused",
        Disposition::Abandoned => "abandoned",
        Disposition::Unanswered => "unanswered",
        Disposition::Handled => "handled",
    };
    counter!(meters::CALLS, "disposition" => word).increment(1);
}

/// As [`vorzimmer_types::CallRecord`] folds it.
fn disposition(connected: bool, by: EndedBy) -> Disposition {
    match (connected, by) {
        (true, _) => Disposition::Handled,
        (false, EndedBy::Caller) => Disposition::Abandoned,
        (false, _) => Disposition::Unanswered,
    }
}

/// What one leg was like.
fn heard(quality: &Quality) {
    let seconds = |us: u32| f64::from(us) / 1e6;
    // Beyond 2³² packets, a share is as exact as it needs to be.
    let count = |packets: u64| f64::from(u32::try_from(packets).unwrap_or(u32::MAX));
    let sent = count(quality.received.saturating_add(quality.lost)).max(1.0);
    histogram!(meters::LEG_LOSS).record(count(quality.lost) / sent);
    histogram!(meters::LEG_JITTER_SECONDS).record(seconds(quality.jitter_us));
    if let Some(trip) = quality.round_trip_us {
        histogram!(meters::LEG_ROUND_TRIP_SECONDS).record(seconds(trip));
    }
    if let Some(mos) = quality.mos {
        histogram!(meters::LEG_MOS).record(mos.value());
    }
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Silence => "silence",
        Answer::CutShort => "cut-short",
        Answer::HungUp => "hung-up",
        Answer::Withdrawn => "withdrawn",
    }
}

fn finished(call: CallId, result: RecordingResult, gaps: [u32; 2], why: &str) {
    let word = match result {
        RecordingResult::Ok => "ok",
        RecordingResult::Degraded => "degraded",
        RecordingResult::Failed => "failed",
        RecordingResult::Blocked => "blocked",
        RecordingResult::Withdrawn => "withdrawn",
    };
    match result {
        // Somebody should look at disk, keys or load.
        RecordingResult::Degraded | RecordingResult::Failed => {
            tracing::warn!(%call, result = word, why, "a recording is not whole");
        }
        RecordingResult::Ok | RecordingResult::Blocked | RecordingResult::Withdrawn => {
            tracing::info!(%call, result = word, why, "recording ended");
        }
    }
    counter!(meters::RECORDINGS, "result" => word).increment(1);
    counter!(meters::GAPS).increment(gaps.iter().map(|gaps| u64::from(*gaps)).sum());
}
