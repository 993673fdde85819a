//! Whether an INVITE becomes a call, and if not, what it is told.
//!
//! | asked by | told |
//! |---|---|
//! | a receptionist's phone that is in no call | 403: receptionists take calls, and ask others for their callers |
//! | a number that is nobody's | 404 |
//! | a call that was forwarded in a circle | 482 (483 if no hop is left) |
//! | while draining, overloaded, or full | 503 with Retry-After |
//! | without audio that we can take, or the encryption that is required | 488 (400 if it cannot be read), with a Reason and a Warning that say what is wanted |

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use vorzimmer_sdp::{Browser, Description, Local, Protection, Session};
use vorzimmer_sip::identity::{IdentityError, NumberPlan};
use vorzimmer_sip::ua::{Flow, Peer, Reason, SessionId};
use vorzimmer_sip::uri::Uri;
use vorzimmer_types::directory::Customer;
use vorzimmer_types::{CallId, Event};

use crate::call::{Arrival, Call};
use crate::config::End;
use crate::hands::{Hands, Journal};
use crate::identity::Identity;
use crate::security;

/// The discard port (RFC 863).
const DISCARD: u16 = 9;

/// An INVITE that asks to become a call.
pub(crate) struct Invitation {
    pub(crate) session: SessionId,
    pub(crate) peer: Peer,
    pub(crate) request: Box<rsip::Request>,
    pub(crate) sdp: Option<Bytes>,
    /// The session that it wants to take the place of.
    pub(crate) replaces: Option<SessionId>,
    pub(crate) flow: Flow,
}

/// Why a call is not taken.
struct Refusal {
    status: u16,
    why: Cow<'static, str>,
    reason: Option<Reason>,
}

impl Refusal {
    fn new(status: u16, why: &'static str) -> Self {
        Self { status, why: why.into(), reason: None }
    }
}

/// An INVITE of a receptionist's phone, by which she wants to talk to somebody for her caller.
pub(crate) struct SecondCall {
    pub(crate) session: SessionId,
    /// Whom, as the phone wrote it.
    pub(crate) target: Uri,
    pub(crate) sdp: Option<Bytes>,
    pub(crate) flow: Flow,
}

impl Invitation {
    /// Says no.
    pub(crate) fn refuse(self, hands: &mut Hands<'_>) {
        hands.refuse(self.session, 403, None);
    }

    /// As what a receptionist's phone sends.
    pub(crate) fn into_second_call(self) -> SecondCall {
        let Self { session, request, sdp, flow, .. } = self;
        let target = Uri::from(&request.uri);
        SecondCall { session, target, sdp, flow }
    }

    /// The call with this name, or an answer that says why not.
    pub(crate) fn admit(self, id: CallId, full: bool, hands: &mut Hands<'_>) -> Option<Call> {
        let Self { session, peer, request, sdp, flow, .. } = self;
        let Peer::Trunk { id: trunk_id, name: trunk } = peer else {
            hands.refuse(session, 403, None);
            return None;
        };
        let (identity, customer) = match whose(&request, hands.config.plan_of(trunk_id), hands) {
            Ok(whose) => whose,
            Err(refusal) => {
                refuse(session, refusal, &mut Journal::new(id, None), hands);
                return None;
            }
        };
        let mut journal = Journal::new(id, Some(customer.id));
        let (did, caller, chain) = (identity.did.clone(), identity.caller.clone(), identity.chain.clone());
        journal.write(hands, Event::Offered { trunk, did, caller, chain, policy: customer.recording });
        let (local, signalling) = (flow.local.ip(), flow.remote.ip());
        let protection = security::of_trunk(hands.config, trunk_id, customer.srtp, &flow);
        match check(full, sdp.as_ref(), End::Trunk(trunk_id), local, protection, hands) {
            Ok(offer) => {
                let arrival = Arrival {
                    id,
                    session,
                    trunk: trunk_id,
                    customer,
                    identity,
                    journal,
                    offer,
                    local,
                    signalling,
                    protection,
                };
                Some(Call::arrive(arrival, hands))
            }
            Err(refusal) => {
                refuse(session, refusal, &mut journal, hands);
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
    let identity = Identity::read(request, plan).map_err(|error| {
        let why = match error {
            IdentityError::NoNumber => "no number of ours was rung",
            IdentityError::ForwardingLoop(_) => "it was forwarded in a circle",
        };
        Refusal::new(error.status().code(), why)
    })?;
    let customer = hands.world.directory().customer_by_number(identity.did.expose());
    let customer = customer.ok_or(Refusal::new(404, "the number is nobody's"))?.clone();
    Ok((identity, customer))
}

/// Whether the call can be taken; its offer, if it came with one.
fn check(
    full: bool,
    sdp: Option<&Bytes>,
    end: End,
    local: IpAddr,
    protection: Protection,
    hands: &mut Hands<'_>,
) -> Result<Option<Description>, Refusal> {
    if full {
        return Err(Refusal::new(503, "no further calls are taken at the moment"));
    }
    let Some(sdp) = sdp else { return Ok(None) };
    let offer = Description::parse(sdp).map_err(|refusal| Refusal {
        reason: Some(security::refused(refusal)),
        ..Refusal::new(refusal.status(), "the session description cannot be read")
    })?;
    // Tried on a port that is never used, so that what cannot be taken does not cost a leg.
    let browser = offer.is_browsers().then(|| Box::new(Browser::nobodys(hands.entropy)));
    let codecs = hands.config.codecs.of(end).to_vec();
    let tried = Local { protection, browser, codecs, ..Local::new(SocketAddr::new(local, DISCARD)) };
    let tried = Session::new(hands.entropy).answer(&offer, &tried, hands.entropy);
    tried.map_err(|refusal| Refusal {
        status: refusal.status(),
        why: format!("the offered media cannot be taken: {refusal}").into(),
        reason: Some(security::refused(refusal)),
    })?;
    Ok(Some(offer))
}

fn refuse(session: SessionId, refusal: Refusal, journal: &mut Journal, hands: &mut Hands<'_>) {
    let Refusal { status, why, reason } = refusal;
    hands.refuse(session, status, reason);
    journal.write(hands, Event::Refused { status, why: why.into_owned() });
}
