//! Binding the ports: before anything else starts, so that a port in use is told at once.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use vorzimmer_sip::ua::Transport;

use crate::config::{Listen, Sip};

/// Datagrams that the kernel keeps for us while the control task is busy: about 2000 INVITEs.
const UDP_RECEIVE_BYTES: usize = 4 << 20;
/// Connections that the kernel keeps for us until they are accepted.
const TCP_BACKLOG: i32 = 1024;
/// Peers whose route is remembered; then all are forgotten and looked up again.
const MAX_ROUTES: usize = 4096;

/// A port that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {transport} {address}: {source}")]
pub struct BindError {
    /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
    pub transport: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// Bound sockets that nobody reads yet.
pub struct Listeners {
    pub(super) udp: Vec<std::net::UdpSocket>,
    pub(super) streams: Vec<(Transport, std::net::TcpListener)>,
    pub(super) origins: Vec<String>,
    pub(super) addresses: LocalAddresses,
}

impl Listeners {
    /// Binds everything that the configuration names.
    ///
    /// # Errors
    /// The first port that cannot be had.
    pub fn bind(sip: &Sip) -> Result<Self, BindError> {
        let udp = sip.udp.iter().map(|listen| bind_udp(*listen)).collect::<Result<_, _>>()?;
        let wanted = [
            (Transport::Tcp, &sip.tcp),
            (Transport::Tls, &sip.tls),
            (Transport::Ws, &sip.ws),
            (Transport::Wss, &sip.wss),
        ];
        let wanted =
            wanted.iter().flat_map(|(transport, list)| list.iter().map(|listen| (*transport, *listen)));
        let streams = wanted.map(|(transport, listen)| Ok((transport, bind_stream(listen, transport)?)));
        let streams = streams.collect::<Result<_, _>>()?;
        let addresses = LocalAddresses::new(sip.advertise.clone());
        Ok(Self { udp, streams, origins: sip.origins.clone(), addresses })
    }

    /// Where we listen, for people: `UDP 127.0.0.1:5060`. Port 0 in the configuration shows as the port given.
    pub fn places(&self) -> Vec<String> {
        let udp = self.udp.iter().map(|socket| ("UDP", socket.local_addr()));
        let streams =
            self.streams.iter().map(|(transport, socket)| (transport.in_via(), socket.local_addr()));
        udp.chain(streams)
            .filter_map(|(transport, address)| address.ok().map(|address| format!("{transport} {address}")))
            .collect()
    }

    /// Where we listen, by transport.
    pub fn bound(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|socket| (Transport::Udp, socket.local_addr()));
        let streams = self.streams.iter().map(|(transport, socket)| (*transport, socket.local_addr()));
        udp.chain(streams).filter_map(|(transport, address)| Some((transport, address.ok()?))).collect()
    }

    /// How our addresses look from outside.
    pub fn addresses(&self) -> LocalAddresses {
        self.addresses.clone()
    }
}

fn bind_udp(listen: Listen) -> Result<std::net::UdpSocket, BindError> {
    bind(listen, "UDP", |socket| {
        socket.set_recv_buffer_size(UDP_RECEIVE_BYTES)?;
        socket.bind(&listen.0.into())
    })
    .map(Into::into)
}

fn bind_stream(listen: Listen, transport: Transport) -> Result<std::net::TcpListener, BindError> {
    bind(listen, transport.in_via(), |socket| {
        // A restart must not wait for connections of the last run to be forgotten by the kernel.
        socket.set_reuse_address(true)?;
        socket.bind(&listen.0.into())?;
        socket.listen(TCP_BACKLOG)
    })
    .map(Into::into)
}

fn bind(
    listen: Listen,
    transport: &'static str,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> Result<Socket, BindError> {
    let kind = if transport == "UDP" { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
    let made = Socket::new(Domain::for_address(listen.0), kind.0, Some(kind.1)).and_then(|socket| {
        if listen.0.is_ipv6() {
            // IPv4 has listeners of its own: no peer has two addresses.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        prepare(&socket)?;
        Ok(socket)
    });
    made.map_err(|source| BindError { transport, address: listen.0, source })
}

/// How our addresses look from outside, and back. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalAddresses {
    advertise: Arc<[IpAddr]>,
    /// For wildcard listeners: which of our addresses the routing table takes towards a peer.
    routes: Arc<Mutex<HashMap<IpAddr, IpAddr>>>,
    /// From an advertised address to the one that was listened on.
    inside: Arc<Mutex<HashMap<IpAddr, IpAddr>>>,
}

impl LocalAddresses {
    /// Where these addresses are told instead of those that we listen on.
    pub fn new(advertise: Vec<IpAddr>) -> Self {
        Self { advertise: advertise.into(), routes: Arc::default(), inside: Arc::default() }
    }

    /// What `remote` knows us by when it talks to the socket bound to `bound`.
    pub fn known_as(&self, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        let advertised = self.advertise.iter().find(|address| address.is_ipv4() == bound.is_ipv4());
        if let Some(advertised) = advertised {
            let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
            inside.insert(*advertised, bound.ip());
            return SocketAddr::new(*advertised, bound.port());
        }
        if bound.ip().is_unspecified() {
            return SocketAddr::new(self.route_to(remote.ip()).unwrap_or(bound.ip()), bound.port());
        }
        bound
    }

    /// The address to bind media to, for a peer that knows us as `known`.
    pub fn inside(&self, known: IpAddr) -> IpAddr {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.get(&known).copied().unwrap_or(known)
    }

    fn route_to(&self, remote: IpAddr) -> Option<IpAddr> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(&remote) {
            return Some(*known);
        }
        let any: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        // Connecting a datagram socket sends nothing; it only asks the routing table. The port does not matter.
        let probe = std::net::UdpSocket::bind((any, 0)).ok()?;
        probe.connect((remote, 9)).ok()?;
        let source = probe.local_addr().ok()?.ip();
        if routes.len() >= MAX_ROUTES {
            routes.clear();
        }
        routes.insert(remote, source);
        Some(source)
    }
}
