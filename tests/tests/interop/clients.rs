//! The clients: how each is started, what is played with it, and what it cannot do.

use std::path::Path;

use vorzimmer_tests::browser::Stage;

use crate::cases::{self, Case};
use crate::limits::{self, Limit};
use crate::softphones::{self, Shape, Softphone};
use crate::trunk;

/// By which way a client's telephones reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Its own listeners.
    Direct,
    /// Kamailio, which stands in front of it.
    Front,
    /// A secure WebSocket.
    WebSocket,
}

/// Starts a telephone in a folder of its own; a browser takes the page's stage.
type Start = fn(&Path, &Shape<'_>, &mut Option<Stage>) -> Box<dyn Softphone>;

/// A client.
pub struct Client {
    /// As the table says it.
    pub name: &'static str,
    /// The way that it comes.
    pub door: Door,
    /// None is no telephone that can be told what to do.
    start: Option<Start>,
    /// What is played with it.
    pub cases: &'static [Case],
    /// Rows that it cannot play.
    pub limits: &'static [Limit],
}

impl Client {
    /// What it cannot do, if this is it.
    pub fn limit(&self, row: &str) -> Option<&'static Limit> {
        self.limits.iter().find(|limit| limit.row == row)
    }

    /// Starts it; a phone with a password is registered when this returns.
    pub fn start(&self, folder: &Path, shape: &Shape<'_>, stage: &mut Option<Stage>) -> Box<dyn Softphone> {
        self.start.expect("a telephone")(folder, shape, stage)
    }
}

/// All of them.
pub const ALL: &[Client] = &[
    Client {
        name: "baresip 1.0",
        door: Door::Direct,
        start: Some(softphones::debian),
        cases: cases::SOFTPHONE,
        limits: limits::DEBIAN,
    },
    Client {
        name: "baresip-python",
        door: Door::Direct,
        start: Some(softphones::baresip_python),
        cases: cases::SOFTPHONE,
        limits: limits::BARESIP_PYTHON,
    },
    Client {
        name: "pjsua2-python",
        door: Door::Direct,
        start: Some(softphones::pjsua2),
        cases: cases::SOFTPHONE,
        limits: limits::PJSUA2,
    },
    Client {
        name: "JsSIP in Chromium",
        door: Door::WebSocket,
        start: Some(softphones::jssip),
        cases: cases::BROWSER,
        limits: limits::JSSIP,
    },
    Client { name: "SIPp", door: Door::Direct, start: None, cases: trunk::SIPP, limits: limits::SIPP },
    Client {
        name: "Kamailio in front",
        door: Door::Front,
        start: Some(softphones::either),
        cases: cases::SOFTPHONE,
        limits: &[],
    },
];
