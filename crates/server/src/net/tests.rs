use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use vorzimmer_sip::ua::{ConnectionId, Flow, Input, Transport};

use super::{Arrivals, Call, Listeners, Net, StreamLimits};
use crate::config::{Listen, Sip};
use crate::tls::tests::tls;

/// Nothing on loopback takes longer unless it never comes.
pub const SOON: Duration = Duration::from_secs(10);
pub const LIMITS: StreamLimits = StreamLimits {
    total: 8,
    per_address: 2,
    idle: Duration::from_secs(60),
    handshake: Duration::from_secs(60),
    message: Duration::from_secs(60),
    ping: Duration::from_secs(60),
};

fn sip(address: &str, advertise: &[&str]) -> Sip {
    let listen = Listen(address.parse().expect("an address"));
    Sip {
        udp: vec![listen],
        tcp: vec![listen],
        tls: Vec::new(),
        wss: Vec::new(),
        realm: "test".into(),
        advertise: advertise.iter().map(|address| address.parse().expect("an address")).collect(),
        ..Sip::default()
    }
}

/// A net on ports that were free, and the UDP and TCP address it got.
fn start(sip: &Sip, limits: StreamLimits) -> (Net, Arrivals, SocketAddr, SocketAddr) {
    let listeners = Listeners::bind(sip).expect("free ports");
    let udp = listeners.udp[0].local_addr().expect("bound");
    let tcp = listeners.streams[0].1.local_addr().expect("bound");
    let (net, arrivals) = Net::start(listeners, limits, tls());
    (net, arrivals, udp, tcp)
}

pub async fn next_stream(arrivals: &mut Arrivals) -> Input {
    timeout(SOON, arrivals.streams.recv()).await.expect("something happens").expect("the net runs")
}

async fn next_datagram(arrivals: &mut Arrivals) -> (Flow, Bytes) {
    match timeout(SOON, arrivals.datagrams.recv()).await.expect("a datagram") {
        Input::Datagram { flow, bytes } => (flow, bytes),
        other => panic!("{other:?}"),
    }
}

pub async fn opened(arrivals: &mut Arrivals) -> Flow {
    match next_stream(arrivals).await {
        Input::Opened { flow, certified: None } => flow,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_datagram_is_answered_over_the_way_it_came_on_ipv4_and_ipv6() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (mut net, mut arrivals, udp, _) = start(&sip(address, &[]), LIMITS);
        let peer = UdpSocket::bind(address).await.expect("a port");
        peer.send_to(b"hello", udp).await.expect("sent");
        let (flow, bytes) = next_datagram(&mut arrivals).await;
        assert_eq!((flow.local, flow.remote), (udp, peer.local_addr().expect("bound")));
        assert_eq!(bytes, "hello");
        net.transmit(&flow, Bytes::from_static(b"world"));
        net.flush();
        let mut buffer = [0; 16];
        let (length, from) =
            timeout(SOON, peer.recv_from(&mut buffer)).await.expect("an answer").expect("read");
        assert_eq!((&buffer[..length], from), (&b"world"[..], udp));
        assert_eq!(net.counts(), super::NetCounts::default());
    }
}

#[tokio::test]
async fn behind_a_nat_flows_bear_the_advertised_address_and_media_the_inner_one() {
    let settings = sip("127.0.0.1:0", &["203.0.113.5"]);
    let listeners = Listeners::bind(&settings).expect("free ports");
    let addresses = listeners.addresses();
    let udp = listeners.udp[0].local_addr().expect("bound");
    let (mut net, mut arrivals) = Net::start(listeners, LIMITS, tls());
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    peer.send_to(b"hello", udp).await.expect("sent");
    let (flow, _) = next_datagram(&mut arrivals).await;
    assert_eq!(flow.local, SocketAddr::new("203.0.113.5".parse().expect("address"), udp.port()));
    assert_eq!(addresses.inside(flow.local.ip()), udp.ip());
    net.transmit(&flow, Bytes::from_static(b"world"));
    net.flush();
    let mut buffer = [0; 16];
    let (_, from) = timeout(SOON, peer.recv_from(&mut buffer)).await.expect("an answer").expect("read");
    assert_eq!(from, udp);
}

#[tokio::test]
async fn a_wildcard_listener_is_known_by_the_address_that_routes_to_the_peer() {
    let (_net, mut arrivals, udp, _) = start(&sip("0.0.0.0:0", &[]), LIMITS);
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    peer.send_to(b"hello", ("127.0.0.1", udp.port())).await.expect("sent");
    let (flow, _) = next_datagram(&mut arrivals).await;
    assert_eq!(flow.local, SocketAddr::from(([127, 0, 0, 1], udp.port())));
}

#[tokio::test]
async fn a_datagram_for_an_address_that_is_not_ours_is_counted() {
    let (mut net, _arrivals, udp, _) = start(&sip("127.0.0.1:0", &[]), LIMITS);
    let elsewhere = SocketAddr::new("192.0.2.77".parse().expect("address"), udp.port());
    let flow = Flow { transport: Transport::Udp, local: elsewhere, remote: udp, connection: None };
    net.transmit(&flow, Bytes::from_static(b"lost"));
    net.flush();
    assert_eq!(net.counts().dropped_out, 1);
}

#[tokio::test]
async fn a_stream_is_opened_read_written_and_closed() {
    let (mut net, mut arrivals, _, tcp) = start(&sip("127.0.0.1:0", &[]), LIMITS);
    let mut peer = TcpStream::connect(tcp).await.expect("accepted");
    let flow = opened(&mut arrivals).await;
    assert_eq!((flow.local, flow.remote), (tcp, peer.local_addr().expect("bound")));
    let connection = flow.connection.expect("a stream has one");
    peer.write_all(b"hello").await.expect("sent");
    match next_stream(&mut arrivals).await {
        Input::Stream { connection: from, bytes } => {
            assert_eq!((from, &bytes[..]), (connection, &b"hello"[..]))
        }
        other => panic!("{other:?}"),
    }
    net.transmit(&flow, Bytes::from_static(b"bye"));
    net.close(connection);
    let mut rest = Vec::new();
    timeout(SOON, peer.read_to_end(&mut rest)).await.expect("closed").expect("read");
    assert_eq!(rest, b"bye", "what was handed over before is still sent");
    assert!(
        matches!(next_stream(&mut arrivals).await, Input::Closed { connection: gone } if gone == connection)
    );
}

#[tokio::test]
async fn a_connection_of_ours_is_told_open_or_closed() {
    let (mut net, mut arrivals, _, tcp) = start(&sip("127.0.0.1:0", &[]), LIMITS);
    let ours = ConnectionId(1 << 63);
    let call = |connection, remote| Call { connection, transport: Transport::Tcp, remote, trunk: None };
    net.connect(call(ours, tcp));
    // Both ends are here: the one that we asked for, and the one that we accepted.
    let flows = [opened(&mut arrivals).await, opened(&mut arrivals).await];
    assert!(flows.iter().any(|flow| flow.connection == Some(ours) && flow.remote == tcp));

    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = gone.local_addr().expect("bound");
    drop(gone);
    let refused = ConnectionId((1 << 63) + 1);
    net.connect(call(refused, nobody));
    assert!(
        matches!(next_stream(&mut arrivals).await, Input::Closed { connection } if connection == refused)
    );
}

#[tokio::test]
async fn one_address_gets_no_more_than_its_connections() {
    let (net, mut arrivals, _, tcp) = start(&sip("127.0.0.1:0", &[]), LIMITS);
    let mut peers = Vec::new();
    for _ in 0..LIMITS.per_address {
        peers.push(TcpStream::connect(tcp).await.expect("accepted"));
        opened(&mut arrivals).await;
    }
    let mut refused = TcpStream::connect(tcp).await.expect("the kernel accepts");
    let read = timeout(SOON, refused.read(&mut [0; 1])).await.expect("closed");
    assert!(matches!(read, Ok(0) | Err(_)));
    assert_eq!(net.counts().streams_refused, 1);

    drop(peers.pop());
    while !matches!(next_stream(&mut arrivals).await, Input::Closed { connection } if connection == ConnectionId(1))
    {
    }
    peers.push(TcpStream::connect(tcp).await.expect("accepted"));
    opened(&mut arrivals).await;
}

#[tokio::test]
async fn a_silent_stream_is_closed() {
    let limits = StreamLimits { idle: Duration::from_millis(20), ..LIMITS };
    let (_net, mut arrivals, _, tcp) = start(&sip("127.0.0.1:0", &[]), limits);
    let mut peer = TcpStream::connect(tcp).await.expect("accepted");
    let flow = opened(&mut arrivals).await;
    assert!(
        matches!(next_stream(&mut arrivals).await, Input::Closed { connection } if Some(connection) == flow.connection)
    );
    let read = timeout(SOON, peer.read(&mut [0; 1])).await.expect("closed");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_let_go() {
    let (mut net, mut arrivals, _, tcp) = start(&sip("127.0.0.1:0", &[]), LIMITS);
    let _peer = TcpStream::connect(tcp).await.expect("accepted");
    let flow = opened(&mut arrivals).await;
    // Without yielding to the writer its queue fills up, as it does behind a peer that never reads.
    for _ in 0..=super::shared::WRITE_QUEUE {
        net.transmit(&flow, Bytes::from_static(&[0; 1024]));
    }
    assert_eq!(net.counts().streams_refused, 1);
    assert!(
        matches!(next_stream(&mut arrivals).await, Input::Closed { connection } if Some(connection) == flow.connection)
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let settings = Sip { tcp: Vec::new(), ..sip(&address.to_string(), &[]) };
    let error = Listeners::bind(&settings).map(|_| ()).expect_err("it is taken").to_string();
    assert!(error.contains(&format!("UDP {address}")), "{error}");
}
