//! A UDP socket that a test holds in its hands: a trunk, a telephone or an attacker that says just what it is told.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use vorzimmer_sip::digest::{Answerer, Challenge, Ha1};
use vorzimmer_types::entropy::Seeded;

use crate::crowd::words::{Message, sdp, tail};
use crate::line::SOON;
use crate::server::Server;

/// One socket.
#[derive(Debug)]
pub struct Peer {
    socket: UdpSocket,
    server: String,
    /// `address:port` of its own.
    pub address: String,
}

impl Peer {
    /// A socket at an address of loopback: the server takes 127.0.0.1 for its trunk and all others for strangers.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn at(ip: &str, server: &Server) -> Self {
        Self::on(ip, 0, server)
    }

    /// The same on a port that the server was told before.
    ///
    /// # Panics
    /// When it is taken.
    #[must_use]
    pub fn on(ip: &str, port: u16, server: &Server) -> Self {
        let socket = UdpSocket::bind((ip, port)).expect("a port");
        let address = socket.local_addr().expect("an address").to_string();
        Self { socket, server: server.sip.clone(), address }
    }

    /// Says something to the server.
    ///
    /// # Panics
    /// When the kernel does not take it.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket.send_to(bytes.as_ref(), &self.server).expect("a datagram can be sent");
    }

    /// Says something to another port of the server's.
    pub fn send_to(&self, bytes: &[u8], port: u16) {
        // While a port is closed the kernel says so; that is how a spray is.
        drop(self.socket.send_to(bytes, ("127.0.0.1", port)));
    }

    /// The next datagram within so long.
    #[must_use]
    pub fn hear(&self, within: Duration) -> Option<String> {
        let end = Instant::now() + within;
        let mut buffer = [0; 65_536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("a timeout");
            match self.socket.recv(&mut buffer) {
                Ok(length) => return Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                // Also how the kernel tells that nobody listens at a port that was sprayed.
                Err(_) if left.is_zero() => return None,
                Err(_) => {}
            }
        }
    }

    /// All bytes that come within so long.
    #[must_use]
    pub fn bytes_within(&self, limit: Duration) -> usize {
        let end = Instant::now() + limit;
        let heard = std::iter::from_fn(|| {
            self.hear(end.saturating_duration_since(Instant::now())).map(|text| text.len())
        });
        heard.sum()
    }

    /// The next message that is what is waited for; others are passed over.
    ///
    /// # Panics
    /// When it does not come.
    pub fn expect(&self, what: &str, good: impl Fn(Message<'_>) -> bool) -> String {
        let end = Instant::now() + SOON;
        loop {
            let next = self.hear(end.saturating_duration_since(Instant::now()));
            let next = next.unwrap_or_else(|| panic!("waited for {what}, in vain"));
            if good(Message(&next)) {
                return next;
            }
        }
    }

    /// A request without a body; `id` makes it one of its own.
    #[must_use]
    pub fn request(&self, method: &str, uri: &str, to: &str, id: &str, more: &str) -> String {
        format!("{}{more}{}", self.head(method, uri, to, id), tail(""))
    }

    /// An INVITE of the trunk's for a number.
    #[must_use]
    pub fn invite(&self, number: &str, id: &str, more: &str) -> String {
        self.invite_with(number, id, more, &sdp(crate::ports::block(2)))
    }

    /// The same with this description.
    #[must_use]
    pub fn invite_saying(&self, number: &str, id: &str, body: &str) -> String {
        self.invite_with(number, id, "", body)
    }

    fn invite_with(&self, number: &str, id: &str, more: &str, body: &str) -> String {
        let uri = format!("sip:{number}@{};user=phone", self.server);
        let contact = format!("Contact: <sip:carrier@{}>\r\n", self.address);
        format!("{}{contact}{more}{}", self.head("INVITE", &uri, &uri, id), tail(body))
    }

    fn head(&self, method: &str, uri: &str, to: &str, id: &str) -> String {
        let address = &self.address;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bK{id}{method}\r\n\
             From: <sip:+493023125900@{address}>;tag=f{id}\r\nTo: <{to}>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
             Max-Forwards: 70\r\n"
        )
    }

    /// The ACK of an answer to our INVITE.
    pub fn acknowledge(&self, answer: &str) {
        let answer = Message(answer);
        let id = answer.header("Call-ID").unwrap_or_default();
        let uri = answer.contact().unwrap_or("sip:ack@127.0.0.1");
        // RFC 3261 §17.1.1.3: within its transaction unless it was a success.
        let branch = if answer.status() == Some(200) { "ACK" } else { "INVITE" };
        self.send(format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bK{id}{branch}\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {id}\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\n{}",
            self.address,
            answer.header("From").unwrap_or_default(),
            answer.header("To").unwrap_or_default(),
            tail("")
        ));
    }

    /// A REGISTER of `user` for the address of record `whose`; `proof` is an Authorization header or nothing.
    #[must_use]
    pub fn register(&self, user: &str, whose: &str, cseq: u32, proof: &str) -> String {
        let address = &self.address;
        format!(
            "REGISTER sip:vorzimmer SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bKr{user}{whose}{cseq}\r\n\
             From: <sip:{whose}@vorzimmer>;tag=r\r\nTo: <sip:{whose}@vorzimmer>\r\nCall-ID: reg-{user}-{whose}\r\n\
             CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:{user}@{address}>\r\nExpires: 300\r\n\
             User-Agent: a telephone that says much of itself, as many telephones do, and so asks for few bytes back\r\n\
             {proof}{}",
            tail("")
        )
    }

    /// Registers `user`, and gives the REGISTER that was accepted.
    ///
    /// # Panics
    /// When it is refused.
    pub fn registered(&self, user: &str, password: &str) -> String {
        self.send(self.register(user, user, 1, ""));
        let asked = self.expect("a challenge", |message| message.status() == Some(401));
        let proven = self.register(user, user, 2, &proof(&asked, user, password));
        self.send(&proven);
        self.expect("to be registered", |message| message.status() == Some(200));
        proven
    }

    /// Answers a request.
    pub fn answer(&self, request: &str, status: &str, more: &str, body: &str) {
        self.send(Message(request).answer(status, "desk", more, body));
    }
}

/// The Authorization header that proves a REGISTER to whoever challenged it.
///
/// # Panics
/// When there is no challenge.
#[must_use]
pub fn proof(challenge: &str, user: &str, password: &str) -> String {
    proof_of("REGISTER", "sip:vorzimmer", challenge, user, password)
}

/// The same for another request.
///
/// # Panics
/// When there is no challenge.
#[must_use]
pub fn proof_of(method: &str, uri: &str, challenge: &str, user: &str, password: &str) -> String {
    let challenge = Challenge::best(Message(challenge).headers("WWW-Authenticate")).expect("a challenge");
    let ha1 = Ha1::new(user, "vorzimmer", password);
    let mut entropy = Seeded::new(u64::from(std::process::id()));
    let answer = Answerer::new(challenge).answer(user, &ha1, method, uri, &mut entropy);
    format!("Authorization: {}\r\n", answer.expect("an answer"))
}
