//! The way to a trunk, and whether something came by it.

use std::net::IpAddr;
use std::time::Instant;

use vorzimmer_types::TrunkId;

use super::Carrier;
use crate::carrier::Target;
use crate::flow::ConnectionId;
use crate::ua::flows::Hop;
use crate::ua::{Flow, Peer, Trunk, Turn, Ua};
use crate::uri::{NameAddr, Uri};

impl From<&Flow> for Target {
    fn from(flow: &Flow) -> Self {
        Self { transport: flow.transport, local: flow.local, remote: flow.remote }
    }
}

impl Ua {
    /// The next of a trunk's targets that was not tried: where it is registered first. None if it takes no calls now.
    pub(in crate::ua) fn next_target(
        &self,
        trunk: TrunkId,
        tried: &[Target],
        now: Instant,
    ) -> Option<Target> {
        let carrier = self.carriers.all.get(&trunk)?;
        let registers = carrier.provider.register.is_some();
        if self.is_draining(trunk) || (registers && !carrier.is_registered(now)) {
            return None;
        }
        let good = |home: &Target| registers && !tried.contains(home) && !carrier.way.rests(*home, now);
        carrier.home.filter(good).or_else(|| carrier.way.next(tried, now))
    }

    /// The route that its provider has given us with the registration (RFC 3608).
    pub(in crate::ua) fn service_route(&self, trunk: TrunkId) -> Vec<NameAddr> {
        self.carriers.all.get(&trunk).map(|carrier| carrier.service_route.clone()).unwrap_or_default()
    }

    /// The flow to one of a trunk's targets: an open connection, or a new one.
    pub(in crate::ua) fn flow_to(&mut self, trunk: TrunkId, target: Target, turn: &Turn<'_>) -> Option<Flow> {
        let Target { transport, local, remote } = target;
        if !transport.is_reliable() {
            return Some(Flow { transport, local, remote, connection: None });
        }
        let carrier = self.carriers.all.get_mut(&trunk)?;
        if let Some(open) = carrier.connections.get(&target)
            && self.flows.is_usable(open)
        {
            return Some(*open);
        }
        let flow = self.flows.connect(Hop { transport, local, remote, trunk: Some(trunk) }, turn.now.mono)?;
        carrier.connections.insert(target, flow);
        Some(flow)
    }

    /// A connection is gone: the registration that was made over it is made anew (RFC 5626 §4.5).
    pub(in crate::ua) fn carrier_connection_lost(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let mut lost = None;
        for (trunk, carrier) in &mut self.carriers.all {
            let gone = carrier.connections.iter().find(|(_, flow)| flow.connection == Some(connection));
            let Some(target) = gone.map(|(target, _)| *target) else { continue };
            carrier.connections.remove(&target);
            if carrier.home == Some(target)
                && let Some(registrant) = &mut carrier.registrant
            {
                registrant.flow_lost(now);
            }
            lost = Some(*trunk);
        }
        if let Some(trunk) = lost {
            self.tend(trunk, turn);
        }
    }

    /// The trunk whose registered contact is called, if the call comes from where that trunk is.
    pub(in crate::ua) fn trunk_by_line(&self, uri: &rsip::Uri, flow: &Flow) -> Option<Peer> {
        let user = Uri::from(uri).user_decoded()?;
        let named = self.carriers.all.iter().find(|(_, carrier)| carrier.line == user);
        named.and_then(|(id, carrier)| self.comes_from(*id, carrier, flow))
    }

    /// The trunk that one of whose targets a request comes from.
    pub(in crate::ua) fn trunk_by_target(&self, flow: &Flow) -> Option<Peer> {
        self.carriers.all.iter().find_map(|(id, carrier)| self.comes_from(*id, carrier, flow))
    }

    fn comes_from(&self, id: TrunkId, carrier: &Carrier, flow: &Flow) -> Option<Peer> {
        let trunk = self.config.trunks.iter().find(|trunk| trunk.id == id)?;
        let shown = !trunk.certificate || self.flows.certified(flow) == Some(id);
        let known = carrier.holds(flow) && shown && trunk.digest.is_none() && trunk.addresses.is_empty();
        (known || self.is_trunks_own(trunk, flow)).then(|| Peer::Trunk { id, name: trunk.name.clone() })
    }

    /// Whether a trunk that is known by its addresses comes from one of them.
    fn is_trunks_own(&self, trunk: &Trunk, flow: &Flow) -> bool {
        let shown = !trunk.certificate || self.flows.certified(flow) == Some(trunk.id);
        shown && trunk.digest.is_none() && trunk.holds(flow.remote.ip())
    }

    /// Whether this address is one of a trunk's own, configured or looked up.
    pub(in crate::ua) fn is_trunks(&self, trunk: &Trunk, ip: IpAddr) -> bool {
        let looked_up = self.carriers.all.get(&trunk.id).is_some_and(|carrier| carrier.way.holds(ip));
        looked_up || trunk.holds(ip)
    }

    /// Whether requests within a dialog with this trunk may come this way.
    pub(in crate::ua) fn carrier_holds(&self, trunk: TrunkId, flow: &Flow) -> bool {
        self.carriers.all.get(&trunk).is_some_and(|carrier| carrier.holds(flow))
    }
}

impl Carrier {
    /// Whether something comes from one of its targets, or over a connection that we opened to it.
    fn holds(&self, flow: &Flow) -> bool {
        match flow.connection.filter(|connection| connection.is_ours()) {
            Some(connection) => self.connections.values().any(|open| open.connection == Some(connection)),
            None => self.way.holds(flow.remote.ip()),
        }
    }
}
