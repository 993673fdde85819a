//! From bytes to messages, and from messages to those whom they concern.

use std::sync::Arc;

use bytes::Bytes;
use rsip::{Method, Request, Response};

use super::respond::Arrival;
use super::{ConnectionId, Flow, Turn, Ua};
use crate::header;
use crate::transaction::{ClientKey, Kind, Received, ServerKey, Wire as _};
use crate::wire::{self, Frame, Framing, ParseError, Parsed, Untrusted};

/// The answer to a keep-alive (RFC 5626 §4.4.1).
const PONG: &[u8] = b"\r\n";
/// The keep-alive itself.
const PING: &[u8] = b"\r\n\r\n";

impl Ua {
    /// A datagram arrived.
    pub(super) fn datagram(&mut self, flow: Flow, bytes: &Bytes, turn: &mut Turn<'_>) {
        if Untrusted::new(bytes).is_empty() || self.stun(&flow, bytes, turn) {
            return;
        }
        self.message(flow, bytes, Framing::Datagram, turn);
    }

    /// A WebSocket's message: one SIP message, whether or not it says how long it is (RFC 7118 §5.3), or a keep-alive
    /// (§6, RFC 5626 §4.4.1).
    fn websocket(&mut self, flow: Flow, bytes: &Bytes, turn: &mut Turn<'_>) {
        if bytes.as_ref() == PING {
            self.flows.transmit(&flow, Bytes::from_static(PONG));
        } else if !Untrusted::new(bytes).is_empty() {
            self.message(flow, bytes, Framing::Datagram, turn);
        }
    }

    /// Bytes arrived on a connection.
    pub(super) fn stream(&mut self, connection: ConnectionId, bytes: &Bytes, turn: &mut Turn<'_>) {
        let Some(flow) = self.flows.heard(connection, turn.now.mono) else { return };
        if flow.transport.is_websocket() {
            return self.websocket(flow, bytes, turn);
        }
        let mut finished_one = false;
        let mut rest: &[u8] = bytes;
        while !rest.is_empty() {
            let Some((_, framer)) = self.flows.stream(connection) else { return };
            let taken = framer.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            while let Some((flow, framer)) = self.flows.stream(connection) {
                let Some(frame) = framer.next() else { break };
                finished_one = true;
                self.frame(flow, connection, frame, turn);
            }
            if taken == 0 {
                break;
            }
        }
        self.expect_rest(connection, finished_one, turn);
    }

    fn frame(&mut self, flow: Flow, connection: ConnectionId, frame: Frame, turn: &mut Turn<'_>) {
        match frame {
            Frame::Message(bytes) => self.message(flow, &bytes, Framing::Stream, turn),
            Frame::Ping => self.flows.transmit(&flow, Bytes::from_static(PONG)),
            Frame::Pong => {}
            Frame::Broken { head, .. } => {
                // Nobody can tell where the next message starts (§18.3): answer if possible, then hang up.
                self.message(flow, &head, Framing::Stream, turn);
                self.hang_up_on(connection, turn);
            }
        }
    }

    fn message(&mut self, flow: Flow, bytes: &Bytes, framing: Framing, turn: &mut Turn<'_>) {
        match wire::parse(Untrusted::new(bytes), framing) {
            Ok(Parsed::Request(request)) => self.request(flow, request, bytes.len(), turn),
            Ok(Parsed::Response(response)) => self.response(&flow, &response, turn),
            Ok(Parsed::UnknownMethod(unknown)) => {
                self.unknown_method(flow, bytes.len(), &unknown.reply, turn)
            }
            Err(error) => self.unreadable(flow, bytes.len(), &error, turn),
        }
    }

    /// §21.4.1, where somebody is there to be told; an unknown sender gets nothing.
    fn unreadable(&mut self, flow: Flow, size: usize, error: &ParseError, turn: &mut Turn<'_>) {
        let answered = match &error.reply {
            Some(reply) if self.is_familiar(&flow, turn.now) => {
                let status = error.fault.status().code();
                self.answer_stateless(reply, flow, size.max(FAMILIAR_ALLOWANCE), status, Vec::new())
            }
            _ => false,
        };
        *(if answered { &mut self.counters.refused_malformed } else { &mut self.counters.malformed }) += 1;
    }

    fn request(&mut self, flow: Flow, request: Request, size: usize, turn: &mut Turn<'_>) {
        if flow.connection.is_some()
            && header::top_via(&request.headers).is_ok_and(|via| via.params.has("alias"))
        {
            self.flows.alias(&flow);
        }
        let Ok(key) = ServerKey::of(&request) else {
            self.counters.malformed += 1;
            return;
        };
        let arrival = Arrival { flow, request, key: Arc::new(key), size };
        if arrival.request.method == Method::Ack {
            return self.ack(&arrival, turn);
        }
        if let Some(transaction) = self.servers.find(&arrival.key) {
            self.counters.retransmitted += 1;
            return self.servers.again(transaction, turn.now.mono, &mut self.flows);
        }
        match arrival.request.method {
            Method::Cancel => self.cancelled(&arrival, turn),
            Method::Register => self.registered(&arrival, turn),
            _ if has_to_tag(&arrival.request) => self.within_dialog(arrival, turn),
            _ => self.outside_dialog(arrival, turn),
        }
    }

    fn response(&mut self, flow: &Flow, response: &Response, turn: &mut Turn<'_>) {
        let Ok(key) = ClientKey::of(&response.headers) else {
            self.counters.malformed += 1;
            return;
        };
        let status = response.status_code.code();
        // A digest is answered to nobody but whom the request was sent to: who else asks did not get the request.
        if matches!(status, 401 | 407) && self.clients.flow(&key).is_some_and(|sent| !is_same_way(sent, flow))
        {
            self.counters.forged_challenges += 1;
            return;
        }
        let Self { invites, clients, flows, .. } = self;
        let ack = |id, _| super::calling::ack_of_refusal(invites.get(&id)?, response);
        match clients.receive(&key, status, ack, turn.now.mono, flows) {
            Received::Stray => self.counters.stray_responses += 1,
            Received::Absorbed => {}
            Received::Deliver(transaction, owner) => self.answered(transaction, owner, response, turn),
        }
    }

    /// Which machines a method runs on.
    pub(super) fn kind(method: Method) -> Kind {
        if method == Method::Invite { Kind::Invite } else { Kind::Other }
    }
}

/// Those we know are told what is wrong even if their message was very short, in bytes.
pub(super) const FAMILIAR_ALLOWANCE: usize = 1300;

/// Whether an answer came from where its request went.
fn is_same_way(sent: &Flow, came: &Flow) -> bool {
    let place = |flow: &Flow| (flow.remote.ip().to_canonical(), flow.remote.port());
    sent.connection == came.connection && (sent.connection.is_some() || place(sent) == place(came))
}

fn has_to_tag(request: &Request) -> bool {
    header::to(&request.headers).is_ok_and(|to| to.tag().is_some())
}
