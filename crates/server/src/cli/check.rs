//! `vorzimmer check`.

use std::path::Path;

use crate::config::{Loaded, describe};
use crate::failure::Failure;

pub(super) fn check(file: &Path, loaded: &Loaded) -> Result<(), Failure> {
    println!("{} is valid.\n", file.display());
    print!("{}", describe(&loaded.settings));
    for warning in &loaded.warnings {
        println!("\nwarning: {warning}");
    }
    Ok(())
}
