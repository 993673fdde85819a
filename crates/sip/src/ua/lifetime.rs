//! Session timers (RFC 4028): a session that nobody refreshes is over, so that no call outlives a network that broke.
//!
//! Any re-INVITE or UPDATE that succeeds refreshes. If it is our turn, an UPDATE without description does it; for a peer
//! that knows no UPDATE the layer above is asked for a description, which this layer does not have.

use std::time::Duration;

use rsip::{Headers, Method, Request, Response};
use vorzimmer_types::Now;

use super::compose;
use super::declined::Declined;
use super::inspect::Objection;
use super::interval::{Interval, Life, expires};
use super::session::{Owner, Reinvite, Session, Stage, Wake};
use super::{Ending, Event, Reason, SessionId, SessionTimer, Turn, Ua};
use crate::header::{self, Refresher};
use crate::transaction::TransactionId;
use crate::wire;

/// After which time a refresh that did not succeed, and did not end the dialog, is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Q.850: recovery on timer expiry.
const TIMER_EXPIRED: u16 = 102;

impl SessionTimer {
    fn interval_s(&self) -> u32 {
        whole_seconds(self.interval.max(self.min))
    }

    fn min_s(&self) -> u32 {
        whole_seconds(self.min.max(Self::LEAST))
    }
}

impl Ua {
    /// What an INVITE or UPDATE of theirs gets (§9): with a timer that runs already the roles stay as they are, if nothing
    /// else is asked for.
    pub(super) fn granted(
        &self,
        request: &Request,
        session: Option<SessionId>,
    ) -> Result<Option<Interval>, Objection> {
        let (headers, ours) = (&request.headers, self.config.session_timer);
        let known = header::has_token(headers, "Supported", "timer")
            || header::has_token(headers, "Require", "timer");
        let before = session.and_then(|id| self.sessions.get(&id)).and_then(|session| session.life.interval);
        let asked = header::session_expires(headers);
        let most = ours.interval_s().max(header::min_session_expires(headers).unwrap_or(0));
        let seconds = match asked {
            Some(asked) if asked.seconds < ours.min_s() => {
                let min = wire::header("Min-SE", ours.min_s().to_string());
                return Err(Objection { status: 422, extra: vec![min] });
            }
            Some(asked) => asked.seconds.min(most),
            None if known => before.map_or(most, |before| before.seconds),
            None => return Ok(None),
        };
        let ours = match asked.and_then(|asked| asked.refresher) {
            // Table 2: who does not know the timer does not refresh.
            _ if !known => true,
            Some(Refresher::Uac) => false,
            Some(Refresher::Uas) => true,
            None => before.is_none_or(|before| before.ours),
        };
        Ok(Some(Interval { seconds, ours, known }))
    }

    /// Asks for a timer in a first INVITE (§7.1); who refreshes is left to the peer.
    pub(super) fn ask_for_timer(&self, headers: &mut Headers) {
        let timer = self.config.session_timer;
        headers.push(expires(timer.interval_s(), None));
        if timer.min_s() > whole_seconds(SessionTimer::LEAST) {
            headers.push(wire::header("Min-SE", timer.min_s().to_string()));
        }
    }

    /// The same once a 422 has said that it was too little (§7.3).
    pub(super) fn ask_for_more(life: &Life, headers: &mut Headers) {
        let before = header::session_expires(headers).map_or(0, |asked| asked.seconds);
        header::set(headers, expires(life.at_least(before), None));
        header::set(headers, wire::header("Min-SE", life.min.to_string()));
    }

    /// Keeps a running timer running through a request within the dialog, the roles as they are (§7.4).
    pub(super) fn keep_timer(life: &Life, headers: &mut Headers) {
        let Some(interval) = life.interval else { return };
        let refresher = if interval.ours { "uac" } else { "uas" };
        headers.push(expires(life.at_least(interval.seconds), Some(refresher)));
        if life.min > 0 {
            headers.push(wire::header("Min-SE", life.min.to_string()));
        }
    }

    /// A 2xx was sent or has come: the session lives from now on for as long as it says.
    pub(super) fn live(&mut self, id: SessionId, interval: Option<Interval>, now: Now) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.life.interval = interval;
        self.timers.stop(Wake::Refresh(id));
        self.timers.stop(Wake::Expire(id));
        if let Some(interval) = interval {
            if interval.ours {
                self.timers.set(Wake::Refresh(id), now.mono + interval.refresh_after());
            }
            self.timers.set(Wake::Expire(id), now.mono + interval.expire_after());
        }
    }

    /// Half of the interval is over, and it is for us to refresh (§10).
    pub(super) fn refresh(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(flow) = self.way(id, turn) else { return self.dialog_lost(id, turn) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Stage::Talking(talking) = &mut session.stage else { return };
        if !matches!(talking.ours, Reinvite::None) || talking.theirs.is_some() || talking.refresh.is_some() {
            // What is under way refreshes too, if it succeeds.
            return self.timers.set(Wake::Refresh(id), turn.now.mono + AGAIN);
        }
        if !session.can.update {
            self.timers.set(Wake::Refresh(id), turn.now.mono + AGAIN);
            return self.flows.event(Event::RefreshDue { session: id });
        }
        let mut request = talking.dialog.request(Method::Update);
        let sips = compose::is_sips(&request.uri);
        request.headers.push(compose::contact(&flow, sips));
        compose::allow(&mut request.headers);
        Self::keep_timer(&session.life, &mut request.headers);
        let begun = self.begin(request, flow, Owner::Refresh(id), turn);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) {
            talking.refresh = begun;
        }
        if begun.is_none() {
            self.timers.set(Wake::Refresh(id), turn.now.mono + AGAIN);
        }
    }

    /// Our UPDATE was accepted.
    pub(super) fn refreshed(
        &mut self,
        id: SessionId,
        transaction: TransactionId,
        answer: &Response,
        now: Now,
    ) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        if talking.refresh == Some(transaction) {
            talking.refresh = None;
            talking.dialog.refresh(&answer.headers);
            self.peer_can(id, &answer.headers);
            self.live(id, Interval::answered(&answer.headers), now);
        }
    }

    /// It was not. The session goes on until it expires; meanwhile there is time to try again.
    pub(super) fn not_refreshed(&mut self, id: SessionId, declined: &Declined, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let for_longer = declined.status == 422 && session.life.asks_for_more(declined);
        if matches!(declined.status, 405 | 501) {
            // Allowed, and yet not known.
            session.can.update = false;
        }
        let Some(talking) = session.talking() else { return };
        talking.refresh = None;
        match declined.status {
            408 | 481 => self.dialog_lost(id, turn),
            405 | 501 => self.refresh(id, turn),
            422 if for_longer => self.refresh(id, turn),
            _ => {
                let after = declined.retry_after.map_or(AGAIN, |after| after.max(AGAIN));
                self.timers.set(Wake::Refresh(id), turn.now.mono + after);
            }
        }
    }

    /// Nobody has refreshed the session (§10).
    pub(super) fn expire(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let reason = Reason {
            protocol: "Q.850",
            cause: TIMER_EXPIRED,
            text: "Session timer expired".to_owned(),
            warning: None,
        };
        self.say_bye(id, Some(&reason), Ending::Expired, turn);
    }
}

fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}
