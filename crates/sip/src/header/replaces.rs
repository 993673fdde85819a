//! Replaces: the dialog that an INVITE takes the place of (RFC 3891 §6.1).

use rsip::Headers;

use super::values;
use crate::chars::trim;
use crate::fault::Fault;
use crate::uri::{Params, decode};

/// A dialog, named as the one sees it who gets the INVITE.
#[derive(Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: String,
    /// The tag of whoever gets the INVITE.
    pub to_tag: String,
    /// The tag of the other one.
    pub from_tag: String,
    /// Only if the dialog is not confirmed yet.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// [`Fault::Value`] without a Call-ID or one of the tags.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = || Fault::Value { header: "Replaces" };
        let (call_id, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (call_id, params) = (trim(call_id), Params(params));
        let tag = |name| params.value(name).filter(|tag| !tag.is_empty()).map(|tag| tag.into_owned());
        if call_id.is_empty() || !params.well_formed() {
            return Err(malformed());
        }
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag").ok_or_else(malformed)?,
            from_tag: tag("from-tag").ok_or_else(malformed)?,
            early_only: params.has("early-only"),
        })
    }

    /// The one escaped into a URI: `?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2` (RFC 3261 §19.1.1). `headers` is what
    /// follows the question mark.
    ///
    /// # Errors
    /// [`Fault::Value`] if it is malformed, or there are several.
    pub fn escaped(headers: &str) -> Result<Option<Self>, Fault> {
        let escaped = headers.split('&').filter_map(|header| header.split_once('='));
        let mut found = escaped.filter(|(name, _)| decode(name).eq_ignore_ascii_case("Replaces"));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Self::parse(&decode(value)).map(Some),
            (Some(_), Some(_)) => Err(Fault::Value { header: "Replaces" }),
        }
    }
}

/// The dialog that an INVITE wants to replace.
///
/// # Errors
/// [`Fault::Value`] if it is malformed, or there are several (RFC 3891 §3).
pub fn replaces(headers: &Headers) -> Result<Option<Replaces>, Fault> {
    let mut found = values(headers, "Replaces");
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Replaces::parse(value).map(Some),
        (Some(_), Some(_)) => Err(Fault::Value { header: "Replaces" }),
    }
}

#[cfg(test)]
mod tests {
    use super::Replaces;

    #[test]
    fn what_clients_write() {
        let plain = "98732@sip.example;from-tag=r33th4x0r;to-tag=ff87ff";
        for (text, early_only) in [
            (plain.to_owned(), false),
            (format!("{plain};early-only"), true),
            (format!(" 98732@sip.example ; to-tag=ff87ff; x=y ;from-tag=r33th4x0r{}", ""), false),
        ] {
            let found = Replaces::parse(&text).ok().unwrap();
            assert_eq!(found.call_id, "98732@sip.example");
            assert_eq!((found.to_tag.as_str(), found.from_tag.as_str()), ("ff87ff", "r33th4x0r"));
            assert_eq!(found.early_only, early_only);
        }
        for text in ["", ";to-tag=a;from-tag=b", "a;to-tag=b", "a;from-tag=b;to-tag", "a;to-tag=;from-tag=b"]
        {
            assert!(Replaces::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escaped_into_a_uri() {
        let escaped = "Require=replaces&replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2";
        let found = Replaces::escaped(escaped).ok().unwrap().unwrap();
        assert_eq!(
            (found.call_id.as_str(), found.to_tag.as_str(), found.from_tag.as_str()),
            ("a@b", "1", "2")
        );
        assert!(Replaces::escaped("Subject=x").ok().unwrap().is_none());
        assert!(Replaces::escaped("Replaces=a").is_err());
        assert!(Replaces::escaped(&format!("{escaped}&{escaped}")).is_err());
    }
}
