//! Headers that hold several values: split at commas that are outside quotes and brackets (RFC 3261 §7.3.1).

use crate::chars::{find_outside, trim};
use crate::fault::Fault;

/// The elements of a comma-separated value, trimmed, in order. A quoted string left open
/// over a comma ends the list with an error; one in the last element is for the element's own grammar to refuse.
pub fn elements(value: &str) -> impl Iterator<Item = Result<&str, Fault>> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, b',', true) {
            Ok(Some(comma)) => {
                let (one, after) = text.split_at(comma);
                rest = after.get(1..);
                Some(Ok(trim(one)))
            }
            Ok(None) => {
                rest = None;
                Some(Ok(trim(text)))
            }
            Err(fault) => {
                rest = None;
                Some(Err(fault))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::elements;
    use crate::fault::Fault;

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_split() {
        let split = |text| elements(text).collect::<Result<Vec<_>, Fault>>();
        assert_eq!(
            split(r#""Watson, \", T" <sip:a,b@c> ;q=1 , <sip:d@e>,sip:f@g"#).unwrap(),
            [r#""Watson, \", T" <sip:a,b@c> ;q=1"#, "<sip:d@e>", "sip:f@g"]
        );
        assert_eq!(split("a").unwrap(), ["a"]);
        assert_eq!(split("a,,b").unwrap(), ["a", "", "b"]);
        assert_eq!(split(r#"a, "b, c"#), Err(Fault::Quote));
    }
}
