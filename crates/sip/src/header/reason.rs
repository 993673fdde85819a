//! Reason: why something was done, in the terms of a protocol (RFC 3326).

use std::borrow::Cow;

use rsip::Headers;

use super::listed;
use crate::chars::{token, trim};
use crate::fault::Fault;
use crate::uri::Params;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another.
    pub protocol: &'a str,
    /// The protocol's number for it.
    pub cause: Option<u16>,
    /// For people.
    pub text: Option<Cow<'a, str>>,
}

impl<'a> Reason<'a> {
    /// Reads one reason.
    ///
    /// # Errors
    /// [`Fault::Value`] without a protocol or with malformed parameters.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let (protocol, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (protocol, params) = (trim(protocol), Params(params));
        if !token(protocol) || !params.well_formed() {
            return Err(Fault::Value { header: "Reason" });
        }
        let cause = params.get("cause").flatten().and_then(|cause| cause.parse().ok());
        Ok(Self { protocol, cause, text: params.value("text") })
    }
}

/// All reasons in order.
pub fn reasons(headers: &Headers) -> impl Iterator<Item = Result<Reason<'_>, Fault>> {
    listed(headers, "Reason").map(|element| Reason::parse(element?))
}

#[cfg(test)]
mod tests {
    use super::{Reason, reasons};
    use crate::wire;

    #[test]
    fn protocol_cause_and_text() {
        let value = "Q.850 ;cause=16 ;text=\"Terminated; well\" , SIP;cause=200";
        let headers = wire::header("Reason", value).into();
        let found: Vec<_> = reasons(&headers).collect::<Result<_, _>>().unwrap();
        assert_eq!(
            found[0],
            Reason { protocol: "Q.850", cause: Some(16), text: Some("Terminated; well".into()) }
        );
        assert_eq!(found[1], Reason { protocol: "SIP", cause: Some(200), text: None });
        assert!(Reason::parse(";cause=1").is_err());
    }
}
