//! Datagrams.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use vorzimmer_sip::ua::{Flow, Input, Transport};

use super::{ByKnownAddress, LocalAddresses, NetCounters};

/// No datagram is larger (RFC 768); what is larger than SIP allows is refused by the parser.
const LARGEST_DATAGRAM: usize = 65_535;

/// All UDP listeners.
pub(super) struct UdpSockets {
    bound: Vec<Arc<UdpSocket>>,
    /// Which socket a local address of a flow stands for, remembered as flows are answered.
    by_known: ByKnownAddress<Arc<UdpSocket>>,
    addresses: LocalAddresses,
}

impl UdpSockets {
    pub(super) fn start(
        sockets: Vec<std::net::UdpSocket>,
        addresses: &LocalAddresses,
        arrivals: &mpsc::Sender<Input>,
        counters: &Arc<NetCounters>,
    ) -> Self {
        let mut bound = Vec::with_capacity(sockets.len());
        for socket in sockets {
            match UdpSocket::from_std(socket) {
                Ok(socket) => bound.push(Arc::new(socket)),
                Err(error) => tracing::error!(%error, "a UDP listener cannot be read"),
            }
        }
        for socket in &bound {
            let reader = Reader {
                socket: Arc::clone(socket),
                addresses: addresses.clone(),
                arrivals: arrivals.clone(),
                counters: Arc::clone(counters),
            };
            tokio::spawn(reader.run());
        }
        Self { bound, by_known: ByKnownAddress::new(), addresses: addresses.clone() }
    }

    /// Whether the kernel took it.
    pub(super) fn send(&mut self, flow: &Flow, bytes: &Bytes) -> bool {
        let socket = match self.by_known.get(&flow.local) {
            Some(socket) => socket,
            None => {
                let Some(socket) = self.find(flow) else { return false };
                self.by_known.entry(flow.local).or_insert(socket)
            }
        };
        socket.try_send_to(bytes, flow.remote).is_ok()
    }

    /// The socket whose address looks like the flow's from outside. Flows outlive restarts, so ours may be gone.
    fn find(&self, flow: &Flow) -> Option<Arc<UdpSocket>> {
        let known = |socket: &&Arc<UdpSocket>| {
            socket.local_addr().is_ok_and(|bound| {
                bound.is_ipv4() == flow.remote.is_ipv4()
                    && self.addresses.known_as(bound, flow.remote) == flow.local
            })
        };
        self.bound.iter().find(known).map(Arc::clone)
    }
}

struct Reader {
    socket: Arc<UdpSocket>,
    addresses: LocalAddresses,
    arrivals: mpsc::Sender<Input>,
    counters: Arc<NetCounters>,
}

impl Reader {
    /// Reads until the control task is gone.
    async fn run(self) {
        let Ok(bound) = self.socket.local_addr() else { return };
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let (length, remote) = match self.socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // ICMP errors of datagrams sent earlier come up here; they are about one peer, not about us.
                Err(error) => {
                    tracing::trace!(%error, "a datagram was not delivered");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let local = self.addresses.known_as(bound, remote);
            let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
            let bytes = Bytes::copy_from_slice(&buffer[..length]);
            match self.arrivals.try_send(Input::Datagram { flow, bytes }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.counters.dropped_in.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }
}
