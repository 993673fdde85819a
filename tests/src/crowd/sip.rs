//! The signalling of trunk and telephone.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::State;
use super::voice::Stream;
use super::words::{Message, sdp, tail};

/// An INVITE without any answer is sent again (RFC 3261 §17.1.1.2: T1).
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// One socket and the calls on it.
#[derive(Debug)]
pub(super) struct Side {
    socket: UdpSocket,
    /// By Call-ID.
    calls: BTreeMap<String, Call>,
    made: usize,
    ended: usize,
}

#[derive(Debug)]
struct Call {
    stream: usize,
    /// The INVITE as it was sent or received.
    invite: String,
    sent_at: Instant,
    /// What was said to it last.
    answered: Option<String>,
    established: bool,
}

impl Side {
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self { socket, calls: BTreeMap::new(), made: 0, ended: 0 }
    }

    pub(super) fn talking(&self) -> usize {
        self.calls.values().filter(|call| call.established).count()
    }

    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = usize> {
        self.calls.values().map(|call| call.stream)
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    fn send(&self, server: &str, text: &str) {
        // While the server is killed nobody listens, which is how it should be.
        drop(self.socket.send_to(text.as_bytes(), server));
    }
}

/// Hands every message that comes to `heard`, until it is over.
pub(super) fn listen(
    socket: UdpSocket,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    heard: fn(&mut State, Message<'_>),
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !over.load(Ordering::Relaxed) {
            let came = socket.recv_from(&mut buffer);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok((length, _)) = came
                && let Ok(text) = std::str::from_utf8(&buffer[..length])
            {
                heard(&mut state, Message(text));
            }
            state.invite_again();
        }
    })
}

impl State {
    pub(super) fn ring(&mut self, number: &str, calls: usize) {
        for _ in 0..calls {
            let stream = self.new_stream();
            let number_of_call = self.trunk.made;
            self.trunk.made += 1;
            let port = self.trunk.port();
            let id = format!("crowd-{number_of_call}-{port}");
            let invite = format!(
                "INVITE sip:{number}@{server};user=phone SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{id}\r\n\
                 From: <sip:+493023125900@127.0.0.1:{port};user=phone>;tag=t{number_of_call}\r\n\
                 To: <sip:{number}@{server};user=phone>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
                 Contact: <sip:carrier@127.0.0.1:{port}>\r\nMax-Forwards: 68\r\n\
                 P-Asserted-Identity: <sip:+493023125900@carrier.example;user=phone>\r\n{}",
                tail(&sdp(self.streams[stream].port())),
                server = self.server,
            );
            self.trunk.send(&self.server, &invite);
            let call = Call { stream, invite, sent_at: Instant::now(), answered: None, established: false };
            self.trunk.calls.insert(id, call);
        }
    }

    fn new_stream(&mut self) -> usize {
        let number = self.streams.len();
        self.streams.push(Stream::open(number));
        number
    }

    fn invite_again(&mut self) {
        for call in self.trunk.calls.values_mut() {
            if call.answered.is_none() && call.sent_at.elapsed() > AGAIN_AFTER {
                call.sent_at = Instant::now();
                drop(self.trunk.socket.send_to(call.invite.as_bytes(), &self.server));
            }
        }
    }

    pub(super) fn trunk_heard(&mut self, message: Message<'_>) {
        let Some(id) = message.header("Call-ID") else { return };
        if message.method() == Some("BYE") {
            if let Some(call) = self.trunk.calls.remove(id) {
                self.trunk.ended += 1;
                self.streams[call.stream].stop();
            }
            self.trunk.send(&self.server, &message.answer("200 OK", "t", "", ""));
            return;
        }
        let (Some(status), Some("INVITE")) = (message.status(), message.of()) else { return };
        let Some(call) = self.trunk.calls.get_mut(id) else { return };
        call.answered = Some(message.0.to_owned());
        if status < 200 {
            return;
        }
        call.established = status == 200;
        let ack =
            acknowledgement(message, &call.invite, self.trunk.socket.local_addr().map_or(0, |a| a.port()));
        let (stream, to) = (call.stream, message.media());
        self.trunk.send(&self.server, &ack);
        if let Some(to) = to {
            self.streams[stream].start(to);
        }
    }

    pub(super) fn phone_heard(&mut self, message: Message<'_>) {
        let Some(id) = message.header("Call-ID").map(str::to_owned) else { return };
        let tag = format!("p-{id}");
        match message.method() {
            Some("INVITE") => self.phone_rings(message, id, &tag),
            Some("ACK") => {
                if let Some(call) = self.phone.calls.get_mut(&id) {
                    call.established = true;
                }
            }
            Some("BYE") => {
                if let Some(call) = self.phone.calls.remove(&id) {
                    self.streams[call.stream].stop();
                }
                self.phone.send(&self.server, &message.answer("200 OK", &tag, "", ""));
            }
            Some(_) => self.phone.send(&self.server, &message.answer("200 OK", &tag, "", "")),
            None => {}
        }
    }

    /// Takes the call at once.
    fn phone_rings(&mut self, message: Message<'_>, id: String, tag: &str) {
        if let Some(answer) = self.phone.calls.get(&id).and_then(|call| call.answered.as_ref()) {
            self.phone.send(&self.server, answer);
            return;
        }
        let stream = self.new_stream();
        let contact = format!("Contact: <sip:anna@127.0.0.1:{}>\r\n", self.phone.port());
        let answer = message.answer("200 OK", tag, &contact, &sdp(self.streams[stream].port()));
        self.phone.send(&self.server, &answer);
        if let Some(to) = message.media() {
            self.streams[stream].start(to);
        }
        let invite = message.0.to_owned();
        let call =
            Call { stream, invite, sent_at: Instant::now(), answered: Some(answer), established: false };
        self.phone.calls.insert(id, call);
    }

    /// The telephone says BYE in every call (RFC 3261 §15.1.1).
    pub(super) fn hang_up(&mut self) {
        let port = self.phone.port();
        for (id, call) in std::mem::take(&mut self.phone.calls) {
            let (invite, answer) = (Message(&call.invite), call.answered.unwrap_or_default());
            let bye = format!(
                "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-bye-{id}\r\n\
                 From: {}\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\n{}",
                invite.contact().unwrap_or_default(),
                Message(&answer).header("To").unwrap_or_default(),
                invite.header("From").unwrap_or_default(),
                tail("")
            );
            self.phone.send(&self.server, &bye);
            self.streams[call.stream].stop();
        }
    }
}

/// The ACK of a final answer: a transaction of its own after 200, the INVITE's otherwise (RFC 3261 §17.1.1.3).
fn acknowledgement(answer: Message<'_>, invite: &str, port: u16) -> String {
    let id = answer.header("Call-ID").unwrap_or_default();
    let own = if answer.status() == Some(200) { "-ack" } else { "" };
    let target = answer
        .contact()
        .map_or_else(|| invite.split(' ').nth(1).unwrap_or_default().to_owned(), str::to_owned);
    format!(
        "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{id}{own}\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\n{}",
        answer.header("From").unwrap_or_default(),
        answer.header("To").unwrap_or_default(),
        tail("")
    )
}
