//! What a call has at hand while it handles something: the moment, the world, and where its wishes go.

use std::collections::{HashMap, VecDeque};

use vorzimmer_sip::ua::{self, SessionId};
use vorzimmer_types::event::{Event, EventRecord};
use vorzimmer_types::{CallId, CustomerId, Entropy, Now};

use crate::api::{MediaCommand, Output, World};
use crate::config::ExchangeConfig;

/// Borrowed for one step.
pub(crate) struct Hands<'a> {
    pub(crate) now: Now,
    pub(crate) world: &'a dyn World,
    pub(crate) config: &'a ExchangeConfig,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) new_session: &'a mut dyn FnMut() -> SessionId,
    pub(crate) sessions: &'a mut HashMap<SessionId, CallId>,
    pub(crate) outputs: &'a mut VecDeque<Output>,
}

impl Hands<'_> {
    pub(crate) fn sip(&mut self, command: ua::Command) {
        self.outputs.push_back(Output::Sip(command));
    }

    pub(crate) fn media(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    /// Says no to an INVITE or an offer. Who is told that we cannot is told when we may (RFC 3261 §21.5.4).
    pub(crate) fn refuse(&mut self, session: SessionId, status: u16, reason: Option<ua::Reason>) {
        let retry_after = (status == 503).then_some(self.config.retry_after);
        self.sip(ua::Command::Refuse { session, status, reason, retry_after });
    }

    /// A session of ours, known to belong to this call until [`Hands::forget_session`].
    pub(crate) fn open_session(&mut self, call: CallId) -> SessionId {
        let session = (self.new_session)();
        self.sessions.insert(session, call);
        session
    }

    /// The session is over.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }
}

/// Writes one call's history: each fact gets the next number.
#[derive(Debug)]
pub(crate) struct Journal {
    call: CallId,
    customer: Option<CustomerId>,
    seq: u32,
}

impl Journal {
    pub(crate) fn new(call: CallId, customer: Option<CustomerId>) -> Self {
        Self { call, customer, seq: 0 }
    }

    pub(crate) fn write(&mut self, hands: &mut Hands<'_>, event: Event) {
        let (call, customer, seq) = (self.call, self.customer, self.seq);
        self.seq = self.seq.saturating_add(1);
        let record = EventRecord { call, seq, at: hands.now.wall, customer, event };
        hands.outputs.push_back(Output::Event(record));
    }
}
