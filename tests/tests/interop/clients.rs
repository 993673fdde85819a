//! The clients, each as somebody would use it, and what each cannot do.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use vorzimmer_tests::baresip::{Baresip, Setup};
use vorzimmer_tests::phone::Phone;

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    /// SIP user name.
    pub user: &'a str,
    /// Its password; none does not register.
    pub password: Option<&'a str>,
    /// The server's `host:port`.
    pub server: &'a str,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// Codecs in order: `PCMA`, `PCMU`, `G722`, `opus`.
    pub codecs: &'a [&'a str],
    /// `none`, `sdes` or `dtls`.
    pub secure: &'a str,
    /// `rtpevent`, `info` or `inband`.
    pub dtmf: &'a str,
    /// What it says.
    pub speaks: &'a Path,
}

/// A phone that runs.
pub enum Softphone {
    /// Debian's baresip.
    Debian(Baresip),
    /// One that a script plays.
    Scripted(Phone),
}

impl Softphone {
    pub fn dial(&mut self, uri: &str) {
        match self {
            Self::Debian(phone) => phone.dial(uri),
            Self::Scripted(phone) => phone.dial(uri),
        }
    }

    pub fn press(&mut self, keys: &str) {
        match self {
            Self::Debian(phone) => phone.press(keys),
            Self::Scripted(phone) => phone.order(&json!({ "do": "press", "keys": keys })),
        }
    }

    pub fn hangup(&mut self) {
        match self {
            Self::Debian(phone) => phone.hangup(),
            Self::Scripted(phone) => phone.order(&json!({ "do": "hangup" })),
        }
    }

    pub fn hold(&mut self, on: bool) {
        match self {
            Self::Debian(phone) => phone.hold(on),
            Self::Scripted(phone) => phone.order(&json!({ "do": if on { "hold" } else { "resume" } })),
        }
    }

    pub fn established(&mut self, limit: Duration) {
        if !self.is_established(limit) {
            self.fail("no talk");
        }
    }

    pub fn is_established(&mut self, limit: Duration) -> bool {
        match self {
            Self::Debian(phone) => phone.try_event("CALL_ESTABLISHED", limit).is_some(),
            Self::Scripted(phone) => phone.try_event("established", limit).is_some(),
        }
    }

    pub fn closed(&mut self, limit: Duration) {
        match self {
            Self::Debian(phone) => {
                phone.event("CALL_CLOSED", limit);
            }
            Self::Scripted(phone) => {
                phone.event("closed", limit);
            }
        }
    }

    pub fn fail(&self, why: &str) -> ! {
        match self {
            Self::Debian(phone) => panic!("{why}\n{}", phone.log()),
            Self::Scripted(phone) => phone.fail(why),
        }
    }
}

/// A client.
pub struct Client {
    /// As the table says it.
    pub name: &'static str,
    start: fn(&Path, &Shape<'_>) -> Softphone,
    /// Cases that it cannot play, and why: its own limit.
    limits: &'static [(&'static str, &'static str)],
}

impl Client {
    /// Why it cannot play this case.
    pub fn limit(&self, case: &str) -> Option<&'static str> {
        self.limits.iter().find(|(name, _)| *name == case).map(|(_, why)| *why)
    }

    /// Starts it; a phone with a password is registered when this returns.
    pub fn start(&self, folder: &Path, shape: &Shape<'_>) -> Softphone {
        (self.start)(folder, shape)
    }
}

/// All of them.
pub const CLIENTS: &[Client] = &[
    Client { name: "baresip 1.0", start: debian, limits: DEBIAN_LIMITS },
    Client { name: "baresip-python", start: baresip_python, limits: &[INBAND] },
    Client { name: "pjsua2-python", start: pjsua2, limits: &[] },
];

/// The one that plays whoever is not looked at.
pub const OTHER: &Client = &CLIENTS[0];

const INBAND: (&str, &str) = (
    "DTMF in-band",
    "The client has no way to send a key as a tone; `tests/talk.rs` plays it the tones as its voice instead.",
);

const DEBIAN_LIMITS: &[(&str, &str)] = &[INBAND];

fn debian(folder: &Path, shape: &Shape<'_>) -> Softphone {
    let codecs = shape.codecs.join(",");
    let setup = Setup {
        user: shape.user,
        password: shape.password,
        server: shape.server,
        transport: shape.transport,
        codecs: &codecs,
        speaks: shape.speaks,
        answers: shape.password.is_some(),
        ptime_ms: 20,
        dtmf: shape.dtmf,
    };
    Softphone::Debian(match shape.password {
        Some(_) => Baresip::registered(folder, &setup),
        None => Baresip::start(folder, &setup),
    })
}

fn baresip_python(folder: &Path, shape: &Shape<'_>) -> Softphone {
    scripted(folder, shape, "baresip_phone.py")
}

fn pjsua2(folder: &Path, shape: &Shape<'_>) -> Softphone {
    scripted(folder, shape, "pjsua2_phone.py")
}

fn scripted(folder: &Path, shape: &Shape<'_>, script: &str) -> Softphone {
    let setup = json!({
        "user": shape.user,
        "password": shape.password,
        "server": shape.server,
        "transport": shape.transport,
        "codecs": shape.codecs,
        "secure": shape.secure,
        "dtmf": shape.dtmf,
        "speaks": shape.speaks,
        "answers": shape.password.is_some(),
    });
    let mut phone = Phone::start(folder, script, &setup);
    let ready = if shape.password.is_some() { "registered" } else { "ready" };
    phone.event(ready, Duration::from_secs(20));
    Softphone::Scripted(phone)
}
