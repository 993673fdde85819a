//! One media worker: a thread that owns its sockets, its calls' media and its timers, and waits for nothing else.
//!
//! A turn is: wait for packets, orders or the next timer; read the clock once; take orders; move packets; do what is
//! due. No lock, no allocation for a packet, no word to the control task but through a queue that never blocks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tokio::sync::mpsc;
use vorzimmer_call::api::{MediaCommand, MediaEvent};
use vorzimmer_media::{Channel, LegKey};
use vorzimmer_types::{CallId, RecordingId};

use super::call::{CallMedia, RecordingOrder};
use super::counters::{Counters, Turn};
use super::order::{Order, WAKER};
use super::outlet::Outlet;
use super::ports::PortPool;
use super::prompts::Prompts;
use super::sockets::{self, LegSockets};
use super::writer::{Pages, Report};
use crate::clock;

/// Packets taken from one socket before the others have their turn.
const BURST: usize = 32;

/// Orders taken in one turn.
const ORDERS_A_TURN: usize = 256;

/// Largest datagram that is looked at; RTP of 60 ms G.711 is 492 bytes. A longer one is cut, and so malformed.
const DATAGRAM: usize = 2_048;

/// How long a worker sleeps when nothing is due: orders wake it.
const IDLE: Duration = Duration::from_secs(5);

/// What a worker is made of.
pub struct Parts {
    /// Which worker this is.
    pub index: usize,
    /// Its epoll instance; the waker is registered.
    pub poll: Poll,
    /// What it is told.
    pub orders: Receiver<Order>,
    /// Its ports.
    pub ports: PortPool,
    /// Local addresses for media instead of those of the signalling.
    pub bind: Vec<IpAddr>,
    /// What peers are told instead of the local address.
    pub advertise: Vec<IpAddr>,
    /// After this long without a packet a leg is silent.
    pub silence: Duration,
    /// What is played.
    pub prompts: Arc<Prompts>,
    /// The way to the writer.
    pub pages: Pages,
    /// The way to the control task.
    pub events: mpsc::Sender<MediaEvent>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// A worker thread's whole world.
pub struct Worker {
    parts: Parts,
    calls: HashMap<CallId, CallMedia>,
    sockets: HashMap<Token, Source>,
    next_token: usize,
    timers: BinaryHeap<Reverse<(Instant, CallId)>>,
    recordings: HashMap<RecordingId, CallId>,
    waiting: VecDeque<Token>,
    backlog: VecDeque<MediaEvent>,
    turn: Turn,
}

#[derive(Clone, Copy)]
struct Source {
    call: CallId,
    leg: LegKey,
    channel: Channel,
}

impl Worker {
    /// A worker with nothing to do yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            calls: HashMap::new(),
            sockets: HashMap::new(),
            next_token: 0,
            timers: BinaryHeap::new(),
            recordings: HashMap::new(),
            waiting: VecDeque::new(),
            backlog: VecDeque::new(),
            turn: Turn::default(),
        }
    }

    /// Works until it is told to end.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = [0; DATAGRAM];
        let mut now = clock::mono();
        loop {
            let patience = self.patience(now);
            if let Err(error) = self.parts.poll.poll(&mut events, Some(patience))
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "a media worker cannot wait for packets");
                return;
            }
            now = clock::mono();
            let ready = events.iter().map(mio::event::Event::token).filter(|token| *token != WAKER);
            self.waiting.extend(ready);
            if !self.take_orders(now) {
                break;
            }
            self.move_packets(&mut buffer, now);
            self.run_timers(now);
            self.tell_backlog();
            self.parts.counters.add(&mut self.turn);
        }
        self.end(clock::mono());
    }

    /// How long to wait for packets: until the next timer, not at all while something is left to read.
    fn patience(&self, now: Instant) -> Duration {
        if !self.waiting.is_empty() {
            return Duration::ZERO;
        }
        if !self.backlog.is_empty() {
            return Duration::from_millis(5);
        }
        let next = self.timers.peek().map(|Reverse((at, _))| at.saturating_duration_since(now));
        next.map_or(IDLE, |left| left.min(IDLE))
    }

    /// Takes what was ordered; says whether to go on.
    fn take_orders(&mut self, now: Instant) -> bool {
        for _ in 0..ORDERS_A_TURN {
            match self.parts.orders.try_recv() {
                Ok(Order::Command(command)) => self.command(*command, now),
                Ok(Order::Report(report)) => self.report(report, now),
                Ok(Order::End) => return false,
                Err(_) => break,
            }
        }
        true
    }

    fn command(&mut self, command: MediaCommand, now: Instant) {
        match command {
            MediaCommand::Open { call, leg, local, signalling } => {
                self.open(call, leg, local, *signalling.expose(), now)
            }
            MediaCommand::Close { call, leg } => {
                self.with_call(call, now, |media, outlet| media.close(leg, now, outlet));
                self.sweep(call, now);
            }
            MediaCommand::StartRecording { call, customer, recording, permit, tracks } => {
                let (worker, order) =
                    (self.parts.index, RecordingOrder { customer, recording, permit, tracks });
                self.recordings.insert(recording, call);
                self.with_call(call, now, |media, outlet| media.start_recording(order, worker, now, outlet));
                self.sweep(call, now);
            }
            MediaCommand::Connect { call, .. }
            | MediaCommand::Play { call, .. }
            | MediaCommand::StopPlay { call, .. }
            | MediaCommand::Bridge { call, .. }
            | MediaCommand::Mix { call, .. }
            | MediaCommand::Unbridge { call }
            | MediaCommand::PauseRecording { call, .. }
            | MediaCommand::ResumeRecording { call, .. }
            | MediaCommand::StopRecording { call, .. } => {
                self.with_call(call, now, |media, outlet| media.command(command, now, outlet));
            }
        }
    }

    fn report(&mut self, report: Report, now: Instant) {
        let recording = match &report {
            Report::Ready { recording, .. }
            | Report::Refused { recording, .. }
            | Report::TakeBack { recording, .. }
            | Report::Closed { recording, .. } => *recording,
        };
        let Some(call) = self.recordings.get(&recording).copied() else { return };
        self.with_call(call, now, |media, outlet| media.report(report, now, outlet));
        self.sweep(call, now);
    }

    fn open(
        &mut self,
        call: CallId,
        leg: vorzimmer_types::LegId,
        local: IpAddr,
        signalling: IpAddr,
        now: Instant,
    ) {
        let local = same_family(&self.parts.bind, local).unwrap_or(local);
        let Some(sockets) = sockets::bind(&mut self.parts.ports, local, now) else {
            tracing::warn!(%call, "no port is free for a leg; widen media.ports or lower limits.max_calls");
            self.tell(MediaEvent::OpenFailed { call, leg });
            return;
        };
        let mut sockets = sockets;
        let tokens = [Token(self.next_token), Token(self.next_token + 1)];
        self.next_token += 2;
        if let Err(error) = sockets.register(self.parts.poll.registry(), tokens) {
            tracing::error!(%call, %error, "a leg's sockets cannot be watched");
            self.give_back(sockets, now);
            self.tell(MediaEvent::OpenFailed { call, leg });
            return;
        }
        let mut rtp = sockets.local();
        if let Some(advertised) = same_family(&self.parts.advertise, local) {
            rtp.set_ip(advertised);
        }
        let media = self.calls.entry(call).or_insert_with(|| CallMedia::new(call));
        let silence = self.parts.silence;
        match media.open(leg, sockets, signalling, silence, now) {
            Ok(key) => {
                for (token, channel) in tokens.into_iter().zip([Channel::Rtp, Channel::Rtcp]) {
                    self.sockets.insert(token, Source { call, leg: key, channel });
                }
                self.parts.counters.leg_opened();
                self.tell(MediaEvent::Opened { call, leg, rtp });
                self.schedule(call, now);
            }
            Err((sockets, error)) => {
                tracing::error!(%call, %error, "a leg cannot be opened");
                self.give_back(*sockets, now);
                self.tell(MediaEvent::OpenFailed { call, leg });
                self.sweep(call, now);
            }
        }
    }

    fn move_packets(&mut self, buffer: &mut [u8; DATAGRAM], now: Instant) {
        for _ in 0..self.waiting.len() {
            let Some(token) = self.waiting.pop_front() else { return };
            let Some(source) = self.sockets.get(&token).copied() else { continue };
            let Some(media) = self.calls.get_mut(&source.call) else { continue };
            let mut outlet = Outlet {
                events: &mut self.backlog,
                pages: &self.parts.pages,
                prompts: &self.parts.prompts,
                counters: &self.parts.counters,
                turn: &mut self.turn,
            };
            let mut emptied = false;
            for _ in 0..BURST {
                if !media.receive(source.leg, source.channel, buffer, now, &mut outlet) {
                    emptied = true;
                    break;
                }
            }
            if !emptied {
                self.waiting.push_back(token);
            }
            self.schedule(source.call, now);
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, call))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let due = self.calls.get_mut(&call).is_some_and(|media| media.fires(at));
            if due {
                self.with_call(call, now, |media, outlet| media.poll(now, outlet));
                self.sweep(call, now);
            }
        }
    }

    fn with_call(&mut self, call: CallId, now: Instant, act: impl FnOnce(&mut CallMedia, &mut Outlet<'_>)) {
        let Some(media) = self.calls.get_mut(&call) else { return };
        let mut outlet = Outlet {
            events: &mut self.backlog,
            pages: &self.parts.pages,
            prompts: &self.parts.prompts,
            counters: &self.parts.counters,
            turn: &mut self.turn,
        };
        act(media, &mut outlet);
        self.schedule(call, now);
    }

    /// Sees to it that the call is looked at when it wants to be.
    fn schedule(&mut self, call: CallId, now: Instant) {
        if let Some(at) = self.calls.get_mut(&call).and_then(|media| media.reschedule(now)) {
            self.timers.push(Reverse((at, call)));
        }
    }

    /// Takes away what a call has closed, and the call when nothing is left of it.
    fn sweep(&mut self, call: CallId, now: Instant) {
        let Some(media) = self.calls.get_mut(&call) else { return };
        let closed = media.take_closed();
        let ended = media.take_ended_recordings();
        let empty = media.is_empty();
        for (sockets, dropped) in closed {
            self.parts.counters.leg_closed(dropped);
            self.give_back(sockets, now);
        }
        for recording in ended {
            self.recordings.remove(&recording);
        }
        if empty {
            self.calls.remove(&call);
        }
        self.tell_backlog();
    }

    fn give_back(&mut self, mut sockets: LegSockets, now: Instant) {
        for token in sockets.tokens() {
            self.sockets.remove(&token);
        }
        if let Err(error) = sockets.deregister(self.parts.poll.registry()) {
            tracing::debug!(%error, "a closed leg's sockets were not being watched");
        }
        self.parts.ports.give_back(sockets.port(), now);
    }

    fn tell(&mut self, event: MediaEvent) {
        self.backlog.push_back(event);
        self.tell_backlog();
    }

    /// Hands events to the control task; what it cannot take now is offered again in the next turn.
    fn tell_backlog(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.parts.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                // The control task is gone: the process is ending.
                Err(mpsc::error::TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }

    /// Closes every recording and leg before the thread ends.
    fn end(&mut self, now: Instant) {
        let calls: Vec<_> = self.calls.keys().copied().collect();
        for call in calls {
            self.with_call(call, now, |media, outlet| media.end(now, outlet));
        }
        self.tell_backlog();
    }
}

fn same_family(addresses: &[IpAddr], like: IpAddr) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == like.is_ipv4())
}
