//! Whether an INVITE becomes a call, and if not, what it is told.
//!
//! | asked by | told |
//! |---|---|
//! | a receptionist's phone | 403: receptionists take calls |
//! | a number that is nobody's | 404 |
//! | a call that was forwarded in a circle | 482 (483 if no hop is left) |
//! | while draining, or full | 503 with Retry-After |
//! | without audio that we can take | 488 (400 if it cannot be read) |

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use vorzimmer_sdp::{Description, Local, Session};
use vorzimmer_sip::identity::{IdentityError, NumberPlan};
use vorzimmer_sip::ua::{Command, Flow, Peer, SessionId};
use vorzimmer_types::directory::Customer;
use vorzimmer_types::{CallId, Event};

use crate::call::{Arrival, Call};
use crate::hands::{Hands, Journal};
use crate::identity::Identity;

/// The discard port (RFC 863).
const DISCARD: u16 = 9;

/// An INVITE that asks to become a call.
pub(crate) struct Invitation {
    pub(crate) session: SessionId,
    pub(crate) peer: Peer,
    pub(crate) request: Box<rsip::Request>,
    pub(crate) sdp: Option<Bytes>,
    pub(crate) flow: Flow,
}

/// Why a call is not taken.
struct Refusal {
    status: u16,
    why: &'static str,
}

impl Invitation {
    /// The call, or an answer that says why not.
    pub(crate) fn admit(self, full: bool, hands: &mut Hands<'_>) -> Option<(CallId, Call)> {
        let Self { session, peer, request, sdp, flow } = self;
        let Peer::Trunk { id: trunk_id, name: trunk } = peer else {
            hands.sip(Command::Refuse { session, status: 403, reason: None, retry_after: None });
            return None;
        };
        let id = CallId::random(hands.entropy);
        let (identity, customer) = match whose(&request, hands.config.plan_of(trunk_id), hands) {
            Ok(whose) => whose,
            Err(refusal) => {
                refuse(session, &refusal, &mut Journal::new(id, None), hands);
                return None;
            }
        };
        let mut journal = Journal::new(id, Some(customer.id));
        let (did, caller, chain) = (identity.did.clone(), identity.caller.clone(), identity.chain.clone());
        journal.write(hands, Event::Offered { trunk, did, caller, chain, policy: customer.recording });
        let (local, signalling) = (flow.local.ip(), flow.remote.ip());
        match check(full, sdp.as_ref(), local, hands) {
            Ok(offer) => {
                let arrival = Arrival { id, session, customer, identity, journal, offer, local, signalling };
                Some((id, Call::arrive(arrival, hands)))
            }
            Err(refusal) => {
                refuse(session, &refusal, &mut journal, hands);
                None
            }
        }
    }
}

/// Whose call it is. Of a call that is nobody's, nothing about the people on it is kept.
fn whose(
    request: &rsip::Request,
    plan: &NumberPlan,
    hands: &Hands<'_>,
) -> Result<(Identity, Customer), Refusal> {
    let identity = Identity::read(request, plan).map_err(|error| Refusal {
        status: error.status().code(),
        why: match error {
            IdentityError::NoNumber => "no number of ours was rung",
            IdentityError::ForwardingLoop(_) => "it was forwarded in a circle",
        },
    })?;
    let customer = hands.world.directory().customer_by_number(identity.did.expose());
    let customer = customer.ok_or(Refusal { status: 404, why: "the number is nobody's" })?.clone();
    Ok((identity, customer))
}

/// Whether the call can be taken; its offer, if it came with one.
fn check(
    full: bool,
    sdp: Option<&Bytes>,
    local: IpAddr,
    hands: &mut Hands<'_>,
) -> Result<Option<Description>, Refusal> {
    if full {
        return Err(Refusal { status: 503, why: "no further calls are taken at the moment" });
    }
    let Some(sdp) = sdp else { return Ok(None) };
    let offer = Description::parse(sdp).map_err(|refusal| Refusal {
        status: refusal.status(),
        why: "the session description cannot be read",
    })?;
    // Tried on a port that is never used, so that what cannot be taken does not cost a leg.
    let tried = Session::new(hands.entropy).answer(&offer, &Local::new(SocketAddr::new(local, DISCARD)));
    tried
        .map_err(|refusal| Refusal { status: refusal.status(), why: "the offered media cannot be taken" })?;
    Ok(Some(offer))
}

fn refuse(session: SessionId, refusal: &Refusal, journal: &mut Journal, hands: &mut Hands<'_>) {
    let Refusal { status, why } = *refusal;
    let retry_after = (status == 503).then_some(hands.config.retry_after);
    hands.sip(Command::Refuse { session, status, reason: None, retry_after });
    journal.write(hands, Event::Refused { status, why: why.to_owned() });
}
