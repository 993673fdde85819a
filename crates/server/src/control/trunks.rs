//! What becomes of trunks, in the log.

use vorzimmer_sip::carrier::Pulse;
use vorzimmer_sip::ua::TrunkNews;

/// Writes news of a trunk down: what needs a person is a warning or an error.
pub(super) fn tell(trunk: &str, news: &TrunkNews) {
    match news {
        TrunkNews::Registered { expires } => {
            tracing::info!(trunk, expires_s = expires.as_secs(), "registered with the provider");
        }
        TrunkNews::RegistrationFailed { status, pause } => {
            tracing::warn!(
                trunk,
                status,
                again_s = pause.as_secs(),
                "the provider could not be registered with"
            );
        }
        TrunkNews::RegistrationRefused { status } => tracing::error!(
            trunk,
            status,
            "the provider refuses the registration: correct the trunk's log-in, then `vorzimmer trunks retry`"
        ),
        TrunkNews::Unregistered => tracing::info!(trunk, "the registration was given back"),
        TrunkNews::ChallengeRefused { why } => {
            tracing::error!(trunk, %why, "a challenge of the provider was not answered");
        }
        TrunkNews::Pulse(Pulse::Up) => tracing::info!(trunk, "the trunk is up"),
        TrunkNews::Pulse(pulse) => {
            tracing::warn!(trunk, state = pulse.as_str(), "the trunk does not answer as it should")
        }
    }
}
