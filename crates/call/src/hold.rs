//! Who has put whom on hold, as a machine of its own.
//!
//! Two people talk; each may hold, both may at once. It says what each of them is to hear. It does not know how a
//! hold is signalled, nor what it means for a recording: that is `call::talking`'s and the consent gate's.

/// One of those who talk; a hold is between the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who rang.
    Caller,
    /// Who took the call.
    Attendant,
    /// A third one, whom the attendant asks or has fetched.
    Guest,
}

impl Side {
    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Attendant,
            Self::Attendant => Self::Caller,
            Self::Guest => Self::Attendant,
        }
    }
}

/// Who holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody: they hear each other.
    #[default]
    Nobody,
    /// This one; the other one waits.
    By(Side),
    /// Both: nobody listens.
    Both,
}

impl Hold {
    /// Whether this one holds.
    pub(crate) fn holds(self, side: Side) -> bool {
        self == Self::Both || self == Self::By(side)
    }

    /// Whether this one waits and is to hear that: the other one holds, and this one listens.
    pub(crate) fn waits(self, side: Side) -> bool {
        self == Self::By(side.other())
    }

    /// What it is after this one has held or resumed; doing so twice changes nothing.
    pub(crate) fn after(self, side: Side, holds: bool) -> Self {
        match (holds, self.holds(side.other())) {
            (true, true) => Self::Both,
            (true, false) => Self::By(side),
            (false, true) => Self::By(side.other()),
            (false, false) => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hold::{Both, By, Nobody};
    use super::Side::{Attendant, Caller};

    #[test]
    fn every_change_leads_to_the_right_place() {
        let cases = [
            (Nobody, Caller, true, By(Caller)),
            (Nobody, Caller, false, Nobody),
            (By(Caller), Caller, true, By(Caller)),
            (By(Caller), Caller, false, Nobody),
            (By(Caller), Attendant, true, Both),
            (By(Caller), Attendant, false, By(Caller)),
            (Both, Caller, false, By(Attendant)),
            (Both, Attendant, false, By(Caller)),
            (Both, Attendant, true, Both),
        ];
        for (before, side, holds, after) in cases {
            assert_eq!(before.after(side, holds), after, "{before:?} {side:?} {holds}");
        }
    }

    #[test]
    fn only_who_listens_hears_that_they_wait() {
        assert!(By(Attendant).waits(Caller) && !By(Attendant).waits(Attendant));
        assert!(!Both.waits(Caller) && !Both.waits(Attendant) && !Nobody.waits(Caller));
    }
}
