//! What a call is told when no media worker took a command: what the worker would have said had it failed.

use std::time::Duration;

use vorzimmer_call::MediaEvent;
use vorzimmer_call::api::MediaCommand;
use vorzimmer_types::event::RecordingResult;

const WHY: &str = "the media workers took no more orders";

/// The event that ends or degrades what the command was for; none where nothing waits for it.
pub(super) fn consequence(command: &MediaCommand) -> Option<MediaEvent> {
    let call = command.call();
    tracing::error!(%call, "{WHY}");
    match command {
        MediaCommand::Open { leg, .. } => Some(MediaEvent::OpenFailed { call, leg: *leg }),
        // A leg that cannot be connected hears and says nothing: it ends as a silent one does.
        MediaCommand::Connect { leg, .. } | MediaCommand::Bridge { caller: leg, .. } => {
            Some(MediaEvent::Silent { call, leg: *leg })
        }
        MediaCommand::Mix { legs, .. } => legs.first().map(|leg| MediaEvent::Silent { call, leg: *leg }),
        MediaCommand::Play { leg, play, .. } => {
            Some(MediaEvent::PlayEnded { call, leg: *leg, play: *play, complete: false })
        }
        MediaCommand::StartRecording { recording, .. } | MediaCommand::StopRecording { recording, .. } => {
            Some(MediaEvent::RecordingEnded {
                call,
                recording: *recording,
                result: RecordingResult::Failed,
                duration: Duration::ZERO,
                gaps: [0; 2],
                pages: 0,
                why: WHY.to_owned(),
            })
        }
        // A permit that has ended or rests stops the recorder without an order, and a closed leg is silent.
        MediaCommand::StopPlay { .. }
        | MediaCommand::Unbridge { .. }
        | MediaCommand::PauseRecording { .. }
        | MediaCommand::ResumeRecording { .. }
        | MediaCommand::Close { .. } => None,
    }
}
