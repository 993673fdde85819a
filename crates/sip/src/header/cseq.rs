//! CSeq (RFC 3261 §20.16).

use rsip::Method;

use crate::chars::{cut, token, trim};
use crate::fault::Fault;
use crate::wire;

/// The largest sequence number (RFC 3261 §8.1.1.5: less than 2**31).
pub const MAX_SEQ: u32 = (1 << 31) - 1;

/// A request's number within its dialog, and its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The number, at most [`MAX_SEQ`].
    pub seq: u32,
    /// The method as written.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads the value of a CSeq header.
    ///
    /// # Errors
    /// [`Fault::Value`] if it is not a number and a method, [`Fault::Range`] above [`MAX_SEQ`].
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let header = "CSeq";
        let (seq, method) = cut(text, b' ').or_else(|| cut(text, b'\t')).ok_or(Fault::Value { header })?;
        let method = trim(method);
        let seq = wire::number(header, seq, u64::from(MAX_SEQ))?;
        if !token(method) {
            return Err(Fault::Value { header });
        }
        Ok(Self { seq: u32::try_from(seq).map_err(|_| Fault::Range { header })?, method })
    }

    /// The method, if it is one that `rsip` knows.
    #[must_use]
    pub fn known_method(&self) -> Option<Method> {
        wire::method(self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::CSeq;
    use crate::fault::Fault;

    #[test]
    fn the_number_is_below_two_to_the_31() {
        assert_eq!(CSeq::parse("0009 INVITE"), Ok(CSeq { seq: 9, method: "INVITE" }));
        assert_eq!(CSeq::parse("2147483647   X-Y"), Ok(CSeq { seq: 2_147_483_647, method: "X-Y" }));
        for (text, fault) in [
            ("2147483648 BYE", Fault::Range { header: "CSeq" }),
            ("36893488147419103232 REGISTER", Fault::Range { header: "CSeq" }),
            ("-1 BYE", Fault::Value { header: "CSeq" }),
            ("1", Fault::Value { header: "CSeq" }),
            ("1 BYE BYE", Fault::Value { header: "CSeq" }),
            ("BYE 1", Fault::Value { header: "CSeq" }),
        ] {
            assert_eq!(CSeq::parse(text), Err(fault));
        }
    }
}
