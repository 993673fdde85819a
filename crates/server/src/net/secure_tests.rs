//! TLS to a trunk, and WebSockets, between a net and its peers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};
use vorzimmer_sip::ua::{ConnectionId, Flow, Input, Transport};

use super::door::Door;
use super::shared::{Ends, Shared};
use super::stream::{Connections, run};
use super::tests::{LIMITS, SOON, next_stream, opened};
use super::{Arrivals, Call, Listeners, Net, StreamLimits, channel};
use crate::config::{Listen, Sip};
use crate::tls::Tls;
use crate::tls::tests::{CARRIER, tls, tls_that_knows_itself};

/// A net with one listener for this transport, and where it listens.
fn start(transport: Transport, limits: StreamLimits, tls: Arc<Tls>) -> (Net, Arrivals, std::net::SocketAddr) {
    let listen = || vec![Listen(([127, 0, 0, 1], 0).into())];
    let mut sip =
        Sip { udp: Vec::new(), tcp: Vec::new(), tls: Vec::new(), wss: Vec::new(), ..Sip::default() };
    match transport {
        Transport::Tls => sip.tls = listen(),
        Transport::Ws => sip.ws = listen(),
        _ => unreachable!("no test asks for it"),
    }
    let listeners = Listeners::bind(&sip).expect("free ports");
    let at = listeners.streams[0].1.local_addr().expect("bound");
    let (net, arrivals) = Net::start(listeners, limits, tls);
    (net, arrivals, at)
}

async fn browser(at: std::net::SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{at}/").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
    let stream = TcpStream::connect(at).await.expect("accepted");
    let (socket, response) = client_async(request, stream).await.expect("a WebSocket");
    assert_eq!(response.headers().get("sec-websocket-protocol"), Some(&HeaderValue::from_static("sip")));
    socket
}

#[tokio::test]
async fn a_trunk_is_dialled_and_believed_by_its_certificate() {
    let (mut net, mut arrivals, at) = start(Transport::Tls, LIMITS, tls_that_knows_itself());
    let ours = ConnectionId(ConnectionId::FIRST_OF_OURS);
    net.connect(Call { connection: ours, transport: Transport::Tls, remote: at, trunk: Some(CARRIER) });
    // Both ends are here. Each has seen the other's certificate.
    for _ in 0..2 {
        match next_stream(&mut arrivals).await {
            Input::Opened { flow: Flow { transport: Transport::Tls, .. }, certified } => {
                assert_eq!(certified, Some(CARRIER));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_else_answers_for_a_trunk_is_hung_up_on() {
    let (_peer, _peers_arrivals, at) = start(Transport::Tls, LIMITS, tls());
    let (mut net, mut arrivals, _) = start(Transport::Tls, LIMITS, tls_that_knows_itself());
    for (trunk, transport) in
        [(Some(CARRIER), Transport::Tls), (None, Transport::Tls), (Some(CARRIER), Transport::Wss)]
    {
        let connection = ConnectionId(ConnectionId::FIRST_OF_OURS + 1);
        net.connect(Call { connection, transport, remote: at, trunk });
        assert!(
            matches!(next_stream(&mut arrivals).await, Input::Closed { connection: gone } if gone == connection),
            "{trunk:?} {transport:?}"
        );
    }
    assert_eq!(net.counts().handshakes_failed, 3);
}

#[tokio::test]
async fn a_websocket_carries_messages_whole() {
    let (mut net, mut arrivals, at) = start(Transport::Ws, LIMITS, tls());
    let mut browser = browser(at).await;
    let flow = opened(&mut arrivals).await;
    assert_eq!(flow.transport, Transport::Ws);
    for (sent, text) in [("hello".to_owned(), true), ("x".repeat(60_000), true), ("\u{fc}".to_owned(), false)]
    {
        let message =
            if text { Message::text(sent.clone()) } else { Message::binary(sent.clone().into_bytes()) };
        browser.send(message).await.expect("sent");
        match next_stream(&mut arrivals).await {
            Input::Stream { bytes, .. } => assert_eq!(bytes, sent),
            other => panic!("{other:?}"),
        }
    }
    net.transmit(&flow, Bytes::from_static(b"text"));
    net.transmit(&flow, Bytes::from_static(b"\xff\xfe"));
    net.close(flow.connection.expect("a stream has one"));
    let heard = |heard: Option<Result<Message, _>>| heard.map(|heard| heard.expect("read"));
    assert_eq!(heard(browser.next().await), Some(Message::text("text")));
    assert_eq!(heard(browser.next().await), Some(Message::binary(&b"\xff\xfe"[..])));
    assert!(matches!(heard(browser.next().await), Some(Message::Close(_))));
    assert!(matches!(next_stream(&mut arrivals).await, Input::Closed { .. }));
}

#[tokio::test]
async fn a_websocket_that_answers_pings_stays_and_one_that_does_not_goes() {
    let limits = StreamLimits { ping: Duration::from_millis(200), ..LIMITS };
    let (_net, mut arrivals, at) = start(Transport::Ws, limits, tls());
    let mut alive = browser(at).await;
    let alive_flow = opened(&mut arrivals).await;
    // Reading is what answers pings.
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = alive.next().await {} });
    let _dead = browser(at).await;
    let dead_flow = opened(&mut arrivals).await;
    match next_stream(&mut arrivals).await {
        Input::Closed { connection } => assert_eq!(Some(connection), dead_flow.connection),
        other => panic!("{other:?}"),
    }
    assert!(!reading.is_finished() && alive_flow.connection != dead_flow.connection);
    reading.abort();
}

/// Nobody awaits the task in the server, so a panic at its end would be seen by nobody.
#[tokio::test]
async fn a_connection_that_we_close_ends_its_task_well() {
    let (arrivals, mut told) = tokio::sync::mpsc::channel(8);
    let shared = Arc::new(Shared::new(LIMITS, arrivals, tls(), Door::new(&[]), Arc::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
    let (stream, remote) = listener.accept().await.expect("accepted");
    let local = stream.local_addr().expect("bound");
    let ends = Ends { connection: ConnectionId(7), transport: Transport::Tcp, local, remote };
    let open = channel::answer(stream, Transport::Tcp, Arc::clone(&shared));
    let task = tokio::spawn(run(ends, open, Arc::clone(&shared)));
    assert!(matches!(told.recv().await, Some(Input::Opened { .. })));
    Connections::of(shared).close(ConnectionId(7));
    timeout(SOON, task).await.expect("it ends").expect("without a panic");
    assert!(matches!(told.recv().await, Some(Input::Closed { .. })));
    assert_eq!(peer.read(&mut [0; 1]).await.expect("closed"), 0);
}
