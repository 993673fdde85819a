//! How sessions end, and the way to a session's peer (RFC 3261 §15, §8.1.2).

use std::net::SocketAddr;

use rsip::Method;
use vorzimmer_types::{Now, TrunkId};

use super::compose;
use super::flows::Hop;
use super::session::{Closing, Owner, Session, Stage, Wake};
use super::{Ending, Event, Flow, Reason, SessionId, Turn, Ua};
use crate::uri::{Host, Uri};

impl Ua {
    /// The layer above ends a session, whatever stage it is in.
    pub(super) fn hang_up(&mut self, id: SessionId, reason: Option<Reason>, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.stage {
            Stage::Invited(_) => {
                self.orphans.extend(session.take_theirs());
                self.refuse(id, 480, reason.as_ref(), None, turn);
                self.flows.event(Event::Ended { session: id, why: Ending::WeHungUp });
            }
            Stage::Calling(_) => self.cancel(id, reason, turn),
            // §15: a callee does not say BYE before the ACK has come; the 2xx goes on being repeated until then.
            Stage::Talking(talking) if talking.unacknowledged.is_some() => {
                talking.hangup.get_or_insert(reason);
            }
            Stage::Talking(_) => self.say_bye(id, reason.as_ref(), Ending::WeHungUp, turn),
            Stage::Closing(_) => {}
        }
    }

    /// Sends BYE; the session is over when it is answered.
    pub(super) fn say_bye(
        &mut self,
        id: SessionId,
        reason: Option<&Reason>,
        why: Ending,
        turn: &mut Turn<'_>,
    ) {
        self.give_up(id, 487, turn);
        self.acknowledge_unanswered(id, turn);
        let flow = self.way(id, turn);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Stage::Talking(talking) = &mut session.stage else { return };
        let mut bye = talking.dialog.request(Method::Bye);
        compose::reason(&mut bye.headers, reason);
        let reinvite = talking.ours.transaction();
        session.stage = Stage::Closing(Box::new(Closing { dialog: talking.dialog.clone(), reinvite, why }));
        self.silence(id);
        let sent = flow.and_then(|flow| self.begin(bye, flow, Owner::Bye(id), turn));
        if sent.is_none() {
            self.end(id, why);
        }
    }

    /// The session is over, and the layer above is told.
    pub(super) fn end(&mut self, id: SessionId, why: Ending) {
        if self.sessions.contains_key(&id) {
            self.forget(id);
            self.flows.event(Event::Ended { session: id, why });
        }
    }

    /// Forgets a session. Its transactions live on until their own end.
    pub(super) fn forget(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.orphans.extend(std::iter::from_fn(|| session.take_theirs()));
        self.silence(id);
        self.dialogs.remove(&session.key);
        // A provisional answer may be the last that was heard of it: nothing else would ever end it.
        if let Some(open) = session.reinvite().filter(|id| self.clients.is_pending(*id)) {
            self.clients.abandon(open);
            self.invites.remove(&open);
        }
    }

    /// Their requests whose session is over are refused: each must have an answer.
    pub(super) fn answer_orphans(&mut self, now: Now) {
        for orphan in std::mem::take(&mut self.orphans) {
            let response = self.letterhead.answer(&orphan.envelope, 481);
            self.respond(orphan.transaction, &orphan.envelope, &response, now);
        }
    }

    fn silence(&mut self, id: SessionId) {
        for wake in [
            Wake::Repeat(id),
            Wake::Remind(id),
            Wake::Reassure(id),
            Wake::GiveUp(id),
            Wake::Unheard(id),
            Wake::Uncancelled(id),
            Wake::Retry(id),
            Wake::Refresh(id),
            Wake::Expire(id),
        ] {
            self.timers.stop(wake);
        }
    }

    /// The way of the next request to a session's peer.
    ///
    /// A device is reached over the flow it was last heard on, whatever its Contact says. For a trunk the next hop of the
    /// route counts (§8.1.2), as far as it is an address of that very trunk; anything else, names included, goes back to
    /// where the trunk's requests come from, so that nobody can make us send elsewhere.
    pub(super) fn way(&mut self, id: SessionId, turn: &Turn<'_>) -> Option<Flow> {
        let session = self.sessions.get(&id)?;
        let flow = session.flow;
        let hop = session.dialog().map(|dialog| dialog.next_hop().clone());
        let hop = hop
            .and_then(|hop| address_of(&hop))
            .filter(|hop| self.trunk(&session.peer).is_some_and(|trunk| self.is_trunks(trunk, hop.ip())));
        let way = match (hop, flow.connection) {
            (Some(remote), None) if !flow.transport.is_reliable() => Some(Flow { remote, ..flow }),
            _ if self.flows.is_usable(&flow) => Some(flow),
            _ => match (self.trunk(&session.peer).map(|trunk| trunk.id), hop) {
                (None, _) => self.way_to_device_of(session.id),
                (Some(trunk), hop) => self.way_to_trunk(trunk, &flow, hop, turn),
            },
        };
        if let (Some(way), Some(session)) = (way, self.sessions.get_mut(&id))
            && way.connection != session.flow.connection
        {
            session.flow = way;
        }
        way
    }

    /// The device's connection is gone: the one that it has registered over since. Its Contact is never dialled: behind a
    /// NAT that would be somebody else's address, and a browser has none (RFC 7118 §5: `.invalid`).
    fn way_to_device_of(&self, id: SessionId) -> Option<Flow> {
        let session: &Session = self.sessions.get(&id)?;
        let secure = session.flow.transport.is_secure();
        let mut flows = self.registrar.flows_of(session.device.as_ref()?).map(|binding| binding.flow);
        flows.find(|flow| self.flows.is_usable(flow) && (!secure || flow.transport.is_secure()))
    }

    /// The trunk's connection is gone: another one of its own (RFC 5923), or a new one to its next hop.
    fn way_to_trunk(
        &mut self,
        trunk: TrunkId,
        before: &Flow,
        hop: Option<SocketAddr>,
        turn: &Turn<'_>,
    ) -> Option<Flow> {
        if let Some(open) = self.flows.of_trunk(trunk) {
            return Some(open);
        }
        let hop = Hop { transport: before.transport, local: before.local, remote: hop?, trunk: Some(trunk) };
        self.flows.connect(hop, turn.now.mono)
    }
}

/// The address that a URI names without any look-up.
pub(super) fn address_of(uri: &Uri) -> Option<SocketAddr> {
    match uri.host {
        Some(Host::Ip(ip)) => Some(SocketAddr::new(ip.to_canonical(), uri.port.unwrap_or(5060))),
        _ => None,
    }
}
