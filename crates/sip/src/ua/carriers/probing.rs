//! OPTIONS to a trunk: is it there? Whatever it answers, it is; a digest is not spent on it.

use std::time::Duration;

use rsip::{Header, Headers, Method, Request, Version};
use vorzimmer_types::{TrunkId, entropy};

use super::{Carrier, TrunkNews};
use crate::carrier::{Pulse, Target};
use crate::ua::compose::Letterhead;
use crate::ua::session::{Owner, Wake};
use crate::ua::{Turn, Ua};
use crate::uri::{NameAddr, Uri};

/// How long an answer may take: shorter than a transaction's time, so that nobody's call finds out first.
const PATIENCE: Duration = Duration::from_secs(5);
/// Failures in a row after which another target is tried.
const ELSEWHERE_AFTER: u32 = 2;

impl Ua {
    /// Asks the target that calls go to now.
    pub(super) fn send_probe(&mut self, trunk: TrunkId, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get(&trunk) else { return };
        let home = carrier.home.filter(|_| carrier.is_registered(now));
        let Some(target) = home.or_else(|| carrier.way.next(&[], now)) else {
            return self.probed(trunk, None, false, turn);
        };
        let Some(flow) = self.flow_to(trunk, target, turn) else {
            return self.probed(trunk, Some(target), false, turn);
        };
        let Some(carrier) = self.carriers.all.get(&trunk) else { return };
        let request = carrier.options(turn);
        let sent = self.begin(request, flow, Owner::Probe(trunk), turn);
        if let Some(carrier) = self.carriers.all.get_mut(&trunk) {
            carrier.probe = sent;
        }
        match sent {
            Some(_) => self.timers.set(Wake::Late(trunk), now + PATIENCE),
            None => self.probed(trunk, Some(target), false, turn),
        }
    }

    /// No answer came in time.
    pub(in crate::ua) fn probe_late(&mut self, trunk: TrunkId, turn: &mut Turn<'_>) {
        let Some(transaction) = self.carriers.all.get_mut(&trunk).and_then(|carrier| carrier.probe.take())
        else {
            return;
        };
        self.clients.abandon(transaction);
        let target = self.carriers.attempts.remove(&transaction).map(|attempt| attempt.target);
        self.probed(trunk, target, false, turn);
    }

    /// An answer came, or word that none will.
    pub(in crate::ua) fn probe_answered(
        &mut self,
        trunk: TrunkId,
        target: Option<Target>,
        status: u16,
        turn: &mut Turn<'_>,
    ) {
        let pending = self.carriers.all.get_mut(&trunk).and_then(|carrier| carrier.probe.take());
        if pending.is_some() {
            self.timers.stop(Wake::Late(trunk));
            // 501 and 505 are said by somebody who is well.
            let well = status < 500 && status != 408 || matches!(status, 501 | 505);
            self.probed(trunk, target, well, turn);
        }
    }

    fn probed(&mut self, trunk: TrunkId, target: Option<Target>, well: bool, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        let Some(health) = &mut carrier.health else { return };
        let changed = if well { health.answered(now) } else { health.failed(now) };
        let elsewhere = health.failures() >= ELSEWHERE_AFTER;
        match target {
            Some(target) if well => carrier.way.worked(target, now),
            Some(target) if elsewhere => carrier.move_from(target, now),
            _ => {}
        }
        if let Some(pulse) = changed {
            self.trunk_news(trunk, TrunkNews::Pulse(pulse));
        }
        self.tend(trunk, turn);
    }

    /// A call found out that a target is not there.
    pub(in crate::ua) fn found_dead(&mut self, trunk: TrunkId, target: Target, turn: &Turn<'_>) {
        let now = turn.now.mono;
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        carrier.way.failed(target, now);
        let changed = carrier.health.as_mut().and_then(|health| health.failed(now));
        if let Some(pulse) = changed {
            self.trunk_news(trunk, TrunkNews::Pulse(pulse));
        }
    }

    /// How a trunk is.
    pub(in crate::ua) fn pulse(&self, trunk: TrunkId) -> Pulse {
        let health = self.carriers.all.get(&trunk).and_then(|carrier| carrier.health.as_ref());
        health.map_or(Pulse::Unknown, |health| health.pulse())
    }
}

impl Carrier {
    /// This target comes last for a while, and a registration there is made anew somewhere else.
    fn move_from(&mut self, target: Target, now: std::time::Instant) {
        self.way.failed(target, now);
        if self.home == Some(target) && self.way.targets().len() > 1 {
            self.home = None;
            if let Some(registrant) = &mut self.registrant {
                registrant.flow_lost(now);
            }
        }
    }

    fn options(&self, turn: &mut Turn<'_>) -> Request {
        let uri = Uri::sip(None, self.provider.host(), None);
        let own = NameAddr::new(self.own_address()).with_tag(&Letterhead::tag(turn.entropy));
        let mut headers = Headers::default();
        headers.push(Header::MaxForwards("70".into()));
        headers.push(Header::From(own.to_string().into()));
        headers.push(Header::To(NameAddr::new(uri.clone()).to_string().into()));
        headers.push(Header::CallId(hex::encode(entropy::array::<16>(turn.entropy)).into()));
        headers.push(Header::CSeq("1 OPTIONS".into()));
        headers.push(Header::Accept("application/sdp".into()));
        Request { method: Method::Options, uri: uri.into(), version: Version::V2, headers, body: Vec::new() }
    }
}
