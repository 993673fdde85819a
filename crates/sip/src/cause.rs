//! Causes of the telephone network (ITU-T Q.850) and SIP statuses, one for the other.
//!
//! The tables are those of RFC 3398 (§7.2.4.1, §8.2.6.1) and RFC 4497 (§8.3.2, §8.4.4), which agree. That a final answer may
//! have a Reason with such a cause is RFC 6432.

use rsip::Headers;
use vorzimmer_types::cause::Cause;

use crate::header;

/// The highest cause there is: seven bits (Q.850 §2.2.5).
const HIGHEST: u16 = 127;

/// Why a peer did something, by its Reason headers: what the telephone network says goes before what SIP says.
#[must_use]
pub fn read(headers: &Headers) -> Option<Cause> {
    let mut sip = None;
    for reason in header::reasons(headers).flatten() {
        match reason.cause {
            Some(cause) if reason.protocol.eq_ignore_ascii_case("Q.850") && cause <= HIGHEST => {
                return Some(Cause::Q850(cause));
            }
            Some(status) if reason.protocol.eq_ignore_ascii_case("SIP") && (100..700).contains(&status) => {
                sip.get_or_insert(Cause::Sip(status));
            }
            _ => {}
        }
    }
    sip
}

/// What a telephone network is told for a final SIP status; none for success, redirection and what a caller does himself.
#[must_use]
pub fn of_status(status: u16) -> Option<u16> {
    Some(match status {
        404 | 485 | 604 => 1,
        486 | 600 => 17,
        480 => 18,
        401..=403 | 407 | 603 => 21,
        410 => 22,
        482 | 483 => 25,
        484 => 28,
        // §8.2.6.1 leaves these to what Warning says: the bearer that was asked for is not to be had.
        488 | 606 => 65,
        502 => 38,
        400 | 481 | 500 | 503 => 41,
        405 => 63,
        406 | 415 | 501 => 79,
        408 | 504 => 102,
        413 | 414 | 416 | 420..=423 | 430..=439 | 469 | 505 | 513 => 127,
        _ => return None,
    })
}

/// The final SIP status for a cause of the telephone network; none where the call simply ended (16) and for causes without
/// one.
#[must_use]
pub fn status(cause: u16) -> Option<u16> {
    Some(match cause {
        1..=3 | 26 => 404,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 69 | 79 => 501,
        34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
        65 | 70 => 488,
        102 => 504,
        111 | 127 => 500,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Cause, of_status, read, status};
    use crate::wire;

    #[test]
    fn what_networks_say() {
        for (value, expected) in [
            ("Q.850;cause=17;text=\"User busy\"", Some(Cause::Q850(17))),
            ("SIP;cause=200;text=\"Call completed elsewhere\"", Some(Cause::Sip(200))),
            ("SIP ;cause=480, q.850 ;cause=19", Some(Cause::Q850(19))),
            ("Q.850;cause=128, SIP;cause=99", None),
            ("Q.850;cause=x", None),
            ("Q.850;text=\"no number\"", None),
            ("preemption;cause=1", None),
            (";;;, SIP;cause=603", Some(Cause::Sip(603))),
            ("", None),
        ] {
            assert_eq!(read(&wire::header("Reason", value).into()), expected, "{value}");
        }
    }

    #[test]
    fn each_status_has_its_cause() {
        for (given, cause) in [
            (400, Some(41)),
            (401, Some(21)),
            (403, Some(21)),
            (404, Some(1)),
            (405, Some(63)),
            (406, Some(79)),
            (408, Some(102)),
            (410, Some(22)),
            (415, Some(79)),
            (420, Some(127)),
            (480, Some(18)),
            (482, Some(25)),
            (483, Some(25)),
            (484, Some(28)),
            (486, Some(17)),
            (487, None),
            (488, Some(65)),
            (500, Some(41)),
            (502, Some(38)),
            (503, Some(41)),
            (504, Some(102)),
            (600, Some(17)),
            (603, Some(21)),
            (604, Some(1)),
            (200, None),
            (302, None),
        ] {
            assert_eq!(of_status(given), cause, "{given}");
        }
    }

    #[test]
    fn each_cause_has_its_status() {
        for (given, expected) in [
            (1, Some(404)),
            (3, Some(404)),
            (16, None),
            (17, Some(486)),
            (18, Some(408)),
            (19, Some(480)),
            (21, Some(403)),
            (22, Some(410)),
            (27, Some(502)),
            (28, Some(484)),
            (31, Some(480)),
            (34, Some(503)),
            (65, Some(488)),
            (88, Some(503)),
            (102, Some(504)),
            (127, Some(500)),
            (0, None),
        ] {
            assert_eq!(status(given), expected, "{given}");
        }
        // There and back: what comes back says no less than what went.
        for cause in [1, 17, 22, 28, 65, 102] {
            assert_eq!(status(cause).and_then(of_status), Some(cause));
        }
    }
}
