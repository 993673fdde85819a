//! For how long a session lives, as values (RFC 4028): what a timer says in headers, and when it is time for what.
//!
//! Who refreshes, and what happens if nobody does, is in `lifetime`.

use std::time::Duration;

use rsip::{Header, Headers};

use super::declined::Declined;
use crate::header::{self, Refresher};
use crate::transaction::PATIENCE;
use crate::wire;

/// The shortest interval that we follow if a peer answers with one below RFC 4028's least, in seconds.
const LEAST_FOLLOWED: u32 = 30;

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub seconds: u32,
    /// We refresh.
    pub ours: bool,
    /// The peer knows session timers (§9: then it is told that they are in use).
    pub known: bool,
}

/// A session's timer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    /// None: it lives until somebody ends it.
    pub interval: Option<Interval>,
    /// The largest Min-SE that a 422 has named, in seconds (§7.4).
    pub min: u32,
}

impl Life {
    /// Takes the Min-SE of a 422 to `offered` seconds. False if it asks for no more than that: trying again is of no use.
    pub fn learn(&mut self, declined: &Declined, offered: u32) -> bool {
        let Some(min) = declined.min_se.filter(|min| *min > offered) else { return false };
        self.min = self.min.max(min);
        true
    }

    /// The same within a dialog, where the interval that is in use was offered.
    pub fn asks_for_more(&mut self, declined: &Declined) -> bool {
        let offered = self.interval.map_or(0, |interval| self.at_least(interval.seconds));
        self.learn(declined, offered)
    }

    /// The least that was asked for by the peer, or this if it was less.
    pub fn at_least(&self, seconds: u32) -> u32 {
        self.min.max(seconds)
    }
}

impl Interval {
    /// What the 2xx to a request of ours says (§7.2). Who answers no Session-Expires has no timer.
    pub fn answered(headers: &Headers) -> Option<Self> {
        let said = header::session_expires(headers)?;
        Some(Self {
            seconds: said.seconds.max(LEAST_FOLLOWED),
            ours: said.refresher != Some(Refresher::Uas),
            known: true,
        })
    }

    /// Writes it into our 2xx (§9).
    pub fn grant(self, headers: &mut Headers) {
        let refresher = if self.ours { "uas" } else { "uac" };
        headers.push(expires(self.seconds, Some(refresher)));
        if self.known {
            headers.push(Header::Require("timer".into()));
        }
    }

    /// When whoever refreshes does (§10).
    pub fn refresh_after(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds / 2))
    }

    /// §10: 32 s before the end, or a third of the interval.
    pub fn expire_after(self) -> Duration {
        let whole = Duration::from_secs(u64::from(self.seconds));
        whole - PATIENCE.min(whole / 3)
    }
}

/// A Session-Expires of so many seconds.
pub(super) fn expires(seconds: u32, refresher: Option<&str>) -> Header {
    let value = match refresher {
        Some(refresher) => format!("{seconds};refresher={refresher}"),
        None => seconds.to_string(),
    };
    wire::header("Session-Expires", value)
}
