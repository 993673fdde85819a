//! REGISTER to a provider, and its answers (RFC 3261 §10.2, RFC 3608, RFC 6140).

use std::time::Duration;

use rsip::{Header, Headers, Method, Request, Response, Version};
use vorzimmer_types::{Pii, TrunkId, entropy};

use super::{Carrier, Dialogue, TrunkNews};
use crate::carrier::{Outcome, Standing, Target};
use crate::fault::Fault;
use crate::header;
use crate::ua::compose::{self, Letterhead};
use crate::ua::declined::Declined;
use crate::ua::session::Owner;
use crate::ua::{Flow, Turn, Ua};
use crate::uri::{Host, NameAddr, Uri};
use crate::wire;

/// The most routes and addresses of one answer that are kept.
const MAX_LISTED: usize = 16;

impl Ua {
    /// Registers with the best target that can be reached.
    pub(super) fn send_register(&mut self, trunk: TrunkId, turn: &mut Turn<'_>) {
        let mut tried = Vec::new();
        let Some(carrier) = self.carriers.all.get(&trunk) else { return };
        let mut next = carrier.way.next(&tried, turn.now.mono);
        while let Some(target) = next {
            tried.push(target);
            if self.register_at(trunk, target, turn) {
                return;
            }
            let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
            carrier.way.failed(target, turn.now.mono);
            next = carrier.way.next(&tried, turn.now.mono);
        }
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        let registrant = carrier.registrant.as_mut();
        let pause = registrant.map(|registrant| registrant.unreachable(turn.now.mono, turn.entropy));
        if let Some(pause) = pause {
            self.trunk_news(trunk, TrunkNews::RegistrationFailed { status: 503, pause });
        }
    }

    /// Registers with this target. False if it cannot even be sent.
    pub(super) fn register_at(&mut self, trunk: TrunkId, target: Target, turn: &mut Turn<'_>) -> bool {
        let Some(flow) = self.flow_to(trunk, target, turn) else { return false };
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return false };
        let ended = carrier.is_ended();
        let expires = carrier.registrant.as_ref().filter(|_| !ended).map_or(Duration::ZERO, |r| r.asked());
        if carrier.dialogue.call_id.is_empty() {
            let call_id = hex::encode(entropy::array::<16>(turn.entropy));
            carrier.dialogue = Dialogue { call_id, tag: Letterhead::tag(turn.entropy), seq: 0 };
        }
        carrier.dialogue.seq = carrier.dialogue.seq.saturating_add(1).min(header::MAX_SEQ);
        let Ok(request) = carrier.register(&flow, expires) else {
            self.counters.unprintable += 1;
            return false;
        };
        let sent = self.begin(request, flow, Owner::Register(trunk), turn);
        if let Some(carrier) = self.carriers.all.get_mut(&trunk) {
            carrier.register = sent;
        }
        sent.is_some()
    }

    /// A 2xx: whose calls come here now, and for how long.
    pub(in crate::ua) fn register_accepted(
        &mut self,
        trunk: TrunkId,
        target: Option<Target>,
        response: &Response,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        carrier.register = None;
        if carrier.is_ended() {
            carrier.home = None;
            return self.trunk_news(trunk, TrunkNews::Unregistered);
        }
        let granted = carrier.granted(&response.headers);
        let Some(registrant) = &mut carrier.registrant else { return };
        let news = registrant.accepted(granted, now);
        carrier.home = target;
        carrier.service_route = addresses(&response.headers, "Service-Route");
        let associated = addresses(&response.headers, "P-Associated-URI");
        carrier.associated = associated.into_iter().map(|one| Pii::new(one.uri.to_string())).collect();
        if let Some(target) = target {
            carrier.way.worked(target, now);
        }
        if news {
            self.trunk_news(trunk, TrunkNews::Registered { expires: granted });
        }
        self.tend(trunk, turn);
    }

    /// Anything else, when no other target is left to be asked.
    pub(in crate::ua) fn register_declined(
        &mut self,
        trunk: TrunkId,
        declined: &Declined,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        carrier.register = None;
        let (status, ended) = (declined.status, carrier.is_ended());
        let Some(registrant) = &mut carrier.registrant else { return };
        let min_expires = declined.min_expires.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let outcome = registrant.refused(status, min_expires, declined.retry_after, now, turn.entropy);
        let news = match outcome {
            _ if ended => Some(TrunkNews::Unregistered),
            Outcome::Again => None,
            Outcome::Later { pause } => Some(TrunkNews::RegistrationFailed { status, pause }),
            Outcome::Stopped => Some(TrunkNews::RegistrationRefused { status }),
        };
        if let Some(news) = news {
            self.trunk_news(trunk, news);
        }
        self.tend(trunk, turn);
    }

    /// Gives a registration back (§10.2.2), if there is one.
    pub(super) fn leave(&mut self, trunk: TrunkId, turn: &mut Turn<'_>) {
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        let there = carrier.registrant.as_mut().is_some_and(|registrant| registrant.end());
        let home = carrier.home.or_else(|| carrier.way.next(&[], turn.now.mono));
        if let Some(target) = home.filter(|_| there) {
            self.register_at(trunk, target, turn);
        }
    }
}

impl Carrier {
    pub(super) fn is_ended(&self) -> bool {
        self.registrant.as_ref().is_some_and(|registrant| registrant.standing() == Standing::Ended)
    }

    /// Our address of record there.
    pub(super) fn own_address(&self) -> Uri {
        Uri::sip(Some(&self.provider.identity), self.provider.host(), None)
    }

    fn is_bulk(&self) -> bool {
        self.provider.register.is_some_and(|wanted| wanted.bulk)
    }

    fn register(&self, flow: &Flow, expires: Duration) -> Result<Request, Fault> {
        let own = NameAddr::new(self.own_address());
        let Dialogue { call_id, tag, seq } = &self.dialogue;
        let mut headers = Headers::default();
        headers.push(Header::MaxForwards("70".into()));
        headers.push(Header::From(own.clone().with_tag(tag).to_string().into()));
        headers.push(Header::To(own.to_string().into()));
        headers.push(Header::CallId(call_id.as_str().into()));
        headers.push(Header::CSeq(format!("{seq} REGISTER").into()));
        headers.push(Header::Contact(self.contact(flow).into()));
        headers.push(Header::Expires(expires.as_secs().to_string().into()));
        headers.push(Header::Supported(if self.is_bulk() { "path, gin" } else { "path" }.into()));
        if self.is_bulk() {
            // RFC 6140 §5.1: whoever does not understand it must not register a single number by mistake.
            headers.push(wire::header("Require", "gin"));
            headers.push(wire::header("Proxy-Require", "gin"));
        }
        let uri = Uri::sip(None, self.provider.host(), None);
        Ok(Request {
            method: Method::Register,
            uri: uri.into(),
            version: Version::V2,
            headers,
            body: Vec::new(),
        })
    }

    /// Where calls for us go: with the line as its user, or for bulk registration (RFC 6140 §5.2) without one.
    pub(super) fn contact(&self, flow: &Flow) -> String {
        let bulk = self.is_bulk();
        let user = (!bulk).then_some(self.line.as_str());
        let mut uri = Uri::sip(user, Host::Ip(flow.local.ip()), Some(flow.local.port()));
        if let Some(transport) = flow.transport.in_uri() {
            uri = uri.with_param("transport", Some(transport));
        }
        if bulk {
            uri = uri.with_param("bnc", None);
        }
        format!("<{uri}>")
    }

    /// For how long our Contact is taken (§10.2.4): what stands at it, else in Expires, else what was asked.
    fn granted(&self, headers: &Headers) -> Duration {
        let asked = self.registrant.as_ref().map_or(Duration::ZERO, |registrant| registrant.asked());
        let ours = header::contacts(headers).flatten().find_map(|contact| {
            let header::Contact::At(address) = contact else { return None };
            let uri = address.uri.to_uri();
            let ours = if self.is_bulk() {
                uri.param("bnc").is_some()
            } else {
                uri.user_decoded().as_deref() == Some(&self.line)
            };
            ours.then(|| address.expires()).flatten()
        });
        let seconds = ours.or_else(|| header::expires(headers));
        seconds.map_or(asked, |seconds| Duration::from_secs(u64::from(seconds)))
    }
}

fn addresses(headers: &Headers, name: &'static str) -> Vec<NameAddr> {
    header::addresses(headers, name)
        .flatten()
        .take(MAX_LISTED)
        .map(|address| address.to_name_addr())
        .collect()
}

/// What was made here must be one of ours again.
pub(in crate::ua) fn set_contact(headers: &mut Headers, flow: &Flow, sips: bool) {
    header::set(headers, compose::contact(flow, sips));
}
