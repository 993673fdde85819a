//! By which trunks a call goes out, in which order.
//!
//! Whether a trunk takes calls now is the user agent's to know; here stands only what the operator wants.

use std::collections::BTreeMap;

use vorzimmer_types::TrunkId;

/// The operator's routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// All trunks that calls can be placed through, in the order in which they are tried where no route says anything.
    pub all: Vec<TrunkId>,
    /// Beginnings of numbers (`+49`) or addresses (`sip:`), and the trunks for what begins like this: the longest counts.
    pub by_prefix: BTreeMap<String, Vec<TrunkId>>,
}

impl Routes {
    /// The trunks to be tried for this number or address, best first. Without a route it is the trunk that the call came
    /// by, then all others.
    #[must_use]
    pub fn of(&self, target: &str, came_by: TrunkId) -> Vec<TrunkId> {
        let fits = self.by_prefix.iter().filter(|(prefix, _)| target.starts_with(prefix.as_str()));
        if let Some((_, trunks)) = fits.max_by_key(|(prefix, _)| prefix.len()) {
            return trunks.clone();
        }
        let same = self.all.iter().filter(|trunk| **trunk == came_by);
        same.chain(self.all.iter().filter(|trunk| **trunk != came_by)).copied().collect()
    }
}

/// Whether another trunk may do better: this one does not answer, cannot, or does not let us (RFC 3261 §21.4.9, §21.5.4;
/// 401 and 407 come here only after our proof was not good enough). What is said of whoever was called is final.
pub(crate) fn is_trunks_fault(status: u16) -> bool {
    matches!(status, 401 | 407 | 408 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::{Routes, is_trunks_fault};
    use vorzimmer_types::TrunkId;

    fn trunk(n: u8) -> TrunkId {
        TrunkId::from_bytes([n; 16])
    }

    #[test]
    fn the_longest_beginning_counts() {
        let all = vec![trunk(1), trunk(2), trunk(3)];
        let unrouted = Routes { all: all.clone(), ..Routes::default() };
        let routes = [("+", vec![2, 1]), ("+49", vec![1]), ("+491", vec![3, 2]), ("sip:", vec![3])];
        let by_prefix =
            routes.map(|(prefix, trunks)| (prefix.to_owned(), trunks.into_iter().map(trunk).collect()));
        let routed = Routes { all, by_prefix: by_prefix.into() };
        for (routes, target, came_by, expected) in [
            (&unrouted, "+4930123", 2, vec![2, 1, 3]),
            (&unrouted, "sip:a@b.example", 9, vec![1, 2, 3]),
            (&routed, "+4930123", 2, vec![1]),
            (&routed, "+49170123", 1, vec![3, 2]),
            (&routed, "+4420123", 1, vec![2, 1]),
            (&routed, "sip:a@b.example", 1, vec![3]),
            (&routed, "sips:a@b.example", 2, vec![2, 1, 3]),
        ] {
            let expected: Vec<TrunkId> = expected.into_iter().map(trunk).collect();
            assert_eq!(routes.of(target, trunk(came_by)), expected, "{target}");
        }
    }

    #[test]
    fn what_the_callee_says_is_final() {
        for status in [401, 407, 408, 500, 502, 503, 504] {
            assert!(is_trunks_fault(status), "{status}");
        }
        for status in [302, 403, 404, 480, 484, 486, 487, 488, 501, 513, 600, 603] {
            assert!(!is_trunks_fault(status), "{status}");
        }
    }
}
