//! Contact: where somebody can be reached (RFC 3261 §20.10).

use rsip::Headers;

use super::listed;
use crate::fault::Fault;
use crate::uri::Address;

/// One element of Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact<'a> {
    /// `*`: all bindings of this address of record (RFC 3261 §10.2.2).
    Star,
    /// An address.
    At(Address<'a>),
}

/// All Contacts in order.
pub fn contacts(headers: &Headers) -> impl Iterator<Item = Result<Contact<'_>, Fault>> {
    listed(headers, "Contact").map(|element| match element? {
        "*" => Ok(Contact::Star),
        text => Address::parse(text).map(Contact::At).map_err(|_| Fault::Value { header: "Contact" }),
    })
}

impl Address<'_> {
    /// The `q` of a Contact in thousandths, 0 to 1000; none if it is missing or malformed (RFC 3261 §25.1 `qvalue`).
    #[must_use]
    pub fn q_milli(&self) -> Option<u16> {
        let text = self.params.get("q").flatten()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
        match whole {
            "0" | "" if !text.is_empty() && text != "." => Some(thousandths),
            "1" if thousandths == 0 => Some(1000),
            _ => None,
        }
    }

    /// The `expires` of a Contact in seconds; none if it is missing or malformed.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").flatten().and_then(super::seconds)
    }
}

#[cfg(test)]
mod tests {
    use rsip::Headers;

    use super::{Contact, contacts};
    use crate::uri::Address;
    use crate::wire;

    #[test]
    fn q_and_expires() {
        for (param, q) in [
            ("q=0", Some(0)),
            ("q=0.5", Some(500)),
            ("q=0.33", Some(330)),
            ("q=1.000", Some(1000)),
            ("q=1", Some(1000)),
            ("q=.7", Some(700)),
            ("q=1.001", None),
            ("q=0.1234", None),
            ("q=-1", None),
            ("q=.", None),
            ("x", None),
        ] {
            assert_eq!(Address::parse(&format!("<sip:a@b>;{param}")).unwrap().q_milli(), q, "{param}");
        }
        for (param, seconds) in
            [("60", Some(60)), ("280297596632815", Some(u32::MAX)), ("never", None), ("-1", None)]
        {
            let text = format!("<sip:a@b>;expires={param}");
            assert_eq!(Address::parse(&text).unwrap().expires(), seconds, "{param}");
        }
    }

    #[test]
    fn star_and_many_on_a_line() {
        let headers = Headers::from(vec![
            wire::header("m", "\"A, B\" <sip:a@b>, sip:c@d;expires=5"),
            wire::header("Contact", "*"),
        ]);
        let found: Vec<_> = contacts(&headers).collect::<Result<_, _>>().unwrap();
        assert_eq!(found.len(), 3);
        assert!(matches!(found[1], Contact::At(address) if address.expires() == Some(5)));
        assert_eq!(found[2], Contact::Star);
    }
}
