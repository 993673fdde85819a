//! REGISTER (RFC 3261 §10.3): proof first, then the registrar, then an answer with all her bindings.

use rsip::{Header, Headers, Request};
use vorzimmer_types::{Now, Pii, ReceptionistId};

use super::inspect::{Objection, check_require};
use super::respond::Arrival;
use super::session::Wake;
use super::{Binding, Event, Peer, Transport, Turn, Ua};
use crate::auth::Proof;
use crate::header;
use crate::registrar::{self, Contacts, Refusal, Registration};
use crate::uri::{Address, Host, Scheme, Uri};

impl Ua {
    /// Somebody wants to register. Whoever has no good digest gets a 401, and nothing is kept of the request.
    pub(super) fn registered(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) {
        let (user, receptionist) = match self.prove_receptionist(&arrival.request, turn) {
            Proof::Good { user, who } => (user, who),
            Proof::None => return self.challenge(arrival, false, turn),
            Proof::Stale => return self.challenge(arrival, true, turn),
            Proof::Bad => {
                self.counters.unauthenticated += 1;
                return self.challenge(arrival, false, turn);
            }
        };
        self.known.note(&arrival.flow, Peer::Receptionist(receptionist), turn.now.mono);
        let Some(opened) = self.open(arrival, turn) else { return };
        match self.carry_out(arrival, user.expose(), receptionist, turn) {
            Ok(Done { changed, outbound }) => {
                let bindings = self.registrar.bindings(receptionist, turn.now.wall);
                let mut extra: Vec<_> = bindings.iter().map(|binding| contact(binding, turn.now)).collect();
                if outbound {
                    extra.extend(self.outbound(arrival.flow.transport));
                }
                extra.extend(path_taken(&arrival.request.headers));
                self.answer(&opened, 200, extra, turn.now);
                if changed {
                    self.flows.event(Event::BindingsChanged { receptionist, bindings });
                }
            }
            Err(objection) => self.answer(&opened, objection.status, objection.extra, turn.now),
        }
    }

    fn carry_out(
        &mut self,
        arrival: &Arrival,
        user: &str,
        receptionist: ReceptionistId,
        turn: &Turn<'_>,
    ) -> Result<Done, Objection> {
        let request = &arrival.request;
        check_require(request)?;
        self.check_address(arrival, user)?;
        let headers = &request.headers;
        let unreadable = |_| Objection::plain(400);
        let mut contacts = registrar::contacts(headers).map_err(unreadable)?;
        check_secrecy(&contacts, arrival.flow.transport)?;
        let outbound = use_flows(&mut contacts, headers)?;
        let registration = Registration {
            receptionist,
            contacts,
            call_id: header::call_id(headers).map_err(unreadable)?.to_owned(),
            cseq: header::cseq(headers).map_err(unreadable)?.seq,
            flow: arrival.flow,
            path: path(headers)?,
        };
        let changed = self.registrar.register(&registration, turn.now.wall).map_err(refused)?;
        if let Some(connection) = arrival.flow.connection.filter(|_| outbound) {
            self.keep_flow(connection, turn);
        }
        Ok(Done { changed, outbound })
    }

    /// RFC 5626 §6 and §5.4: its flows are used, and on streams must show that they live. Over UDP the device's own
    /// default holds, which is as short as NATs are forgetful (§4.4.2).
    fn outbound(&self, transport: Transport) -> Vec<Header> {
        let mut headers = vec![Header::Require("outbound".into())];
        if transport.is_reliable() {
            let seconds = self.config.limits.flow_timer.as_secs();
            headers.push(Header::Other("Flow-Timer".into(), seconds.to_string()));
        }
        headers
    }

    /// Her bindings changed, and not by a REGISTER.
    pub(super) fn tell_bindings(&mut self, receptionist: ReceptionistId, now: Now) {
        let bindings = self.registrar.bindings(receptionist, now.wall);
        self.flows.event(Event::BindingsChanged { receptionist, bindings });
    }

    /// §10.3 steps 1, 4 and 5: the domain is ours, and the address of record is her own.
    fn check_address(&self, arrival: &Arrival, user: &str) -> Result<(), Objection> {
        let to = header::to(&arrival.request.headers).map_err(|_| Objection::plain(400))?.uri.to_uri();
        if !self.is_our_host(&arrival.request, &to, arrival.flow.local.ip()) {
            return Err(Objection::plain(404));
        }
        if to.user_decoded().as_deref() != Some(user) {
            return Err(Objection::plain(403));
        }
        Ok(())
    }

    fn is_our_host(&self, request: &Request, to: &Uri, local: std::net::IpAddr) -> bool {
        let domains = &self.config.domains;
        let ours = |host: Option<&Host>| match host {
            Some(Host::Ip(ip)) => ip.to_canonical() == local.to_canonical() || domains.is_empty(),
            Some(Host::Name(name)) => {
                domains.is_empty()
                    || name.eq_ignore_ascii_case(&self.config.realm)
                    || domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))
            }
            None => false,
        };
        ours(Uri::from(&request.uri).host.as_ref()) && ours(to.host.as_ref())
    }

    /// Sets the clock to the next binding that lapses.
    pub(super) fn watch_bindings(&mut self, now: Now) {
        match self.registrar.next_expiry() {
            Some(at) => {
                let left = u64::try_from(at.0.saturating_sub(now.wall.0)).unwrap_or(0);
                self.timers.set(Wake::Lapse, now.mono + std::time::Duration::from_millis(left));
            }
            None => self.timers.stop(Wake::Lapse),
        }
    }

    /// Bindings lapsed.
    pub(super) fn lapse(&mut self, now: Now) {
        while let Some(receptionist) = self.registrar.expire(now.wall) {
            self.tell_bindings(receptionist, now);
        }
    }
}

/// A REGISTER that was carried out.
struct Done {
    /// Whether anything is not as it was.
    changed: bool,
    /// Whether it was for flows (RFC 5626).
    outbound: bool,
}

/// RFC 3261 §26.2.2: who wants to be called in secret must register in secret.
fn check_secrecy(contacts: &Contacts, transport: Transport) -> Result<(), Objection> {
    let Contacts::Each(wishes) = contacts else { return Ok(()) };
    let open = !transport.is_secure() && wishes.iter().any(|wish| wish.uri.scheme == Scheme::Sips);
    if open { Err(Objection::plain(400)) } else { Ok(()) }
}

/// RFC 5626 §6: `reg-id` counts only if the device says that it supports `outbound`, and only if what is between it and us
/// does so too. Whether any of it counts.
fn use_flows(contacts: &mut Contacts, headers: &Headers) -> Result<bool, Objection> {
    if contacts.flows().next().is_none() {
        return Ok(false);
    }
    if !header::has_token(headers, "Supported", "outbound")
        && !header::has_token(headers, "Require", "outbound")
    {
        contacts.flows().for_each(|wish| wish.reg_id = None);
        return Ok(false);
    }
    // The first hop of a proxied registration must say in Path that it keeps the flow (§5.1).
    let edge = header::listed(headers, "Path").last().and_then(Result::ok);
    let keeps = edge
        .is_some_and(|edge| Address::parse(edge).is_ok_and(|edge| edge.uri.to_uri().param("ob").is_some()));
    if header::vias(headers).count() > 1 && !keeps {
        return Err(Objection::plain(FIRST_HOP_LACKS_OUTBOUND));
    }
    Ok(true)
}

/// The most proxies between a device and us.
const MAX_PATH: usize = 8;

/// The proxies that a REGISTER came through (RFC 3327 §4), the one next to us first.
fn path(headers: &Headers) -> Result<Vec<Pii<String>>, Objection> {
    let mut path = Vec::new();
    for hop in header::listed(headers, "Path") {
        let hop = hop.ok().filter(|hop| {
            let scheme = Address::parse(hop).map(|hop| hop.uri.to_uri().scheme);
            matches!(scheme, Ok(Scheme::Sip | Scheme::Sips))
        });
        match hop {
            Some(hop) if path.len() < MAX_PATH => path.push(Pii::new(hop.to_owned())),
            _ => return Err(Objection::plain(400)),
        }
    }
    Ok(path)
}

/// RFC 3327 §5.3: a device that knows it is told the path.
fn path_taken(headers: &Headers) -> Vec<Header> {
    if !header::has_token(headers, "Supported", "path") {
        return Vec::new();
    }
    let hops: Vec<&str> = header::listed(headers, "Path").filter_map(Result::ok).collect();
    if hops.is_empty() { Vec::new() } else { vec![Header::Other("Path".into(), hops.join(", "))] }
}

/// RFC 5626 §11.6.
const FIRST_HOP_LACKS_OUTBOUND: u16 = 439;

fn refused(refusal: Refusal) -> Objection {
    match refusal {
        Refusal::TooBrief { min } => {
            Objection { status: 423, extra: vec![Header::MinExpires(min.as_secs().to_string().into())] }
        }
        Refusal::OutOfOrder => Objection::plain(500),
        Refusal::TooMany { .. } => Objection::plain(403),
    }
}

/// One Contact of the 200: the binding and how long it is still good, in whole seconds (§10.3 step 8).
fn contact(binding: &Binding, now: Now) -> Header {
    let left = binding.expires_at.0.saturating_sub(now.wall.0).max(0).div_euclid(1000);
    let mut value = format!("<{}>;expires={left}", binding.contact.expose());
    if binding.q_milli < 1000 {
        value.push_str(&format!(";q=0.{:03}", binding.q_milli));
    }
    if let Some(instance) = &binding.instance {
        value.push_str(&format!(";+sip.instance=\"{}\"", instance.expose()));
    }
    if let Some(reg_id) = binding.reg_id {
        value.push_str(&format!(";reg-id={reg_id}"));
    }
    Header::Contact(value.into())
}
