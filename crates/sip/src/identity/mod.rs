//! Whose call it is: which of our numbers was reached, who is calling, and who forwarded the call on its way.
//!
//! A caller who withholds his number stays unknown here: nothing in an [`Identity`] contains it, so nothing that is made
//! of one can show or store it. Only an authenticated trunk is believed. Whether the number reached belongs to a customer
//! is for the directory to say.
//!
//! The number reached is looked for in this order, and the first telephone number found is it:
//! 1. the Request-URI, unless the trunk is configured to tell the number in To ([`CalledIn::To`]);
//! 2. P-Called-Party-ID (RFC 7315 §4.2), where a registered trunk's network keeps the number that was dialled;
//! 3. To;
//! 4. the last entry of History-Info, which is where the request was sent last (RFC 7044 §9.2).
//!
//! Diversion is not among them: it names who forwarded, never who was reached.

mod caller;
mod chain;
mod party;
mod plan;
mod withheld;

use rsip::{Request, StatusCode};
use vorzimmer_types::{E164, Pii};

pub use chain::{ForwardReason, Hop, HopSource};
pub use plan::{CalledIn, NumberPlan, PlanError, Style};

use crate::header;
use crate::uri::Uri;

/// How often a call may come back and how often it may have been forwarded before it is a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often the number reached may already have forwarded this very call.
    pub returns: usize,
    /// How many forwardings there may have been in all.
    pub forwardings: u32,
}

impl Default for Limits {
    /// One return, ten forwardings: public networks stop at five by themselves, PBXs add some.
    fn default() -> Self {
        Self { returns: 1, forwardings: 10 }
    }
}

/// Whose call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The number of ours that was reached.
    pub did: E164,
    /// Where it was found.
    pub did_from: DidSource,
    /// Who is calling.
    pub caller: Caller,
    /// Who forwarded: Diversion as the header has it (most recent first), then History-Info in the order of its indexes.
    pub chain: Vec<Hop>,
    /// Entries of either header that could not be read.
    pub unreadable_hops: usize,
}

/// Where the number that was reached stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DidSource {
    /// In the request line.
    RequestUri,
    /// In P-Called-Party-ID.
    CalledParty,
    /// In To.
    To,
    /// In the last entry of History-Info.
    History,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// This one.
    Known {
        /// The number or address.
        party: Pii<Party>,
        /// The name, if one was sent that is not just the number again.
        display: Option<Pii<String>>,
        /// Whether the network vouches for it (P-Asserted-Identity); else it is what From says.
        asserted: bool,
    },
    /// Somebody who does not want to be known.
    Withheld,
    /// Nobody said, or nobody who is believed.
    Unknown,
}

/// A number, or where there is none an address.
#[derive(Clone, PartialEq, Eq)]
pub enum Party {
    /// A telephone number.
    Number(E164),
    /// `user@host` of a SIP address.
    Address(String),
}

impl std::fmt::Debug for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("‹redacted›")
    }
}

/// Why a call is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No place that could name the number reached holds a telephone number.
    #[error("the request names no telephone number that was reached")]
    NoNumber,
    /// The call goes round in circles.
    #[error("the call goes round in circles: {0}")]
    ForwardingLoop(LoopSign),
}

/// What gave a loop away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoopSign {
    /// The number reached forwarded this call before.
    #[error("the number reached forwarded it {0} times")]
    Returned(usize),
    /// Too many forwardings.
    #[error("it was forwarded {0} times")]
    Forwardings(u32),
    /// No hop is left (RFC 3261 §16.3).
    #[error("no hop is left")]
    MaxForwards,
}

impl IdentityError {
    /// The status with which the call is refused.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoNumber => StatusCode::NotFound,
            Self::ForwardingLoop(LoopSign::MaxForwards) => StatusCode::TooManyHops,
            Self::ForwardingLoop(_) => StatusCode::LoopDetected,
        }
    }
}

/// Reads whose call a request is. `trusted` says that it came from an authenticated trunk; nobody else is believed about
/// who is calling or who forwarded.
///
/// # Errors
/// [`IdentityError::NoNumber`] if nothing names a number, [`IdentityError::ForwardingLoop`] if the call goes round.
pub fn identify(
    request: &Request,
    trusted: bool,
    plan: &NumberPlan,
    limits: Limits,
) -> Result<Identity, IdentityError> {
    if header::max_forwards(&request.headers) == Ok(Some(0)) {
        return Err(IdentityError::ForwardingLoop(LoopSign::MaxForwards));
    }
    let (did, did_from) = did(request, plan).ok_or(IdentityError::NoNumber)?;
    if !trusted {
        return Ok(Identity {
            did,
            did_from,
            caller: Caller::Unknown,
            chain: Vec::new(),
            unreadable_hops: 0,
        });
    }
    let claims = caller::Claims::of(&request.headers, plan);
    let mut chain = chain::Chain::of(&request.headers, plan);
    chain.check(&did, limits)?;
    if let Some(number) = claims.number_in_from().filter(|_| claims.withheld) {
        chain.hide(number);
    }
    let caller = claims.caller(&chain.hops);
    Ok(Identity { did, did_from, caller, chain: chain.hops, unreadable_hops: chain.unreadable })
}

fn did(request: &Request, plan: &NumberPlan) -> Option<(E164, DidSource)> {
    let headers = &request.headers;
    let named =
        |name| header::address(headers, name).ok().and_then(|address| plan.number(&address.uri.to_uri()));
    let request_uri = || plan.number(&Uri::from(&request.uri)).map(|did| (did, DidSource::RequestUri));
    let called = || named("P-Called-Party-ID").map(|did| (did, DidSource::CalledParty));
    let to = || named("To").map(|did| (did, DidSource::To));
    let history = || {
        let last = header::history(headers).flatten().max_by(|a, b| a.index.cmp(&b.index))?;
        plan.number(&last.target.uri.to_uri()).map(|did| (did, DidSource::History))
    };
    match plan.called_in {
        CalledIn::RequestUri => request_uri().or_else(called).or_else(to).or_else(history),
        CalledIn::To => to().or_else(called).or_else(request_uri).or_else(history),
    }
}
