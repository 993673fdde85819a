//! RSeq and RAck: provisional answers that are acknowledged (RFC 3262 §7).

use rsip::{Headers, Method};

use super::{CSeq, first};
use crate::chars::trim;
use crate::fault::Fault;
use crate::wire;

/// The largest RSeq (RFC 3262 §7.1).
const MAX_RSEQ: u64 = u32::MAX as u64;

/// What a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the answer.
    pub rseq: u32,
    /// The number of the request that was answered.
    pub seq: u32,
    /// Its method.
    pub method: Method,
}

/// RSeq; none if it is missing or malformed.
#[must_use]
pub fn rseq(headers: &Headers) -> Option<u32> {
    let number = wire::number("RSeq", trim(first(headers, "RSeq")?), MAX_RSEQ).ok()?;
    u32::try_from(number).ok()
}

/// RAck.
///
/// # Errors
/// [`Fault::Missing`] without one, [`Fault::Value`] if it is not two numbers and a method that is known.
pub fn rack(headers: &Headers) -> Result<RAck, Fault> {
    let header = "RAck";
    let text = first(headers, header).ok_or(Fault::Missing { header })?;
    let bad = Fault::Value { header };
    let (rseq, cseq) = trim(text).split_once([' ', '\t']).ok_or(bad)?;
    let rseq = wire::number(header, rseq, MAX_RSEQ)?;
    let cseq = CSeq::parse(trim(cseq)).map_err(|_| bad)?;
    let method = cseq.known_method().ok_or(bad)?;
    Ok(RAck { rseq: u32::try_from(rseq).map_err(|_| Fault::Range { header })?, seq: cseq.seq, method })
}

#[cfg(test)]
mod tests {
    use rsip::Method;

    use super::{RAck, rack, rseq};
    use crate::wire;

    #[test]
    fn numbers_and_a_method() {
        assert_eq!(rseq(&wire::header("RSeq", "988789").into()), Some(988_789));
        assert_eq!(rseq(&wire::header("RSeq", "4294967296").into()), None);
        assert_eq!(rseq(&wire::header("RSeq", "x").into()), None);
        let read = |text: &str| rack(&wire::header("RAck", text).into()).ok();
        let invite = |rseq, seq| Some(RAck { rseq, seq, method: Method::Invite });
        assert_eq!(read("776656 1 INVITE"), invite(776_656, 1));
        assert_eq!(read(" 7\t 8   INVITE "), invite(7, 8));
        for bad in ["", "1", "1 2", "1 INVITE", "1 2 WONDER", "x 2 INVITE", "1 -2 INVITE"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
