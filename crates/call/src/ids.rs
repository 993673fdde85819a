//! Names for calls that begin.

use vorzimmer_types::{CallId, Entropy, entropy};

/// Gives names out. Those of one run follow each other, so that what the store keeps of calls of an hour stands together
/// in its indexes, and a batch of events touches a few pages instead of one for each call. They begin anywhere, so that a
/// name tells nobody when its call was; and ten of the sixteen bytes are random, so that nobody guesses the next.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    latest: Option<[u8; 6]>,
}

impl CallIds {
    /// A name that no call has.
    pub(crate) fn next(&mut self, entropy: &mut dyn Entropy) -> CallId {
        let mut number = match self.latest {
            Some(latest) => latest,
            None => entropy::array(entropy),
        };
        for digit in number.iter_mut().rev() {
            *digit = digit.wrapping_add(1);
            if *digit != 0 {
                break;
            }
        }
        self.latest = Some(number);
        let mut id = [0; 16];
        let (ordered, random) = id.split_at_mut(number.len());
        ordered.copy_from_slice(&number);
        entropy.fill(random);
        CallId::from_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::entropy::Seeded;

    use super::CallIds;

    #[test]
    fn names_follow_each_other_and_cannot_be_guessed() {
        let mut entropy = Seeded::new(1);
        let mut ids = CallIds { latest: Some([0, 0, 0, 0, 0xff, 0xfe]) };
        let given: Vec<_> = (0..1_000).map(|_| ids.next(&mut entropy)).collect();
        assert!(given.is_sorted(), "one after the other, over the end of a digit as well");
        let mut ends: Vec<_> = given.iter().map(|id| id.as_bytes()[6..].to_vec()).collect();
        ends.sort();
        ends.dedup();
        assert_eq!(ends.len(), given.len());
        let mut others = CallIds::default();
        assert_ne!(others.next(&mut entropy).as_bytes()[..5], given[0].as_bytes()[..5], "begun anywhere");
    }
}
