//! What is demanded of each leg's media: by its trunk or its receptionist, and by whose call it is.
//!
//! The stricter rule wins. A customer under `secrecy` (§ 203 StGB: lawyers, doctors, tax advisers) demands that the
//! receptionist's leg is encrypted, whatever the others say; how the caller's own network carries the call is not ours
//! to choose.

use vorzimmer_sdp::{Profile, Protection, Refusal};
use vorzimmer_sip::ua::{Flow, Reason};
use vorzimmer_types::TrunkId;
use vorzimmer_types::directory::{Customer, Receptionist};
use vorzimmer_types::srtp::SrtpPolicy;

use crate::config::ExchangeConfig;

/// Of a leg over a trunk.
pub(crate) fn of_trunk(
    config: &ExchangeConfig,
    trunk: TrunkId,
    customers: SrtpPolicy,
    flow: &Flow,
) -> Protection {
    let trunks = config.srtp.trunks.get(&trunk).copied().unwrap_or_default();
    protection(config, trunks.and(customers), flow)
}

/// Of a leg towards a receptionist's device.
pub(crate) fn of_device(
    config: &ExchangeConfig,
    receptionist: Option<&Receptionist>,
    customer: &Customer,
    flow: &Flow,
) -> Protection {
    let hers = receptionist.map(|known| known.srtp).unwrap_or_default();
    let secrecy = if customer.secrecy { SrtpPolicy::Require } else { SrtpPolicy::Prefer };
    protection(config, hers.and(customer.srtp).and(secrecy), flow)
}

fn protection(config: &ExchangeConfig, policy: SrtpPolicy, flow: &Flow) -> Protection {
    Protection {
        policy,
        in_clear: !flow.transport.is_secure(),
        clear_keys_will_do: config.srtp.clear_keys_will_do,
        certificate: config.srtp.certificate,
        profile: Profile::BestEffort,
    }
}

/// Why a description is refused, in words for the peer's technician: what was wanted, and is not there.
pub(crate) fn refused(refusal: Refusal) -> Reason {
    let warning = Some(refusal.warning());
    Reason { protocol: "SIP", cause: refusal.status(), text: refusal.to_string(), warning }
}

/// The same, if it is for want of the encryption that is demanded.
pub(crate) fn reason(refusal: Refusal) -> Option<Reason> {
    let demanded = matches!(
        refusal,
        Refusal::SecureTransport
            | Refusal::NotEncrypted
            | Refusal::NoCommonSuite
            | Refusal::KeysInClear
            | Refusal::NoHandshake
    );
    demanded.then(|| refused(refusal))
}
