//! How a command fails: one line what was wrong, one line what to do, and an exit code.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure, for scripts.
    pub kind: Kind,
    /// What was wrong.
    pub what: String,
    /// What to do about it; none if `what` says it already.
    pub advice: Option<String>,
}

/// What kind of failure; each has an exit code of its own. 2 is clap's: the command line makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1: it was tried and did not work.
    Failed,
    /// 3: the configuration is refused.
    Configuration,
    /// 4: there is no such thing.
    NotFound,
    /// 5: it was looked at, and it is not as it should be.
    NotValid,
    /// 6: keys are missing, wrong, or not private.
    Keys,
}

impl Failure {
    /// It was tried and did not work.
    pub fn failed(what: impl fmt::Display, advice: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, what: what.to_string(), advice: Some(advice.into()) }
    }

    /// The same with another kind.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The exit code for scripts.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Configuration => 3,
            Kind::NotFound => 4,
            Kind::NotValid => 5,
            Kind::Keys => 6,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  do: {advice}"),
            None => Ok(()),
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self { kind: Kind::Configuration, what: error.to_string(), advice: None }
    }
}
