//! What a REGISTER asks for: its Contacts, with their expiry, preference and instance (RFC 3261 §10.2, §20.10).

use std::time::Duration;

use rsip::Headers;

use crate::fault::Fault;
use crate::header;
use crate::uri::{Address, Scheme, Uri};

/// The Contacts of a REGISTER.
#[derive(Clone, PartialEq, Eq)]
pub enum Contacts {
    /// None: she wants to know what there is (§10.2.3).
    Fetch,
    /// `*` with Expires 0 (§10.2.2).
    RemoveAll,
    /// These.
    Each(Vec<Wish>),
}

/// One Contact.
#[derive(Clone, PartialEq, Eq)]
pub struct Wish {
    /// Where the device says it is.
    pub uri: Uri,
    /// For how long; zero takes it away, none leaves it to us.
    pub expires: Option<Duration>,
    /// Preference, 0–1000.
    pub q_milli: u16,
    /// `+sip.instance` (RFC 5626 §4.1), brackets and all.
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626 §4.2), where there is an instance that it can belong to.
    pub reg_id: Option<u32>,
}

impl Contacts {
    /// The wishes for flows (RFC 5626 §6).
    pub fn flows(&mut self) -> impl Iterator<Item = &mut Wish> {
        let each = match self {
            Self::Each(wishes) => wishes.as_mut_slice(),
            Self::Fetch | Self::RemoveAll => &mut [],
        };
        each.iter_mut().filter(|wish| wish.reg_id.is_some())
    }
}

/// Reads the Contacts of a REGISTER.
///
/// # Errors
/// [`Fault::Value`] for Contact: one that cannot be read, that is no `sip:` or `sips:` URI and thus cannot be rung, or a `*` that has
/// company or an Expires other than 0 (§10.3 step 6).
pub fn contacts(headers: &Headers) -> Result<Contacts, Fault> {
    let general = header::first(headers, "Expires").map(seconds);
    let lines: Vec<&str> = header::listed(headers, "Contact").collect::<Result<_, _>>()?;
    match lines.as_slice() {
        [] => Ok(Contacts::Fetch),
        ["*"] if general == Some(Some(Duration::ZERO)) => Ok(Contacts::RemoveAll),
        lines => lines
            .iter()
            .map(|line| wish(line, general.flatten()))
            .collect::<Result<_, _>>()
            .map(Contacts::Each),
    }
}

fn wish(line: &str, general: Option<Duration>) -> Result<Wish, Fault> {
    let bad = Fault::Value { header: "Contact" };
    let contact = Address::parse(line).map_err(|_| bad)?;
    if !matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return Err(bad);
    }
    let instance = contact.params.value("+sip.instance").map(|value| value.into_owned());
    let reg_id = contact.params.get("reg-id").flatten().and_then(reg_id).filter(|_| instance.is_some());
    Ok(Wish {
        uri: contact.uri.to_uri(),
        expires: match contact.params.get("expires").flatten() {
            Some(text) => seconds(text),
            None => general,
        },
        q_milli: contact.params.get("q").flatten().and_then(q_milli).unwrap_or(1000),
        instance,
        reg_id,
    })
}

/// RFC 5626 §9: 1 to 2³¹ − 1.
fn reg_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && (1..=0x7fff_ffff).contains(id))
}

/// A number of seconds. What is no number counts as not given (§20.19 has 3600 for it; our default is the operator's).
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // §20.19: up to 2**32-1; anything larger is as good as that.
    Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))))
}

/// `qvalue` (§25.1) in thousandths.
fn q_milli(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    whole.checked_mul(1000)?.checked_add(part).filter(|milli| *milli <= 1000)
}

#[cfg(test)]
mod tests {
    use super::{Duration, q_milli, seconds};

    #[test]
    fn numbers_as_people_write_them() {
        for (text, milli) in [
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("0.001", Some(1)),
            ("0.", Some(0)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("0.0001", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(q_milli(text), milli, "{text}");
        }
        assert_eq!(seconds("0"), Some(Duration::ZERO));
        assert_eq!(seconds("99999999999999999999"), Some(Duration::from_secs(u64::from(u32::MAX))));
        assert_eq!(seconds("soon"), None);
    }
}
