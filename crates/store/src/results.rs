//! How a recording's result is written in a column.

use vorzimmer_types::event::RecordingResult;

/// What became of a recording, as the tables show it.
const RESULTS: [(RecordingResult, &str); 5] = [
    (RecordingResult::Ok, "ok"),
    (RecordingResult::Degraded, "degraded"),
    (RecordingResult::Failed, "failed"),
    (RecordingResult::Blocked, "blocked"),
    (RecordingResult::Withdrawn, "withdrawn"),
];

pub(crate) fn result_name(result: RecordingResult) -> &'static str {
    RESULTS.iter().find(|(known, _)| *known == result).map_or("failed", |(_, name)| name)
}

/// Reads back what [`result_name`] wrote.
pub(crate) fn result_from_name(name: &str) -> Option<RecordingResult> {
    RESULTS.iter().find(|(_, known)| *known == name).map(|(result, _)| *result)
}
