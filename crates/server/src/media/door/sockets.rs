//! The door's sockets: one for each local address.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use mio::{Interest, Registry};
use socket2::{Domain, Protocol, Socket, Type};

use super::token;

/// Room for packets of all browsers that arrive while the door is busy.
const BUFFER: usize = 4 * 1_024 * 1_024;
/// Expedited forwarding (RFC 3246), what voice is marked with.
const DSCP_EF: u32 = 0xb8;

/// What workers send by.
pub struct Sockets(Vec<(Arc<UdpSocket>, SocketAddr)>);

impl Sockets {
    /// The one for a leg on this local address: bound to it, else to every address, else of the same IP version.
    pub fn like(&self, local: IpAddr) -> Option<(Arc<UdpSocket>, SocketAddr)> {
        let same = |(_, at): &&(Arc<UdpSocket>, SocketAddr)| at.is_ipv4() == local.is_ipv4();
        let exact = self.0.iter().find(|(_, at)| at.ip() == local);
        let (socket, at) = exact.or_else(|| self.0.iter().find(same))?;
        let ip = if at.ip().is_unspecified() { local } else { at.ip() };
        Some((Arc::clone(socket), SocketAddr::new(ip, at.port())))
    }
}

/// Binds them all; port 0 is any that is free.
pub fn bind(
    port: u16,
    addresses: &[IpAddr],
    registry: &Registry,
) -> io::Result<(Sockets, Vec<mio::net::UdpSocket>)> {
    let (mut senders, mut readers) = (Vec::new(), Vec::new());
    for (at, address) in addresses.iter().enumerate() {
        let socket = open(SocketAddr::new(*address, port))?;
        let reader = socket.try_clone()?;
        senders.push((Arc::new(socket), SocketAddr::new(*address, reader.local_addr()?.port())));
        let mut reader = mio::net::UdpSocket::from_std(reader);
        registry.register(&mut reader, token(at), Interest::READABLE)?;
        readers.push(reader);
    }
    Ok((Sockets(senders), readers))
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may grant less.
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    let marked = if address.is_ipv4() { socket.set_tos_v4(DSCP_EF) } else { socket.set_tclass_v6(DSCP_EF) };
    if let Err(error) = marked {
        tracing::trace!(%error, "voice packets are not marked");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
