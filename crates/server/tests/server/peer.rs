//! A SIP peer of few words: just enough of a trunk to see what the server does on its sockets.

use std::net::{SocketAddr, UdpSocket};

use crate::installation::SOON;

pub struct Peer {
    socket: UdpSocket,
    server: SocketAddr,
}

/// An answer or a request, as text.
pub struct Message(pub String);

impl Peer {
    /// A peer at `address`, which decides who it is.
    pub fn at(address: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        Self { socket, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    pub fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).expect("sent");
    }

    /// The next message, or none within `SOON`.
    pub fn receive(&self) -> Message {
        let mut buffer = [0; 65_535];
        let (length, _) = self.socket.recv_from(&mut buffer).expect("a message");
        Message(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message whose first line contains `words`; others are passed over.
    pub fn expect(&self, words: &str) -> Message {
        loop {
            let message = self.receive();
            if message.first_line().contains(words) {
                return message;
            }
        }
    }

    /// A request outside a dialog.
    pub fn request(&self, method: &str, user: &str, call: &str, body: &str) -> String {
        let (me, server) = (self.address(), self.server);
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{user}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+4915199999999@{me}>;tag=from{call}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:trunk@{me}>\r\n{content}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// An INVITE with an offer of A-law.
    pub fn invite(&self, number: &str, call: &str) -> String {
        let ip = self.address().ip();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\n"
        );
        self.request("INVITE", number, call, &sdp)
    }

    /// The ACK of a 2xx.
    pub fn acknowledge(&self, answer: &Message, call: &str) {
        let (me, to) = (self.address(), answer.header("To"));
        let contact = answer.header("Contact");
        let target = contact.split(['<', '>']).nth(1).expect("a contact").to_owned();
        self.send(&format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call}ack;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+4915199999999@{me}>;tag=from{call}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: 1 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        ));
    }

    /// Says 200 to a request.
    pub fn accept(&self, request: &Message) {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let headers: String =
            copied.iter().map(|name| format!("{name}: {}\r\n", request.header(name))).collect();
        self.send(&format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"));
    }
}

impl Message {
    pub fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> String {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0)).to_owned()
    }
}
