//! Who may be talked to: trunks, receptionists, and nobody else.
//!
//! * A trunk is known by its address, by its certificate, by its digest, or must show several, as it is configured.
//! * Whoever has proven itself over a flow before is *familiar* there: it gets answers that help to find a mistake
//!   (400, 405, 481), and a challenge where service is asked for.
//! * Anybody may ask to register, and gets the same 401 whatever name stands in it.
//! * Everybody else gets nothing at all, not even a refusal, unless some trunk is known by digest alone and may thus come
//!   from anywhere: then INVITE and OPTIONS are challenged.
//!
//! Over datagrams, where the source address may be forged, a challenge is never larger than the request it answers.

use rsip::{Header, Method, Request};
use vorzimmer_types::{Now, ReceptionistId, TrunkId};

use super::respond::Arrival;
use super::{Flow, Peer, PhoneDigest, SessionId, Trunk, Turn, Ua};
use crate::auth::Proof;
use crate::digest::Ha1;
use crate::wire::Skeleton;

/// What is known of the sender of a request.
pub(super) enum Standing {
    /// Proven now, by address or by digest.
    Proven(Peer),
    /// Proven some time ago over this flow.
    Familiar,
    /// May be somebody: a challenge will tell.
    Unproven { stale: bool },
    /// Nobody.
    Stranger,
}

impl Ua {
    /// Who sent a request outside a dialog.
    pub(super) fn standing(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) -> Standing {
        // A phone behind a trunk's address, as on one machine or behind a PBX, is a phone: it has registered from that port.
        let known = self.known.peer(&arrival.flow, turn.now.mono);
        let phone = matches!(known, Some(Peer::Receptionist(_)));
        let called = || self.trunk_by_line(&arrival.request.uri, &arrival.flow);
        if !phone && let Some(peer) = called().or_else(|| self.trunk_by_flow(&arrival.flow)) {
            return Standing::Proven(peer);
        }
        let familiar = self.is_familiar(&arrival.flow, turn.now);
        let awaited = familiar || self.awaits_digest(&arrival.flow);
        match self.prove(&arrival.request, &arrival.flow, turn) {
            Proof::Good { who, .. } => {
                self.known.note(&arrival.flow, who.clone(), turn.now.mono);
                Standing::Proven(who)
            }
            Proof::Stale => Standing::Unproven { stale: true },
            Proof::Bad => {
                self.counters.unauthenticated += 1;
                if awaited { Standing::Unproven { stale: false } } else { Standing::Stranger }
            }
            Proof::None if familiar => Standing::Familiar,
            Proof::None if awaited => Standing::Unproven { stale: false },
            Proof::None => Standing::Stranger,
        }
    }

    /// The trunk that is known by the way alone that its requests come: by the address, by the certificate, or both. One
    /// that showed its certificate goes before one that merely has the address.
    pub(super) fn trunk_by_flow(&self, flow: &Flow) -> Option<Peer> {
        let certified = self.flows.certified(flow);
        let known = |trunk: &&Trunk| {
            let shows = trunk.certificate || !trunk.addresses.is_empty();
            trunk.digest.is_none() && shows && may_come_by(trunk, flow, certified)
        };
        let trunks = || self.config.trunks.iter();
        let certified = trunks().filter(|trunk| trunk.certificate).find(known);
        let configured = certified.or_else(|| trunks().find(known)).map(Trunk::peer);
        configured.or_else(|| self.trunk_by_target(flow))
    }

    /// Whether some trunk may come this way and prove itself by digest.
    fn awaits_digest(&self, flow: &Flow) -> bool {
        let certified = self.flows.certified(flow);
        let trunks = &self.config.trunks;
        trunks.iter().any(|trunk| trunk.digest.is_some() && may_come_by(trunk, flow, certified))
    }

    /// Whether the sender has been proven, now by address or certificate, or some time ago over this very flow.
    pub(super) fn is_familiar(&self, flow: &Flow, now: Now) -> bool {
        self.known.peer(flow, now.mono).is_some() || self.trunk_by_flow(flow).is_some()
    }

    /// Judges the digest of a request: a trunk's user name goes before a receptionist's.
    pub(super) fn prove(&mut self, request: &Request, flow: &Flow, turn: &mut Turn<'_>) -> Proof<Peer> {
        let (trunks, accounts, certified) = (&self.config.trunks, turn.accounts, self.flows.certified(flow));
        let look_up = |user: &str| -> Option<(Peer, Ha1)> {
            let trunk = trunks.iter().find(|trunk| {
                trunk.digest.as_ref().is_some_and(|(name, _)| name == user)
                    && may_come_by(trunk, flow, certified)
            });
            if let Some((trunk, (_, secret))) = trunk.and_then(|trunk| Some((trunk, trunk.digest.as_ref()?)))
            {
                return Some((trunk.peer(), secret.clone()));
            }
            let account = accounts.receptionist(user)?;
            Some((Peer::Receptionist(account.id), account.secret))
        };
        self.gatekeeper.prove(request, turn.now.mono, turn.entropy, look_up)
    }

    /// The digest of a receptionist, and her user name.
    pub(super) fn prove_receptionist(
        &mut self,
        request: &Request,
        turn: &mut Turn<'_>,
    ) -> Proof<ReceptionistId> {
        let accounts = turn.accounts;
        let look_up = |user: &str| accounts.receptionist(user).map(|account| (account.id, account.secret));
        self.gatekeeper.prove(request, turn.now.mono, turn.entropy, look_up)
    }

    /// 401, without keeping anything. Both algorithms are offered; if that is more than came, even in the compact form,
    /// only the one that every device knows; if that is still more, nothing.
    pub(super) fn challenge(&mut self, arrival: &Arrival, stale: bool, turn: &mut Turn<'_>) {
        let Some(skeleton) = Skeleton::of(&arrival.request) else { return };
        let offers = self.gatekeeper.challenges(stale, turn.now.mono, turn.entropy);
        let size = if self.is_familiar(&arrival.flow, turn.now) {
            arrival.size.max(super::inbound::FAMILIAR_ALLOWANCE)
        } else {
            arrival.size
        };
        let [sha256, md5] = offers;
        let phone = (arrival.request.method == Method::Register).then_some(self.config.phone_digest);
        let choices = match phone.unwrap_or(PhoneDigest::Both) {
            PhoneDigest::Md5 => vec![vec![md5]],
            PhoneDigest::Sha256 => vec![vec![sha256]],
            PhoneDigest::Both => vec![vec![sha256, md5.clone()], vec![md5]],
        };
        let sent = choices
            .into_iter()
            .any(|headers: Vec<Header>| self.answer_stateless(&skeleton, arrival.flow, size, 401, headers));
        *(if sent { &mut self.counters.challenged } else { &mut self.counters.amplifying }) += 1;
    }

    /// Whether a request within a dialog comes from the dialog's peer: from the address (any port: NATs forget, and
    /// connections are opened anew) that the session is held with, from another address of the same trunk, or over a
    /// flow on which the same peer has proven itself. Who was spoken to in secret is not believed in the open, and a
    /// trunk with a certificate only where it shows it.
    pub(super) fn is_from_peer(&self, id: SessionId, flow: &Flow, now: Now) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        if session.flow.transport.is_secure() && !flow.transport.is_secure() {
            return false;
        }
        if let Some(trunk) = self.trunk(&session.peer).filter(|trunk| trunk.certificate) {
            return self.flows.certified(flow) == Some(trunk.id);
        }
        session.flow.remote.ip().to_canonical() == flow.remote.ip().to_canonical()
            || self.known.peer(flow, now.mono) == Some(&session.peer)
            || self
                .trunk(&session.peer)
                .is_some_and(|trunk| trunk.holds(flow.remote.ip()) || self.carrier_holds(trunk.id, flow))
    }

    /// The configuration of a peer that is a trunk.
    pub(super) fn trunk(&self, peer: &Peer) -> Option<&Trunk> {
        let Peer::Trunk { id, .. } = peer else { return None };
        self.config.trunks.iter().find(|trunk| trunk.id == *id)
    }
}

/// Whether what is to be known of a trunk before it says a word fits: its address, its certificate. WebSockets are
/// browsers', and the address that they come from may be a proxy's.
fn may_come_by(trunk: &Trunk, flow: &Flow, certified: Option<TrunkId>) -> bool {
    !flow.transport.is_websocket()
        && (trunk.addresses.is_empty() || trunk.holds(flow.remote.ip()))
        && (!trunk.certificate || certified == Some(trunk.id))
}
