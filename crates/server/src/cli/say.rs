//! What a command prints for whoever reads it.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints a line, as `println!` does; but a reader who has seen enough (`| head`) ends no command half-way.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::say::line(format_args!($($text)*)) };
}

/// See [`say!`].
pub(super) fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("vorzimmer: this cannot be printed: {error}");
    }
}
