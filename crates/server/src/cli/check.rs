//! `vorzimmer check`.

use std::path::Path;

use crate::config::{Loaded, describe};
use crate::failure::Failure;

pub(super) fn check(file: &Path, loaded: &Loaded) -> Result<(), Failure> {
    say!("{} is valid.\n", file.display());
    say!("{}", describe(&loaded.settings).trim_end());
    for warning in &loaded.warnings {
        say!("\nwarning: {warning}");
    }
    Ok(())
}
