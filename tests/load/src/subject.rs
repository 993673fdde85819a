//! What is measured: our server, the floor, or a peer; each as processes to watch and calls that run through them.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::{ports, sipp, wait};

use crate::consent;
use crate::engine::Engine;
use crate::floor::Style;
use crate::kernel;
use crate::options::Run;
use crate::parties::{Keys, Parties};
use crate::peer::Pair;
use crate::words::Dialling;

/// Calls that may wait for their answer at a time while a load is set up.
const PENDING: usize = 20;
/// How long setting up or hanging up may stand still.
const STANDSTILL: Duration = Duration::from_secs(20);
/// How long is listened whether voices pass.
const LISTEN: Duration = Duration::from_millis(500);
/// How long the generator rests at most when nothing is due.
const REST: Duration = Duration::from_micros(250);

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
    /// Voices are passed on.
    Relayed,
    /// Voices are passed on, recorded and sealed.
    Recorded,
    /// The same, and they come and go encrypted.
    SrtpRecorded,
    /// Asked whether they may be recorded, and then recorded.
    Asked,
}

impl Case {
    /// As it is called in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relayed => "relayed",
            Self::Recorded => "recorded",
            Self::SrtpRecorded => "srtp-recorded",
            Self::Asked => "asked",
        }
    }

    /// How calls are placed that are treated like that: the customers are those of the tests' directory, one of whom is
    /// never recorded, another when the receptionist attests that the caller has agreed, the third when he says so.
    fn dialling(self, server: SocketAddr) -> Dialling {
        let number = match self {
            Self::Relayed => "+493023125010",
            Self::Asked => "+493023125011",
            Self::Recorded | Self::SrtpRecorded => "+493023125013",
        };
        Dialling { server, number: number.into(), port: 0, srtp: self == Self::SrtpRecorded }
    }

    /// What is pressed: by the receptionist, when she has answered, and by the caller, so long after the answer.
    fn keys(self) -> Keys {
        let (phone, trunk) = match self {
            Self::Relayed => ("", None),
            Self::Asked => ("", Some(("1", consent::PRESSED_AFTER))),
            Self::Recorded | Self::SrtpRecorded => ("*6", None),
        };
        Keys { phone, trunk }
    }
}

/// Calls that run, and what carries them.
pub struct Load {
    /// The generator's voices.
    pub engine: Engine,
    /// Its signalling; the floor has none.
    pub parties: Option<Parties>,
    /// What is measured.
    pub subject: Subject,
    polled: Instant,
    /// What it plays, if that is not what is shipped.
    _prompts: Option<TempDir>,
}

/// What is measured.
pub enum Subject {
    /// Our server.
    Server(Box<Server>),
    /// The bare forwarder.
    Floor(Forwarder),
    /// Kamailio with rtpengine.
    Pair(Pair),
}

/// The forwarder's process.
pub struct Forwarder {
    style: Style,
    child: Child,
    input: Option<ChildStdin>,
}

impl Subject {
    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        match self {
            Self::Server(server) => vec![server.pid()],
            Self::Floor(forwarder) => vec![forwarder.child.id()],
            Self::Pair(pair) => pair.pids(),
        }
    }

    /// How it moves packets, or the peer's name.
    pub fn driver(&self) -> String {
        match self {
            Self::Server(server) => media_driver(server),
            Self::Floor(forwarder) => forwarder.style.name().into(),
            Self::Pair(_) => "kamailio+rtpengine".into(),
        }
    }

    /// Whether it is our server.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// A figure of our server's metrics, summed over its labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metric_of(name, "")
    }

    /// The same, of those labels alone that hold `label`.
    pub fn metric_of(&self, name: &str, label: &str) -> Option<f64> {
        let Self::Server(server) = self else { return None };
        let (_, page) = server.get("/metrics")?;
        let named = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(label);
        let lines = page.lines().filter(named);
        Some(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        drop(self.child.wait());
    }
}

impl Load {
    /// Our server on one core, with room for `places` calls, none running yet.
    ///
    /// # Errors
    /// The system's.
    pub fn server(case: Case, places: usize, core: Option<usize>, run: &Run) -> io::Result<Self> {
        Self::server_with(case, places, core, run, &[])
    }

    /// The same with further settings, named as in the environment.
    ///
    /// # Errors
    /// The system's.
    pub fn server_with(
        case: Case,
        places: usize,
        core: Option<usize>,
        run: &Run,
        more: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut setup = Setup { media_ports: media_ports(places), ..Setup::default() };
        for (name, value) in [
            ("VORZIMMER_LOGS__LEVEL", "info".to_owned()),
            ("VORZIMMER_LIMITS__MAX_CALLS", places.to_string()),
            // What it cannot do any more is to be seen, not to be refused.
            ("VORZIMMER_LIMITS__MAX_BUSY_PERCENT", "100".to_owned()),
            ("VORZIMMER_MEDIA__WORKERS", run.workers.to_string()),
            ("VORZIMMER_MEDIA__PORT_REST_S", "2".to_owned()),
        ] {
            setup.environment.push((name.to_owned(), value));
        }
        setup.environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let prompts = (case == Case::Asked).then(consent::prompts).transpose()?;
        if let Some(folder) = &prompts {
            let folder = folder.path().to_string_lossy().into_owned();
            setup.environment.push(("VORZIMMER_MEDIA__PROMPTS".to_owned(), folder));
        }
        let server = match &run.house {
            None => Server::start(&setup),
            Some(folder) => {
                let mut server = Server::prepare(folder, &setup);
                server.run();
                server
            }
        };
        pin(server.pid(), core);
        let phone = ports::block(2);
        sipp::register(&server, "anna", phone);
        let address = server.sip.parse().map_err(io::Error::other)?;
        let parties = Parties::open(case.dialling(address), phone, case.keys())?;
        let load = Self::new(places, Some(parties), Subject::Server(Box::new(server)))?;
        Ok(Self { _prompts: prompts, ..load })
    }

    /// Kamailio and rtpengine on one core; none if they are not installed.
    ///
    /// # Errors
    /// The system's.
    pub fn pair(case: Case, places: usize, core: Option<usize>) -> io::Result<Option<Self>> {
        let phone = ports::block(2);
        let Some(pair) = Pair::start(case == Case::Recorded, phone, media_ports(places))? else {
            return Ok(None);
        };
        pair.pids().into_iter().for_each(|pid| pin(pid, core));
        let parties = Parties::open(case.dialling(pair.sip), phone, Keys::default())?;
        Ok(Some(Self::new(places, Some(parties), Subject::Pair(pair))?))
    }

    /// The forwarder on one core, with all its calls running.
    ///
    /// # Errors
    /// The system's.
    pub fn floor(style: Style, calls: usize, core: Option<usize>) -> io::Result<Self> {
        let own: PathBuf = std::env::current_exe()?;
        let mut child = Command::new(own)
            .args(["floor", "--style", style.name(), "--calls", &calls.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(output), Some(mut input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(io::Error::other("the forwarder has no standard input or output"));
        };
        let mut theirs = String::new();
        BufReader::new(output).read_line(&mut theirs)?;
        let mut engine = Engine::new(calls * 2)?;
        let mut ours = Vec::new();
        for port in theirs.split_whitespace() {
            let port: u16 = port.parse().map_err(io::Error::other)?;
            let (slot, own) = engine.open(true)?;
            engine.talk(slot, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None)?;
            ours.push(own.to_string());
        }
        writeln!(input, "{}", ours.join(" "))?;
        pin(child.id(), core);
        let subject = Subject::Floor(Forwarder { style, child, input: Some(input) });
        Ok(Self { engine, parties: None, subject, polled: Instant::now(), _prompts: None })
    }

    fn new(places: usize, parties: Option<Parties>, subject: Subject) -> io::Result<Self> {
        let engine = Engine::new(places * 2)?;
        Ok(Self { engine, parties, subject, polled: Instant::now(), _prompts: None })
    }

    /// One turn of everything, and a short rest if nothing is due.
    pub fn turn(&mut self) {
        let left = self.engine.turn();
        if let Some(parties) = &mut self.parties
            && self.polled.elapsed() > REST
        {
            self.polled = Instant::now();
            parties.turn(&mut self.engine);
        }
        if !left.is_zero() {
            std::thread::sleep(left.min(REST));
        }
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    /// Places calls until so many talk, or no more are answered. How many do.
    ///
    /// # Errors
    /// There are no ports for voices.
    pub fn set_up(&mut self, calls: usize) -> io::Result<usize> {
        let mut last = (0, Instant::now());
        loop {
            self.turn();
            let talking = self.engine.talking() / 2;
            if talking != last.0 {
                last = (talking, Instant::now());
            }
            let Some(parties) = &mut self.parties else { return Ok(talking) };
            let open = parties.open_calls();
            if talking >= calls && open <= talking || last.1.elapsed() > STANDSTILL {
                return Ok(talking);
            }
            if parties.outcome.failed > calls as u64 {
                return Ok(talking);
            }
            let under_way = open.saturating_sub(talking);
            let wanted = calls.saturating_sub(open).min(PENDING.saturating_sub(under_way));
            for _ in 0..wanted {
                parties.ring(&mut self.engine)?;
            }
        }
    }

    /// Goes on until voices pass: where a prompt is played first, nothing else is heard meanwhile.
    pub fn settle(&mut self) {
        let end = Instant::now() + STANDSTILL;
        while Instant::now() < end {
            self.engine.begin();
            self.run_for(LISTEN);
            self.engine.pause();
            self.run_for(LISTEN / 2);
            let tally = self.engine.tally();
            if tally.sent > 0 && tally.lost() * 1_000 < tally.sent {
                return;
            }
        }
    }

    /// Hangs up what runs, and waits until all of it is over.
    pub fn hang_up(&mut self) {
        let Some(parties) = &mut self.parties else { return };
        parties.hang_up_all();
        let end = Instant::now() + STANDSTILL;
        while Instant::now() < end && self.parties.as_ref().is_some_and(|parties| parties.open_calls() > 0) {
            self.turn();
        }
    }

    /// Waits until so many recordings run, and says how many do.
    pub fn recordings(&mut self, wanted: usize) -> usize {
        let end = Instant::now() + STANDSTILL;
        loop {
            let running = self.subject.metric("vorzimmer_recordings_running").unwrap_or(0.0);
            let running = running as usize;
            if running >= wanted || Instant::now() > end {
                return running;
            }
            self.run_for(Duration::from_millis(200));
        }
    }
}

/// Four for each call, and as many again for those that rest.
fn media_ports(places: usize) -> u16 {
    u16::try_from(places * 4 + places.min(1_000) * 2 + 64).unwrap_or(18_000).min(18_000)
}

fn pin(pid: u32, core: Option<usize>) {
    if let Some(core) = core
        && !kernel::pin(pid, core)
    {
        eprintln!("process {pid} could not be kept on core {core}");
    }
}

/// What the server says moves its packets.
fn media_driver(server: &Server) -> String {
    let driver = |page: String| {
        // Before the first report there is one without a name.
        let mut lines = page.lines().filter(|line| line.starts_with("vorzimmer_media_workers{"));
        lines.find_map(|line| {
            Some(line.split("driver=\"").nth(1)?.split('"').next()?.to_owned())
                .filter(|name| !name.is_empty())
        })
    };
    wait::until("the server's metrics", Duration::from_secs(20), || {
        driver(server.get("/metrics").map(|(_, page)| page)?)
    })
}
