//! The media plane: worker threads that share nothing, a call's legs all on one of them, and one writer for all.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use vorzimmer_call::api::MediaCommand;
use vorzimmer_media::dtls::Identity;
use vorzimmer_vault::keys::KeyStore;
use vorzimmer_wire::{Driver, Waker};

use super::bell::Bell;
use super::counters::Counters;
use super::door::{Door, Doorway};
use super::order::Order;
use super::ports::PortPool;
use super::prompts::Prompts;
use super::worker::Worker;
use super::writer::{self, RecordingLog, Reporter, WriterParts};
use super::{EVENT_QUEUE, MediaEvents, MediaHealth, MediaPlane, Rejected};

/// Orders and reports that may wait for a worker. A worker looks at them every few milliseconds.
const ORDERS_WAITING: usize = 16_384;

/// Orders that wait for the end of a turn before their worker is woken in its midst: it can begin then, and its queue does
/// not fill.
const ORDERS_UNTOLD: usize = 256;

/// How the media plane is set up.
pub struct Settings {
    /// Ports for RTP and RTCP, first and last.
    pub ports: (u16, u16),
    /// Worker threads, at least one.
    pub workers: usize,
    /// How datagrams are moved.
    pub driver: Driver,
    /// Local addresses for media instead of those of the signalling: one IPv4, one IPv6 at most.
    pub bind: Vec<IpAddr>,
    /// What peers are told instead of the local address: one IPv4, one IPv6 at most.
    pub advertise: Vec<IpAddr>,
    /// After this long without a packet a leg is silent.
    pub silence: Duration,
    /// Calls that may run at a time.
    pub most_calls: usize,
    /// This long a port rests.
    pub port_rest: Duration,
    /// The folder of the sealed recordings.
    pub recordings: PathBuf,
    /// How many days a recording lives.
    pub recording_days: u32,
    /// Where browsers come in, if any may.
    pub browsers: Option<BrowserPort>,
}

/// The browsers' port.
pub struct BrowserPort {
    /// The port.
    pub port: u16,
    /// The local addresses on which it is open.
    pub addresses: Vec<IpAddr>,
}

/// What the media plane works with.
pub struct Parts {
    /// What is played.
    pub prompts: Arc<Prompts>,
    /// Where recordings' keys are made.
    pub keys: Arc<KeyStore>,
    /// Who is told which pages are safe.
    pub log: Arc<dyn RecordingLog>,
    /// Our certificate towards browsers and telephones that shake hands by DTLS.
    pub identity: Arc<Identity>,
}

/// The running media plane.
pub struct Plane {
    workers: Vec<Handle>,
    writer: JoinHandle<()>,
    door: Option<Door>,
    counters: Arc<Counters>,
    driver: Driver,
}

struct Handle {
    orders: SyncSender<Order>,
    /// Orders since the bell was rung.
    untold: usize,
    bell: Bell,
    thread: JoinHandle<()>,
}

impl Handle {
    fn ring(&mut self) {
        self.untold = 0;
        ring(&self.bell);
    }
}

impl Plane {
    /// Starts writer and workers.
    ///
    /// # Errors
    /// A thread or a waker cannot be made.
    pub fn start(settings: &Settings, parts: Parts) -> io::Result<(Self, MediaEvents)> {
        let count = settings.workers.max(1);
        let (tell, events) = mpsc::channel(EVENT_QUEUE);
        let counters = Arc::new(Counters::default());
        let ends = (0..count).map(|_| End::new()).collect::<io::Result<Vec<_>>>()?;
        let (pages, writer) = writer::start(WriterParts {
            folder: settings.recordings.clone(),
            days: settings.recording_days,
            keys: parts.keys,
            log: parts.log,
            reporters: ends.iter().map(End::reporter).collect(),
        })?;
        let wakers: Vec<_> = ends.iter().map(|end| end.waker.clone()).collect();
        let (door, mut doorways) = open_door(settings.browsers.as_ref(), &wakers, &counters)?;
        let mut workers = Vec::with_capacity(count);
        for (index, end) in ends.into_iter().enumerate() {
            let (first, last) = settings.ports;
            let parts = super::worker::Parts {
                index,
                driver: settings.driver,
                waker: end.waker.clone(),
                orders: end.orders,
                rung: end.bell.rung(),
                ports: PortPool::new(first, last, index, count, settings.port_rest),
                bind: settings.bind.clone(),
                advertise: settings.advertise.clone(),
                silence: settings.silence,
                most_calls: settings.most_calls,
                prompts: Arc::clone(&parts.prompts),
                pages: pages.clone(),
                events: tell.clone(),
                counters: Arc::clone(&counters),
                doorway: doorways.next(),
                identity: Arc::clone(&parts.identity),
            };
            let name = format!("media-{index}");
            let thread = std::thread::Builder::new().name(name).spawn(move || work(parts))?;
            workers.push(Handle { orders: end.sender, untold: 0, bell: end.bell, thread });
        }
        Ok((Self { workers, writer, door, counters, driver: settings.driver }, events))
    }
}

impl MediaPlane for Plane {
    fn send(&mut self, command: MediaCommand) -> Result<(), Rejected> {
        let call = command.call();
        let mut hasher = DefaultHasher::new();
        call.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let place = hasher.finish() as usize % self.workers.len();
        let worker = &mut self.workers[place];
        match worker.orders.try_send(Order::Command(Box::new(command))) {
            Ok(()) => {
                worker.untold += 1;
                if worker.untold >= ORDERS_UNTOLD {
                    worker.ring();
                }
                Ok(())
            }
            Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) => match order {
                Order::Command(command) => Err(Rejected(command)),
                Order::Report(_) | Order::End => Ok(()),
            },
        }
    }

    fn flush(&mut self) {
        self.workers.iter_mut().filter(|worker| worker.untold > 0).for_each(Handle::ring);
    }

    fn health(&self) -> MediaHealth {
        let door = self.door.as_ref().is_none_or(Door::is_open);
        let alive = self.workers.iter().filter(|worker| door && !worker.thread.is_finished()).count();
        MediaHealth {
            workers_alive: alive,
            workers: self.workers.len(),
            driver: self.driver.name(),
            ..self.counters.read()
        }
    }

    fn shut_down(self: Box<Self>) {
        for worker in &self.workers {
            // A worker that is gone has nothing to close; its panic is reported when it is joined.
            if worker.orders.send(Order::End).is_ok() {
                ring(&worker.bell);
            }
        }
        for worker in self.workers {
            drop(worker.orders);
            if worker.thread.join().is_err() {
                tracing::error!("a media worker had panicked");
            }
        }
        if let Some(door) = self.door {
            door.close();
        }
        if self.writer.join().is_err() {
            tracing::error!("the recordings' writer had panicked");
        }
    }
}

/// Opens the browsers' port, if there is to be one; a doorway for each worker then.
fn open_door(
    browsers: Option<&BrowserPort>,
    wakers: &[Waker],
    counters: &Arc<Counters>,
) -> io::Result<(Option<Door>, std::vec::IntoIter<Doorway>)> {
    let Some(browsers) = browsers else { return Ok((None, Vec::new().into_iter())) };
    let opened = Door::open(browsers.port, &browsers.addresses, wakers, Arc::clone(counters));
    let (door, doorways) = opened.map_err(|error| {
        io::Error::new(error.kind(), format!("media.browser_port {}: {error}", browsers.port))
    })?;
    Ok((Some(door), doorways.into_iter()))
}

/// A worker's end of its queues, before the worker is there.
struct End {
    waker: Waker,
    bell: Bell,
    sender: SyncSender<Order>,
    orders: Receiver<Order>,
}

impl End {
    fn new() -> io::Result<Self> {
        let waker = Waker::new()?;
        let (sender, orders) = sync_channel(ORDERS_WAITING);
        let bell = Bell::new(waker.clone());
        Ok(Self { waker, bell, sender, orders })
    }

    fn reporter(&self) -> Reporter {
        let (sender, bell) = (self.sender.clone(), self.bell.clone());
        // The writer may wait for a worker; a worker that has ended needs no report.
        Arc::new(move |report| {
            if sender.send(Order::Report(report)).is_ok() {
                ring(&bell);
            }
        })
    }
}

/// A worker's thread. If it cannot begin, its health says so.
fn work(parts: super::worker::Parts) {
    match Worker::new(parts) {
        Ok(worker) => worker.run(),
        Err(error) => tracing::error!(%error, "a media worker cannot begin"),
    }
}

fn ring(bell: &Bell) {
    if let Err(error) = bell.ring() {
        tracing::error!(%error, "a media worker cannot be woken; it looks at its orders at its next packet or tick");
    }
}
