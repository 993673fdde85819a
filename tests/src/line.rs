//! A line to the server that a test holds in its hands: TCP, TLS or a secure WebSocket, and a SIP telephone on it.
//!
//! It speaks the transports by the book and SIP as plainly as can be; what it is made to say wrongly is the test's own.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message as Frame, WebSocket, client};
use vorzimmer_sip::digest::{Answerer, Challenge, Ha1};
use vorzimmer_types::entropy::Seeded;

use crate::crowd::words::{Message, sdp, tail};
use crate::server::{PASSWORD, Server};

/// Longer than anything takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// TLS over TCP.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection to the server.
pub enum Line {
    /// TCP.
    Tcp(TcpStream),
    /// TLS.
    Tls(Box<Tls>),
    /// A secure WebSocket.
    Wss(Box<WebSocket<Tls>>),
    /// TLS that the server opened to us.
    Taken(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.transport())
    }
}

/// Connects from an address of our choice: the server takes whoever comes from 127.0.0.1 for its trunk.
///
/// # Panics
/// When the server does not listen.
#[must_use]
pub fn connect(from: &str, to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse().map_err(io::Error::other)?, 0))?;
        socket.connect(to).await?.into_std()
    });
    let stream = stream.unwrap_or_else(|why| panic!("{to} cannot be connected to from {from}: {why}"));
    stream.set_nonblocking(false).expect("a blocking socket");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.set_write_timeout(Some(SOON)).expect("a timeout");
    stream
}

/// A client that believes the certificate that the server made for itself, and may show one of its own.
///
/// # Panics
/// When there is no such certificate.
#[must_use]
pub fn trusting(server: &Server, shows: Option<(&Path, &Path)>) -> Arc<ClientConfig> {
    trusting_file(&server.certificate(), shows)
}

/// The same for any certificate.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn trusting_file(certificate: &Path, shows: Option<(&Path, &Path)>) -> Arc<ClientConfig> {
    // An error says that it is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("a certificate")).expect("to be believed");
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match shows {
        Some((chain, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_file(chain).expect("our certificate")],
            PrivateKeyDer::from_pem_file(key).expect("our key"),
        ),
        None => Ok(builder.with_no_client_auth()),
    };
    Arc::new(config.expect("a TLS client"))
}

/// The TLS handshake over a connection.
///
/// # Errors
/// It fails.
pub fn secure(stream: TcpStream, config: Arc<ClientConfig>) -> io::Result<Tls> {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// Waits for the server to open TLS to us, and shows it this certificate. The line, and the name that was asked for (SNI).
///
/// # Errors
/// Nobody comes in time, or the handshake fails.
pub fn take(listener: &TcpListener, (chain, key): (&Path, &Path)) -> io::Result<(Line, Option<String>)> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let chain = vec![CertificateDer::from_pem_file(chain).map_err(io::Error::other)?];
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let connection = ServerConnection::new(Arc::new(config.map_err(io::Error::other)?));
    let stream = crate::wait::until("the server to connect", SOON, || {
        listener.accept().ok().map(|(stream, _)| stream)
    });
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut tls = StreamOwned::new(connection.map_err(io::Error::other)?, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    let name = tls.conn.server_name().map(str::to_owned);
    Ok((Line::Taken(Box::new(tls)), name))
}

/// What a page would ask for to open a WebSocket.
///
/// # Panics
/// When the words cannot stand in a header.
#[must_use]
pub fn asking(server: &Server, origin: Option<&str>, subprotocol: Option<&str>) -> Request {
    let mut request = format!("wss://{}/", server.wss).into_client_request().expect("a request");
    let named = [("origin", origin), ("sec-websocket-protocol", subprotocol)];
    for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}

/// The WebSocket handshake; the status of the refusal if there is one.
///
/// # Errors
/// The HTTP status with which it was refused; 0 if it was no HTTP.
pub fn open(request: Request, tls: Tls) -> Result<WebSocket<Tls>, u16> {
    client::client(request, tls).map(|(socket, _)| socket).map_err(|error| match error {
        tokio_tungstenite::tungstenite::HandshakeError::Failure(Error::Http(response)) => {
            response.status().as_u16()
        }
        _ => 0,
    })
}

impl Line {
    /// A TLS line as a telephone opens it.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn tls(server: &Server, from: &str) -> Self {
        let tls = secure(connect(from, &server.tls), trusting(server, None));
        Self::Tls(Box::new(tls.expect("a TLS handshake")))
    }

    /// A WebSocket as a page of the server's opens it.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn wss(server: &Server, from: &str) -> Self {
        let tls = secure(connect(from, &server.wss), trusting(server, None)).expect("a TLS handshake");
        let socket = open(asking(server, Some("http://localhost:8080"), Some("sip")), tls);
        Self::Wss(Box::new(socket.expect("a WebSocket handshake")))
    }

    /// As in Via.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Tls(_) | Self::Taken(_) => "TLS",
            Self::Wss(_) => "WSS",
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The server has closed the line.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(text.as_bytes()),
            Self::Tls(stream) => stream.write_all(text.as_bytes()).and_then(|()| stream.flush()),
            Self::Taken(stream) => stream.write_all(text.as_bytes()).and_then(|()| stream.flush()),
            Self::Wss(socket) => socket.send(Frame::text(text)).map_err(io::Error::other),
        }
    }

    /// The next message: on streams what ends with an empty line and the body that it announces; none when the server has
    /// closed the line.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn receive(&mut self) -> Option<String> {
        match self {
            Self::Tcp(stream) => message_from(stream),
            Self::Tls(stream) => message_from(stream),
            Self::Taken(stream) => message_from(stream),
            Self::Wss(socket) => loop {
                match socket.read() {
                    Ok(Frame::Text(text)) => return Some(text.as_str().to_owned()),
                    Ok(Frame::Binary(bytes)) => return Some(String::from_utf8_lossy(&bytes).into_owned()),
                    Ok(Frame::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return None,
                    Ok(_) => {}
                    Err(Error::Io(error)) if is_timeout(&error) => panic!("nothing came over the WebSocket"),
                    Err(_) => return None,
                }
            },
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn message_from(stream: &mut impl Read) -> Option<String> {
    let mut text = Vec::new();
    let mut length = None;
    loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => text.push(byte[0]),
            Err(error) if is_timeout(&error) => panic!("nothing came over the stream"),
            Err(_) => return None,
        }
        // The answer to a keep-alive stands between messages.
        if text == b"\r\n" {
            return Some("\r\n".to_owned());
        }
        if length.is_none() && text.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text).into_owned();
            let body = Message(&head).header("Content-Length").and_then(|length| length.parse().ok());
            length = Some(text.len() + body.unwrap_or(0));
        }
        if length == Some(text.len()) {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

/// A receptionist's telephone on a line.
#[derive(Debug)]
pub struct Desk {
    /// What it talks over.
    pub line: Line,
    user: String,
    realm: String,
    cseq: u32,
    /// What stands in its Contact: nobody can reach that (RFC 7118 §5).
    contact: String,
}

impl Desk {
    /// Registers over a line, as a device that keeps flows (RFC 5626).
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn register(line: Line, user: &str) -> Self {
        let transport = line.transport().to_ascii_lowercase().replace("wss", "ws");
        let contact = format!("<sip:{user}@k3b9q7.invalid;transport={transport}>");
        let mut desk = Self { line, user: user.to_owned(), realm: "vorzimmer".to_owned(), cseq: 0, contact };
        let registered = desk.refresh();
        let registered = Message(&registered);
        assert_eq!(registered.status(), Some(200), "{}", registered.0);
        assert_eq!(registered.header("Require"), Some("outbound"), "{}", registered.0);
        assert!(registered.header("Flow-Timer").is_some(), "{}", registered.0);
        assert!(!registered.0.contains("gruu"), "{}", registered.0);
        desk
    }

    /// Registers again; gives the last answer.
    ///
    /// # Panics
    /// When the server does not ask for the password.
    pub fn refresh(&mut self) -> String {
        let plain = self.register_request("");
        self.line.send(&plain).expect("REGISTER");
        let asked = self.line.receive().expect("a challenge");
        let asked = Message(&asked);
        assert_eq!(asked.status(), Some(401), "{}", asked.0);
        let challenge = Challenge::best(asked.headers("WWW-Authenticate")).expect("a challenge");
        let ha1 = Ha1::new(&self.user, &self.realm, PASSWORD);
        let uri = format!("sip:{}", self.realm);
        let proof = Answerer::new(challenge)
            .answer(&self.user, &ha1, "REGISTER", &uri, &mut Seeded::new(u64::from(self.cseq)))
            .expect("an answer");
        let proven = self.register_request(&format!("Authorization: {proof}\r\n"));
        self.line.send(&proven).expect("REGISTER");
        self.line.receive().expect("an answer")
    }

    fn register_request(&mut self, more: &str) -> String {
        self.cseq += 1;
        let Self { user, realm, cseq, contact, .. } = self;
        let transport = self.line.transport();
        format!(
            "REGISTER sip:{realm} SIP/2.0\r\nVia: SIP/2.0/{transport} k3b9q7.invalid;branch=z9hG4bKr{user}{cseq}\r\n\
             Max-Forwards: 69\r\nFrom: <sip:{user}@{realm}>;tag=r{cseq}\r\nTo: <sip:{user}@{realm}>\r\n\
             Call-ID: register-{user}-{transport}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: {contact};reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{transport:0<12}>\"\r\n\
             Expires: 300\r\nSupported: path, gruu, outbound\r\n{more}{}",
            tail("")
        )
    }

    /// Waits to be rung, rings, takes the call, and stays until the other side ends it.
    ///
    /// # Panics
    /// When any of that does not happen.
    pub fn take_one_call(&mut self) {
        let invite = self.line.receive().expect("an INVITE");
        let invite = Message(&invite);
        assert_eq!(invite.method(), Some("INVITE"), "{}", invite.0);
        let via = invite.header("Via").unwrap_or_default();
        assert!(via.starts_with(&format!("SIP/2.0/{} ", self.line.transport())), "{via}");
        let media = crate::ports::block(2);
        let browser = invite.0.contains("UDP/TLS/RTP/SAVPF");
        let description = if browser { browsers(media) } else { sdp(media) };
        let contact = format!("Contact: {}\r\n", self.contact);
        self.line.send(&invite.answer("180 Ringing", "desk", &contact, "")).expect("180");
        self.line.send(&invite.answer("200 OK", "desk", &contact, &description)).expect("200");
        loop {
            let next = self.line.receive().expect("an ACK, then a BYE");
            let next = Message(&next);
            match next.method() {
                Some("BYE") => {
                    return self.line.send(&next.answer("200 OK", "desk", "", "")).expect("200");
                }
                Some("ACK") | None => {}
                Some(_) => self.line.send(&next.answer("200 OK", "desk", &contact, "")).expect("200"),
            }
        }
    }
}

/// What a browser answers, with a certificate that nobody has: its media is never heard.
fn browsers(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio {port} UDP/TLS/RTP/SAVPF 8\r\nc=IN IP4 127.0.0.1\r\na=mid:0\r\na=rtcp-mux\r\n\
         a=ice-ufrag:desk\r\na=ice-pwd:0123456789abcdefghijkl\r\na=setup:active\r\n\
         a=fingerprint:sha-256 {}\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n",
        ["5A"; 32].join(":")
    )
}

/// Where a test's own certificate and key come to lie.
///
/// # Panics
/// When they cannot be written.
#[must_use]
pub fn keep(folder: &Path, name: &str, chain: &str, key: &str) -> (PathBuf, PathBuf) {
    let (chain_path, key_path) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    write_private(&chain_path, chain);
    write_private(&key_path, key);
    (chain_path, key_path)
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    fs::rename(&new, path).expect("in its place");
}
