//! Nonces that cost nothing until somebody has proven who he is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use vorzimmer_types::Entropy;

/// The most nonces whose counts are remembered. Beyond it the oldest become stale.
pub const MAX_NONCES: usize = 8192;

/// How far counts may arrive out of order on one nonce.
const WINDOW: u32 = 64;

/// What is known of a nonce and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Ours, in time, and this count is new.
    Fresh,
    /// Not ours, too old, or the count was used: ask again with `stale=true` (RFC 7616 §3.3).
    Stale,
}

/// Nonces that we gave out, and the counts used on them.
///
/// ```text
/// nonce = hex( milliseconds since the book was opened u40 | random [3] | HMAC-SHA-256(secret, the former)[..8] )
/// ```
/// Short on purpose: an answer to a stranger's datagram may not be larger than what came, and two challenges with one
/// nonce each must fit. 64 bits of HMAC are enough where each guess costs a message and wins nothing without the password;
/// two nonces that happen to be the same only make the second user ask again.
///
/// A nonce given out leaves no trace here; its counts are kept from the first valid response on, so only people with a
/// password take memory, and no more than [`MAX_NONCES`] times.
pub struct NonceBook {
    secret: [u8; 32],
    opened: Instant,
    lifetime: Duration,
    used: BTreeMap<Stamp, Counts>,
    /// Nonces given out up to here are stale: their counts were forgotten.
    floor: Option<u64>,
}

/// When a nonce was given out, and its random part. In the order of giving.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp(u64, [u8; 3]);

/// The counts used on one nonce: the highest, and one bit for each of the 64 up to it.
#[derive(Clone, Copy)]
struct Counts {
    highest: u32,
    seen: u64,
}

impl NonceBook {
    /// Opens a book whose nonces live for `lifetime`. `secret` must not be known to anybody.
    #[must_use]
    pub fn new(secret: [u8; 32], lifetime: Duration, now: Instant) -> Self {
        Self { secret, opened: now, lifetime, used: BTreeMap::new(), floor: None }
    }

    /// A nonce nobody has seen yet.
    #[must_use]
    pub fn issue(&self, now: Instant, entropy: &mut dyn Entropy) -> String {
        let stamp = Stamp(self.millis(now), vorzimmer_types::entropy::array(entropy));
        hex::encode([stamp.bytes().as_slice(), &self.tag(stamp)].concat())
    }

    /// Uses `count` of `nonce`. To be called only after the response has been found right.
    pub fn spend(&mut self, nonce: &str, count: u32, now: Instant) -> Freshness {
        let Some(stamp) = self.recognise(nonce) else { return Freshness::Stale };
        let (now, lifetime) =
            (self.millis(now), u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        let forgotten = self.floor.is_some_and(|floor| stamp.0 <= floor);
        if now.saturating_sub(stamp.0) > lifetime || forgotten {
            return Freshness::Stale;
        }
        let fresh = self.used.entry(stamp).or_insert(Counts { highest: 0, seen: 0 }).spend(count);
        self.forget(now.saturating_sub(lifetime));
        if fresh { Freshness::Fresh } else { Freshness::Stale }
    }

    /// How many nonces have counts.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.used.len()
    }

    fn forget(&mut self, expired_before: u64) {
        while let Some(oldest) = self.used.first_entry() {
            let expired = oldest.key().0 < expired_before;
            if expired {
                oldest.remove();
            } else if self.used.len() > MAX_NONCES {
                self.floor = self.used.pop_first().map(|(stamp, _)| stamp.0).max(self.floor);
            } else {
                return;
            }
        }
    }

    fn recognise(&self, nonce: &str) -> Option<Stamp> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(nonce, &mut bytes).ok()?;
        let [t0, t1, t2, t3, t4, r0, r1, r2, tag @ ..] = bytes;
        let stamp = Stamp(u64::from_be_bytes([0, 0, 0, t0, t1, t2, t3, t4]), [r0, r1, r2]);
        subtle::ConstantTimeEq::ct_eq(self.tag(stamp).as_slice(), tag.as_slice())
            .unwrap_u8()
            .eq(&1)
            .then_some(stamp)
    }

    fn tag(&self, stamp: Stamp) -> [u8; 8] {
        let [t0, t1, t2, t3, t4, t5, t6, t7, ..] = self.hmac(&stamp.bytes());
        [t0, t1, t2, t3, t4, t5, t6, t7]
    }

    fn hmac(&self, message: &[u8]) -> [u8; 32] {
        // Any key length is valid for HMAC, so the other arm is never taken.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        hmac.update(message);
        hmac.finalize().into_bytes().into()
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.opened).as_millis();
        // 40 bits: 34 years of uptime.
        u64::try_from(millis).unwrap_or(u64::MAX).min((1 << 40) - 1)
    }
}

impl std::fmt::Debug for NonceBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NonceBook({} in use)", self.used.len())
    }
}

impl Stamp {
    fn bytes(self) -> [u8; 8] {
        let ([_, _, _, t0, t1, t2, t3, t4], [r0, r1, r2]) = (self.0.to_be_bytes(), self.1);
        [t0, t1, t2, t3, t4, r0, r1, r2]
    }
}

impl Counts {
    /// Marks a count as used; false if it was, or is too far behind to tell.
    fn spend(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
            self.highest = count;
            return count > 0;
        }
        let behind = self.highest - count;
        if count == 0 || behind >= WINDOW || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use vorzimmer_types::entropy::Seeded;

    use super::{Freshness, MAX_NONCES, NonceBook};

    const LIFE: Duration = Duration::from_secs(300);

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn book() -> (NonceBook, Instant, Seeded) {
        let now = Instant::now();
        (NonceBook::new([7; 32], LIFE, now), now, Seeded::new(1))
    }

    #[test]
    fn each_count_is_good_once_in_any_order() {
        let (mut book, now, mut entropy) = book();
        let nonce = book.issue(now, &mut entropy);
        assert_eq!(book.remembered(), 0, "a challenge costs nothing");
        for (count, expected) in [
            (1, Freshness::Fresh),
            (1, Freshness::Stale),
            (3, Freshness::Fresh),
            (2, Freshness::Fresh),
            (2, Freshness::Stale),
            (0, Freshness::Stale),
            (0x1ff, Freshness::Fresh),
            (0x1c0, Freshness::Fresh),
            (0x1bf, Freshness::Stale),
            (u32::MAX, Freshness::Fresh),
            (u32::MAX, Freshness::Stale),
        ] {
            assert_eq!(book.spend(&nonce, count, now), expected, "{count}");
        }
    }

    #[test]
    fn old_foreign_and_forged_nonces_are_stale() {
        let (mut book, now, mut entropy) = book();
        let nonce = book.issue(now, &mut entropy);
        assert_eq!(book.spend(&nonce, 1, now + LIFE + Duration::from_millis(1)), Freshness::Stale);
        let other = NonceBook::new([8; 32], LIFE, now).issue(now, &mut entropy);
        let forged = nonce.replacen(|c: char| c.is_ascii_digit(), "f", 1);
        for bad in [other.as_str(), &forged, "", "zz", &nonce[1..]] {
            assert_eq!(book.spend(bad, 1, now), Freshness::Stale, "{bad}");
        }
        assert_eq!(book.remembered(), 0, "what is refused takes no memory");
        assert_eq!(book.spend(&nonce, 1, now + LIFE), Freshness::Fresh);
    }

    #[test]
    fn memory_is_bounded_and_forgetting_opens_no_replay() {
        let (mut book, now, mut entropy) = book();
        let first = book.issue(now, &mut entropy);
        assert_eq!(book.spend(&first, 1, now), Freshness::Fresh);
        for step in 1..=MAX_NONCES as u64 {
            let then = now + Duration::from_millis(step);
            let nonce = book.issue(then, &mut entropy);
            assert_eq!(book.spend(&nonce, 1, then), Freshness::Fresh);
        }
        assert_eq!(book.remembered(), MAX_NONCES);
        let later = now + Duration::from_secs(100);
        assert_eq!(book.spend(&first, 1, later), Freshness::Stale, "forgotten, hence refused");
        let after = now + LIFE + Duration::from_secs(60);
        let fresh = book.issue(after, &mut entropy);
        assert_eq!(book.spend(&fresh, 1, after), Freshness::Fresh);
        assert_eq!(book.remembered(), 1, "what has expired is forgotten");
    }
}
