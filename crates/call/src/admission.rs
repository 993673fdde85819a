//! Whether an INVITE becomes a call, and if not, what it is told.
//!
//! | asked by | told |
//! |---|---|
//! | a receptionist's phone | 403: receptionists take calls |
//! | a number that is nobody's | 404 |
//! | a call that was forwarded in a circle | 482 |
//! | while draining, or full | 503 with Retry-After |
//! | without audio that we can take | 488 (400 if it cannot be read) |

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use vorzimmer_sdp::{Description, Local, Session};
use vorzimmer_sip::ua::{Command, Flow, Peer, SessionId};
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
        let Peer::Trunk { name: trunk, .. } = self.peer else {
            hands.sip(Command::Refuse {
                session: self.session,
                status: 403,
                reason: None,
                retry_after: None,
            });
            return None;
        };
        let id = CallId::random(hands.entropy);
        let identity = Identity::read(&self.request);
        let customer = identity
            .as_ref()
            .and_then(|identity| hands.world.directory().customer_by_number(identity.did.expose()).cloned());
        let (Some(identity), Some(customer)) = (identity, customer) else {
            let mut journal = Journal::new(id, None);
            refuse(
                self.session,
                &Refusal { status: 404, why: "the number is nobody's" },
                &mut journal,
                hands,
            );
            return None;
        };
        let mut journal = Journal::new(id, Some(customer.id));
        let (did, caller, chain) = (identity.did.clone(), identity.caller.clone(), identity.chain.clone());
        journal.write(hands, Event::Offered { trunk, did, caller, chain, policy: customer.recording });
        match check(&identity, full, self.sdp.as_ref(), self.flow.local.ip(), hands) {
            Ok(offer) => {
                let (session, local) = (self.session, self.flow.local.ip());
                let arrival = Arrival { id, session, customer, identity, journal, offer, local };
                Some((id, Call::arrive(arrival, hands)))
            }
            Err(refusal) => {
                refuse(self.session, &refusal, &mut journal, hands);
                None
            }
        }
    }
}

/// Whether the call can be taken; its offer, if it came with one.
fn check(
    identity: &Identity,
    full: bool,
    sdp: Option<&Bytes>,
    local: IpAddr,
    hands: &mut Hands<'_>,
) -> Result<Option<Description>, Refusal> {
    if identity.is_loop() {
        return Err(Refusal { status: 482, why: "it was forwarded in a circle" });
    }
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
