//! The clients as telephones: whatever drives them, they are told the same things.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use vorzimmer_tests::baresip::{Baresip, Setup};
use vorzimmer_tests::browser::{self, Browser, Library, Stage};
use vorzimmer_tests::phone::Phone;

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    /// SIP user name.
    pub user: &'a str,
    /// Its password; none does not register.
    pub password: Option<&'a str>,
    /// The `host:port` that it speaks to.
    pub server: String,
    /// `udp`, `tcp` or `tls`; a browser has secure WebSockets only.
    pub transport: &'a str,
    /// Codecs in order: `PCMA`, `PCMU`, `G722`, `opus`; none leaves it to the client.
    pub codecs: &'a [&'a str],
    /// `none`, `sdes` or `dtls`.
    pub secure: &'a str,
    /// `rtpevent`, `info` or `inband`.
    pub dtmf: &'a str,
    /// What it says.
    pub speaks: PathBuf,
}

/// A phone that runs.
pub trait Softphone {
    /// Calls this SIP URI.
    fn dial(&mut self, uri: &str);
    /// Presses keys, one after the other.
    fn press(&mut self, keys: &str);
    /// Ends all its calls.
    fn hangup(&mut self);
    /// Holds or resumes.
    fn hold(&mut self, on: bool);
    /// Gives the call away without asking.
    fn transfer(&mut self, uri: &str);
    /// Holds, and calls somebody else.
    fn consult(&mut self, uri: &str);
    /// Connects whom it held with whom it consulted.
    fn complete(&mut self);
    /// Whether a call is answered within a while; each counts once.
    fn is_established(&mut self, limit: Duration) -> bool;
    /// Whether a call ends within a while; each counts once.
    fn is_closed(&mut self, limit: Duration) -> bool;
    /// Ends the case with what the phone said.
    fn fail(&self, why: &str) -> !;

    /// A call is answered.
    fn established(&mut self, limit: Duration) {
        if !self.is_established(limit) {
            self.fail("no talk");
        }
    }

    /// A call ends.
    fn closed(&mut self, limit: Duration) {
        if !self.is_closed(limit) {
            self.fail("the call did not end");
        }
    }
}

impl Softphone for Baresip {
    fn dial(&mut self, uri: &str) {
        Self::dial(self, uri);
    }

    fn press(&mut self, keys: &str) {
        Self::press(self, keys);
    }

    fn hangup(&mut self) {
        Self::hangup(self);
    }

    fn hold(&mut self, on: bool) {
        Self::hold(self, on);
    }

    fn transfer(&mut self, uri: &str) {
        self.command("transfer", uri);
    }

    fn consult(&mut self, uri: &str) {
        Self::hold(self, true);
        Self::dial(self, uri);
    }

    fn complete(&mut self) {
        self.fail("baresip 1.0 has no attended transfer");
    }

    fn is_established(&mut self, limit: Duration) -> bool {
        self.try_event("CALL_ESTABLISHED", limit).is_some()
    }

    fn is_closed(&mut self, limit: Duration) -> bool {
        self.try_event("CALL_CLOSED", limit).is_some()
    }

    fn fail(&self, why: &str) -> ! {
        Self::fail(self, why)
    }
}

impl Softphone for Phone {
    fn dial(&mut self, uri: &str) {
        Self::dial(self, uri);
    }

    fn press(&mut self, keys: &str) {
        self.order(&json!({ "do": "press", "keys": keys }));
    }

    fn hangup(&mut self) {
        self.order(&json!({ "do": "hangup" }));
    }

    fn hold(&mut self, on: bool) {
        self.order(&json!({ "do": if on { "hold" } else { "resume" } }));
    }

    fn transfer(&mut self, uri: &str) {
        self.order(&json!({ "do": "transfer", "uri": uri }));
    }

    fn consult(&mut self, uri: &str) {
        self.order(&json!({ "do": "consult", "uri": uri }));
    }

    fn complete(&mut self) {
        self.order(&json!({ "do": "complete" }));
    }

    fn is_established(&mut self, limit: Duration) -> bool {
        self.try_event("established", limit).is_some()
    }

    fn is_closed(&mut self, limit: Duration) -> bool {
        self.try_event("closed", limit).is_some()
    }

    fn fail(&self, why: &str) -> ! {
        Self::fail(self, why)
    }
}

impl Softphone for Browser {
    fn dial(&mut self, uri: &str) {
        self.order("dial", uri);
    }

    fn press(&mut self, keys: &str) {
        self.order("press", keys);
    }

    fn hangup(&mut self) {
        self.order("hangup", "");
    }

    fn hold(&mut self, on: bool) {
        self.order(if on { "hold" } else { "resume" }, "");
        self.event(if on { "hold" } else { "unhold" }, Duration::from_secs(15));
    }

    fn transfer(&mut self, uri: &str) {
        self.order("transfer", uri);
    }

    fn consult(&mut self, uri: &str) {
        Softphone::hold(self, true);
        self.order("dial", uri);
    }

    fn complete(&mut self) {
        self.order("complete", "");
    }

    fn is_established(&mut self, limit: Duration) -> bool {
        // A key can be pressed only once there is a way for it.
        self.has("talking", limit) && self.is_connected(Duration::from_secs(20))
    }

    fn is_closed(&mut self, limit: Duration) -> bool {
        self.has("ended", limit)
    }

    fn fail(&self, why: &str) -> ! {
        Self::fail(self, why)
    }
}

/// Debian's baresip.
pub fn debian(folder: &Path, shape: &Shape<'_>, _stage: &mut Option<Stage>) -> Box<dyn Softphone> {
    let named = shape.codecs.iter().map(|codec| match *codec {
        "G722" => "G722/16000/1",
        "opus" => "opus/48000/2",
        other => other,
    });
    let codecs = named.collect::<Vec<_>>().join(",");
    let setup = Setup {
        user: shape.user,
        password: shape.password,
        server: &shape.server,
        transport: shape.transport,
        codecs: &codecs,
        speaks: &shape.speaks,
        answers: shape.password.is_some(),
        ptime_ms: 20,
        dtmf: shape.dtmf,
    };
    let how = match shape.secure {
        "sdes" => "srtp-mand",
        "dtls" => "dtls_srtp",
        _ => "",
    };
    Box::new(match (how, shape.password) {
        ("", Some(_)) => Baresip::registered(folder, &setup),
        ("", None) => Baresip::start(folder, &setup),
        (how, _) => Baresip::ciphered(folder, &setup, how),
    })
}

/// baresip-python.
pub fn baresip_python(folder: &Path, shape: &Shape<'_>, _stage: &mut Option<Stage>) -> Box<dyn Softphone> {
    scripted(folder, shape, "baresip_phone.py")
}

/// pjsua2-python.
pub fn pjsua2(folder: &Path, shape: &Shape<'_>, _stage: &mut Option<Stage>) -> Box<dyn Softphone> {
    scripted(folder, shape, "pjsua2_phone.py")
}

/// Behind Kamailio, which knows nothing of media: whichever of the two can do what is asked for.
pub fn either(folder: &Path, shape: &Shape<'_>, stage: &mut Option<Stage>) -> Box<dyn Softphone> {
    if shape.codecs == ["opus"] || shape.secure == "dtls" {
        return baresip_python(folder, shape, stage);
    }
    pjsua2(folder, shape, stage)
}

fn scripted(folder: &Path, shape: &Shape<'_>, script: &str) -> Box<dyn Softphone> {
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
    Box::new(phone)
}

/// JsSIP in Chromium.
pub fn jssip(_folder: &Path, shape: &Shape<'_>, stage: &mut Option<Stage>) -> Box<dyn Softphone> {
    let setup = browser::Setup {
        library: Library::JsSip,
        wss: &shape.server,
        user: shape.user,
        password: shape.password,
        speaks: shape.speaks.clone(),
        answers: true,
        events: shape.dtmf == "rtpevent",
        peer_connection: json!({}),
        codecs: shape.codecs,
    };
    let mut browser = Browser::start(stage.take().unwrap_or_else(|| panic!("one browser a case")), &setup);
    browser.event("registered", Duration::from_secs(60));
    Box::new(browser)
}
