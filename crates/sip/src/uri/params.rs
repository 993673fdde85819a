//! `;name=value` lists, as they follow URIs, addresses and Vias.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use crate::chars::{cut, find_outside, is_token, token, trim, unquote};

/// One parameter that owns its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name, as written; compared without regard to case.
    pub name: String,
    /// Its value, as written (with escapes or quotes).
    pub value: Option<String>,
}

impl fmt::Debug for Param {
    /// Only the name: the value may be somebody's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some(value) = &self.value else { return Ok(()) };
        f.write_str("=")?;
        f.write_str(value)
    }
}

/// A list of parameters, still in the message: empty, or starting with its `;`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a>(pub(crate) &'a str);

impl fmt::Debug for Params<'_> {
    /// Only the names: values may be somebody's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl<'a> Params<'a> {
    /// Name and value of each parameter in turn; values as written (with escapes or quotes).
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            rest = trim(rest).strip_prefix(';')?;
            let end = find_outside(rest, b';', false).ok().flatten().unwrap_or(rest.len());
            let (one, after) = rest.split_at(end);
            rest = after;
            Some(match cut(one, b'=') {
                Some((name, value)) => (trim(name), Some(trim(value))),
                None => (trim(one), None),
            })
        })
    }

    /// The first parameter of this name: `Some(None)` if it has no value.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first parameter of this name, without quotes.
    #[must_use]
    pub fn value(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).flatten().map(unquote)
    }

    /// Whether a parameter of this name is there.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The same list, owned.
    #[must_use]
    pub fn to_vec(self) -> Vec<Param> {
        self.iter()
            .map(|(name, value)| Param { name: name.to_owned(), value: value.map(str::to_owned) })
            .collect()
    }

    /// Whether the list has neither quotes nor white space, and is well formed.
    pub(crate) fn is_plain(self) -> bool {
        plain(self.0.as_bytes()) == Some(true)
    }

    /// Whether the list follows `generic-param` (RFC 3261 §25.1): no empty elements, names are tokens, values not empty.
    pub(crate) fn well_formed(self) -> bool {
        plain(self.0.as_bytes()).unwrap_or_else(|| {
            let text = trim(self.0);
            text.is_empty()
                || text.starts_with(';')
                    && self.iter().all(|(name, value)| token(name) && value.is_none_or(value_well_formed))
        })
    }
}

/// Whether a list without quotes and white space, as nearly all are, is well formed: in a single pass. None if it is
/// another.
fn plain(text: &[u8]) -> Option<bool> {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let name = after.iter().position(|b| !is_token(*b)).unwrap_or(after.len());
        let (_, after) = after.split_at_checked(name)?;
        let value = match after.split_first() {
            Some((b'=', value)) => value,
            None | Some((b';', _)) if *first == b';' && name > 0 => {
                rest = after;
                continue;
            }
            _ => return None,
        };
        let length =
            value.iter().position(|b| matches!(b, b';' | b'"' | b' ' | b'\t')).unwrap_or(value.len());
        if *first != b';' || name == 0 || length == 0 {
            return None;
        }
        (_, rest) = value.split_at_checked(length)?;
        if rest.first().is_some_and(|b| *b != b';') {
            return None;
        }
    }
    Some(true)
}

/// A token, a host or a quoted string; in the field also whatever holds no separator of the list.
fn value_well_formed(value: &str) -> bool {
    !value.is_empty()
        && (memchr(b'"', value.as_bytes()).is_none()
            || crate::chars::quoted_end(value) == Ok(value.len()) && value.starts_with('"'))
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn white_space_and_quotes_do_not_confuse() {
        let list = Params(r#" ; tag    = 19 ; Q="a;b=\"c" ; lr ;x=y=z"#);
        let found: Vec<_> = list.iter().collect();
        assert_eq!(
            found,
            [("tag", Some("19")), ("Q", Some(r#""a;b=\"c""#)), ("lr", None), ("x", Some("y=z"))]
        );
        assert_eq!(list.value("q").as_deref(), Some("a;b=\"c"));
        assert_eq!(list.get("lr"), Some(None));
        assert!(list.well_formed());
    }

    #[test]
    fn empty_elements_and_open_quotes_are_malformed() {
        for text in [";;", ";", "x", ";a=", ";=a", ";a=\"", ";a b=c", ";a=b\"c\"", ";tag=1;"] {
            assert!(!Params(text).well_formed(), "{text:?}");
        }
    }
}
