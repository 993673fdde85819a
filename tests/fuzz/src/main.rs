//! Feeds one door with what libFuzzer thinks of: `FUZZ=sip vorzimmer-fuzz FOLDER…`, as `make fuzz` calls it.
//!
//! A panic, a broken promise, or more memory than an input deserves ends the run with the input that did it.

#![no_main]

mod doors;

use std::sync::OnceLock;

use doors::{DOORS, Door};
use libfuzzer_sys::fuzz_target;

/// Bytes that any input may make a door hold at a time, besides…
const MEMORY: u64 = 512 * 1024;
/// … so many for each of its own.
const MEMORY_PER_BYTE: u64 = 64;

static DOOR: OnceLock<Door> = OnceLock::new();

fn chosen() -> Door {
    let names: Vec<_> = DOORS.iter().map(|(name, _)| *name).collect();
    let name = std::env::var("FUZZ").unwrap_or_default();
    let door = DOORS.iter().find(|(known, _)| *known == name);
    door.unwrap_or_else(|| panic!("FUZZ says which door: one of {names:?}")).1
}

fuzz_target!(
    init: {
        let _ = DOOR.set(chosen());
    },
    |bytes: &[u8]| {
        let Some(door) = DOOR.get() else { return };
        let mut held = true;
        let used = allocation_counter::measure(|| held = door(bytes));
        assert!(held, "what must always hold did not");
        let most = MEMORY + MEMORY_PER_BYTE * bytes.len() as u64;
        assert!(used.bytes_max <= most, "{} bytes of memory for {}", used.bytes_max, bytes.len());
    }
);
