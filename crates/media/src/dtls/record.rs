//! What of a datagram is looked at before OpenSSL sees it: how much it could make it keep.
//!
//! OpenSSL holds up to a hundred records of the epoch that is to come, each in a buffer of its own, and makes room for a
//! handshake message as long as its first fragment claims. Here both are bounded by less. And it ends the connection over
//! a record that is too short to have been sealed (seen with 3.0.19), which anybody can make.

/// Bytes of a record's header (RFC 6347 §4.1).
const HEADER: usize = 13;
/// Content type of handshake messages.
const HANDSHAKE: u8 = 22;
/// Handshake message type of a HelloVerifyRequest (RFC 6347 §4.3.2).
const HELLO_VERIFY_REQUEST: u8 = 3;
/// Longest handshake message that is taken: a chain of certificates of some length.
const MESSAGE: usize = 16 * 1024;

/// How many records of a later epoch than the first a datagram holds; none if it claims a message that is too long.
pub(super) fn later(datagram: &[u8]) -> Option<usize> {
    let mut later = 0;
    for record in records(datagram) {
        match record {
            [_, _, _, 0, 0, ..] if message(record) > MESSAGE => return None,
            [_, _, _, 0, 0, ..] => {}
            _ => later += 1,
        }
    }
    Some(later)
}

/// Whether a record of a later epoch than the first is shorter than anything that this suite seals (RFC 6347 §4.1.2.1:
/// such records are dropped, and nothing else happens).
pub(super) fn cannot_be_sealed(datagram: &[u8], suite: Option<&str>) -> bool {
    // An explicit nonce and a tag (RFC 5288 §3, RFC 6655 §3); a shorter tag, or no nonce, elsewhere.
    let least = match suite {
        Some(name) if name.contains("GCM") || name.ends_with("CCM") => 8 + 16,
        _ => 16,
    };
    let is_later = |record: &&[u8]| !matches!(record, [_, _, _, 0, 0, ..]);
    records(datagram).filter(is_later).any(|record| record.len() < HEADER + least)
}

/// Whether this asks only for a cookie, which is never said twice by itself: nobody has proven to be there.
pub(super) fn asks_for_a_cookie(datagram: &[u8]) -> bool {
    datagram.first() == Some(&HANDSHAKE) && datagram.get(HEADER) == Some(&HELLO_VERIFY_REQUEST)
}

/// The length that a handshake message in the clear claims (RFC 6347 §4.2.2); 0 for anything else.
fn message(record: &[u8]) -> usize {
    match record {
        [HANDSHAKE, ..] => record
            .get(HEADER + 1..HEADER + 4)
            .map_or(0, |length| length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte))),
        _ => 0,
    }
}

/// The records of a datagram; the last may be cut off.
fn records(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = rest
            .get(11..HEADER)
            .map_or(0, |two| two.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)));
        let (record, after) = rest.split_at((HEADER + length).min(rest.len()));
        rest = after;
        (!record.is_empty()).then_some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::{asks_for_a_cookie, cannot_be_sealed, later};

    fn record(content: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        [&[content, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0, 0, length], body].concat()
    }

    #[test]
    fn records_of_the_epoch_to_come_are_counted() {
        let both = [record(22, 0, &[1, 0, 0, 40]), record(22, 1, &[9; 20]), record(23, 1, &[])].concat();
        assert_eq!(later(&both), Some(2));
        assert_eq!(later(&both[..30]), Some(1), "a record that is cut off counts");
        assert_eq!(later(&[]), Some(0));
    }

    #[test]
    fn a_message_that_claims_to_be_too_long_is_refused() {
        assert_eq!(later(&record(22, 0, &[11, 0, 0x40, 0])), Some(0));
        assert_eq!(later(&record(22, 0, &[11, 0, 0x40, 1])), None);
        assert_eq!(later(&record(22, 1, &[11, 0xff, 0xff, 1])), Some(1), "ciphertext claims nothing");
    }

    #[test]
    fn what_no_suite_seals_is_known_by_its_length() {
        let [gcm, ccm8, chacha] =
            ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8", "ECDHE-RSA-CHACHA20-POLY1305"]
                .map(Some);
        let alert = |length| record(21, 1, &vec![7; length]);
        for (suite, least) in [(gcm, 24), (ccm8, 16), (chacha, 16), (None, 16)] {
            assert!(cannot_be_sealed(&alert(least - 1), suite), "{suite:?}");
            assert!(!cannot_be_sealed(&alert(least), suite), "{suite:?}");
            assert!(cannot_be_sealed(&[alert(40), alert(2)].concat(), suite), "behind another one");
            assert!(!cannot_be_sealed(&record(21, 0, &[2, 40]), suite), "in the clear");
            assert!(!cannot_be_sealed(&[], suite));
        }
    }

    #[test]
    fn a_request_for_a_cookie_is_known() {
        assert!(asks_for_a_cookie(&record(22, 0, &[3, 0, 0, 23])));
        assert!(!asks_for_a_cookie(&record(22, 0, &[2, 0, 0, 23])));
        assert!(!asks_for_a_cookie(&record(21, 0, &[3, 0])));
    }
}
