//! Lines of a description that is printed.

use std::fmt::{self, Arguments, Write};

/// Room for a description of ours without growing.
const USUAL: usize = 768;

/// Lines, each ended by CRLF. What could end one before its time is left out of it, so that nothing a peer said makes
/// lines of its own.
pub(crate) struct Lines(String);

/// What stands within a line.
struct Within<'a>(&'a mut String);

impl Write for Within<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match text.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            false => self.0.push_str(text),
            true => self.0.extend(text.chars().filter(|c| !matches!(c, '\0' | '\r' | '\n'))),
        }
        Ok(())
    }
}

impl Lines {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(String::with_capacity(USUAL))
    }

    /// As they go on the wire.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// `v=0`
    pub(crate) fn line(&mut self, kind: char, value: Arguments<'_>) {
        self.0.push(kind);
        self.0.push('=');
        // Writing into memory does not fail.
        let _ = Within(&mut self.0).write_fmt(value);
        self.0.push_str("\r\n");
    }

    /// `a=name:value`
    pub(crate) fn attribute(&mut self, name: &str, value: Arguments<'_>) {
        self.0.push_str("a=");
        // Writing into memory does not fail.
        let mut within = Within(&mut self.0);
        let _ = within
            .write_str(name)
            .and_then(|()| within.write_char(':'))
            .and_then(|()| within.write_fmt(value));
        self.0.push_str("\r\n");
    }

    /// `a=name`
    pub(crate) fn flag(&mut self, name: &str) {
        self.line('a', format_args!("{name}"));
    }
}
