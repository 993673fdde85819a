//! To whom a call may be put through: the one place where an address that a phone names becomes somebody to be called.
//!
//! A phone never chooses a number by itself. What it names is looked up: the customer's contacts, then our receptionists,
//! then the numbers that the operator allows besides. What is not found is nobody.

use vorzimmer_consent::Who;
use vorzimmer_sip::identity::NumberPlan;
use vorzimmer_sip::uri::{Scheme, Uri};
use vorzimmer_types::directory::{Contact, Customer, Directory, Reach};
use vorzimmer_types::event::Aim;
use vorzimmer_types::{ContactId, Pii, ReceptionistId};

use crate::config::{Colleagues, TransferRules};

/// Somebody who may be called.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A colleague, on her devices.
    Receptionist(ReceptionistId),
    /// Somebody outside, through a trunk.
    Outside {
        /// None for a number that the operator allows besides.
        contact: Option<ContactId>,
        /// Where, in this order.
        ways: Vec<Pii<Reach>>,
    },
}

impl Target {
    pub(crate) fn aim(&self) -> Aim {
        match self {
            Self::Receptionist(receptionist) => Aim::Receptionist { receptionist: *receptionist },
            Self::Outside { contact: Some(contact), .. } => Aim::Contact { contact: *contact },
            Self::Outside { contact: None, .. } => Aim::Number,
        }
    }

    fn of(contact: &Contact) -> Option<Self> {
        let (id, ways) = (Some(contact.id), contact.reach.clone());
        contact.transfer.then_some(Self::Outside { contact: id, ways })
    }
}

/// Who a person on the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// One of ours; whether her consent to be recorded is on file.
    Receptionist { id: ReceptionistId, standing: bool },
    /// Somebody outside.
    Contact { id: Option<ContactId> },
}

impl Person {
    pub(crate) fn receptionist(self) -> Option<ReceptionistId> {
        match self {
            Self::Receptionist { id, .. } => Some(id),
            Self::Contact { .. } => None,
        }
    }

    pub(crate) fn who(self) -> Who {
        match self {
            Self::Receptionist { id, standing } => Who::Receptionist { id, standing },
            Self::Contact { .. } => Who::Contact,
        }
    }
}

/// What is looked at to find somebody.
pub(crate) struct Search<'a> {
    pub(crate) customer: &'a Customer,
    pub(crate) directory: &'a Directory,
    pub(crate) rules: &'a TransferRules,
    pub(crate) plan: &'a NumberPlan,
    /// Who asks: nobody is put through to herself.
    pub(crate) by: ReceptionistId,
}

impl Search<'_> {
    /// Whom this short number stands for.
    pub(crate) fn short(&self, digits: &str) -> Option<Target> {
        self.customer.contact_by_short(digits).and_then(Target::of)
    }

    /// Whom this address stands for.
    pub(crate) fn address(&self, uri: &Uri) -> Option<Target> {
        let user = uri.user_decoded()?;
        let number = self.plan.number(uri);
        let is_reached = |contact: &&Contact| {
            contact.short.expose() == &user
                || contact.reach.iter().any(|reach| match reach.expose() {
                    Reach::Number(known) => number.as_ref() == Some(known),
                    Reach::Address(known) => Uri::parse(known).is_ok_and(|known| known.same_as(uri)),
                })
        };
        // Whoever the customer does not want to be rung is not rung by another way either.
        if let Some(contact) = self.customer.contacts.iter().find(is_reached) {
            return Target::of(contact);
        }
        if uri.scheme != Scheme::Tel
            && let Some(colleague) = self.directory.receptionist_by_login(&user)
        {
            return self.colleague(colleague.id);
        }
        let number = number?;
        let allowed = self.rules.numbers.iter().any(|prefix| number.as_str().starts_with(prefix.as_str()));
        let ways = vec![Pii::new(Reach::Number(number))];
        allowed.then_some(Target::Outside { contact: None, ways })
    }

    fn colleague(&self, id: ReceptionistId) -> Option<Target> {
        let allowed = match self.rules.colleagues {
            Colleagues::All => true,
            Colleagues::Team => self.customer.plan.team.iter().any(|place| place.receptionist == id),
            Colleagues::None => false,
        };
        (allowed && id != self.by).then_some(Target::Receptionist(id))
    }
}
