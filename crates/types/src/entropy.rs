//! Randomness as a parameter.

/// A source of unpredictable bytes.
///
/// Protocol code never reaches for the system's generator: `server` hands one in, and a test hands in a seeded one
/// so that a run can be repeated to the byte.
pub trait Entropy {
    /// Fills `out` with bytes nobody else can predict.
    fn fill(&mut self, out: &mut [u8]);
}

impl<T: Entropy + ?Sized> Entropy for &mut T {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// Sixteen unpredictable bytes, the size of every id here.
pub fn array<const N: usize>(entropy: &mut (impl Entropy + ?Sized)) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// A repeatable source for tests and simulations: SplitMix64 from a seed. Never for keys.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// Starts the sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
