//! Why something ended, as a number that networks agree on: a SIP status, or a cause of the telephone network.

use serde::{Deserialize, Serialize};

/// A cause, as a Reason header has it (RFC 3326 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A SIP status.
    Sip(u16),
    /// A cause of ITU-T Q.850: 16 is normal call clearing, 17 user busy.
    Q850(u16),
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sip(status) => write!(f, "SIP {status}"),
            Self::Q850(cause) => write!(f, "Q.850 {cause}"),
        }
    }
}
