//! Whose call it is, as its INVITE says.

use crate::limits::FORWARDINGS_AT_MOST;
use vorzimmer_types::event::{Caller, Hop};
use vorzimmer_types::{E164, Pii};

/// What is known of a call that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The number of ours that was rung.
    pub(crate) did: Pii<E164>,
    /// Who rings.
    pub(crate) caller: Caller,
    /// How the call came to us, most recent forwarding first.
    pub(crate) chain: Vec<Hop>,
}

impl Identity {
    /// Reads it; none if no number of the international form was rung.
    pub(crate) fn read(request: &rsip::Request) -> Option<Self> {
        let did: E164 = request.uri.user()?.parse().ok()?;
        Some(Self { did: Pii::new(did), caller: Caller::Unknown, chain: Vec::new() })
    }

    /// Whether the call was forwarded in a circle: by the number that was rung, or more often than anybody means to.
    pub(crate) fn is_loop(&self) -> bool {
        let by_us =
            |hop: &Hop| hop.from.as_ref().is_some_and(|from| from.expose() == self.did.expose().as_str());
        let forwardings: u32 = self.chain.iter().fold(0, |sum, hop| sum.saturating_add(hop.count.max(1)));
        self.chain.iter().any(by_us) || forwardings > FORWARDINGS_AT_MOST
    }
}
