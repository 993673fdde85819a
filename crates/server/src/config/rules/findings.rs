//! What the rules find.

use crate::config::error::Problem;

/// Rules that do not hold, and what is legal but remarkable.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Findings {
    /// A rule does not hold.
    pub(super) fn refuse(
        &mut self,
        option: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.problems.push(Problem { option: option.into(), what: what.into(), advice: advice.into() });
    }

    /// Something is to be said out loud.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }
}
