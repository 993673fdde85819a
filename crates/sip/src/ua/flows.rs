//! Connections and what waits to be sent: the only place where outputs are queued.
//!
//! A message for a connection that is still being opened waits for it; one for a connection that is gone is counted and
//! dropped. Names of connections that we open have the highest bit set, so that they never meet those of the driver.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use super::{ConnectionId, Event, Flow, Output, Transport};
use crate::transaction::Wire;
use crate::wire::{Role, StreamFramer};

/// The most messages that wait for a connection to open.
const MAX_WAITING: usize = 32;
/// Marks connections that we open.
const OURS: u64 = 1 << 63;

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
    pub fn opened(&mut self, flow: Flow) -> bool {
        let Some(id) = flow.connection else { return false };
        if let Some(connection) = self.connections.get_mut(&id) {
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
        self.connections.insert(id, Connection { flow, framer, waiting: None });
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

    /// Asks for a connection to `remote`; `local` is what we call ourselves on it. None at the limit.
    pub fn connect(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<Flow> {
        if self.connections.len() >= self.limit {
            return None;
        }
        // Never reused: 2⁶³ connections are not opened in the life of a process.
        let id = ConnectionId(OURS | self.opened);
        self.opened += 1;
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: Some(id) };
        let framer = StreamFramer::new(Role::Connected);
        self.connections.insert(id, Connection { flow, framer, waiting: Some(Vec::new()) });
        self.out.push_back(Output::Connect { connection: id, remote });
        Some(flow)
    }

    /// Whether messages can be sent this way: always for datagrams, never for a stream whose connection is gone.
    pub fn is_usable(&self, flow: &Flow) -> bool {
        match flow.connection {
            Some(id) => self.connections.contains_key(&id),
            None => !flow.transport.is_reliable(),
        }
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
