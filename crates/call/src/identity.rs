//! Whose call it is: what `sip::identity` reads, in the words of the call's history.
//!
//! A withheld number does not get this far: the identity that is read does not hold it.

use vorzimmer_sip::identity::{self, ForwardReason, HopSource, IdentityError, Limits, NumberPlan, Party};
use vorzimmer_types::event::{Caller, Hop};
use vorzimmer_types::{E164, Pii};

/// What is known of a call that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The number of ours that was rung.
    pub(crate) did: Pii<E164>,
    /// Who rings.
    pub(crate) caller: Caller,
    /// How the call came to us: Diversion, most recent forwarding first, then History-Info in its order.
    pub(crate) chain: Vec<Hop>,
}

impl Identity {
    /// Reads it from a request of a trunk, which is authenticated and therefore believed.
    pub(crate) fn read(request: &rsip::Request, plan: &NumberPlan) -> Result<Self, IdentityError> {
        let identity::Identity { did, caller, chain, .. } =
            identity::identify(request, true, plan, Limits::default())?;
        let caller = match caller {
            identity::Caller::Known { party, display, .. } => {
                Caller::Known { address: address(&party), name: display }
            }
            identity::Caller::Withheld => Caller::Withheld,
            identity::Caller::Unknown => Caller::Unknown,
        };
        // The last target of History-Info is where the call was sent to, which is here: nobody who forwarded.
        let chain = chain.iter().filter(|hop| hop.is_forwarder()).map(hop).collect();
        Ok(Self { did: Pii::new(did), caller, chain })
    }
}

fn address(party: &Pii<Party>) -> Pii<String> {
    Pii::new(match party.expose() {
        Party::Number(number) => number.as_str().to_owned(),
        Party::Address(address) => address.clone(),
    })
}

fn hop(hop: &identity::Hop) -> Hop {
    let source = match hop.source {
        HopSource::Diversion => "diversion",
        HopSource::History => "history-info",
    };
    Hop {
        from: hop.party.as_ref().map(address),
        reason: hop.reason.map_or("unknown", in_words).to_owned(),
        count: hop.counter,
        source: source.to_owned(),
    }
}

/// The words of RFC 5806 §4, whichever header the reason came in.
fn in_words(reason: ForwardReason) -> &'static str {
    match reason {
        ForwardReason::Unconditional => "unconditional",
        ForwardReason::Busy => "user-busy",
        ForwardReason::NoAnswer => "no-answer",
        ForwardReason::Unavailable => "unavailable",
        ForwardReason::Deflection => "deflection",
        ForwardReason::DoNotDisturb => "do-not-disturb",
        ForwardReason::TimeOfDay => "time-of-day",
        ForwardReason::FollowMe => "follow-me",
        ForwardReason::Other => "unknown",
    }
}
