//! One user agent, a virtual clock, and everybody it talks to as text.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_sip::digest::{Answerer, Challenge, Ha1};
use vorzimmer_sip::ua::{
    Account, Accounts, Binding, Command, ConnectionId, Event, Expires, Flow, FromParty, Input, Limits,
    Output, PhoneDigest, SessionId, SessionTimer, Transport, Trunk, Ua, UaConfig,
};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{Now, Pii, ReceptionistId, TrunkId, UnixMillis};

pub const REALM: &str = "vorzimmer.example";
pub const TRUNK: &str = "192.0.2.10:5060";
pub const DIGEST_TRUNK_USER: &str = "carrier";
pub const LOCAL: &str = "198.51.100.1:5060";
pub const LOCAL_V6: &str = "[2001:db8::1]:5060";
pub const PHONE: &str = "203.0.113.7:40123";
pub const STRANGER: &str = "203.0.113.99:5060";
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\n";

pub const ANNA: ReceptionistId = ReceptionistId::from_bytes([0xa; 16]);
pub const BERTA: ReceptionistId = ReceptionistId::from_bytes([0xb; 16]);

/// Anna and Berta, each with her name as password.
pub struct Staff;

impl Accounts for Staff {
    fn receptionist(&self, login: &str) -> Option<Account> {
        let id = match login {
            "anna" => ANNA,
            "berta" => BERTA,
            _ => return None,
        };
        Some(Account { id, secret: Ha1::new(login, REALM, login) })
    }
}

pub fn config() -> UaConfig {
    let trunk = Trunk {
        id: TrunkId::from_bytes([1; 16]),
        name: "by address".into(),
        addresses: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8:2::/48".parse().unwrap()],
        digest: None,
        certificate: false,
        provider: None,
        outbound: None,
    };
    UaConfig {
        realm: REALM.into(),
        domains: vec![REALM.into()],
        trunks: vec![trunk],
        user_agent: "Vorzimmer".into(),
        phone_digest: PhoneDigest::Both,
        expires: Expires::default(),
        session_timer: SessionTimer::default(),
        limits: Limits::default(),
    }
}

/// The same with a trunk that may come from anywhere and shows a digest.
pub fn config_with_digest_trunk() -> UaConfig {
    let mut config = config();
    config.trunks.push(Trunk {
        id: TrunkId::from_bytes([2; 16]),
        name: "by digest".into(),
        addresses: vec![],
        digest: Some((DIGEST_TRUNK_USER.into(), Ha1::new(DIGEST_TRUNK_USER, REALM, "secret"))),
        certificate: false,
        provider: None,
        outbound: None,
    });
    config
}

/// One message that the user agent sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Duration,
    pub flow: Flow,
    pub text: String,
}

impl Sent {
    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub fn status(&self) -> Option<u16> {
        self.start().strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    pub fn method(&self) -> &str {
        if self.status().is_some() { "" } else { self.start().split(' ').next().unwrap_or_default() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name) || compact(name) == Some(*n))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub fn to_tag(&self) -> String {
        tag(self.header("To").unwrap_or_default())
    }

    pub fn author_tag(&self) -> String {
        tag(self.header("From").unwrap_or_default())
    }

    pub fn branch(&self) -> &str {
        let via = self.header("Via").unwrap_or_default();
        via.split("branch=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default()
    }

    /// The answer of whoever got this request.
    pub fn answer(&self, status: &str, to_tag: &str, extra: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.headers("Via") {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        let to = self.header("To").unwrap();
        let to =
            if to_tag.is_empty() || to.contains(";tag=") { to.into() } else { format!("{to};tag={to_tag}") };
        text.push_str(&format!(
            "From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.header("From").unwrap(),
            self.header("Call-ID").unwrap(),
            self.header("CSeq").unwrap(),
            body.len()
        ));
        text
    }
}

/// The short form of a header's name.
fn compact(name: &str) -> Option<&'static str> {
    Some(match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        _ => return None,
    })
}

pub fn tag(value: &str) -> String {
    value.split(";tag=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

pub struct World {
    pub ua: Ua,
    pub now: Now,
    start: Instant,
    entropy: Seeded,
    pub sent: Vec<Sent>,
    pub events: Vec<Event>,
    pub connects: Vec<(ConnectionId, SocketAddr)>,
    pub closed: Vec<ConnectionId>,
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs some instant to start from")]
fn some_instant() -> Instant {
    Instant::now()
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: UaConfig) -> Self {
        let start = some_instant();
        Self {
            ua: Ua::new(config, [42; 32]),
            now: Now { mono: start, wall: UnixMillis(1_800_000_000_000) },
            start,
            entropy: Seeded::new(7),
            sent: Vec::new(),
            events: Vec::new(),
            connects: Vec::new(),
            closed: Vec::new(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now.mono - self.start
    }

    pub fn input(&mut self, input: Input) {
        self.ua.handle(input, self.now, &Staff, &mut self.entropy);
        while let Some(output) = self.ua.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let text = String::from_utf8(bytes.to_vec()).expect("text");
                    self.sent.push(Sent { at: self.elapsed(), flow, text });
                }
                Output::Connect { connection, remote, .. } => self.connects.push((connection, remote)),
                Output::Close { connection } => self.closed.push(connection),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// The same for what is answered with other things than text.
    pub fn raw(&mut self, input: Input) -> Vec<Bytes> {
        self.ua.handle(input, self.now, &Staff, &mut self.entropy);
        let outputs = std::iter::from_fn(|| self.ua.poll());
        outputs
            .map(|output| match output {
                Output::Transmit { bytes, .. } => bytes,
                other => unreachable!("{other:?}"),
            })
            .collect()
    }

    pub fn udp(&self, from: &str) -> Flow {
        let remote: SocketAddr = from.parse().unwrap();
        let local = if remote.is_ipv6() { LOCAL_V6 } else { LOCAL };
        Flow { transport: Transport::Udp, local: local.parse().unwrap(), remote, connection: None }
    }

    pub fn datagram(&mut self, from: &str, text: &str) {
        let flow = self.udp(from);
        self.input(Input::Datagram { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    pub fn open(&mut self, connection: u64, from: &str) -> Flow {
        let flow =
            Flow { transport: Transport::Tcp, connection: Some(ConnectionId(connection)), ..self.udp(from) };
        self.input(Input::Opened { flow, certified: None });
        flow
    }

    /// A connection over another transport, whose peer has shown a trunk's certificate or none.
    pub fn open_over(
        &mut self,
        transport: Transport,
        connection: u64,
        from: &str,
        certified: Option<TrunkId>,
    ) -> Flow {
        let flow = Flow { transport, connection: Some(ConnectionId(connection)), ..self.udp(from) };
        self.input(Input::Opened { flow, certified });
        flow
    }

    pub fn stream(&mut self, connection: u64, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.input(Input::Stream { connection: ConnectionId(connection), bytes });
    }

    pub fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// Lets time pass, waking the user agent exactly when it asks for it.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some(wake) = self.ua.next_wake().filter(|wake| *wake <= end.mono) {
            let step = wake.saturating_duration_since(self.now.mono);
            self.now = self.now.after(step);
            self.input(Input::Timer);
        }
        self.now = self.now.after(end.mono - self.now.mono);
    }

    /// What was sent since this was last asked.
    pub fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent since.
    pub fn only(&mut self) -> Sent {
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(Sent::start).collect::<Vec<_>>());
        sent.remove(0)
    }

    pub fn statuses(&mut self) -> Vec<u16> {
        self.take().iter().filter_map(Sent::status).collect()
    }

    pub fn happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A trunk's INVITE has come and is being answered.
    pub fn invited(&mut self, call: &Script) -> SessionId {
        self.datagram(TRUNK, &call.invite());
        self.session()
    }

    /// The session of the latest INVITE that came.
    pub fn session(&self) -> SessionId {
        let invited = |event: &Event| match event {
            Event::Invited { session, .. } => Some(*session),
            _ => None,
        };
        self.events.iter().rev().find_map(invited).expect("an INVITE")
    }

    /// Registers over a flow that is open, with the digest dance; returns the last answer.
    pub fn register(&mut self, over: &Over, login: &str, contact: &str, cseq: u32) -> Sent {
        self.register_with(over, login, contact, cseq, "")
    }

    pub fn register_with(&mut self, over: &Over, login: &str, contact: &str, cseq: u32, extra: &str) -> Sent {
        self.take();
        let plain = register(over, login, contact, cseq, extra);
        self.hand(over, &plain);
        let challenge = self.only();
        assert_eq!(challenge.status(), Some(401), "{}", challenge.text);
        let credentials = authorize(&challenge, login, login, "REGISTER", &format!("sip:{REALM}"));
        let extra = format!("{extra}Authorization: {credentials}\r\n");
        self.hand(over, &register(over, login, contact, cseq + 1, &extra));
        self.only()
    }

    /// Hands a message over to the user agent.
    pub fn hand(&mut self, over: &Over, text: &str) {
        match over {
            Over::Udp(from) => self.datagram(from, text),
            Over::Tcp(connection) => self.stream(*connection, text),
        }
    }

    /// Anna's phone has registered and is rung.
    pub fn ring(&mut self) -> (SessionId, Sent) {
        self.register(&Over::Udp(PHONE), "anna", &format!("<sip:anna@{PHONE}>"), 1);
        self.ring_again()
    }

    /// The same, with what was sent left to be looked at.
    pub fn ring_after_registering(&mut self) {
        let (_, invite) = self.ring();
        self.sent.push(invite);
    }

    /// Her first device is rung.
    pub fn ring_again(&mut self) -> (SessionId, Sent) {
        self.take();
        let device = self.ua.bindings(ANNA, self.now).remove(0);
        let session = self.ua.next_session();
        self.command(invite(session, device));
        (session, self.only())
    }
}

pub fn invite(session: SessionId, device: Binding) -> Command {
    Command::Invite {
        session,
        to: Box::new(device),
        from: FromParty::Known {
            display: Some(Pii::new("Frau \"Müller\"".into())),
            user: Pii::new("+4930123456".into()),
        },
        sdp: Some(Bytes::from_static(SDP.as_bytes())),
        headers: vec![("Alert-Info".into(), Pii::new("<urn:alert:source:external>".into()))],
    }
}

/// What a message travels over.
pub enum Over {
    Udp(&'static str),
    Tcp(u64),
}

impl Over {
    fn via(&self) -> String {
        match self {
            Self::Udp(from) => format!("SIP/2.0/UDP {from};rport"),
            Self::Tcp(_) => "SIP/2.0/TCP 10.0.0.7:5060".into(),
        }
    }
}

pub fn register(over: &Over, login: &str, contact: &str, cseq: u32, extra: &str) -> String {
    let contact = if contact.is_empty() { String::new() } else { format!("Contact: {contact}\r\n") };
    format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: {};branch=z9hG4bKreg{login}{cseq}{}\r\nMax-Forwards: 70\r\n\
         From: <sip:{login}@{REALM}>;tag=r{cseq}\r\nTo: <sip:{login}@{REALM}>\r\nCall-ID: reg-{login}@phone\r\n\
         CSeq: {cseq} REGISTER\r\n{contact}{extra}User-Agent: A Quite Ordinary Softphone 1.2.3 (test)\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER, MESSAGE, UPDATE, SUBSCRIBE\r\n\
         Supported: outbound, path, gruu, replaces, timer, norefersub, 100rel\r\n\
         Content-Length: 0\r\n\r\n",
        over.via(),
        extra.len()
    )
}

/// Answers the best challenge of a 401.
pub fn authorize(challenge: &Sent, user: &str, password: &str, method: &str, uri: &str) -> String {
    let offered = challenge.headers("WWW-Authenticate");
    let best = Challenge::best(offered.into_iter()).expect("a challenge");
    let ha1 = Ha1::new(user, REALM, password);
    Answerer::new(best).answer(user, &ha1, method, uri, &mut Seeded::new(3)).expect("an answer")
}

/// A peer that calls us: writes the requests of one dialog.
#[derive(Clone)]
pub struct Script {
    pub call_id: String,
    pub from: &'static str,
    pub branch: String,
    pub cseq: u32,
    pub to_tag: String,
    pub extra: String,
    pub body: String,
    pub via: String,
}

impl Script {
    pub fn new(call_id: &str) -> Self {
        Self {
            call_id: call_id.into(),
            from: TRUNK,
            branch: format!("z9hG4bK-{call_id}-1"),
            cseq: 1,
            to_tag: String::new(),
            extra: String::new(),
            body: SDP.into(),
            via: "SIP/2.0/UDP 192.0.2.10:5060".into(),
        }
    }

    pub fn invite(&self) -> String {
        let extra =
            format!("Contact: <sip:gw@{}>\r\nContent-Type: application/sdp\r\n{}", self.from, self.extra);
        self.request("INVITE", self.cseq, &extra, &self.body)
    }

    pub fn ack(&self) -> String {
        Self { branch: format!("{}-ack", self.branch), ..self.clone() }.request("ACK", self.cseq, "", "")
    }

    pub fn cancel(&self) -> String {
        self.request("CANCEL", self.cseq, "", "")
    }

    /// The next request within the dialog.
    pub fn next(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        self.branch = format!("z9hG4bK-{}-{}", self.call_id, self.cseq);
        self.request(method, self.cseq, extra, body)
    }

    pub fn request(&self, method: &str, cseq: u32, extra: &str, body: &str) -> String {
        let to = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        format!(
            "{method} sip:+4930555@{LOCAL} SIP/2.0\r\nVia: {};branch={}\r\nMax-Forwards: 70\r\n\
             From: <sip:+491701234567@carrier.example>;tag=f1\r\nTo: <sip:+4930555@{LOCAL}>{to}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.via,
            self.branch,
            self.call_id,
            body.len()
        )
    }
}
