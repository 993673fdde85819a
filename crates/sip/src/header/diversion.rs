//! Diversion: who forwarded the call to whom, before History-Info (RFC 5806).

use std::borrow::Cow;

use rsip::Headers;

use super::Privacy;
use crate::fault::Fault;
use crate::uri::Address;

/// One forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion<'a> {
    /// Who forwarded.
    pub from: Address<'a>,
    /// Why: `unconditional`, `user-busy`, `no-answer` and others.
    pub reason: Option<Cow<'a, str>>,
    /// How many forwardings this entry stands for; at least 1.
    pub counter: u32,
    /// Whether who forwarded must not be known: any `privacy` but `off`.
    pub private: bool,
}

/// All forwardings, the most recent first, as the header has them (RFC 5806 §4).
pub fn diversions(headers: &Headers) -> impl Iterator<Item = Result<Diversion<'_>, Fault>> {
    super::addresses(headers, "Diversion").map(|address| address.map(Diversion::of))
}

impl<'a> Diversion<'a> {
    fn of(from: Address<'a>) -> Self {
        let params = from.params;
        // RFC 5806 §6.1: the counter is 1 unless said otherwise.
        let counter = params.get("counter").flatten().and_then(|n| n.parse().ok()).unwrap_or(1).max(1);
        let private = params
            .value("privacy")
            .is_some_and(|value| !value.eq_ignore_ascii_case("off") && !Privacy::parse(&value).none);
        Self { from, reason: params.value("reason"), counter, private }
    }
}

#[cfg(test)]
mod tests {
    use super::diversions;
    use crate::wire;

    #[test]
    fn several_on_a_line_keep_their_order() {
        let value = "<sip:+493023125002@a>;reason=user-busy;privacy=off;counter=2, \
            \"Zentrale, Berlin\" <tel:+493023125001>;reason=\"unconditional\";privacy=full;screen=no";
        let headers = wire::header("Diversion", value).into();
        let found: Vec<_> = diversions(&headers).collect::<Result<_, _>>().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].counter, found[0].private, found[0].reason.as_deref()),
            (2, false, Some("user-busy"))
        );
        assert_eq!(
            (found[1].counter, found[1].private, found[1].reason.as_deref()),
            (1, true, Some("unconditional"))
        );
        assert_eq!(found[1].from.display().as_deref(), Some("Zentrale, Berlin"));
    }
}
