//! Which index a sequence number means, and whether that index was there before (RFC 3711 §3.3.1, §3.3.2).

/// Packets this far behind the newest can still be told from replays; older ones are too late (§3.3.2: 64 at least).
pub(super) const WIDTH: u64 = 128;
/// RFC 3711 §9.2: an index has 48 bits, and comes never again.
const MAX_INDEX: u64 = (1 << 48) - 1;

/// The newest index of one source, and which of those before it were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    newest: u64,
    /// Bit n: the index n before the newest was there.
    seen: u128,
}

impl Window {
    /// Only this one was there.
    pub(super) fn new(index: u64) -> Self {
        Self { newest: index, seen: 1 }
    }

    /// The rollover counter of the newest.
    pub(super) fn rollover(&self) -> u64 {
        self.newest >> 16
    }

    /// The index nearest to the newest that this sequence number can mean; none if there is none.
    pub(super) fn index_of(&self, sequence: u16) -> Option<u64> {
        let ahead = sequence.wrapping_sub(self.newest as u16).cast_signed();
        self.newest.checked_add_signed(i64::from(ahead)).filter(|index| *index <= MAX_INDEX)
    }

    /// Whether it is new, and not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.newest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WIDTH && self.seen >> behind & 1 == 0,
        }
    }

    /// Marks it as there.
    pub(super) fn mark(&mut self, index: u64) {
        match self.newest.checked_sub(index) {
            Some(behind) if behind < WIDTH => self.seen |= 1 << behind,
            Some(_) => {}
            None => {
                let ahead = u32::try_from(index - self.newest).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.newest = index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, Window};

    #[test]
    fn a_sequence_number_means_the_nearest_index() {
        let table = [
            (0x0_0005, 0x0004, Some(0x0_0004)),
            (0x0_0005, 0xffff, None),
            (0x0_fffe, 0x0001, Some(0x1_0001)),
            (0x1_0001, 0xfffe, Some(0x0_fffe)),
            (0x7_8000, 0x0000, Some(0x7_0000)),
            (0xffff_ffff_ffff, 0x0000, None),
        ];
        for (newest, sequence, index) in table {
            assert_eq!(Window::new(newest).index_of(sequence), index, "{newest:x} {sequence:x}");
        }
    }

    #[test]
    fn each_index_is_new_once_and_old_ones_never() {
        let mut window = Window::new(1000);
        assert!(!window.is_new(1000));
        for index in [1001, 1003, 1002, 900, 1130] {
            assert!(window.is_new(index), "{index}");
            window.mark(index);
            assert!(!window.is_new(index), "{index}");
        }
        assert!(!window.is_new(1130 - WIDTH), "too old to tell");
        assert!(window.is_new(1132 - WIDTH), "in the window");
        window.mark(1_000_000);
        assert!(!window.is_new(1130));
    }
}
