//! Trunk and telephone: every call is placed by the one and taken by the other, over plain UDP, beside the voices.
//!
//! They retransmit INVITE and BYE only, and believe what they are told.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use vorzimmer_tests::crowd::words::Message;

use crate::delay::Delays;
use crate::engine::Engine;
use crate::words::{self, Dialling};

/// What is not answered is said again (RFC 3261 §17.1.1.2: T1), and not more often than this.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const TIMES: u32 = 8;
/// How often is looked whether something has to be said again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Room for messages that come while voices have their turn.
const RECEIVE_BUFFER: usize = 4 * 1_024 * 1_024;
/// Messages taken in one turn.
const AT_ONCE: usize = 64;

/// Both ends of all calls.
pub struct Parties {
    dialling: Dialling,
    keys: Keys,
    trunk: UdpSocket,
    phone: UdpSocket,
    /// Calls of the trunk by Call-ID, and of the telephone by theirs.
    placed: HashMap<String, Placed>,
    taken: HashMap<String, Taken>,
    made: u64,
    /// Calls that are to be hung up, by when they were begun.
    order: VecDeque<String>,
    looked: Instant,
    /// Whether the packets of calls that begin now are counted.
    pub counted: bool,
    /// What came of them.
    pub outcome: Outcome,
}

/// What is pressed in every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    /// By the telephone, as soon as it talks.
    pub phone: &'static str,
    /// By the caller, and how long after the answer.
    pub trunk: Option<(&'static str, Duration)>,
}

/// What came of the calls.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were refused, or never answered.
    pub failed: u64,
    /// Calls that the telephone took and the server acknowledged.
    pub connected: u64,
    /// The last refusal.
    pub refusal: Option<u16>,
    /// Requests that had to be said again.
    pub retransmitted: u64,
    /// From INVITE to its 200.
    pub set_up: Delays,
}

struct Placed {
    slot: usize,
    invite: String,
    /// The 200 that made the dialog.
    answer: Option<String>,
    begun: Instant,
    answered: Option<Instant>,
    /// When it was answered, until the caller has pressed what there is to press.
    listening: Option<Instant>,
    /// What waits for an answer, since when, and how often it was said.
    asking: Option<(String, Instant, u32)>,
}

struct Taken {
    slot: usize,
    attested: bool,
    answer: String,
}

impl Parties {
    /// A trunk on a port of its own that dials like this, and the telephone on `phone`, where it was registered; both
    /// press these keys in every call.
    ///
    /// # Errors
    /// The system's.
    pub fn open(dialling: Dialling, phone: u16, keys: Keys) -> io::Result<Self> {
        let open = |port| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
            socket.set_nonblocking(true)?;
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
            io::Result::Ok(socket)
        };
        let (trunk, phone) = (open(0)?, open(phone)?);
        let dialling = Dialling { port: trunk.local_addr()?.port(), ..dialling };
        let set_up = Delays::new();
        let outcome =
            Outcome { answered: 0, failed: 0, connected: 0, refusal: None, retransmitted: 0, set_up };
        Ok(Self {
            dialling,
            keys,
            trunk,
            phone,
            placed: HashMap::new(),
            taken: HashMap::new(),
            made: 0,
            order: VecDeque::new(),
            looked: Instant::now(),
            counted: true,
            outcome,
        })
    }

    /// Places a call.
    ///
    /// # Errors
    /// There is no port for its voice.
    pub fn ring(&mut self, engine: &mut Engine) -> io::Result<()> {
        let (slot, port) = engine.open(self.counted)?;
        let call = self.made;
        self.made += 1;
        let invite = self.dialling.invite(call, port);
        self.trunk.send_to(invite.as_bytes(), self.dialling.server)?;
        let begun = Instant::now();
        let asking = Some((invite.clone(), begun, 1));
        let id = self.dialling.id(call);
        self.order.push_back(id.clone());
        self.placed.insert(
            id,
            Placed { slot, invite, answer: None, begun, answered: None, listening: None, asking },
        );
        Ok(())
    }

    /// Calls that are not over, at either end.
    pub fn open_calls(&self) -> usize {
        self.placed.len().max(self.taken.len())
    }

    /// Hangs up those that were answered so long ago, of the calls that were placed after the first `keep`.
    pub fn hang_up_answered(&mut self, keep: usize, ago: Duration) {
        while let Some(id) = self.order.get(keep).cloned() {
            // One that rings is hung up when it was answered; one that is over is passed by.
            match self.placed.get(&id) {
                Some(call) if call.answered.is_none_or(|at| at.elapsed() < ago) => return,
                _ => {}
            }
            self.order.remove(keep);
            self.hang_up(&id);
        }
    }

    /// Hangs up those that were begun so long ago.
    pub fn hang_up_older(&mut self, than: Duration) {
        while let Some(id) = self.order.front() {
            // One that is over is passed by; one that was not answered yet is hung up when it was.
            match self.placed.get(id) {
                Some(call) if call.begun.elapsed() < than || call.answer.is_none() => return,
                _ => {}
            }
            if let Some(id) = self.order.pop_front() {
                self.hang_up(&id);
            }
        }
    }

    /// Hangs up every call.
    pub fn hang_up_all(&mut self) {
        while let Some(id) = self.order.pop_front() {
            self.hang_up(&id);
        }
    }

    fn hang_up(&mut self, id: &str) -> bool {
        let Some(call) = self.placed.get_mut(id) else { return false };
        let Some(answer) = &call.answer else { return false };
        let bye = self.dialling.within("BYE", &call.invite, Message(answer));
        say(&self.trunk, self.dialling.server, &bye);
        call.asking = Some((bye, Instant::now(), 1));
        true
    }

    /// Takes what has come, and says again what was not answered.
    pub fn turn(&mut self, engine: &mut Engine) {
        let mut buffer = [0; 8_192];
        for _ in 0..AT_ONCE {
            let trunk = take(&self.trunk, &mut buffer).map(|text| self.trunk_heard(text, engine));
            let phone = take(&self.phone, &mut buffer).map(|text| self.phone_heard(text, engine));
            if trunk.or(phone).is_none() {
                break;
            }
        }
        if self.looked.elapsed() > LOOK_EVERY {
            self.looked = Instant::now();
            self.ask_again(engine);
            self.press(engine);
        }
    }

    /// Callers press what they have to.
    fn press(&mut self, engine: &mut Engine) {
        let Some((keys, after)) = self.keys.trunk else { return };
        for call in self.placed.values_mut() {
            if call.listening.take_if(|since| since.elapsed() >= after).is_some() {
                engine.press(call.slot, keys);
            }
        }
    }

    fn ask_again(&mut self, engine: &mut Engine) {
        let Self { trunk, dialling, outcome, placed, .. } = self;
        placed.retain(|_, call| {
            let Some((text, since, times)) = &mut call.asking else { return true };
            if since.elapsed() < AGAIN_AFTER * 2u32.pow((*times - 1).min(3)) {
                return true;
            }
            if *times >= TIMES {
                outcome.failed += u64::from(call.answer.is_none());
                engine.close(call.slot);
                return false;
            }
            (*since, *times) = (Instant::now(), *times + 1);
            outcome.retransmitted += 1;
            say(trunk, dialling.server, text);
            true
        });
    }

    fn trunk_heard(&mut self, text: &str, engine: &mut Engine) {
        let message = Message(text);
        let Some(id) = message.header("Call-ID") else { return };
        if message.method() == Some("BYE") {
            if let Some(call) = self.placed.remove(id) {
                engine.close(call.slot);
            }
            say(&self.trunk, self.dialling.server, &message.answer("200 OK", "t", "", ""));
            return;
        }
        let (Some(status), Some(call)) = (message.status(), self.placed.get_mut(id)) else { return };
        match message.of() {
            // A provisional answer stops retransmission (RFC 3261 §17.1.1.2).
            Some("INVITE") if status < 200 => call.asking = None,
            Some("INVITE") => {
                let ack = self.dialling.within("ACK", &call.invite, message);
                say(&self.trunk, self.dialling.server, &ack);
                if status == 200 { self.answered(id, text, engine) } else { self.refused(id, status, engine) }
            }
            Some("BYE") => {
                engine.close(call.slot);
                self.placed.remove(id);
            }
            _ => {}
        }
    }

    fn answered(&mut self, id: &str, text: &str, engine: &mut Engine) {
        let Some(call) = self.placed.get_mut(id) else { return };
        if call.answer.replace(text.to_owned()).is_some() {
            return;
        }
        call.asking = None;
        call.answered = Some(Instant::now());
        call.listening = call.answered;
        self.outcome.answered += 1;
        let took = call.begun.elapsed().as_micros();
        self.outcome.set_up.note(u64::try_from(took).unwrap_or(u64::MAX));
        begin(engine, call.slot, Message(text), self.dialling.srtp);
    }

    fn refused(&mut self, id: &str, status: u16, engine: &mut Engine) {
        if let Some(call) = self.placed.remove(id) {
            engine.close(call.slot);
            self.outcome.failed += 1;
            self.outcome.refusal = Some(status);
        }
    }

    fn phone_heard(&mut self, text: &str, engine: &mut Engine) {
        let message = Message(text);
        let (Some(method), Some(id)) = (message.method(), message.header("Call-ID")) else { return };
        let tag = format!("p-{id}");
        match method {
            "INVITE" => self.phone_rings(message, id, &tag, engine),
            // The dialog is there. What a receptionist presses then says that the caller agreed to be recorded.
            "ACK" => {
                if let Some(call) = self.taken.get_mut(id).filter(|call| !call.attested) {
                    call.attested = true;
                    self.outcome.connected += 1;
                    engine.press(call.slot, self.keys.phone);
                }
            }
            _ => {
                if method == "BYE"
                    && let Some(call) = self.taken.remove(id)
                {
                    engine.close(call.slot);
                }
                say(&self.phone, self.dialling.server, &message.answer("200 OK", &tag, "", ""));
            }
        }
    }

    /// Takes the call at once.
    fn phone_rings(&mut self, message: Message<'_>, id: &str, tag: &str, engine: &mut Engine) {
        if let Some(call) = self.taken.get(id) {
            say(&self.phone, self.dialling.server, &call.answer);
            return;
        }
        let own = self.phone.local_addr().map_or(0, |address| address.port());
        let Ok((slot, port)) = engine.open(self.counted) else {
            say(&self.phone, self.dialling.server, &message.answer("486 Busy Here", tag, "", ""));
            return;
        };
        let contact = format!("Contact: <sip:anna@127.0.0.1:{own}>\r\n");
        let described = words::answer_to(message, port, self.dialling.srtp);
        let answer = message.answer("200 OK", tag, &contact, &described);
        say(&self.phone, self.dialling.server, &answer);
        begin(engine, slot, message, self.dialling.srtp);
        self.taken.insert(id.to_owned(), Taken { slot, attested: false, answer });
    }
}

/// Has a voice talk to where the peer's description says.
fn begin(engine: &mut Engine, slot: usize, described: Message<'_>, srtp: bool) {
    let Some(to) = described.media() else { return };
    let keys = if srtp { words::keys(described) } else { None };
    if let Err(error) = engine.talk(slot, to, keys) {
        eprintln!("a voice cannot begin: {error}");
    }
}

/// While a server is not there nobody listens; it shows as retransmissions.
fn say(socket: &UdpSocket, to: SocketAddr, text: &str) {
    drop(socket.send_to(text.as_bytes(), to));
}

fn take<'a>(socket: &UdpSocket, buffer: &'a mut [u8; 8_192]) -> Option<&'a str> {
    let (length, _) = socket.recv_from(buffer).ok()?;
    std::str::from_utf8(buffer.get(..length)?).ok()
}
