//! History-Info: every address a request was sent to on its way (RFC 7044, RFC 4244).

use rsip::Headers;

use super::{Privacy, Reason};
use crate::fault::Fault;
use crate::uri::{Address, decode};

/// One address on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryInfo<'a> {
    /// The address that the request was sent to.
    pub target: Address<'a>,
    /// Its place in the tree of retargetings: `1.2.1` is `[1, 2, 1]` (RFC 7044 §10.3). Empty if missing or malformed.
    pub index: Vec<u32>,
    /// The `cause` of the URI, by which a gateway or a voicemail tells why it was reached (RFC 4458 §2.1).
    pub cause: Option<u16>,
    /// The causes of Reason headers escaped into the URI: why it was left again (RFC 7044 §10.2), protocol and number.
    pub reasons: Vec<(String, u16)>,
    /// Privacy headers escaped into the URI (RFC 7044 §10.1).
    pub privacy: Privacy,
    /// Index of the entry that was retargeted to this one by forwarding (`mp`, RFC 7044 §10.4).
    pub mapped_from: Option<Vec<u32>>,
}

/// The most levels of an index; a deeper one is passed over as malformed.
pub const MAX_INDEX_LEVELS: usize = 32;

/// All entries as the header has them.
pub fn history(headers: &Headers) -> impl Iterator<Item = Result<HistoryInfo<'_>, Fault>> {
    super::addresses(headers, "History-Info").map(|address| address.map(HistoryInfo::of))
}

impl<'a> HistoryInfo<'a> {
    fn of(target: Address<'a>) -> Self {
        let params = target.params;
        let mut entry = Self {
            target,
            index: params.get("index").flatten().and_then(index).unwrap_or_default(),
            cause: cause(target.uri.params.get("cause").flatten()),
            reasons: Vec::new(),
            privacy: Privacy::default(),
            mapped_from: params.get("mp").flatten().and_then(index),
        };
        entry.read_escaped(target.uri.rest.unwrap_or_default());
        entry
    }

    /// Headers in the URI: `?Reason=SIP%3Bcause%3D302&Privacy=history`.
    fn read_escaped(&mut self, headers: &str) {
        let mut privacy = String::new();
        for (name, value) in headers.split('&').filter_map(|one| one.split_once('=')) {
            let value = decode(value);
            if name.eq_ignore_ascii_case("Privacy") {
                privacy.push(';');
                privacy.push_str(&value);
            } else if name.eq_ignore_ascii_case("Reason")
                && let Ok(reason) = Reason::parse(&value)
                && let Some(cause) = reason.cause
            {
                self.reasons.push((reason.protocol.to_owned(), cause));
            }
        }
        self.privacy = Privacy::parse(&privacy);
    }
}

fn cause(text: Option<&str>) -> Option<u16> {
    text?.parse().ok()
}

fn index(text: &str) -> Option<Vec<u32>> {
    let levels: Option<Vec<u32>> =
        text.split('.').take(MAX_INDEX_LEVELS + 1).map(|level| level.parse().ok()).collect();
    levels.filter(|levels| levels.len() <= MAX_INDEX_LEVELS)
}

#[cfg(test)]
mod tests {
    use super::history;
    use crate::wire;

    #[test]
    fn index_cause_reason_and_privacy() {
        let value = "<sip:+493023125001@a;user=phone?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22&Privacy=history>;index=1, \
            <sip:+493023125002@a;cause=480>;index=1.1;mp=1, <tel:+493023125003>;index=x";
        let headers = wire::header("History-Info", value).into();
        let found: Vec<_> = history(&headers).collect::<Result<_, _>>().unwrap();
        assert_eq!(found[0].index, [1]);
        assert_eq!(found[0].reasons, [("SIP".to_owned(), 302)]);
        assert!(found[0].privacy.history);
        assert_eq!((found[1].cause, found[1].index.as_slice()), (Some(480), [1, 1].as_slice()));
        assert_eq!(found[1].mapped_from.as_deref(), Some([1].as_slice()));
        assert!(found[2].index.is_empty() && !found[2].privacy.history);
    }
}
