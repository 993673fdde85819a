//! What can be wrong with a configuration: each error says what was found and what to do about it.

use std::path::PathBuf;

/// Further than this many edits away, another option's name is no help.
const NEAR: usize = 3;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or may not be read.
    #[error("{}: the configuration cannot be read: {source}\n  do: name it with --config FILE, or copy config/vorzimmer.toml there", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not TOML, names an unknown option, or gives a value that does not fit.
    #[error("{file}:{line}: {what}\n  do: {advice}")]
    Line {
        /// Which file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What was found.
        what: String,
        /// What to do.
        advice: String,
    },
    /// An environment variable names an unknown option, or gives a value that does not fit.
    #[error("environment variable {variable}: {what}\n  do: {advice}")]
    Variable {
        /// Its name.
        variable: String,
        /// What was found.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Each option is well-formed, but they do not fit together.
    #[error("{}", listed(.0))]
    Rules(Vec<Problem>),
}

/// One option that does not fit the others.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// `section.key`.
    pub option: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|p| format!("{}: {}\n  do: {}", p.option, p.what, p.advice)).collect();
    lines.join("\n")
}

impl ConfigError {
    /// An error of the TOML reader, with the line it points at.
    pub(super) fn in_file(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
        let (what, advice) = explain(error.message());
        Self::Line { file: file.to_owned(), line, what, advice }
    }

    /// An error of the TOML reader about a value from the environment.
    pub(super) fn in_variable(variable: &str, error: &toml::de::Error) -> Self {
        let (what, advice) = explain(error.message());
        Self::Variable { variable: variable.to_owned(), what, advice }
    }
}

/// What a reader's message means to an operator: what was found, and what to do.
fn explain(message: &str) -> (String, String) {
    if !message.starts_with("unknown field") {
        return (
            message.to_owned(),
            "config/vorzimmer.toml explains every option with an example".to_owned(),
        );
    }
    // serde writes: unknown field `x`, expected `a` or `b` / expected one of `a`, `b`, `c`
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let advice = match nearest(found, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here are: {}", known.join(", ")),
    };
    (format!("there is no option `{found}`"), advice)
}

/// The known name that `found` was probably meant to be.
pub(super) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&found.to_lowercase(), name), *name))
        .filter(|(distance, _)| *distance <= NEAR)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
