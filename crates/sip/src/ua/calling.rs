//! INVITEs that go: a device is rung, or no longer (RFC 3261 §13.2, §9.1).

use std::time::Duration;

use bytes::Bytes;
use rsip::{Header, Headers, Method, Request, Response, Version};
use vorzimmer_types::{Pii, TrunkId};

use super::compose::{self, Letterhead};
use super::declined::Declined;
use super::interval::Life;
use super::keep::FLOW_FAILED;
use super::session::{Abilities, Calling, Cancel, OurInvite, Owner, Session, Stage, Wake};
use super::{Binding, Event, Flow, FromParty, Peer, Reason, SessionId, Turn, Ua};
use crate::dialog;
use crate::fault::Fault;
use crate::header;
use crate::transaction::{ClientKey, Kind, PATIENCE, TransactionId};
use crate::uri::{Host, NameAddr, Scheme, Uri};
use crate::wire;

/// How long a device rings at most, whatever the layer above forgets.
const LONGEST_RINGING: Duration = Duration::from_secs(600);
/// How long a trunk may take for its first word, be it 100: then it is taken for dead, long before its transaction is
/// (§17.1.1.2 has 32 s for that), for somebody is waiting.
const HEARD_WITHIN: Duration = Duration::from_secs(6);
/// Headers of an INVITE for which there is room without growing.
const USUAL_HEADERS: usize = 16;
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

/// What [`super::Command::Invite`] asks for, without its session.
pub(super) struct Ring {
    pub to: Box<Binding>,
    pub from: FromParty,
    pub sdp: Option<Bytes>,
    pub headers: Vec<(String, Pii<String>)>,
}

/// An INVITE that is ready to go, and where to.
pub(super) struct Ready {
    pub request: Request,
    pub flow: Flow,
    pub peer: Peer,
    pub device: Option<Box<Binding>>,
}

impl Ua {
    /// Rings a device over the flow that it registered with. An INVITE of more than 1,300 bytes goes by UDP all the
    /// same if that is how the device registered: §18.1.1 would have it go by TCP, but behind a NAT no connection to
    /// the device can be opened, and one to its Contact would reach somebody else.
    pub(super) fn ring(&mut self, id: SessionId, ring: &Ring, turn: &mut Turn<'_>) {
        if !self.has_room_for(id) {
            return;
        }
        let Some(device) = self.way_to_device(&ring.to) else { return self.refused(id, FLOW_FAILED) };
        let Ok(request) = self.invitation(ring, &device, turn) else {
            self.counters.unprintable += 1;
            return self.refused(id, 500);
        };
        let (peer, flow) = (Peer::Receptionist(device.receptionist), device.flow);
        self.call(id, Ready { request, flow, peer, device: Some(Box::new(device)) }, turn);
    }

    /// Whether a session with this new name may begin. If not for want of room, it is refused.
    pub(super) fn has_room_for(&mut self, id: SessionId) -> bool {
        if self.sessions.contains_key(&id) {
            return false;
        }
        let full = self.sessions.len() >= self.config.limits.sessions;
        if full {
            self.counters.overload += 1;
            self.refused(id, 503);
        }
        !full
    }

    /// Sends the first INVITE of a session.
    pub(super) fn call(&mut self, id: SessionId, ready: Ready, turn: &mut Turn<'_>) {
        let Ready { request, flow, peer, device } = ready;
        let carrier = match &peer {
            Peer::Trunk { id, .. } => Some(*id),
            Peer::Receptionist(_) => None,
        };
        let Some(transaction) = self.begin_for(carrier, request.clone(), flow, Owner::Invite(id), turn)
        else {
            return self.refused(id, 503);
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
                device,
                can: Abilities::default(),
                life: Life::default(),
                provisional: None,
                stage: Stage::Calling(calling),
            },
        );
        self.counters.sessions_begun += 1;
        self.timers.set(Wake::GiveUp(id), turn.now.mono + LONGEST_RINGING);
    }

    pub(super) fn refused(&mut self, session: SessionId, status: u16) {
        self.flows.event(Event::Refused { session, status, retry_after: None });
    }

    /// The device as it registered last over a flow that still is there; if that is gone, another flow of the same device
    /// (RFC 5626 §5.3).
    pub(super) fn way_to_device(&self, binding: &Binding) -> Option<Binding> {
        let mut flows = self.registrar.flows_of(binding).chain([binding]);
        flows.find(|known| self.flows.is_usable(&known.flow)).cloned()
    }

    fn invitation(&mut self, ring: &Ring, device: &Binding, turn: &mut Turn<'_>) -> Result<Request, Fault> {
        let from = self.from(&ring.from);
        let target = Uri::parse(device.contact.expose())?.without_headers();
        // RFC 3327 §5.3: back through the proxies that it registered through.
        let (uri, routes) = dialog::applied(&target, &device.route());
        let mut headers = opening(from, NameAddr::new(target.clone()), &routes, turn);
        headers.push(compose::contact(&device.flow, target.scheme == Scheme::Sips));
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
        Ok(Request { method: Method::Invite, uri: uri.into(), version: Version::V2, headers, body })
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
        request: Request,
        flow: Flow,
        owner: Owner,
        turn: &mut Turn<'_>,
    ) -> Option<TransactionId> {
        let carrier = self.carrier_behind(owner);
        self.begin_for(carrier, request, flow, owner, turn)
    }

    /// The same with the trunk that the request is for, if it may be sent again.
    fn begin_for(
        &mut self,
        carrier: Option<TrunkId>,
        mut request: Request,
        flow: Flow,
        owner: Owner,
        turn: &mut Turn<'_>,
    ) -> Option<TransactionId> {
        let branch = self.letterhead.branch(turn.entropy);
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
            if let Owner::Invite(session) = owner {
                self.timers.set(Wake::Unheard(session), turn.now.mono + HEARD_WITHIN);
            }
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

    pub(super) fn begin_signed(
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

/// What every INVITE of ours begins with: From, To, Call-ID and number of a new dialog (§8.1.1, §12.1.2), and the route
/// that it takes.
pub(super) fn opening(from: NameAddr, to: NameAddr, routes: &[NameAddr], turn: &mut Turn<'_>) -> Headers {
    let from = from.with_tag(&Letterhead::tag(turn.entropy));
    let call_id = hex::encode(vorzimmer_types::entropy::array::<16>(turn.entropy));
    let mut headers = Headers::from(Vec::with_capacity(USUAL_HEADERS));
    headers.push(Header::MaxForwards("70".into()));
    for route in routes {
        headers.push(Header::Route(route.to_string().into()));
    }
    headers.push(Header::From(from.to_string().into()));
    headers.push(Header::To(to.to_string().into()));
    headers.push(Header::CallId(call_id.into()));
    headers.push(Header::CSeq("1 INVITE".into()));
    headers
}

/// The ACK of a refusal of our INVITE (§17.1.1.3).
pub(super) fn ack_of_refusal(invite: &OurInvite, response: &Response) -> Option<Bytes> {
    let to = header::first(&response.headers, "To")?;
    compose::request_bytes(&compose::same_hop(&invite.request, Method::Ack, Some(to))).ok()
}
