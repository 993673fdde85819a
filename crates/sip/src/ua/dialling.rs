//! Calls that go through a trunk: by which of its servers, over which route, with which headers.
//!
//! Which trunk it is, the layer above decides; how its numbers are written, [`crate::carrier::Outbound`] does. A server
//! that does not answer is left for the trunk's next one; when none is left, the layer above is told.

use std::net::SocketAddr;

use bytes::Bytes;
use rsip::{Header, Method, Request, Version};
use vorzimmer_types::{Now, TrunkId};

use super::calling::{Ready, opening};
use super::compose;
use super::ending::address_of;
use super::session::{Calling, Cancel, Owner, Session, Stage};
use super::{Dialled, Flow, SessionId, Turn, Ua, WayOut};
use crate::carrier::{Account, Placed, Target};
use crate::dialog;
use crate::uri::{NameAddr, Scheme};
use crate::wire;

impl Ua {
    /// The way that a call through this trunk would take now; none if it takes no calls: it has no `outbound`, is being
    /// drained, was not found yet, or should be registered with and is not.
    #[must_use]
    pub fn way_out(&self, trunk: TrunkId, now: Now) -> Option<WayOut> {
        let known = self.config.trunks.iter().find(|known| known.id == trunk)?;
        known.outbound.as_ref()?;
        let Target { transport, local, remote } = self.next_target(trunk, &[], now.mono)?;
        let flow = Flow { transport, local, remote, connection: None };
        Some(WayOut { name: known.name.clone(), flow, pulse: self.pulse(trunk) })
    }

    /// Calls somebody through a trunk.
    pub(super) fn dial(&mut self, id: SessionId, to: &Dialled, sdp: &Bytes, turn: &mut Turn<'_>) {
        if !self.has_room_for(id) {
            return;
        }
        let Some((placed, routes)) = self.placed(to) else { return self.refused(id, 503) };
        let mut tried = Vec::new();
        while let Some(target) = self.next_target(to.trunk, &tried, turn.now.mono) {
            tried.push(target);
            let hop = Target { remote: self.first_hop(to.trunk, &routes).unwrap_or(target.remote), ..target };
            let Some(flow) = self.flow_to(to.trunk, hop, turn) else {
                self.found_dead(to.trunk, target, turn);
                continue;
            };
            let Some(peer) = self.config.trunks.iter().find(|trunk| trunk.id == to.trunk) else { break };
            let peer = peer.peer();
            let request = self.outside(placed, &routes, &flow, sdp, turn);
            return self.call(id, Ready { request, flow, peer, device: None }, turn);
        }
        self.refused(id, 503);
    }

    /// What is written for the trunk, and the route that its provider gave us (RFC 3608 §6.1).
    fn placed(&self, to: &Dialled) -> Option<(Placed, Vec<NameAddr>)> {
        let trunk = self.config.trunks.iter().find(|trunk| trunk.id == to.trunk)?;
        let (outbound, provider) = (trunk.outbound.as_ref()?, trunk.provider.as_ref()?);
        let account = Account { host: provider.host(), user: &provider.identity };
        Some((outbound.write(&to.call, &account)?, self.service_route(to.trunk)))
    }

    /// §8.1.2: the first of the route is where it goes, as far as it is an address of that very trunk. Names are not
    /// looked up for what a peer says: then it goes to where the registration went, which is on the way.
    fn first_hop(&self, trunk: TrunkId, routes: &[NameAddr]) -> Option<SocketAddr> {
        let known = self.config.trunks.iter().find(|known| known.id == trunk)?;
        let hop = routes.first().and_then(|route| address_of(&route.uri))?;
        self.is_trunks(known, hop.ip()).then_some(hop)
    }

    /// The INVITE: what RFC 3261 wants, session timers, what the operator has turned on, and nothing else.
    fn outside(
        &mut self,
        placed: Placed,
        routes: &[NameAddr],
        flow: &Flow,
        sdp: &Bytes,
        turn: &mut Turn<'_>,
    ) -> Request {
        let Placed { target, from, headers: further } = placed;
        let (uri, routes) = dialog::applied(&target, routes);
        let mut headers = opening(from, NameAddr::new(target.clone()), &routes, turn);
        headers.push(compose::contact(flow, target.scheme == Scheme::Sips));
        headers.push(Header::Allow(compose::ALLOW_OUTSIDE.into()));
        headers.push(Header::Supported(compose::EXTENSIONS_OUTSIDE.into()));
        self.ask_for_timer(&mut headers);
        for (name, value) in further {
            headers.push(wire::header(name, value.expose().clone()));
        }
        let mut body = Vec::new();
        compose::sdp(&mut headers, &mut body, sdp);
        Request { method: Method::Invite, uri: uri.into(), version: Version::V2, headers, body }
    }

    /// A trunk has said nothing yet: as if its transaction had timed out, so that its next server is tried.
    pub(super) fn unheard(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        if let Some(Session { stage: Stage::Calling(Calling { transaction, heard, cancel, .. }), .. }) =
            self.sessions.get(&id)
            && !heard
            && *cancel == Cancel::No
        {
            let transaction = *transaction;
            self.clients.abandon(transaction);
            self.unanswered(transaction, Owner::Invite(id), 408, turn);
        }
    }
}
