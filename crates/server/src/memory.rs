//! Memory that nobody needs any more goes back to the system.
//!
//! mimalloc keeps what was freed for a second, in case it is needed again, and looks at what it keeps only when it hands out
//! or takes back a large piece. A server whose calls have all begun may do neither for hours, and would hold on to what a
//! burst of calls has left behind. So somebody has to ask.

use std::hint::black_box;

/// More than mimalloc shares between pieces: as large a piece is asked for and given back by itself.
const LARGE: usize = 1 << 20;

/// Gives back what was freed more than a second ago. The piece that is asked for is not touched.
pub fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::give_back;

    const PAGE: usize = 4_096;

    /// Resident memory in bytes.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * PAGE
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "mimalloc reads the real clock")]
    fn what_a_burst_has_left_behind_is_given_back_though_nothing_more_happens() {
        let pieces: Vec<_> = (0..160_000).map(|n: u32| Box::new([n; 100])).collect();
        let with_them = resident();
        drop(pieces);
        let given_back = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(200));
            give_back();
            resident() + 32_000_000 < with_them
        });
        assert!(given_back, "of {with_them} bytes {} are still there", resident());
    }
}
