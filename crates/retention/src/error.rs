//! Why forgetting stops.

use std::io;
use std::path::PathBuf;

use vorzimmer_store::StoreError;
use vorzimmer_types::UnixMillis;

use crate::reconcile::Step;

/// Why forgetting stops. Running again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The clock has jumped forward: if it is wrong, what is not due would be destroyed.
    #[error(
        "the clock says {now}, but was last seen at {seen}: more than a day ahead. If {now} is right (the server was \
         off), run again with --accept-clock; if not, set the clock"
    )]
    ClockJumped {
        /// When the clock was last seen.
        seen: UnixMillis,
        /// What it says now.
        now: UnixMillis,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vorzimmer_vault::Error),
    /// A file or folder could not be looked at or removed.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The run was stopped on purpose.
    #[error("stopped after {step:?}")]
    Stopped {
        /// The last step that was done.
        step: Step,
    },
    /// Work on a thread of its own was given up, because the process ends.
    #[error("the process is ending")]
    Ending,
    /// A tally or certificate is not what was written.
    #[error("{what} cannot be read: {source}")]
    Content {
        /// What.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A certificate does not fit the one before it, or its signature does not fit it.
    #[error("certificate {number} {what}")]
    Certificate {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}
