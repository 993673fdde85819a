//! Every running call, and which session, leg or moment belongs to which.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use vorzimmer_sip::ua::{self, SessionId};
use vorzimmer_types::{CallId, Entropy, Now, ReceptionistId};

use crate::api::{Input, MediaEvent, Output, World};
use crate::call::Call;
use crate::config::ExchangeConfig;
use crate::hands::Hands;
use crate::ids::CallIds;
use crate::limits::CLOSING_A_CALL;

/// All calls as one machine without I/O.
///
/// [`Exchange::handle`] what happened, drain [`Exchange::poll`], come back with [`Input::Timer`] at
/// [`Exchange::next_wake`].
pub struct Exchange {
    config: ExchangeConfig,
    /// Boxed: the tree moves its entries about.
    calls: BTreeMap<CallId, Box<Entry>>,
    ids: CallIds,
    sessions: HashMap<SessionId, CallId>,
    wakes: BTreeSet<(Instant, CallId)>,
    outputs: VecDeque<Output>,
    /// How many of the calls are over, and only reports of them are to come.
    closing: usize,
    draining: bool,
    overloaded: bool,
}

struct Entry {
    call: Call,
    wake: Option<Instant>,
    /// Whether it is counted as one of those that are over.
    closing: bool,
}

/// How many calls are how far, for metrics and draining.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Calls that somebody is on, from the INVITE to the last BYE.
    pub running: usize,
    /// Of those, calls in which two people talk.
    pub bridged: usize,
    /// Of those, calls that are being recorded.
    pub recording: usize,
    /// Calls that are over and of which reports are still to come: recordings that are being closed, for one.
    pub closing: usize,
    /// Whether new calls are turned away.
    pub draining: bool,
}

impl Exchange {
    /// An exchange without calls.
    #[must_use]
    pub fn new(config: ExchangeConfig) -> Self {
        Self {
            config,
            calls: BTreeMap::new(),
            ids: CallIds::default(),
            sessions: HashMap::new(),
            wakes: BTreeSet::new(),
            outputs: VecDeque::new(),
            closing: 0,
            draining: false,
            overloaded: false,
        }
    }

    /// Takes what happened. Drain [`Exchange::poll`] afterwards.
    pub fn handle(
        &mut self,
        input: Input,
        now: Now,
        world: &dyn World,
        sip_sessions: &mut dyn FnMut() -> SessionId,
        entropy: &mut dyn Entropy,
    ) {
        let mut tools = Tools { now, world, sip_sessions, entropy };
        match input {
            Input::Sip(event) => self.sip(event, &mut tools),
            Input::Media(event) => {
                self.with_call(call_of(&event), &mut tools, |call, hands| call.media(event, hands));
            }
            Input::RecordingDestroyed { call, recording } => {
                self.with_call(call, &mut tools, |call, hands| call.recording_destroyed(recording, hands));
            }
            Input::Drain => self.draining = true,
            Input::Overloaded(overloaded) => self.overloaded = overloaded,
            Input::EndAll => {
                self.draining = true;
                for id in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.with_call(id, &mut tools, Call::end_now);
                }
            }
            Input::Timer => self.timer(&mut tools),
        }
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timer`].
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// How many calls there are, those included of which only reports are to come.
    #[must_use]
    pub fn running(&self) -> usize {
        self.calls.len()
    }

    /// Whether this call is still known here, so that what happens to it becomes part of its history here.
    #[must_use]
    pub fn knows(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// How many calls are how far.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let mut overview = Overview { draining: self.draining, ..Overview::default() };
        for call in self.calls.values().map(|entry| &entry.call) {
            overview.running += usize::from(!call.is_over());
            overview.closing += usize::from(call.is_over());
            overview.bridged += usize::from(call.is_bridged());
            overview.recording += usize::from(call.is_recording());
        }
        overview
    }

    fn sip(&mut self, event: ua::Event, tools: &mut Tools<'_>) {
        match event {
            ua::Event::Invited { session, peer, request, sdp, replaces, flow } => {
                let invitation = crate::admission::Invitation { session, peer, request, sdp, replaces, flow };
                self.invited(invitation, tools);
            }
            // Bindings are kept by the store; the world tells which there are.
            ua::Event::BindingsChanged { .. } | ua::Event::Trunk { .. } => {}
            event => {
                let Some(session) = session_of(&event) else { return };
                let Some(call) = self.sessions.get(&session).copied() else { return };
                self.with_call(call, tools, |call, hands| call.sip(session, event, hands));
            }
        }
    }

    fn invited(&mut self, invitation: crate::admission::Invitation, tools: &mut Tools<'_>) {
        let session = invitation.session;
        if self.sessions.contains_key(&session) {
            return;
        }
        if let ua::Peer::Receptionist(receptionist) = &invitation.peer {
            return self.second_call(*receptionist, invitation, tools);
        }
        let id = self.ids.next(tools.entropy);
        let full = self.draining || self.overloaded || self.is_full();
        let mut hands = tools.hands(&self.config, &mut self.sessions, &mut self.outputs);
        let Some(call) = invitation.admit(id, full, &mut hands) else { return };
        self.sessions.insert(session, id);
        self.calls.insert(id, Box::new(Entry { call, wake: None, closing: false }));
        self.follow(id);
    }

    /// Who has hung up takes nobody's place while a slow disk closes the recording; but such calls do not pile up without
    /// end either.
    fn is_full(&self) -> bool {
        let most = self.config.max_calls;
        self.calls.len() - self.closing >= most || self.calls.len() >= most.saturating_mul(1 + CLOSING_A_CALL)
    }

    /// A receptionist's phone calls: to take the place of another phone in a call, or to ask somebody for a caller of hers;
    /// then the call that she has on hold is meant, if there is one.
    fn second_call(
        &mut self,
        receptionist: ReceptionistId,
        invitation: crate::admission::Invitation,
        tools: &mut Tools<'_>,
    ) {
        let replaces = invitation.replaces;
        let hers = self
            .calls
            .iter()
            .filter_map(|(id, entry)| entry.call.is_talked_in_by(receptionist).map(|holds| (holds, *id)));
        let of = replaces.map(|of| self.sessions.get(&of).copied());
        let id = of.unwrap_or_else(|| hers.max().map(|(_, id)| id));
        let mut hands = tools.hands(&self.config, &mut self.sessions, &mut self.outputs);
        let Some(id) = id else { return invitation.refuse(&mut hands) };
        let call = invitation.into_second_call();
        self.sessions.insert(call.session, id);
        self.with_call(id, tools, |running, hands| match replaces {
            Some(of) => running.pick_up(receptionist, call, of, hands),
            None => running.second_call(call, hands),
        });
    }

    fn timer(&mut self, tools: &mut Tools<'_>) {
        let now = tools.now.mono;
        let due: Vec<CallId> =
            self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.with_call(id, tools, Call::wake);
        }
    }

    fn with_call(&mut self, id: CallId, tools: &mut Tools<'_>, step: impl FnOnce(&mut Call, &mut Hands<'_>)) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let mut hands = tools.hands(&self.config, &mut self.sessions, &mut self.outputs);
        step(&mut entry.call, &mut hands);
        entry.call.settle_recording(&mut hands);
        self.follow(id);
    }

    /// After each step of a call: its next wake-up, or its end.
    fn follow(&mut self, id: CallId) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        if let Some(before) = entry.wake.take() {
            self.wakes.remove(&(before, id));
        }
        if entry.call.is_over() && !std::mem::replace(&mut entry.closing, true) {
            self.closing += 1;
        }
        if entry.call.is_finished() {
            self.closing -= 1;
            self.calls.remove(&id);
            return;
        }
        entry.wake = entry.call.next_wake();
        if let Some(at) = entry.wake {
            self.wakes.insert((at, id));
        }
    }
}

/// What comes with every input.
struct Tools<'a> {
    now: Now,
    world: &'a dyn World,
    sip_sessions: &'a mut dyn FnMut() -> SessionId,
    entropy: &'a mut dyn Entropy,
}

impl Tools<'_> {
    fn hands<'b>(
        &'b mut self,
        config: &'b ExchangeConfig,
        sessions: &'b mut HashMap<SessionId, CallId>,
        outputs: &'b mut VecDeque<Output>,
    ) -> Hands<'b> {
        Hands {
            now: self.now,
            world: self.world,
            config,
            entropy: &mut *self.entropy,
            new_session: &mut *self.sip_sessions,
            sessions,
            outputs,
        }
    }
}

fn session_of(event: &ua::Event) -> Option<SessionId> {
    match event {
        ua::Event::Invited { session, .. }
        | ua::Event::RecordAware { session }
        | ua::Event::Cancelled { session }
        | ua::Event::Explained { session, .. }
        | ua::Event::Progressed { session, .. }
        | ua::Event::Answered { session, .. }
        | ua::Event::Refused { session, .. }
        | ua::Event::Acknowledged { session, .. }
        | ua::Event::Reoffered { session, .. }
        | ua::Event::RefreshDue { session }
        | ua::Event::ProgressAnswered { session, .. }
        | ua::Event::ReinviteEnded { session, .. }
        | ua::Event::Referred { session, .. }
        | ua::Event::Digit { session, .. }
        | ua::Event::Ended { session, .. } => Some(*session),
        ua::Event::BindingsChanged { .. } | ua::Event::Trunk { .. } => None,
    }
}

fn call_of(event: &MediaEvent) -> CallId {
    match event {
        MediaEvent::Opened { call, .. }
        | MediaEvent::Secured { call, .. }
        | MediaEvent::Insecure { call, .. }
        | MediaEvent::OpenFailed { call, .. }
        | MediaEvent::Digit { call, .. }
        | MediaEvent::PlayEnded { call, .. }
        | MediaEvent::Silent { call, .. }
        | MediaEvent::RecordingStarted { call, .. }
        | MediaEvent::RecordingEnded { call, .. }
        | MediaEvent::Quality { call, .. } => *call,
    }
}
