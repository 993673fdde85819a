//! Everything that fuzzing has kept goes through its door in every run of the tests, whole, cut short and with a bit
//! turned over.

#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]

#[path = "../fuzz/src/doors.rs"]
mod doors;

use std::path::{Path, PathBuf};

use doors::DOORS;

/// What all corpora may have together, in bytes.
const LARGEST: usize = 300_000;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| (path.clone(), std::fs::read(path).expect("a readable file"))).collect()
}

#[test]
fn what_fuzzing_kept_still_holds() {
    let mut size = 0;
    for (name, door) in DOORS {
        let kept = corpus(name);
        assert!(kept.len() >= 5, "{name} has {} inputs", kept.len());
        for (path, bytes) in kept {
            size += bytes.len();
            assert!(door(&bytes), "{}", path.display());
            for cut in [bytes.len() / 3, bytes.len().saturating_sub(1)] {
                assert!(door(&bytes[..cut]), "{}, its first {cut} bytes", path.display());
            }
            let mut turned = bytes.clone();
            for place in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
                turned[place] ^= 1 << (place % 8);
            }
            assert!(door(&turned), "{}, some bits turned over", path.display());
        }
    }
    assert!(size <= LARGEST, "{size} bytes are kept");
}
