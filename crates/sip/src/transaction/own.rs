//! Tables by numbers that we count ourselves. Nobody outside chooses them, so that a hash need not be a secret's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by a number of ours, or by what is made of one.
pub(crate) type ByOwn<K, V> = HashMap<K, V, BuildHasherDefault<Mixed>>;

/// Whatever is written, multiplied together. The factor is 2⁶⁴ divided by the golden ratio, which spreads numbers that
/// follow each other.
#[derive(Default)]
pub(crate) struct Mixed(u64);

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            self.write_u64(eight.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(26) ^ number).wrapping_mul(FACTOR);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // Tables look at the lowest bits first, and those know of the lowest bits alone.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher as _, BuildHasherDefault};

    use super::Mixed;

    #[test]
    fn numbers_that_follow_each_other_are_spread() {
        let hash = |number: (u64, u8)| BuildHasherDefault::<Mixed>::default().hash_one(number);
        let all: Vec<u64> = (0..4096).map(|n| hash((n / 4, n as u8 % 4))).collect();
        for bits in
            [all.iter().map(|h| h & 0xfff).collect::<HashSet<_>>(), all.iter().map(|h| h >> 52).collect()]
        {
            assert!(bits.len() > 2_000, "4096 keys have {} of 4096 places", bits.len());
        }
    }
}
