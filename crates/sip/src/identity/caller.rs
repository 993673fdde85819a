//! Who is calling, by P-Asserted-Identity and From (RFC 3325 §9.1, RFC 3261 §20.20).

use rsip::Headers;
use vorzimmer_types::{E164, Pii};

use super::chain::Hop;
use super::party::party;
use super::withheld::{is_no_name, is_withheld};
use super::{Caller, NumberPlan, Party};
use crate::header;
use crate::uri::{Address, decode};

/// What a request says about its caller, before it is decided what of it may be known.
pub(super) struct Claims {
    asserted: Vec<Claim>,
    from: Option<Claim>,
    /// Whether anything in the request asks that the caller be not known.
    pub withheld: bool,
}

struct Claim {
    party: Party,
    display: Option<String>,
}

impl Claims {
    pub fn of(headers: &Headers, plan: &NumberPlan) -> Self {
        let asserted: Vec<_> = header::addresses(headers, "P-Asserted-Identity").flatten().collect();
        let from = header::from(headers).ok();
        let withheld = header::privacy(headers).withholds_caller()
            || asserted.iter().chain(&from).any(is_withheld)
            || remote_party_withheld(headers);
        Self {
            asserted: asserted.iter().filter_map(|address| Claim::of(address, plan)).collect(),
            from: from.and_then(|address| Claim::of(&address, plan)),
            withheld,
        }
    }

    /// The number in From, which must not show anywhere if the caller is withheld. What is asserted beside it may be the
    /// PBX that forwarded, which withholds nothing.
    pub fn number_in_from(&self) -> Option<&E164> {
        self.from.as_ref().and_then(Claim::number)
    }

    /// Decides.
    ///
    /// A PBX that forwards a call asserts *itself* and leaves the caller in From: an asserted number that is among those
    /// who forwarded gives way to From.
    pub fn caller(self, chain: &[Hop]) -> Caller {
        if self.withheld {
            return Caller::Withheld;
        }
        let forwarded = |claim: &Claim| {
            claim.number().is_some_and(|number| chain.iter().any(|hop| hop.is(number) && hop.is_forwarder()))
        };
        let best = |claims: Vec<Claim>| {
            let at = claims.iter().position(|claim| claim.number().is_some()).unwrap_or(0);
            claims.into_iter().nth(at)
        };
        match (best(self.asserted), self.from) {
            (Some(asserted), Some(from)) if forwarded(&asserted) && !forwarded(&from) => from.known(false),
            (Some(asserted), Some(from)) => asserted.or_name_of(from).known(true),
            (Some(asserted), None) => asserted.known(true),
            (None, Some(from)) => from.known(false),
            (None, None) => Caller::Unknown,
        }
    }
}

impl Claim {
    fn of(address: &Address<'_>, plan: &NumberPlan) -> Option<Self> {
        let uri = address.uri.to_uri();
        let party = party(&uri, plan)?;
        let display = address
            .display()
            .map(|name| name.trim().to_owned())
            .filter(|name| !is_no_name(name) && plan.written(name, None).is_none());
        // A short number that a PBX repeats as the name.
        let display = display.filter(|name| uri.user.as_deref().map(decode).as_deref() != Some(name));
        Some(Self { party, display })
    }

    fn number(&self) -> Option<&E164> {
        match &self.party {
            Party::Number(number) => Some(number),
            Party::Address(_) => None,
        }
    }

    /// The same party, with From's name if the network asserted none and From means the same party.
    fn or_name_of(self, from: Self) -> Self {
        let display = match self.display {
            None if self.party == from.party => from.display,
            display => display,
        };
        Self { display, ..self }
    }

    fn known(self, asserted: bool) -> Caller {
        Caller::Known { party: Pii::new(self.party), display: self.display.map(Pii::new), asserted }
    }
}

/// Remote-Party-ID, from before RFC 3325: not believed about who calls, only about who does not want to be known.
fn remote_party_withheld(headers: &Headers) -> bool {
    header::addresses(headers, "Remote-Party-ID").flatten().any(|address| {
        let calling = address.params.value("party").is_none_or(|party| party.eq_ignore_ascii_case("calling"));
        let open = address.params.value("privacy").is_none_or(|privacy| privacy.eq_ignore_ascii_case("off"));
        calling && (!open || is_withheld(&address))
    })
}
