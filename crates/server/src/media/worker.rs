//! One media worker: a thread that owns its sockets, its calls' media and its timers, and waits for nothing else.
//!
//! A turn is: wait for packets, orders or the next timer; read the clock once; take orders; move packets; do what is
//! due. While much comes, it does not wait for the first packet but for its tick, and takes what came together. No lock,
//! no allocation for a packet, no word to the control task but through a queue that never blocks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio::sync::mpsc;
use vorzimmer_call::api::{MediaCommand, MediaEvent};
use vorzimmer_media::dtls::Identity;
use vorzimmer_media::{Channel, LegConfig, LegKey, ice};
use vorzimmer_recorder::queue::Stock;
use vorzimmer_sdp::Browser;
use vorzimmer_types::ice::Credentials;
use vorzimmer_types::{CallId, LegId, RecordingId};
use vorzimmer_wire::{DATAGRAM, Driver, Pause, Waker, Wire};

use super::bell::Rung;
use super::call::{CallMedia, RecordingOrder, Step};
use super::calls::{Calls, Place};
use super::counters::{Counters, Turn};
use super::door::Doorway;
use super::names::Names;
use super::order::Order;
use super::outlet::{Outlet, Proven};
use super::ports::PortPool;
use super::prompts::Prompts;
use super::resting::Resting;
use super::rhythm::Rhythm;
use super::sockets::{self, LegSockets, Pair, Share};
use super::writer::{Pages, Report};
use crate::clock::{self, SystemEntropy};

/// Without ticks, too, what only a timer asks for is not done before so long has passed since it was last looked: calls
/// whose timers stand close together share a turn, and none is later than with ticks.
const TIMERS_APART: Duration = Duration::from_millis(2);
/// What is brought near for the datagram that comes so many after the next. Each is found in what the one before brought:
/// nothing is looked at that was not asked for a datagram earlier.
const AHEAD: [(usize, Ahead); 6] = [
    (5, Ahead::Name),
    (4, Ahead::Source),
    (3, Ahead::Call),
    (2, Ahead::Within(Step::Parts)),
    (1, Ahead::Within(Step::Slot)),
    (0, Ahead::Within(Step::Places)),
];

#[derive(Clone, Copy, Debug)]
enum Ahead {
    /// What its socket is called.
    Name,
    /// Whose socket that is.
    Source,
    /// The call.
    Call,
    /// A part of it.
    Within(Step),
}

/// After so many datagrams what they had sent leaves, should more have come: none waits until all were looked at.
const PORTION: usize = 64;

/// How often it is looked who speaks: their sockets are theirs alone until they are silent. With the time in which a
/// speaker is not silent (100 ms) less than the half second after which a peer may have moved.
const FASTEN_EVERY: Duration = Duration::from_millis(250);

/// Orders taken in one turn.
const ORDERS_A_TURN: usize = 256;

/// Datagrams of browsers taken in one turn.
const PARCELS_A_TURN: usize = 256;

/// How long a worker sleeps when nothing is due: orders wake it.
const IDLE: Duration = Duration::from_secs(5);

/// What a worker is made of.
pub struct Parts {
    /// Which worker this is.
    pub index: usize,
    /// How it moves datagrams.
    pub driver: Driver,
    /// What others wake it by.
    pub waker: Waker,
    /// What it is told.
    pub orders: Receiver<Order>,
    /// Whether it was woken for orders.
    pub rung: Rung,
    /// Its ports.
    pub ports: PortPool,
    /// Local addresses for media instead of those of the signalling.
    pub bind: Vec<IpAddr>,
    /// What peers are told instead of the local address.
    pub advertise: Vec<IpAddr>,
    /// After this long without a packet a leg is silent.
    pub silence: Duration,
    /// Calls that may run at a time, all workers together.
    pub most_calls: usize,
    /// What is played.
    pub prompts: Arc<Prompts>,
    /// The way to the writer.
    pub pages: Pages,
    /// The way to the control task.
    pub events: mpsc::Sender<MediaEvent>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The way to the browsers' port, if there is one.
    pub doorway: Option<Doorway>,
    /// Our certificate.
    pub identity: Arc<Identity>,
}

/// A worker thread's whole world.
pub struct Worker {
    parts: Parts,
    wire: Wire,
    calls: Calls,
    sockets: Names<Source>,
    resting: Resting,
    timers: BinaryHeap<Reverse<(Instant, CallId)>>,
    recordings: HashMap<RecordingId, CallId>,
    stock: Stock,
    backlog: VecDeque<MediaEvent>,
    turn: Turn,
    /// Browser legs by how their checks are addressed, and by where they were found.
    browsers: HashMap<String, (CallId, LegKey)>,
    paths: HashMap<SocketAddr, (CallId, LegKey)>,
    proven: Vec<Proven>,
    /// When it is looked next who speaks; never while nobody can be speaking.
    fasten_at: Option<Instant>,
    /// The door has more for us than one turn takes.
    more_parcels: bool,
    /// There are more orders than one turn takes.
    more_orders: bool,
}

/// A leg that is to be opened.
struct Wanted {
    call: CallId,
    leg: LegId,
    local: IpAddr,
    signalling: IpAddr,
}

/// By what comes for a leg is known.
enum Signs {
    Own([u64; 2]),
    Shared(String),
}

impl Signs {
    fn of(sockets: &LegSockets) -> Self {
        match sockets {
            LegSockets::Own(pair) => Self::Own(pair.names()),
            LegSockets::Shared(share) => Self::Shared(share.ufrag.clone()),
        }
    }
}

#[derive(Clone, Copy)]
struct Source {
    /// None until the leg is there, and again before it goes.
    leg: Option<(Place, LegKey)>,
    channel: Channel,
}

impl Worker {
    /// A worker with nothing to do yet, for the thread that makes it.
    ///
    /// # Errors
    /// The kernel does not let it move datagrams.
    pub fn new(parts: Parts) -> Result<Self, vorzimmer_wire::Error> {
        let wire = Wire::open(parts.driver, parts.waker.clone())?;
        Ok(Self {
            resting: Resting::new(parts.ports.rest()),
            calls: Calls::with_room(parts.most_calls),
            stock: Stock::for_recordings(parts.most_calls),
            parts,
            wire,
            sockets: Names::default(),
            timers: BinaryHeap::new(),
            recordings: HashMap::new(),
            backlog: VecDeque::new(),
            turn: Turn::default(),
            browsers: HashMap::new(),
            paths: HashMap::new(),
            proven: Vec::new(),
            fasten_at: None,
            more_parcels: false,
            more_orders: false,
        })
    }

    /// Works until it is told to end.
    pub fn run(mut self) {
        let mut buffer = [0; DATAGRAM];
        let mut now = clock::mono();
        let mut rhythm = Rhythm::new(now);
        loop {
            let (patience, pause) = self.patience(&mut rhythm, now);
            if let Err(error) = self.wire.wait(patience, pause) {
                tracing::error!(%error, "a media worker cannot wait for packets");
                return;
            }
            now = clock::mono();
            if !self.take_orders(now) {
                break;
            }
            let moved = self.move_packets(&mut buffer, now);
            rhythm.count(moved, now);
            self.move_parcels(now);
            self.run_timers(now);
            self.fasten(moved, now);
            self.close_unwanted(now);
            self.tell_backlog();
            self.parts.counters.add(&mut self.turn);
        }
        self.end(clock::mono());
    }

    /// How long to wait, and for what: through the tick while much comes, else for packets until the next timer, and not
    /// at all while something is left to read.
    fn patience(&self, rhythm: &mut Rhythm, now: Instant) -> (Duration, Pause) {
        if self.more_parcels || self.more_orders {
            return (Duration::ZERO, Pause::UntilSomething);
        }
        if rhythm.ticking {
            return (rhythm.pause(), Pause::Tick);
        }
        if !self.backlog.is_empty() {
            return (Duration::from_millis(5), Pause::UntilSomething);
        }
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let next = [timer, self.resting.next_wake(), self.fasten_at];
        let next = next.into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
        (next.map_or(IDLE, |left| left.clamp(TIMERS_APART, IDLE)), Pause::UntilSomething)
    }

    /// Takes what was ordered; says whether to go on.
    fn take_orders(&mut self, now: Instant) -> bool {
        self.parts.rung.looked();
        self.more_orders = true;
        for _ in 0..ORDERS_A_TURN {
            match self.parts.orders.try_recv() {
                Ok(Order::Command(command)) => self.command(*command, now),
                Ok(Order::Report(report)) => self.report(report, now),
                Ok(Order::End) => return false,
                Err(_) => {
                    self.more_orders = false;
                    break;
                }
            }
        }
        true
    }

    fn command(&mut self, command: MediaCommand, now: Instant) {
        match command {
            MediaCommand::Open { call, leg, local, signalling, browser } => {
                self.open(Wanted { call, leg, local, signalling: *signalling.expose() }, browser, now);
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
            MediaCommand::Connect { call, leg, negotiated } => {
                if let Some(ends) = negotiated.ice.as_deref() {
                    self.rename(call, leg, ends.ours.ufrag());
                }
                let command = MediaCommand::Connect { call, leg, negotiated };
                self.with_call(call, now, |media, outlet| media.command(command, now, outlet));
            }
            MediaCommand::Play { call, .. }
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

    fn open(&mut self, wanted: Wanted, browser: bool, now: Instant) {
        let Wanted { call, leg, .. } = wanted;
        let opened = if browser { self.open_behind_door(&wanted) } else { self.open_own(&wanted, now) };
        let Some((sockets, ice)) = opened else {
            self.tell(MediaEvent::OpenFailed { call, leg });
            return;
        };
        let local = sockets.local();
        let advertised = same_family(&self.parts.advertise, local.ip()).unwrap_or(local.ip());
        let rtp = SocketAddr::new(advertised, local.port());
        let identity = Arc::clone(&self.parts.identity);
        let browser = ice.map(|ice| Box::new(Browser { ice, fingerprint: identity.fingerprint() }));
        let config = LegConfig { silence: self.parts.silence, ice, ..LegConfig::default() };
        let signs = Signs::of(&sockets);
        let place = self.calls.place_or_add(call, || CallMedia::new(call, identity));
        let Some(media) = self.calls.at(place) else { return };
        match media.open(leg, sockets, wanted.signalling, config, now) {
            Ok(key) => {
                self.watch(signs, call, place, key);
                self.parts.counters.leg_opened();
                self.tell(MediaEvent::Opened { call, leg, rtp, browser });
                self.schedule(place, now);
            }
            Err((sockets, error)) => {
                tracing::error!(%call, %error, "a leg cannot be opened");
                self.give_back(*sockets, now);
                self.tell(MediaEvent::OpenFailed { call, leg });
                self.sweep(call, now);
            }
        }
    }

    /// Ports of the leg's own: those of a leg that is gone, or new ones.
    fn open_own(&mut self, wanted: &Wanted, now: Instant) -> Option<(LegSockets, Option<Credentials>)> {
        let call = wanted.call;
        let local = same_family(&self.parts.bind, wanted.local).unwrap_or(wanted.local);
        if let Some(pair) = self.resting.take(local, now) {
            for (name, channel) in pair.names().into_iter().zip([Channel::Rtp, Channel::Rtcp]) {
                if let Some(source) = self.sockets.of(name) {
                    *source = Source { leg: None, channel };
                }
            }
            return Some((LegSockets::Own(pair), None));
        }
        let mut bound = sockets::bind(&mut self.parts.ports, local, now);
        while bound.is_none()
            && let Some(pair) = self.resting.rested(now)
        {
            self.close_rested(&pair);
            bound = sockets::bind(&mut self.parts.ports, local, now);
        }
        let Some(bound) = bound else {
            tracing::warn!(%call, "no port is free for a leg; widen media.ports or lower limits.max_calls");
            return None;
        };
        let port = bound.port();
        let names =
            [Channel::Rtp, Channel::Rtcp].map(|channel| self.sockets.add(Source { leg: None, channel }));
        match bound.listen(&mut self.wire, names) {
            Ok(pair) => Some((LegSockets::Own(pair), None)),
            Err(error) => {
                tracing::error!(%call, %error, "a leg's sockets cannot be listened on");
                names.into_iter().for_each(|name| self.sockets.remove(name));
                self.parts.ports.give_back(port, now);
                None
            }
        }
    }

    /// A share in the browsers' port.
    fn open_behind_door(&self, wanted: &Wanted) -> Option<(LegSockets, Option<Credentials>)> {
        let local = same_family(&self.parts.bind, wanted.local).unwrap_or(wanted.local);
        let doorway = self.parts.doorway.as_ref();
        let Some((doorway, (socket, local))) = doorway.and_then(|door| Some((door, door.socket(local)?)))
        else {
            tracing::warn!(call = %wanted.call, "a browser is to be reached, but media.browser_port is not open for it");
            return None;
        };
        let ice = Credentials::random(&doorway.label(), &mut SystemEntropy);
        let ufrag = ice.ufrag().to_owned();
        let share = Share { socket, local, ufrag, paths: SmallVec::new() };
        Some((LegSockets::Shared(Box::new(share)), Some(ice)))
    }

    /// A browser's leg is addressed by another name from now on, if it was not by this one.
    fn rename(&mut self, call: CallId, leg: LegId, ufrag: &str) {
        let Some((key, before)) = self.calls.of(call).and_then(|media| media.rename(leg, ufrag)) else {
            return;
        };
        self.browsers.remove(&before);
        self.browsers.insert(ufrag.to_owned(), (call, key));
    }

    /// What comes with these signs is this leg's.
    fn watch(&mut self, signs: Signs, call: CallId, place: Place, leg: LegKey) {
        match signs {
            Signs::Own(names) => {
                for name in names {
                    if let Some(source) = self.sockets.of(name) {
                        source.leg = Some((place, leg));
                    }
                }
            }
            Signs::Shared(ufrag) => {
                self.browsers.insert(ufrag, (call, leg));
            }
        }
    }

    /// Has what the next datagrams need brought near, each of them one step with every datagram before it; or, with a
    /// `lead`, as it would have been done so many datagrams earlier.
    fn look_ahead(&mut self, lead: usize) {
        for (after, what) in AHEAD {
            let Some(after) = after.checked_sub(lead) else { continue };
            if let Ahead::Name = what {
                self.wire.soon(after);
                continue;
            }
            let Some(name) = self.wire.upcoming(after) else { continue };
            if let Ahead::Source = what {
                self.sockets.soon(name);
                continue;
            }
            let Some(Source { leg: Some((place, leg)), .. }) = self.sockets.of(name).copied() else {
                continue;
            };
            if let Ahead::Within(step) = what {
                self.calls.at(place).into_iter().for_each(|media| media.soon(leg, step));
            } else {
                self.calls.soon(place);
            }
        }
    }

    /// Takes what came; how many datagrams that were.
    fn move_packets(&mut self, buffer: &mut [u8; DATAGRAM], now: Instant) -> usize {
        let mut moved = 0;
        for lead in (0..AHEAD.len()).rev() {
            self.look_ahead(lead);
        }
        while let Some(came) = self.wire.next(buffer) {
            if moved > 0
                && moved % PORTION == 0
                && let Err(error) = self.wire.flush()
            {
                tracing::trace!(%error, "what is to be sent waits for the next turn");
            }
            moved += 1;
            self.look_ahead(0);
            let Some(Source { leg: Some((place, leg)), channel }) = self.sockets.of(came.name).copied()
            else {
                // For a leg that is gone, or not there yet.
                self.turn.received += 1;
                self.turn.dropped += 1;
                continue;
            };
            let bytes = buffer.get_mut(..came.length).unwrap_or_default();
            self.at_place(place, now, |media, outlet| {
                media.take(leg, channel, came.from, bytes, now, outlet)
            });
        }
        let failed = self.wire.take_failed();
        self.turn.sent = self.turn.sent.saturating_sub(failed);
        self.turn.dropped += failed;
        moved
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, call))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(place) = self.calls.place(call) else { continue };
            let Some(media) = self.calls.at(place) else { continue };
            if !media.fires(at) {
                continue;
            }
            if media.is_due(now) {
                self.at_place(place, now, |media, outlet| media.poll(now, outlet));
                self.sweep(call, now);
            } else {
                // A frame closed the page before its time was up: nearly always.
                self.schedule(place, now);
            }
        }
    }

    /// Looks who speaks, now and then for as long as anything comes, and once more.
    fn fasten(&mut self, moved: usize, now: Instant) {
        match self.fasten_at {
            None if moved > 0 => self.fasten_at = Some(now + FASTEN_EVERY),
            Some(at) if at <= now => {
                let mut anybody = false;
                for media in self.calls.each() {
                    anybody |= media.fasten(now, &mut self.wire);
                }
                self.fasten_at = anybody.then_some(now + FASTEN_EVERY);
            }
            _ => {}
        }
    }

    fn with_call(&mut self, call: CallId, now: Instant, act: impl FnOnce(&mut CallMedia, &mut Outlet<'_>)) {
        if let Some(place) = self.calls.place(call) {
            self.at_place(place, now, act);
        }
    }

    fn at_place(&mut self, place: Place, now: Instant, act: impl FnOnce(&mut CallMedia, &mut Outlet<'_>)) {
        let Some(media) = self.calls.at(place) else { return };
        let mut outlet = Outlet {
            wire: &mut self.wire,
            events: &mut self.backlog,
            pages: &self.parts.pages,
            stock: &self.stock,
            prompts: &self.parts.prompts,
            counters: &self.parts.counters,
            turn: &mut self.turn,
            proven: &mut self.proven,
        };
        act(media, &mut outlet);
        self.schedule(place, now);
    }

    /// Takes what the door has for browser legs.
    fn move_parcels(&mut self, now: Instant) {
        self.more_parcels = true;
        for _ in 0..PARCELS_A_TURN {
            let Some(mut parcel) = self.parts.doorway.as_ref().and_then(Doorway::next) else {
                self.more_parcels = false;
                break;
            };
            let from = parcel.from;
            let bytes = parcel.bytes();
            let whose = if ice::is_stun(bytes) {
                ice::addressee(bytes).and_then(|ufrag| self.browsers.get(ufrag))
            } else {
                self.paths.get(&from)
            };
            let Some((call, leg)) = whose.copied() else {
                self.turn.received += 1;
                self.turn.dropped += 1;
                continue;
            };
            self.with_call(call, now, |media, outlet| {
                media.take(leg, Channel::Rtp, from, bytes, now, outlet)
            });
        }
        self.tell_door();
    }

    /// Tells the door where browsers were found.
    fn tell_door(&mut self) {
        for Proven { call, leg, peer, instead_of } in self.proven.drain(..) {
            let left = instead_of.filter(|left| self.paths.get(left) == Some(&(call, leg)));
            left.and_then(|left| self.paths.remove(&left));
            self.paths.insert(peer, (call, leg));
            if let Some(doorway) = &self.parts.doorway {
                left.into_iter().for_each(|left| doorway.gone(left));
                doorway.proven(peer);
            }
        }
    }

    /// Sees to it that the call is looked at when it wants to be.
    fn schedule(&mut self, place: Place, now: Instant) {
        let Some(media) = self.calls.at(place) else { return };
        if let Some(at) = media.reschedule(now) {
            self.timers.push(Reverse((at, media.id())));
        }
    }

    /// Takes away what a call has closed, and the call when nothing is left of it.
    fn sweep(&mut self, call: CallId, now: Instant) {
        let Some(media) = self.calls.of(call) else { return };
        let closed = media.take_closed();
        let ended = media.take_ended_recordings();
        let empty = media.is_empty();
        for sockets in closed {
            self.parts.counters.leg_closed();
            self.give_back(sockets, now);
        }
        for recording in ended {
            self.recordings.remove(&recording);
        }
        if empty {
            self.calls.remove(call);
        }
        self.tell_backlog();
    }

    fn give_back(&mut self, sockets: LegSockets, now: Instant) {
        let mut pair = match sockets {
            LegSockets::Own(pair) => pair,
            LegSockets::Shared(share) => return self.leave_door(&share),
        };
        pair.fasten(&mut self.wire, None);
        for name in pair.names() {
            if let Some(source) = self.sockets.of(name) {
                source.leg = None;
            }
        }
        if let Err(pair) = self.resting.put(pair, now) {
            self.close_pair(&pair);
            self.parts.ports.give_back(pair.port(), now);
        }
    }

    fn close_pair(&mut self, pair: &Pair) {
        for name in pair.names() {
            self.sockets.remove(name);
        }
        if let Err(error) = pair.close(&mut self.wire) {
            tracing::error!(%error, "a leg's sockets cannot be closed");
        }
    }

    fn close_rested(&mut self, pair: &Pair) {
        self.close_pair(pair);
        self.parts.ports.give_back_rested(pair.port());
    }

    /// Closes pairs that have rested and that no leg has wanted since.
    fn close_unwanted(&mut self, now: Instant) {
        while let Some(pair) = self.resting.unwanted(now) {
            self.close_rested(&pair);
        }
    }

    fn leave_door(&mut self, share: &Share) {
        let gone = self.browsers.remove(&share.ufrag);
        for peer in &share.paths {
            // The same browser may have another leg by now, found at the same address.
            if self.paths.get(peer).copied() == gone {
                self.paths.remove(peer);
                if let Some(doorway) = &self.parts.doorway {
                    doorway.gone(*peer);
                }
            }
        }
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
        for call in self.calls.ids() {
            self.with_call(call, now, |media, outlet| media.end(now, outlet));
        }
        if let Err(error) = self.wire.flush() {
            tracing::error!(%error, "the last packets of running calls were not sent");
        }
        self.tell_backlog();
    }
}

fn same_family(addresses: &[IpAddr], like: IpAddr) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == like.is_ipv4())
}
