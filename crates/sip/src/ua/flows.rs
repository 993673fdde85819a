//! Connections and what waits to be sent: the only place where outputs are queued.
//!
//! A message for a connection that is still being opened waits for it; one for a connection that is gone is counted and
//! dropped. Names of connections that we open have the highest bit set, so that they never meet those of the driver.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_types::TrunkId;

use super::{ConnectionId, Event, Flow, Output, Transport};
use crate::transaction::Wire;
use crate::wire::{Role, StreamFramer};

/// The most messages that wait for a connection to open.
const MAX_WAITING: usize = 32;

pub(super) struct Flows {
    out: VecDeque<Output>,
    connections: BTreeMap<ConnectionId, Connection>,
    limit: usize,
    opened: u64,
    pub undeliverable: u64,
}

struct Connection {
    flow: Flow,
    framer: StreamFramer,
    /// What waits for the connection; none once it is open.
    waiting: Option<Vec<Bytes>>,
    /// The trunk whose certificate the peer has shown.
    certified: Option<TrunkId>,
    /// The peer wants requests over this connection although it opened it (RFC 5923 §5).
    alias: bool,
    /// When anything was last heard on it.
    heard: Instant,
}

/// Where a connection of ours leads.
#[derive(Clone, Copy)]
pub(super) struct Hop {
    pub transport: Transport,
    /// What we call ourselves on it: requests of the peer come to our listener.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Whose certificate must be shown there.
    pub trunk: Option<TrunkId>,
}

impl Flows {
    pub fn new(limit: usize) -> Self {
        Self { out: VecDeque::new(), connections: BTreeMap::new(), limit, opened: 0, undeliverable: 0 }
    }

    pub fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// A connection is open: a new one from a peer, or one that we asked for. True if it is new and may stay.
    pub fn opened(&mut self, flow: Flow, certified: Option<TrunkId>, now: Instant) -> bool {
        let Some(id) = flow.connection else { return false };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.certified = certified;
            connection.heard = now;
            // Our own listening address stays in Via and Contact: the new socket's port accepts nobody.
            let flow = connection.flow;
            for bytes in connection.waiting.take().unwrap_or_default() {
                self.out.push_back(Output::Transmit { flow, bytes });
            }
            return false;
        }
        if self.connections.len() >= self.limit {
            self.out.push_back(Output::Close { connection: id });
            return false;
        }
        let framer = StreamFramer::new(Role::Accepted);
        let connection = Connection { flow, framer, waiting: None, certified, alias: false, heard: now };
        self.connections.insert(id, connection);
        true
    }

    /// A connection is gone.
    pub fn closed(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.undeliverable += connection.waiting.map_or(0, |waiting| waiting.len() as u64);
        }
    }

    /// Closes a connection from our side.
    pub fn close(&mut self, id: ConnectionId) {
        self.closed(id);
        self.out.push_back(Output::Close { connection: id });
    }

    /// Asks for a connection. None at the limit, and for what we do not dial: datagrams and WebSockets.
    pub fn connect(&mut self, hop: Hop, now: Instant) -> Option<Flow> {
        let Hop { transport, local, remote, trunk } = hop;
        if self.connections.len() >= self.limit || !matches!(transport, Transport::Tcp | Transport::Tls) {
            return None;
        }
        // Never reused: 2⁶³ connections are not opened in the life of a process.
        let id = ConnectionId(ConnectionId::FIRST_OF_OURS | self.opened);
        self.opened += 1;
        let flow = Flow { transport, local, remote, connection: Some(id) };
        let framer = StreamFramer::new(Role::Connected);
        let waiting = Some(Vec::new());
        let connection = Connection { flow, framer, waiting, certified: None, alias: false, heard: now };
        self.connections.insert(id, connection);
        self.out.push_back(Output::Connect { connection: id, transport, remote, trunk });
        Some(flow)
    }

    /// Whether messages can be sent this way: always for datagrams, never for a stream whose connection is gone.
    pub fn is_usable(&self, flow: &Flow) -> bool {
        match flow.connection {
            Some(id) => self.connections.contains_key(&id),
            None => !flow.transport.is_reliable(),
        }
    }

    /// The trunk whose certificate was shown on this very connection.
    pub fn certified(&self, flow: &Flow) -> Option<TrunkId> {
        self.connections.get(&flow.connection?)?.certified
    }

    /// RFC 5923 §5: the peer of this connection takes requests over it. Only a certificate makes that more than a claim
    /// (§8.1), so on other connections it is not remembered.
    pub fn alias(&mut self, flow: &Flow) {
        let connection = flow.connection.and_then(|id| self.connections.get_mut(&id));
        if let Some(connection) = connection {
            connection.alias = connection.certified.is_some();
        }
    }

    /// A connection over which this trunk takes requests: one that we opened to it, or one that it opened as an alias.
    pub fn of_trunk(&self, trunk: TrunkId) -> Option<Flow> {
        let mut open = self.connections.iter().filter(|(_, connection)| connection.waiting.is_none());
        open.find(|(id, connection)| {
            connection.certified == Some(trunk) && (connection.alias || id.is_ours())
        })
        .map(|(_, connection)| connection.flow)
    }

    /// Something came over a connection.
    pub fn heard(&mut self, id: ConnectionId, now: Instant) -> Option<Flow> {
        let connection = self.connections.get_mut(&id)?;
        connection.heard = now;
        Some(connection.flow)
    }

    /// When something last came over a connection.
    pub fn last_heard(&self, id: ConnectionId) -> Option<Instant> {
        self.connections.get(&id).map(|connection| connection.heard)
    }

    /// How many connections there are, those still being opened included.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The flow and the framer of a connection.
    pub fn stream(&mut self, id: ConnectionId) -> Option<(Flow, &mut StreamFramer)> {
        self.connections.get_mut(&id).map(|connection| (connection.flow, &mut connection.framer))
    }
}

impl Wire for Flows {
    fn transmit(&mut self, flow: &Flow, bytes: Bytes) {
        let connection = flow.connection.and_then(|id| self.connections.get_mut(&id));
        match connection.map(|connection| &mut connection.waiting) {
            Some(Some(waiting)) if waiting.len() < MAX_WAITING => waiting.push(bytes),
            Some(Some(_)) => self.undeliverable += 1,
            Some(None) => self.out.push_back(Output::Transmit { flow: *flow, bytes }),
            None if flow.transport.is_reliable() => self.undeliverable += 1,
            None => self.out.push_back(Output::Transmit { flow: *flow, bytes }),
        }
    }
}
