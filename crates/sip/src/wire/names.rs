//! Header names: compact forms, casing, and which `rsip` type holds them (RFC 3261 §7.3.3, §20).

use rsip::Header;
use rsip::headers::UntypedHeader as _;

/// What the parser does with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One address, once.
    Party,
    /// Once, and checked by itself.
    CSeq,
    CallId,
    MaxForwards,
    ContentLength,
    /// Anything, once (RFC 3261 §7.3.1).
    Single,
    /// Several values separated by commas, each of which becomes a header of its own, and must be a Via.
    Vias,
    /// The same, of addresses, or `*`.
    Contacts,
    /// The same, of addresses.
    Routes,
    /// The same, of anything.
    List,
    /// Anything, as often as you like.
    Any,
}

impl Shape {
    /// Whether the header may occur only once.
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::Party | Self::CSeq | Self::CallId | Self::MaxForwards | Self::ContentLength | Self::Single
        )
    }

    /// Whether commas separate values that become headers of their own.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Vias | Self::Contacts | Self::Routes | Self::List)
    }
}

/// A header whose name we know.
pub(super) struct Known {
    pub name: &'static str,
    pub shape: Shape,
    make: fn(String) -> Header,
}

impl Known {
    /// The header with this value.
    pub fn with(&self, value: String) -> Header {
        (self.make)(value)
    }
}

macro_rules! known {
    ($($name:literal $shape:ident $($variant:ident)?;)*) => {
        /// In alphabetical order.
        static KNOWN: &[Known] = &[$(Known {
            name: $name,
            shape: Shape::$shape,
            make: known!(@make $name $($variant)?),
        }),*];

        /// The name under which a header is written.
        #[must_use]
        pub fn name(header: &Header) -> &str {
            match header {
                $($(Header::$variant(_) => $name,)?)*
                Header::Other(name, _) => name,
            }
        }

        /// A header's value as it stands in the message.
        #[must_use]
        pub fn value(header: &Header) -> &str {
            match header {
                $($(Header::$variant(inner) => inner.value(),)?)*
                Header::Other(_, value) => value,
            }
        }
    };
    (@make $name:literal $variant:ident) => { |value| Header::$variant(value.into()) };
    (@make $name:literal) => { |value| Header::Other($name.to_owned(), value) };
}

known! {
    "Accept" Any Accept;
    "Accept-Contact" Any;
    "Accept-Encoding" Any AcceptEncoding;
    "Accept-Language" Any AcceptLanguage;
    "Alert-Info" List AlertInfo;
    "Allow" Any Allow;
    "Allow-Events" Any;
    "Authentication-Info" Any AuthenticationInfo;
    "Authorization" Any Authorization;
    "Call-ID" CallId CallId;
    "Call-Info" List CallInfo;
    "Contact" Contacts Contact;
    "Content-Disposition" Any ContentDisposition;
    "Content-Encoding" Any ContentEncoding;
    "Content-Language" Any ContentLanguage;
    "Content-Length" ContentLength ContentLength;
    "Content-Type" Single ContentType;
    "CSeq" CSeq CSeq;
    "Date" Any Date;
    "Diversion" List;
    "Error-Info" List ErrorInfo;
    "Event" Single Event;
    "Expires" Single Expires;
    "From" Party From;
    "History-Info" List;
    "Identity" Any;
    "Info-Package" Any;
    "In-Reply-To" Any InReplyTo;
    "Max-Forwards" MaxForwards MaxForwards;
    "MIME-Version" Any MimeVersion;
    "Min-Expires" Any MinExpires;
    "Min-SE" Single;
    "Organization" Any Organization;
    "P-Asserted-Identity" List;
    "P-Called-Party-ID" Any;
    "P-Preferred-Identity" List;
    "Path" List;
    "Priority" Any Priority;
    "Privacy" Any;
    "Proxy-Authenticate" Any ProxyAuthenticate;
    "Proxy-Authorization" Any ProxyAuthorization;
    "Proxy-Require" Any ProxyRequire;
    "RAck" Single;
    "Reason" List;
    "Record-Route" Routes RecordRoute;
    "Recv-Info" Any;
    "Refer-Sub" Any;
    "Refer-To" Single;
    "Referred-By" Any;
    "Reject-Contact" Any;
    "Remote-Party-ID" List;
    "Replaces" Single;
    "Reply-To" Any ReplyTo;
    "Request-Disposition" Any;
    "Require" Any Require;
    "Retry-After" Any RetryAfter;
    "Route" Routes Route;
    "RSeq" Single;
    "Server" Any Server;
    "Service-Route" List;
    "Session-Expires" Single;
    "Subject" Any Subject;
    "Subscription-State" Any SubscriptionState;
    "Supported" Any Supported;
    "Timestamp" Any Timestamp;
    "To" Party To;
    "Unsupported" Any Unsupported;
    "User-Agent" Any UserAgent;
    "Via" Vias Via;
    "Warning" List Warning;
    "WWW-Authenticate" Any WwwAuthenticate;
}

/// Where each initial's names start in [`KNOWN`], and where they end.
static INITIALS: [(usize, usize); 26] = {
    let mut spans = [(0, 0); 26];
    let mut at = 0;
    while at < KNOWN.len() {
        let initial = (KNOWN[at].name.as_bytes()[0].to_ascii_lowercase() - b'a') as usize;
        if spans[initial].1 == 0 {
            spans[initial].0 = at;
        }
        spans[initial].1 = at + 1;
        at += 1;
    }
    spans
};

/// What every message carries (RFC 3261 §8.1.1), each with its bit in the set of headers seen. Max-Forwards is not
/// among them: RFC 2543 did not know it.
pub(super) static MANDATORY: [(&str, u128); 5] = [
    ("Via", bit_of("Via")),
    ("From", bit_of("From")),
    ("To", bit_of("To")),
    ("Call-ID", bit_of("Call-ID")),
    ("CSeq", bit_of("CSeq")),
];

const fn bit_of(name: &str) -> u128 {
    let mut at = 0;
    while at < KNOWN.len() {
        if KNOWN[at].name.as_bytes().eq_ignore_ascii_case(name.as_bytes()) {
            return 1 << at;
        }
        at += 1;
    }
    0
}

/// The known header of this name, long or compact, in any case, and its place in the table.
pub(super) fn known(name: &str) -> Option<(usize, &'static Known)> {
    let initial = name.bytes().next()?.to_ascii_lowercase();
    let name = if name.len() == 1 { compact(initial)? } else { name };
    let initial = name.bytes().next()?.to_ascii_lowercase();
    let &(start, end) = INITIALS.get(usize::from(initial.checked_sub(b'a')?))?;
    let candidates = KNOWN.get(start..end)?;
    let at = candidates.iter().position(|known| {
        known.name.len() == name.len() && (known.name == name || known.name.eq_ignore_ascii_case(name))
    })?;
    candidates.get(at).map(|known| (start + at, known))
}

/// The header that a single letter stands for (RFC 3261 §7.3.3 and the IANA registry of SIP header fields).
const fn compact(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => return None,
    })
}

/// The header of this name, long or compact, in any case.
#[must_use]
pub fn header(name: &str, value: impl Into<String>) -> Header {
    match known(name) {
        Some((_, known)) => known.with(value.into()),
        None => Header::Other(name.to_owned(), value.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, MANDATORY, header, known, name, value};

    #[test]
    fn every_known_name_is_found_in_any_case_and_kept() {
        assert!(MANDATORY.iter().all(|(_, bit)| bit.count_ones() == 1));
        assert!(KNOWN.len() <= 128, "the parser's set of seen headers has 128 places");
        for (at, entry) in KNOWN.iter().enumerate() {
            let shouted = entry.name.to_ascii_uppercase();
            assert_eq!(known(&shouted).map(|(found, _)| found), Some(at), "{shouted}");
            let made = header(&shouted, "x");
            assert_eq!((name(&made), value(&made)), (entry.name, "x"));
        }
    }

    #[test]
    fn compact_forms_are_expanded() {
        for (letter, long) in [
            ("v", "Via"),
            ("F", "From"),
            ("t", "To"),
            ("i", "Call-ID"),
            ("m", "Contact"),
            ("l", "Content-Length"),
            ("c", "Content-Type"),
            ("e", "Content-Encoding"),
            ("k", "Supported"),
            ("s", "Subject"),
            ("r", "Refer-To"),
            ("u", "Allow-Events"),
            ("o", "Event"),
            ("b", "Referred-By"),
            ("j", "Reject-Contact"),
            ("d", "Request-Disposition"),
            ("a", "Accept-Contact"),
            ("y", "Identity"),
            ("x", "Session-Expires"),
        ] {
            assert_eq!(name(&header(letter, "")), long);
        }
        assert_eq!(name(&header("q", "")), "q");
        assert_eq!(name(&header("X-Thing", "")), "X-Thing");
        assert_eq!(name(&header("-", "")), "-");
    }
}
