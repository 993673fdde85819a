//! Who somebody is to a call, as far as consent goes.

use vorzimmer_types::ReceptionistId;
use vorzimmer_types::consent::Role;

/// What somebody is on this call, with what consent needs to know of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Who rang the business.
    Caller,
    /// Who takes the call.
    Receptionist {
        /// Who she is: named in a receipt that she attests.
        id: ReceptionistId,
        /// Whether her consent to be recorded is on file.
        standing: bool,
    },
    /// Whom the caller asked for: nobody of ours.
    Contact,
}

impl Who {
    /// The role that goes into receipts.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Caller => Role::Caller,
            Self::Receptionist { .. } => Role::Receptionist,
            Self::Contact => Role::Contact,
        }
    }

    /// Whether it agreed once and for all.
    pub(crate) fn has_standing_consent(self) -> bool {
        matches!(self, Self::Receptionist { standing: true, .. })
    }
}
