//! Whether the server can take calls, and if not, why.

use serde::Serialize;

/// What has to be well, each with its state. Ready is: all well, and not draining.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The operator wants no new calls.
    pub draining: bool,
    /// Whether events reach the database.
    pub database: Check,
    /// Whether keys can be read and made.
    pub key_store: Check,
    /// Whether recordings can be written.
    pub recordings: Check,
    /// Whether voices can be moved.
    pub media: Check,
    /// How each trunk is, in the order of the configuration. A trunk that is ill makes nobody turn calls of others away.
    pub trunks: Vec<Trunk>,
}

/// How one trunk is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trunk {
    /// Its configured name.
    pub name: String,
    /// `up`, `degraded`, `down` or `unknown`, by the answers to OPTIONS.
    pub state: String,
    /// `none`, `waiting`, `asking`, `registered`, `refused` or `given back`.
    pub registration: String,
    /// Whether it takes no new calls.
    pub draining: bool,
}

/// How one thing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum Check {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// As it should be.
    Well,
    /// Not as it should be, and why: words for the operator, without personal data.
    Ill(String),
}

impl Check {
    /// Well, or ill with the error's words.
    pub fn of<T, E: std::fmt::Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Well,
            Err(error) => Self::Ill(error.to_string()),
        }
    }

    /// Whether it is as it should be.
    #[must_use]
    pub fn is_well(&self) -> bool {
        *self == Self::Well
    }
}

impl Readiness {
    /// Whether new calls are welcome.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining
            && [&self.database, &self.key_store, &self.recordings, &self.media]
                .into_iter()
                .all(Check::is_well)
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Readiness, Trunk};

    fn well() -> Readiness {
        Readiness {
            draining: false,
            database: Check::Well,
            key_store: Check::Well,
            recordings: Check::Well,
            media: Check::Well,
            trunks: Vec::new(),
        }
    }

    #[test]
    fn ready_is_all_well_and_not_draining() {
        assert!(well().is_ready());
        assert!(!Readiness::default().is_ready(), "nobody has looked yet");
        assert!(!Readiness { draining: true, ..well() }.is_ready());
        let ill = || Check::Ill("away".into());
        assert!(!Readiness { database: ill(), ..well() }.is_ready());
        assert!(!Readiness { key_store: ill(), ..well() }.is_ready());
        assert!(!Readiness { recordings: ill(), ..well() }.is_ready());
        assert!(!Readiness { media: Check::Unknown, ..well() }.is_ready());
        let (state, registration) = ("down".to_owned(), "refused".to_owned());
        let trunk = Trunk { name: "carrier".into(), state, registration, draining: true };
        assert!(Readiness { trunks: vec![trunk], ..well() }.is_ready(), "others still bring calls");
    }
}
