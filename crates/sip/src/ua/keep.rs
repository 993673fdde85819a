//! Connections that are open: who may keep one, how slow a message may arrive on it, how long it may be silent.
//!
//! What the sockets know by themselves (a handshake that takes too long, a peer that says nothing at all) is the
//! driver's business.

use bytes::Bytes;
use vorzimmer_types::TrunkId;

use super::session::Wake;
use super::{ConnectionId, Flow, Limits, Turn, Ua};
use crate::transaction::{PATIENCE, Wire as _};
use crate::wire::stun;

impl Ua {
    /// A connection is open. A stranger may keep it only for as long as it takes to say who it is.
    pub(super) fn opened(&mut self, flow: Flow, certified: Option<TrunkId>, turn: &Turn<'_>) {
        let Some(connection) = flow.connection else { return };
        if self.flows.opened(flow, certified, turn.now.mono) {
            self.timers.set(Wake::Prove(connection), turn.now.mono + PATIENCE);
        }
    }

    /// The time to say so is over.
    pub(super) fn expect_proof(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        let Some((flow, _)) = self.flows.stream(connection) else { return };
        if !self.is_familiar(&flow, turn.now) {
            self.hang_up_on(connection, turn);
        }
    }

    /// After each piece of a stream: whoever leaves a message unfinished has so long to finish it, however it dribbles.
    pub(super) fn expect_rest(&mut self, connection: ConnectionId, finished_one: bool, turn: &Turn<'_>) {
        let Some((_, framer)) = self.flows.stream(connection) else { return };
        let wake = Wake::Whole(connection);
        if !framer.is_amid_message() {
            self.timers.stop(wake);
        } else if finished_one || !self.timers.is_set(wake) {
            self.timers.set(wake, turn.now.mono + self.config.limits.message);
        }
    }

    /// RFC 5626 §4.4.2: a STUN request is answered with the address that it came from, but only for those who have proven
    /// themselves over this flow: the answer is longer than the question, and the address may be forged.
    pub(super) fn stun(&mut self, flow: &Flow, bytes: &Bytes, turn: &Turn<'_>) -> bool {
        let Some(request) = stun::Request::parse(bytes) else { return false };
        if self.is_familiar(flow, turn.now) {
            self.flows.transmit(flow, request.answer(flow.remote));
        } else {
            self.counters.unknown += 1;
        }
        true
    }

    /// From now on the device at the other end must be heard of every so often (RFC 5626 §4.4).
    pub(super) fn keep_flow(&mut self, connection: ConnectionId, turn: &Turn<'_>) {
        let limits = &self.config.limits;
        let until = turn.now.mono + limits.flow_timer + Limits::FLOW_GRACE;
        self.timers.set(Wake::Silent(connection), until);
    }

    /// RFC 5626 §5.4: a flow that shows no keep-alive in time has failed.
    pub(super) fn expect_keep_alive(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        let Some(heard) = self.flows.last_heard(connection) else { return };
        let until = heard + self.config.limits.flow_timer + Limits::FLOW_GRACE;
        if until > turn.now.mono {
            self.timers.set(Wake::Silent(connection), until);
        } else {
            self.hang_up_on(connection, turn);
        }
    }

    /// Closes a connection from our side.
    pub(super) fn hang_up_on(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        self.connection_lost(connection, turn);
        self.flows.close(connection);
    }

    /// A connection is gone: what was sent over it and not answered has failed (RFC 5626 §5.3: as a 430), and the devices
    /// behind it cannot be reached any more.
    pub(super) fn connection_lost(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        self.flows.closed(connection);
        self.known.forget(connection);
        for wake in [Wake::Prove(connection), Wake::Whole(connection), Wake::Silent(connection)] {
            self.timers.stop(wake);
        }
        let changed = self.registrar.connection_lost(connection);
        let mine = self.clients.connection_lost(connection);
        self.carrier_connection_lost(connection, turn);
        let status = if changed.is_empty() { 503 } else { FLOW_FAILED };
        for (transaction, owner) in mine {
            self.unanswered(transaction, owner, status, turn);
        }
        for receptionist in changed {
            self.tell_bindings(receptionist, turn.now);
        }
    }
}

/// The status for a device whose flow is gone (RFC 5626 §11.6).
pub(super) const FLOW_FAILED: u16 = 430;
