//! What is left when a leg has ended: a SIP session that is not quite over, and what its media was like.

use std::collections::BTreeSet;
use std::time::Instant;

use vorzimmer_sip::ua::{Command, Reason, SessionId};
use vorzimmer_types::event::RingOutcome;
use vorzimmer_types::{CallId, Event, LegId};

use crate::api::MediaCommand;
use crate::hands::{Hands, Journal};
use crate::leg::Leg;
use crate::limits::{QUALITY_WITHIN, SESSIONS_END_WITHIN};

/// The ended legs of one call.
#[derive(Debug)]
pub(crate) struct Aftermath {
    call: CallId,
    sessions: BTreeSet<SessionId>,
    legs: Vec<(LegId, Instant)>,
    /// When sessions are no longer waited for.
    until: Option<Instant>,
}

impl Aftermath {
    pub(crate) fn new(call: CallId) -> Self {
        Self { call, sessions: BTreeSet::new(), legs: Vec::new(), until: None }
    }

    /// Gives an INVITE of ours up.
    pub(crate) fn cancel(&mut self, session: SessionId, reason: Reason, hands: &mut Hands<'_>) {
        hands.sip(Command::Cancel { session, reason: Some(reason) });
        self.wait_for(session, hands);
    }

    /// Ends a session.
    pub(crate) fn hang_up(&mut self, session: SessionId, reason: Reason, hands: &mut Hands<'_>) {
        hands.sip(Command::Hangup { session, reason: Some(reason) });
        self.wait_for(session, hands);
    }

    /// A leg rings no longer; a session of its that is not over yet is given up.
    pub(crate) fn end_ringing(
        &mut self,
        leg: Leg,
        session: Option<SessionId>,
        outcome: RingOutcome,
        give_up: Option<Reason>,
        journal: &mut Journal,
        hands: &mut Hands<'_>,
    ) {
        if let Some(session) = session {
            journal.write(hands, Event::RingEnded { leg: leg.id, outcome });
            match give_up {
                Some(reason) => self.cancel(session, reason, hands),
                None => hands.forget_session(session),
            }
        }
        self.close(leg, hands);
    }

    /// Gives a leg's media up.
    pub(crate) fn close(&mut self, leg: Leg, hands: &mut Hands<'_>) {
        hands.media(MediaCommand::Close { call: self.call, leg: leg.id });
        self.legs.push((leg.id, hands.now.mono + QUALITY_WITHIN));
    }

    /// Whether this session was given up and is not over yet.
    pub(crate) fn holds(&self, session: SessionId) -> bool {
        self.sessions.contains(&session)
    }

    /// A session is over.
    pub(crate) fn session_over(&mut self, session: SessionId, hands: &mut Hands<'_>) {
        if self.sessions.remove(&session) {
            hands.forget_session(session);
        }
        if self.sessions.is_empty() {
            self.until = None;
        }
    }

    /// Whether this leg was closed and has not said yet what its media was like. It says so once.
    pub(crate) fn take_leg(&mut self, leg: LegId) -> bool {
        let before = self.legs.len();
        self.legs.retain(|(known, _)| *known != leg);
        self.legs.len() != before
    }

    /// What is overdue is no longer waited for.
    pub(crate) fn wake(&mut self, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        self.legs.retain(|(_, until)| *until > now);
        if self.until.take_if(|until| *until <= now).is_some() {
            for session in std::mem::take(&mut self.sessions) {
                hands.forget_session(session);
            }
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.legs.iter().map(|(_, until)| *until).chain(self.until).min()
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.sessions.is_empty() && self.legs.is_empty()
    }

    fn wait_for(&mut self, session: SessionId, hands: &Hands<'_>) {
        self.sessions.insert(session);
        self.until = Some(hands.now.mono + SESSIONS_END_WITHIN);
    }
}
