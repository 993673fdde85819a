//! INVITEs that go: a device is rung, or no longer (RFC 3261 §13.2, §9.1).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Headers, Method, Request, Response, Version};
use vorzimmer_types::Pii;

use super::compose::{self, Letterhead};
use super::declined::Declined;
use super::flows::Hop;
use super::interval::Life;
use super::keep::FLOW_FAILED;
use super::session::{Abilities, Calling, Cancel, OurInvite, Owner, Session, Stage, Wake};
use super::{
    Binding, Dialled, Event, Flow, FromParty, Outbound, Peer, Reason, SessionId, Transport, Turn, Ua,
};
use crate::fault::Fault;
use crate::header;
use crate::transaction::{ClientKey, Kind, PATIENCE, TransactionId};
use crate::uri::{Host, NameAddr, Scheme, Uri};
use crate::wire;

/// How long a device rings at most, whatever the layer above forgets.
const LONGEST_RINGING: Duration = Duration::from_secs(600);
/// Headers that the layer above may not set: they are ours.
const RESERVED: [&str; 17] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Require",
    "Content-Length",
    "Content-Type",
    "Allow",
    "Supported",
    "Session-Expires",
    "Min-SE",
    "User-Agent",
];

/// Who is rung.
pub(super) enum Callee {
    Device(Box<Binding>),
    /// Somebody whom a trunk reaches.
    Dialled(Box<Dialled>),
}

/// The way to whoever is rung.
struct Route {
    flow: Flow,
    target: Uri,
    peer: Peer,
    /// The Contact of a device.
    contact: Option<Pii<String>>,
}

/// What [`super::Command::Invite`] and [`super::Command::Dial`] ask for, without their session.
pub(super) struct Ring {
    pub to: Callee,
    pub from: FromParty,
    pub sdp: Option<Bytes>,
    pub headers: Vec<(String, Pii<String>)>,
}

impl Ua {
    /// Rings a device over the flow that it registered with. An INVITE of more than 1,300 bytes goes by UDP all the
    /// same if that is how the device registered: §18.1.1 would have it go by TCP, but behind a NAT no connection to
    /// the device can be opened, and one to its Contact would reach somebody else.
    pub(super) fn ring(&mut self, id: SessionId, ring: Ring, turn: &mut Turn<'_>) {
        if self.sessions.contains_key(&id) {
            return;
        }
        if self.sessions.len() >= self.config.limits.sessions {
            self.counters.overload += 1;
            return self.refused(id, 503, None);
        }
        let Some(Route { flow, target, peer, contact }) = self.route(&ring.to, turn) else {
            let status = if matches!(ring.to, Callee::Device(_)) { FLOW_FAILED } else { 503 };
            return self.refused(id, status, None);
        };
        let Ok(request) = self.invitation(&ring, target, &flow, turn) else {
            self.counters.unprintable += 1;
            return self.refused(id, 500, None);
        };
        let Some(transaction) = self.begin(request.clone(), flow, Owner::Invite(id), turn) else {
            return self.refused(id, 503, None);
        };
        let tag =
            header::from(&request.headers).ok().and_then(|from| from.tag()).unwrap_or_default().to_owned();
        let call_id = header::call_id(&request.headers).unwrap_or_default().to_owned();
        let key = (call_id, tag);
        self.dialogs.insert(key.clone(), id);
        let calling = Calling::new(transaction, request);
        self.sessions.insert(
            id,
            Session {
                id,
                peer,
                flow,
                key,
                contact,
                can: Abilities::default(),
                life: Life::default(),
                provisional: None,
                stage: Stage::Calling(calling),
            },
        );
        self.counters.sessions_begun += 1;
        self.timers.set(Wake::GiveUp(id), turn.now.mono + LONGEST_RINGING);
    }

    fn refused(&mut self, session: SessionId, status: u16, retry_after: Option<Duration>) {
        self.flows.event(Event::Refused { session, status, retry_after });
    }

    fn route(&mut self, to: &Callee, turn: &Turn<'_>) -> Option<Route> {
        match to {
            Callee::Device(device) => {
                let flow = self.way_to_device(device)?;
                let target = Uri::parse(device.contact.expose()).ok()?.without_headers();
                let (peer, contact) = (Peer::Receptionist(device.receptionist), Some(device.contact.clone()));
                Some(Route { flow, target, peer, contact })
            }
            Callee::Dialled(dialled) => {
                let trunk = self.config.trunks.iter().find(|trunk| trunk.id == dialled.trunk)?;
                let (Outbound { transport, local, remote }, peer) = (trunk.outbound?, trunk.peer());
                let target = outside(dialled.target.expose(), remote)?;
                let flow = match transport {
                    Transport::Udp => Flow { transport, local, remote, connection: None },
                    _ => {
                        let trunk = Some(trunk.id);
                        self.flows.connect(Hop { transport, local, remote, trunk }, turn.now.mono)?
                    }
                };
                Some(Route { flow, target, peer, contact: None })
            }
        }
    }

    /// The flow that a device registered over last; if that is gone, another flow of the same device (RFC 5626 §5.3).
    fn way_to_device(&self, binding: &Binding) -> Option<Flow> {
        let mut flows = self.registrar.flows_of(binding).chain([binding.flow]);
        flows.find(|flow| self.flows.is_usable(flow))
    }

    fn invitation(
        &mut self,
        ring: &Ring,
        target: Uri,
        flow: &Flow,
        turn: &mut Turn<'_>,
    ) -> Result<Request, Fault> {
        let from = self.from(&ring.from).with_tag(&Letterhead::tag(turn.entropy));
        let call_id = hex::encode(vorzimmer_types::entropy::array::<16>(turn.entropy));
        let mut headers = Headers::default();
        headers.push(Header::MaxForwards("70".into()));
        headers.push(Header::From(from.to_string().into()));
        headers.push(Header::To(NameAddr::new(target.clone()).to_string().into()));
        headers.push(Header::CallId(call_id.into()));
        headers.push(Header::CSeq("1 INVITE".into()));
        headers.push(compose::contact(flow, target.scheme == Scheme::Sips));
        compose::allow(&mut headers);
        self.ask_for_timer(&mut headers);
        for (name, value) in &ring.headers {
            if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
                return Err(Fault::Unsendable { part: "a header that is ours" });
            }
            headers.push(wire::header(name, value.expose().clone()));
        }
        let mut body = Vec::new();
        if let Some(sdp) = &ring.sdp {
            compose::sdp(&mut headers, &mut body, sdp);
        }
        Ok(Request { method: Method::Invite, uri: target.into(), version: Version::V2, headers, body })
    }

    /// A 422: the same INVITE with an interval that is long enough (RFC 4028 §7.3). False if that is of no use.
    pub(super) fn ring_for_longer(
        &mut self,
        id: SessionId,
        declined: &Declined,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let Stage::Calling(calling) = &mut session.stage else { return false };
        let offered = header::session_expires(&calling.request.headers).map_or(0, |asked| asked.seconds);
        if calling.cancel != Cancel::No || !session.life.learn(declined, offered) {
            return false;
        }
        let headers = &mut calling.request.headers;
        Self::ask_for_more(&session.life, headers);
        let seq = header::cseq(headers).map_or(1, |cseq| cseq.seq + 1);
        header::set(headers, Header::CSeq(format!("{seq} INVITE").into()));
        let (request, flow) = (Request::clone(&calling.request), session.flow);
        let Some(transaction) = self.begin(request, flow, Owner::Invite(id), turn) else { return false };
        if let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) {
            calling.transaction = transaction;
            calling.heard = false;
            calling.early.clear();
            calling.owed = None;
        }
        true
    }

    fn from(&self, party: &FromParty) -> NameAddr {
        match party {
            FromParty::Known { display, user } => {
                let uri = Uri::sip(Some(user.expose()), Host::Name(self.config.realm.clone()), None);
                let address = NameAddr::new(uri);
                match display {
                    Some(display) => address.with_display(display.expose()),
                    None => address,
                }
            }
            // RFC 3323 §4.1.1.3.
            FromParty::Anonymous => {
                let host = Host::Name("anonymous.invalid".into());
                NameAddr::new(Uri::sip(Some("anonymous"), host, None)).with_display("Anonymous")
            }
        }
    }

    /// Signs a request of ours and sends it in a transaction of its own. None if the table is full or the request
    /// cannot be written; then nothing was sent.
    pub(super) fn begin(
        &mut self,
        mut request: Request,
        flow: Flow,
        owner: Owner,
        turn: &mut Turn<'_>,
    ) -> Option<TransactionId> {
        let branch = self.letterhead.branch(turn.entropy);
        let carrier = self.carrier_behind(owner);
        let plain = carrier.map(|_| request.clone());
        match carrier {
            Some(trunk) => {
                self.authorize(trunk, owner, &mut request, turn);
                self.letterhead.address(&mut request, &flow, &branch);
            }
            None => self.letterhead.sign(&mut request, &flow, &branch),
        }
        let kind = Self::kind(request.method);
        let id = self.begin_signed(&request, kind, flow, owner, turn)?;
        if let (Some(trunk), Some(plain)) = (carrier, plain) {
            self.remember(id, trunk, plain, &flow);
        }
        if let (Kind::Invite, Owner::Invite(session) | Owner::Reinvite(session)) = (kind, owner) {
            request.body = Vec::new();
            self.invites.insert(
                id,
                OurInvite { session, request: Box::new(request), flow, spent: 0, acks: Vec::new() },
            );
        }
        Some(id)
    }

    fn begin_signed(
        &mut self,
        request: &Request,
        kind: Kind,
        flow: Flow,
        owner: Owner,
        turn: &mut Turn<'_>,
    ) -> Option<TransactionId> {
        let (Ok(bytes), Ok(key)) = (compose::request_bytes(request), ClientKey::of(&request.headers)) else {
            self.counters.unprintable += 1;
            return None;
        };
        let begun = self.clients.begin(key, kind, flow, bytes, owner, turn.now.mono, &mut self.flows);
        if begun.is_err() {
            self.counters.overload += 1;
        }
        begun.ok()
    }

    /// The layer above gives an INVITE up.
    pub(super) fn cancel(&mut self, id: SessionId, reason: Option<Reason>, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        if calling.cancel == Cancel::No {
            calling.cancel = Cancel::Wanted(reason);
            self.timers.stop(Wake::GiveUp(id));
            self.send_cancel(id, turn);
        }
    }

    /// §9.1: a CANCEL goes out only after a provisional answer came.
    pub(super) fn send_cancel(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        if !calling.heard || !matches!(calling.cancel, Cancel::Wanted(_)) {
            return;
        }
        let Cancel::Wanted(reason) = std::mem::replace(&mut calling.cancel, Cancel::Sent) else { return };
        let Some(invite) = self.invites.get(&calling.transaction) else { return };
        let mut cancel = compose::same_hop(&invite.request, Method::Cancel, None);
        compose::reason(&mut cancel.headers, reason.as_ref());
        let flow = invite.flow;
        self.begin_signed(&cancel, Kind::Other, flow, Owner::Nobody, turn);
        // §9.1: without an answer to the INVITE in 64·T1 it counts as cancelled.
        self.timers.set(Wake::Uncancelled(id), turn.now.mono + PATIENCE);
    }
}

/// What stands in the request line for whoever is outside: a number is the trunk's to find.
fn outside(target: &str, trunk: SocketAddr) -> Option<Uri> {
    if target.starts_with('+') {
        let uri = Uri::sip(Some(target), Host::Ip(trunk.ip()), Some(trunk.port()));
        return Some(uri.with_param("user", Some("phone")));
    }
    let uri = Uri::parse(target).ok()?.without_headers();
    matches!(uri.scheme, Scheme::Sip | Scheme::Sips).then_some(uri)
}

/// The ACK of a refusal of our INVITE (§17.1.1.3).
pub(super) fn ack_of_refusal(invite: &OurInvite, response: &Response) -> Option<Bytes> {
    let to = header::first(&response.headers, "To")?;
    compose::request_bytes(&compose::same_hop(&invite.request, Method::Ack, Some(to))).ok()
}
