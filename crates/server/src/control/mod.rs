//! The control task: the one place where the stages meet. It owns the user agent and the exchange, moves one stage's
//! outputs to the next stage's inputs, and does no blocking work: what takes time goes to other tasks.

mod bindings;
mod failed;
mod house;
mod ledger;
mod report;
mod trunks;

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use vorzimmer_call::api::MediaCommand;
use vorzimmer_call::{Exchange, Input, Output};
use vorzimmer_sip::ua::{self, Ua};
use vorzimmer_store::EventLog;
use vorzimmer_types::{EventRecord, TrunkId};

use crate::busy::Busy;
use crate::clock::{self, SystemEntropy};
use crate::destroyer::{Destroyer, Doomed};
use crate::media::{MediaEvents, MediaPlane, Rejected};
use crate::net::{Arrivals, Call, LocalAddresses, Net};
pub use bindings::restorable;
pub use house::House;
use house::View;
use ledger::Ledger;
pub use report::Report;

/// Inputs of one kind that are taken in one turn, so that a flood of one kind starves no other and no timer.
const BATCH: usize = 64;
/// Turns begin at least so far apart: what comes meanwhile is taken together, and no thread is woken for each message. An
/// INVITE is answered in the second turn after it came.
const PACE: Duration = Duration::from_millis(2);
/// How often numbers are published that nobody pushes.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long a provider may take at the end to let us go.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// No new calls; the task ends after the last one.
    Drain,
    /// Running calls end now, properly; the task ends after the last one.
    EndAll,
    /// The task ends now, whatever still runs.
    Stop,
}

/// An order for one trunk.
pub type Ordered = (TrunkId, ua::TrunkOrder);

/// What the control task is made of.
pub struct Control {
    /// Signalling.
    pub ua: Ua,
    /// Calls.
    pub exchange: Exchange,
    /// Sockets.
    pub net: Net,
    /// Voices.
    pub media: Box<dyn MediaPlane>,
    /// How our addresses look from outside.
    pub addresses: LocalAddresses,
    /// Directory, prompts, signature.
    pub house: House,
    /// Where facts go.
    pub log: EventLog,
    /// Who destroys recordings.
    pub destroyer: Destroyer,
    /// Retry-After while draining.
    pub retry_after: Duration,
    /// Whether there is too much to do for further calls.
    pub busy: Busy,
    /// Where numbers are published.
    pub report: watch::Sender<Report>,
}

/// What wakes the control task.
pub struct Sources {
    /// The operator.
    pub orders: mpsc::Receiver<Order>,
    /// The media workers.
    pub media: MediaEvents,
    /// The destroyer.
    pub destroyed: mpsc::Receiver<Doomed>,
    /// The sockets.
    pub arrivals: Arrivals,
    /// Providers that were looked up: [`ua::Input::Located`].
    pub located: mpsc::Receiver<ua::Input>,
    /// Orders for single trunks.
    pub trunk_orders: mpsc::Receiver<Ordered>,
}

/// One thing that happened.
enum Arrival {
    Order(Order),
    Media(vorzimmer_call::MediaEvent),
    Destroyed(Doomed),
    Sip(ua::Input),
    Trunk(Ordered),
    /// A timer, or the time to report.
    Time,
}

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Running,
    Draining,
    Stopped,
}

struct Running {
    control: Control,
    ledger: Ledger,
    course: Course,
    report_at: Instant,
    /// When the latest turn began.
    turned_at: Instant,
    /// Until when registrations that are given back are waited for.
    leave_until: Option<Instant>,
}

impl Control {
    /// Runs on a thread and in a runtime of its own until the operator has had enough, and gives the number of calls that
    /// were still there: a datagram or a timer wakes this thread and no other, and whatever else the runtime of everything
    /// else is busy with, signalling does not wait for it.
    ///
    /// # Errors
    /// The system makes no such thread.
    pub async fn run_apart(self, sources: Sources) -> io::Result<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tell, ended) = oneshot::channel();
        let work = move || {
            let left = runtime.block_on(self.run(sources));
            // Whoever waits for it may have gone away.
            let _ = tell.send(left);
        };
        std::thread::Builder::new().name("signalling".to_owned()).spawn(work)?;
        ended.await.map_err(|_| io::Error::other("signalling has panicked"))
    }

    /// Runs until the operator has had enough, and gives the number of calls that were still there.
    async fn run(self, mut sources: Sources) -> usize {
        let mut running = Running {
            control: self,
            ledger: Ledger::default(),
            course: Course::Running,
            report_at: clock::mono(),
            turned_at: clock::mono(),
            leave_until: None,
        };
        loop {
            let arrival = running.next(&mut sources).await;
            running.turned_at = clock::mono();
            running.take(arrival);
            running.turn(&mut sources);
            running.control.net.flush();
            running.control.media.flush();
            let calls = running.control.exchange.running();
            let drained = running.course == Course::Draining && calls == 0 && running.has_left();
            if running.course == Course::Stopped || drained {
                running.publish();
                running.control.media.shut_down();
                return calls;
            }
            running.keep_pace();
        }
    }
}

impl Running {
    /// Waits for whatever comes first. The order says who is asked first when several are there:
    /// 1. the operator, who must always get through;
    /// 2. time: timers are what keeps every promise that SIP makes;
    /// 3. the media workers: digits, prompts' ends and recordings' ends are never dropped;
    /// 4. the destroyer;
    /// 5. orders for trunks, and where they are;
    /// 6. streams, whose senders wait for us;
    /// 7. datagrams, which are dropped when we are late and sent again.
    async fn next(&mut self, sources: &mut Sources) -> Arrival {
        let wake = self.next_wake();
        tokio::select! {
            biased;
            Some(order) = sources.orders.recv() => Arrival::Order(order),
            () = tokio::time::sleep_until(wake.into()) => Arrival::Time,
            Some(event) = sources.media.recv() => Arrival::Media(event),
            Some(destroyed) = sources.destroyed.recv() => Arrival::Destroyed(destroyed),
            Some(order) = sources.trunk_orders.recv() => Arrival::Trunk(order),
            Some(input) = sources.located.recv() => Arrival::Sip(input),
            Some(input) = sources.arrivals.streams.recv() => Arrival::Sip(input),
            input = sources.arrivals.datagrams.recv() => Arrival::Sip(input),
        }
    }

    /// Waits until the next turn may begin. Nothing else runs on this thread.
    fn keep_pace(&self) {
        let left = (self.turned_at + PACE).saturating_duration_since(clock::mono());
        if !left.is_zero() {
            std::thread::park_timeout(left);
        }
    }

    /// Takes a bounded batch of each kind that is there already.
    fn turn(&mut self, sources: &mut Sources) {
        self.take(Arrival::Time);
        sources.arrivals.datagrams.turn();
        for _ in 0..BATCH {
            let arrivals = [
                sources.media.try_recv().ok().map(Arrival::Media),
                sources.arrivals.streams.try_recv().ok().map(Arrival::Sip),
                sources.arrivals.datagrams.try_recv().map(Arrival::Sip),
            ];
            if arrivals.iter().all(Option::is_none) {
                break;
            }
            for arrival in arrivals.into_iter().flatten() {
                self.take(arrival);
            }
        }
    }

    /// The earliest promise: a timer, or the next report.
    fn next_wake(&self) -> Instant {
        let Control { ua, exchange, .. } = &self.control;
        [ua.next_wake(), exchange.next_wake()].into_iter().flatten().fold(self.report_at, Instant::min)
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Order(order) => self.order(order),
            Arrival::Media(event) => self.exchange(Input::Media(event)),
            Arrival::Destroyed(destroyed) => self.destroyed(destroyed),
            Arrival::Sip(input) => self.ua(input),
            Arrival::Trunk((trunk, order)) => {
                tracing::info!(trunk = self.trunk_name(trunk), ?order, "an order of the operator");
                self.ua(ua::Input::Command(ua::Command::Trunk { trunk, order }));
            }
            Arrival::Time => self.time(),
        }
        self.settle();
    }

    fn order(&mut self, order: Order) {
        tracing::info!(?order, calls = self.control.exchange.running(), "an order of the operator");
        self.course = if order == Order::Stop { Course::Stopped } else { Course::Draining };
        self.control.ua.set_draining(Some(self.control.retry_after));
        if self.leave_until.is_none() {
            self.leave_until = Some(clock::mono() + LEAVE_WITHIN);
            self.ua(ua::Input::Command(ua::Command::Leave));
        }
        self.exchange(if order == Order::Drain { Input::Drain } else { Input::EndAll });
    }

    /// Whether every registration was given back, or long enough was waited for it.
    fn has_left(&self) -> bool {
        !self.control.ua.is_leaving() || self.leave_until.is_none_or(|until| until <= clock::mono())
    }

    fn trunk_name(&self, trunk: TrunkId) -> String {
        let known = self.control.ua.trunks(clock::now()).into_iter().find(|known| known.id == trunk);
        known.map_or_else(|| trunk.to_string(), |known| known.name)
    }

    fn time(&mut self) {
        let now = clock::mono();
        if self.control.ua.next_wake().is_some_and(|wake| wake <= now) {
            self.ua(ua::Input::Timer);
        }
        if self.control.exchange.next_wake().is_some_and(|wake| wake <= now) {
            self.exchange(Input::Timer);
        }
        if self.report_at <= now {
            self.report_at = now + REPORT_EVERY;
            self.control.destroyer.retry();
            if let Some(overloaded) = self.control.busy.look(now, self.control.exchange.running()) {
                self.exchange(Input::Overloaded(overloaded));
            }
            self.publish();
        }
    }

    fn destroyed(&mut self, gone: Doomed) {
        let Doomed { call, recording } = gone;
        if self.control.exchange.knows(call) {
            self.exchange(Input::RecordingDestroyed { call, recording });
        } else {
            self.control.destroyer.note_afterwards(gone);
        }
    }

    fn ua(&mut self, input: ua::Input) {
        let Control { ua, house, .. } = &mut self.control;
        ua.handle(input, clock::now(), &house.accounts(), &mut SystemEntropy);
    }

    fn exchange(&mut self, input: Input) {
        let Control { ua, house, exchange, .. } = &mut self.control;
        let now = clock::now();
        let view = View::new(house, ua, now);
        exchange.handle(input, now, &view, &mut || view.next_session(), &mut SystemEntropy);
    }

    /// Carries out every output, and what follows from it, until all is quiet.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.control.ua.poll() {
                self.carry_out_sip(output);
            } else if let Some(output) = self.control.exchange.poll() {
                self.carry_out(output);
            } else {
                return;
            }
        }
    }

    fn carry_out_sip(&mut self, output: ua::Output) {
        match output {
            ua::Output::Transmit { flow, bytes } => self.control.net.transmit(&flow, bytes),
            ua::Output::Connect { connection, transport, remote, trunk } => {
                self.control.net.connect(Call { connection, transport, remote, trunk });
            }
            ua::Output::Close { connection } => self.control.net.close(connection),
            ua::Output::Event(ua::Event::BindingsChanged { receptionist, bindings }) => {
                self.control.log.replace_bindings(receptionist, bindings::stored(&bindings));
            }
            ua::Output::Event(ua::Event::Trunk { trunk, news }) => {
                trunks::tell(&self.trunk_name(trunk), &news);
            }
            ua::Output::Event(event) => self.exchange(Input::Sip(event)),
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Sip(command) => self.ua(ua::Input::Command(command)),
            Output::Media(command) => self.media(command),
            Output::Event(record) => self.fact(record),
            Output::DestroyRecording { recording, call, .. } => {
                self.control.destroyer.destroy(Doomed { call, recording });
            }
        }
    }

    fn media(&mut self, mut command: MediaCommand) {
        if let MediaCommand::Open { local, .. } = &mut command {
            *local = self.control.addresses.inside(*local);
        }
        if let Err(Rejected(command)) = self.control.media.send(command)
            && let Some(event) = failed::consequence(&command)
        {
            self.exchange(Input::Media(event));
        }
    }

    fn fact(&mut self, record: EventRecord) {
        self.ledger.note(&record);
        self.control.log.append(record);
    }

    fn publish(&mut self) {
        let Control { ua, exchange, media, net, log, report, busy, .. } = &self.control;
        report.send_replace(Report {
            calls: exchange.overview(),
            sip: ua.counters(),
            media: media.health(),
            net: net.counts(),
            log: log.health(),
            trunks: ua.trunks(clock::now()),
            strain: busy.strain(),
            draining: self.course != Course::Running,
        });
    }
}
