//! How long each class is kept, and on which ground.

use vorzimmer_store::Lifetimes;

use crate::Class;

/// One class's period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Whole days. A thing is due when the day begins that is this many days after its own.
    pub days: u32,
    /// The lawful basis, in words that a supervisory authority would understand.
    pub basis: String,
}

impl Period {
    fn new(days: u32, basis: &str) -> Self {
        Self { days, basis: basis.to_owned() }
    }
}

/// Every class's period. The default is what is shipped.
///
/// A changed period holds for what happens from then on: what is there keeps the day that it was sealed for, because
/// its key is that day's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Voices.
    pub recordings: Period,
    /// Call records, events and numbers.
    pub call_data: Period,
    /// Answers to consent questions.
    pub receipts: Period,
    /// Who looked at what.
    pub audit: Period,
    /// The server's own logs.
    pub logs: Period,
}

impl Default for Periods {
    fn default() -> Self {
        let Lifetimes { recordings, call_data, receipts, audit } = Lifetimes::default();
        Self {
            recordings: Period::new(recordings, "consent of every party, Art. 6(1)(a) GDPR; § 201 StGB"),
            call_data: Period::new(call_data, "contract with the customer, Art. 6(1)(b) and Art. 28 GDPR"),
            receipts: Period::new(receipts, "proof of consent, Art. 7(1) GDPR; §§ 195, 199 BGB"),
            audit: Period::new(audit, "accountability, Art. 5(2) and Art. 32 GDPR; §§ 195, 199 BGB"),
            logs: Period::new(14, "security of processing, Art. 6(1)(f) and Art. 32 GDPR"),
        }
    }
}

impl Periods {
    /// One class's period.
    #[must_use]
    pub fn of(&self, class: Class) -> &Period {
        match class {
            Class::Recordings => &self.recordings,
            Class::CallData => &self.call_data,
            Class::Receipts => &self.receipts,
            Class::Audit => &self.audit,
            Class::Logs => &self.logs,
        }
    }

    /// The periods by which the store gives each row its day.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            recordings: self.recordings.days,
            call_data: self.call_data.days,
            receipts: self.receipts.days,
            audit: self.audit.days,
        }
    }

    /// What has to be said out loud: each class that is kept longer than shipped.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let shipped = Self::default();
        let longer = Class::ALL.into_iter().filter(|class| self.of(*class).days > shipped.of(*class).days);
        longer
            .map(|class| {
                let (period, usual) = (self.of(class), shipped.of(class).days);
                format!(
                    "KEPT LONGER THAN SHIPPED: {class} for {} days instead of {usual}; stated basis: {}",
                    period.days, period.basis
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Periods;

    #[test]
    fn longer_than_shipped_is_said_out_loud_and_shorter_is_not() {
        let mut periods = Periods::default();
        assert_eq!(periods.warnings(), Vec::<String>::new());
        periods.recordings.days = 31;
        periods.call_data.days = 10;
        let warnings = periods.warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("recordings for 31 days instead of 30"), "{warnings:?}");
        assert!(warnings[0].contains("§ 201 StGB"));
    }
}
