//! Answers: within a transaction for those we know, without any memory for those we do not.

use std::sync::Arc;

use bytes::Bytes;
use rsip::{Header, Method, Request, Response};
use vorzimmer_types::Now;

use super::compose::{self, DEFAULT_PORT, Envelope, Letterhead};
use super::flows::Hop;
use super::{Flow, Transport, Turn, Ua};
use crate::header;
use crate::transaction::{Kind, MergeKey, ServerKey, TransactionId, Wire as _};
use crate::wire::Skeleton;

/// What a full table advises (§21.5.4), in seconds.
const RETRY_WHEN_FULL: u32 = 5;

/// A request as it came.
pub(super) struct Arrival {
    pub flow: Flow,
    pub request: Request,
    /// The key of its transaction.
    pub key: Arc<ServerKey>,
    /// Its length on the wire, in bytes: what an answer to a stranger must not exceed.
    pub size: usize,
}

/// A request with a transaction of its own, waiting for its answer.
pub(super) struct Opened {
    pub transaction: TransactionId,
    pub envelope: Envelope,
}

impl Ua {
    /// Begins the transaction of a request; if the table is full, the sender is told so and nothing is kept.
    pub(super) fn open(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) -> Option<Opened> {
        let request = &arrival.request;
        let skeleton = Skeleton::of(request)?;
        let key = Arc::clone(&arrival.key);
        let merge = MergeKey::of(request).ok()?;
        let kind = if request.method == Method::Invite { Kind::Invite } else { Kind::Other };
        match self.servers.begin(key, kind, merge, answer_flow(arrival)) {
            Ok(transaction) => {
                let tag = Letterhead::tag(turn.entropy);
                let envelope = Envelope::new(skeleton, tag, arrival.flow.remote);
                Some(Opened { transaction, envelope: envelope.for_request_to(&request.uri) })
            }
            Err(_) => {
                self.counters.overload += 1;
                let retry = vec![Header::RetryAfter(RETRY_WHEN_FULL.to_string().into())];
                self.answer_stateless(&skeleton, arrival.flow, arrival.size, 503, retry);
                None
            }
        }
    }

    /// Opens a transaction and answers it in the same breath.
    pub(super) fn answer_at_once(
        &mut self,
        arrival: &Arrival,
        status: u16,
        extra: Vec<Header>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(opened) = self.open(arrival, turn) {
            self.answer(&opened, status, extra, turn.now);
        }
    }

    /// Answers a request that has a transaction.
    pub(super) fn answer(&mut self, opened: &Opened, status: u16, extra: Vec<Header>, now: Now) {
        let mut response = self.letterhead.answer(&opened.envelope, status);
        response.headers.extend(extra);
        self.respond(opened.transaction, &opened.envelope, &response, now);
    }

    /// Hands an answer to its transaction; returns its bytes, for answers that are repeated.
    pub(super) fn respond(
        &mut self,
        transaction: TransactionId,
        envelope: &Envelope,
        response: &Response,
        now: Now,
    ) -> Option<Bytes> {
        let Ok(bytes) = compose::response_bytes(response) else {
            self.counters.unprintable += 1;
            return None;
        };
        self.mend(transaction, envelope, now);
        let status = response.status_code.code();
        self.servers.respond(transaction, status, bytes.clone(), now.mono, &mut self.flows);
        Some(bytes)
    }

    /// §18.2.2: if the connection that the request came by is gone, the answer goes over another one, if it is a trunk's.
    /// Phones are never dialled: behind a NAT somebody else would answer.
    fn mend(&mut self, transaction: TransactionId, envelope: &Envelope, now: Now) {
        let Some(flow) = self.servers.flow(transaction).filter(|flow| !self.flows.is_usable(flow)) else {
            return;
        };
        let session = self.servers.owner(transaction).and_then(|id| self.sessions.get(&id));
        let peer = session.map(|session| session.peer.clone()).or_else(|| self.trunk_by_flow(&flow));
        let Some(trunk) = peer.and_then(|peer| self.trunk(&peer)).map(|trunk| trunk.id) else { return };
        let hop = Hop {
            transport: flow.transport,
            local: flow.local,
            remote: envelope.call_back(),
            trunk: Some(trunk),
        };
        let found = self.flows.of_trunk(trunk).or_else(|| self.flows.connect(hop, now.mono));
        if let Some(flow) = found {
            self.servers.reroute(transaction, flow);
        }
    }

    /// Answers without a transaction (§8.2.7). A stranger on an unreliable transport, whose address may not be its own,
    /// never gets more bytes than came. False if for that reason nothing was sent.
    pub(super) fn answer_stateless(
        &mut self,
        skeleton: &Skeleton,
        flow: Flow,
        size: usize,
        status: u16,
        extra: Vec<Header>,
    ) -> bool {
        let tag = self.letterhead.stateless_tag(skeleton.headers());
        let mut response = Envelope::new(skeleton.clone(), tag, flow.remote).answer(status);
        response.headers.extend(extra);
        let Ok(mut bytes) = compose::response_bytes(&response) else {
            self.counters.unprintable += 1;
            return false;
        };
        if flow.transport == Transport::Udp && bytes.len() > size {
            bytes = compose::compact(&bytes);
            if bytes.len() > size {
                return false;
            }
        }
        let flow = Flow { remote: answer_to(&flow, skeleton.headers()), ..flow };
        self.flows.transmit(&flow, bytes);
        true
    }
}

/// The way an answer goes: over the connection that the request came by; for datagrams by [`answer_to`].
pub(super) fn answer_flow(arrival: &Arrival) -> Flow {
    Flow { remote: answer_to(&arrival.flow, &arrival.request.headers), ..arrival.flow }
}

/// RFC 3261 §18.2.2 and RFC 3581 §4: to the source address, and to the source port if `rport` was asked for, else to the
/// port in sent-by. `maddr` is not followed: it would let a stranger point our answers at somebody else.
fn answer_to(flow: &Flow, headers: &rsip::Headers) -> std::net::SocketAddr {
    let mut to = flow.remote;
    if flow.transport == Transport::Udp
        && let Ok(via) = header::top_via(headers)
        && via.rport().is_none()
    {
        to.set_port(via.port.unwrap_or(DEFAULT_PORT));
    }
    to
}
