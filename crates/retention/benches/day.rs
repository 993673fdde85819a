//! How long a day's expiry takes, and what whoever works beside it feels: a run that destroys 20,000 recordings and
//! 100,000 calls, with real files, on SQLite and on a PostgreSQL of its own, while events are stored, keys are made for
//! new recordings and timers tick.
//!
//! `cargo bench -p vorzimmer-retention --bench day`; `CALLS=10000 RECORDINGS=2000` for fewer, `DATABASES=sqlite` for one.
//! `FILL=DIR` fills a new folder as a server's and leaves it there, due today: `load run --house DIR` has calls run through a
//! server that begins by forgetting it.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says what it met")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use vorzimmer_retention::{Class, Clock, Periods, Places, Retention, SpoolPlace, Step};
use vorzimmer_store::testing::Postgres;
use vorzimmer_store::{EventLog, LogSettings, Settings, Store};
use vorzimmer_types::consent::{Epoch, Policy};
use vorzimmer_types::entropy::{Entropy, Seeded};
use vorzimmer_types::event::{Caller, EndedBy, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, Day, E164, Event, EventRecord, LegId, PartyId, Pii, ReceptionistId, RecordingId,
    UnixMillis,
};
use vorzimmer_vault::callrec::{Context, EndReason, Ending, Form, SlotGaps, Writer, file};
use vorzimmer_vault::{KekSource, KeyStore};

/// The day of the run, by its number since 1970.
const TODAY: Day = Day(20_544);
const CALLS_KEPT: u32 = 60;
const RECORDINGS_KEPT: u32 = 30;
const CUSTOMERS: u64 = 200;
/// Recordings that are not due, for each one that is: their files are seen, and stay.
const STAYING: u64 = 1;
/// Calls whose events wait in memory before they are waited for.
const FLUSH_EVERY: u64 = 2_000;
/// How often those beside the run want something.
const EVERY: Duration = Duration::from_millis(20);

fn main() {
    let calls = number("CALLS", 100_000);
    let recordings = number("RECORDINGS", 20_000);
    let databases = std::env::var("DATABASES").unwrap_or_else(|_| "sqlite postgres".into());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some(folder) = std::env::var_os("FILL") {
        runtime.block_on(fill(Path::new(&folder), calls, recordings));
        return;
    }
    for database in databases.split_whitespace() {
        runtime.block_on(measure(database, calls, recordings));
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Fills a folder as a server's, of which everything falls due today.
async fn fill(folder: &Path, calls: u64, recordings: u64) {
    std::fs::create_dir(folder).expect("a new folder");
    let house = House::open(folder, &sqlite(folder)).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let today = UnixMillis(i64::try_from(now.as_millis()).expect("not so far")).day();
    house.fill(today, calls, recordings).await;
    house.close().await;
}

/// The database's place, as in a server's folder.
fn sqlite(folder: &Path) -> String {
    std::fs::create_dir(folder.join("data")).expect("a folder");
    format!("sqlite:{}", folder.join("data/vorzimmer.db").display())
}

struct House {
    recordings: PathBuf,
    store: Store,
    log: EventLog,
}

impl House {
    /// Keys and recordings stand where a server of the tests has them.
    async fn open(folder: &Path, url: &str) -> Self {
        for name in ["keys", "kek", "recordings"] {
            DirBuilder::new().mode(0o700).create(folder.join(name)).expect("a folder");
        }
        let kek = KekSource::File(folder.join("kek/vorzimmer.key"));
        let keys = KeyStore::open_or_create(&folder.join("keys/keys.db"), kek, None, &mut Seeded::new(1));
        let keys = Arc::new(keys.expect("a key store"));
        let store = Store::open(url, Settings::default(), keys, Box::new(Seeded::new(2))).await;
        let store = store.expect("a store");
        let log = EventLog::start(store.clone(), &folder.join("spool"), LogSettings::default());
        Self { recordings: folder.join("recordings"), store, log: log.expect("a log") }
    }

    async fn close(self) {
        self.log.close().await.expect("everything stored");
        self.store.close().await;
    }

    fn retention(&self) -> Retention {
        let places = Places {
            recordings: self.recordings.clone(),
            logs: None,
            spool: SpoolPlace::Ours(self.log.clone()),
        };
        Retention::new(self.store.clone(), places, Periods::default())
    }

    /// Calls of 60 days ago, recorded calls of 30 days ago and of the day after.
    async fn fill(&self, today: Day, calls: u64, recordings: u64) {
        for number in 0..calls {
            self.tell(number, events(number, noon(today.0 - CALLS_KEPT), false)).await;
        }
        let recorded_on = today.0 - RECORDINGS_KEPT;
        for number in calls..calls + recordings * (1 + STAYING) {
            let day = recorded_on + u32::from(number >= calls + recordings);
            self.tell(number, events(number, noon(day), true)).await;
            record(self.store.keys(), &self.recordings, number, Day(day + RECORDINGS_KEPT));
        }
        self.log.flush().await.expect("stored");
        assert_eq!(self.log.health().spooled, 0, "the database kept up");
    }

    async fn tell(&self, number: u64, events: Vec<EventRecord>) {
        events.into_iter().for_each(|event| self.log.append(event));
        if number % FLUSH_EVERY == FLUSH_EVERY - 1 {
            self.log.flush().await.expect("stored");
        }
    }
}

async fn measure(database: &str, calls: u64, recordings: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let postgres = (database == "postgres").then(|| Postgres::start().unwrap_or_else(|why| panic!("{why}")));
    let url = match &postgres {
        Some(postgres) => postgres.create_database().expect("a database"),
        None => sqlite(folder.path()),
    };
    let house = House::open(folder.path(), &url).await;
    let began = Instant::now();
    house.fill(TODAY, calls, recordings).await;
    println!(
        "{database}: {calls} calls and {recordings} recordings are due; filled in {:.0?}",
        began.elapsed()
    );
    let retention = house.retention();
    let now = noon(TODAY.0);
    retention.heartbeat(now).await.expect("a heartbeat");

    let over = Arc::new(AtomicBool::new(false));
    let events = tokio::spawn(storing(house.log.clone(), Arc::clone(&over)));
    let timers = tokio::spawn(ticking(Arc::clone(&over)));
    let keys = {
        let (keys, over) = (Arc::clone(house.store.keys()), Arc::clone(&over));
        std::thread::spawn(move || making_keys(&keys, &over))
    };

    let began = Instant::now();
    retention.status(now).await.expect("a status");
    println!("{database}: a look at what is due took {:.2?}", began.elapsed());
    let began = Instant::now();
    let mut phases: BTreeMap<String, (u64, Duration)> = BTreeMap::new();
    let mut last = began;
    let mut watch = |step: &Step| {
        let phase = phases.entry(phase(step)).or_default();
        phase.0 += 1;
        phase.1 += last.elapsed();
        last = Instant::now();
        ControlFlow::Continue(())
    };
    // As a server does it.
    let beside = retention.beside().await.expect("connections");
    let signed = beside.run_watched(now, Clock::Checked, &mut watch).await.expect("a run");
    beside.close().await;
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    for (phase, (steps, time)) in &phases {
        println!("{database}:   {phase:<28} {steps:>6} steps {time:>9.2?}");
    }
    let certificate = &signed.certificate;
    let of = |class| certificate.classes.iter().find(|count| count.class == class).expect("a class");
    let (voices, data) = (of(Class::Recordings), of(Class::CallData));
    println!(
        "{database}: {} files, {} secrets, {} keys and {} rows destroyed in {took:.2?}",
        voices.files,
        voices.secrets,
        voices.keys + data.keys,
        voices.rows + data.rows
    );
    assert_eq!((voices.files, voices.rows, voices.secrets), (recordings, recordings, 2 * recordings));
    assert!(data.rows > calls * 8, "every call has events, numbers and a record");
    assert!(certificate.left_over.is_empty(), "{:?}", certificate.left_over);
    assert_eq!(house.log.health().spooled, 0, "no event had to wait for the run");
    println!("{database}: an event was stored within     {}", events.await.expect("stored"));
    println!("{database}: a timer of 1 ms rang within    {}", timers.await.expect("ticked"));
    println!("{database}: a recording had its keys after {}", keys.join().expect("made"));
    house.close().await;
}

fn phase(step: &Step) -> String {
    match step {
        Step::Noted => "looked and noted".into(),
        Step::KeysDestroyed(class) => format!("keys of {class}"),
        Step::SecretsDestroyed(_) => "secrets".into(),
        Step::FileRemoved(class) => format!("files of {class}"),
        Step::SpoolPurged => "spool".into(),
        Step::RowsRemoved(class) => format!("rows of {class}"),
        Step::Scrubbed => "scrubbed".into(),
        Step::Certified => "certified".into(),
    }
}

/// Tells an event now and then, and how long it took to be safe.
async fn storing(log: EventLog, over: Arc<AtomicBool>) -> String {
    let mut times = Vec::new();
    for number in 1 << 40.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        events(number, noon(TODAY.0), false).into_iter().for_each(|event| log.append(event));
        log.flush().await.expect("stored");
        times.push(began.elapsed());
        tokio::time::sleep(EVERY).await;
    }
    told(times)
}

/// How late timers are: whether anything keeps the runtime's threads.
async fn ticking(over: Arc<AtomicBool>) -> String {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        times.push(began.elapsed());
    }
    told(times)
}

/// Makes the secrets of a new recording now and then, as the thread does that begins recordings.
fn making_keys(keys: &KeyStore, over: &AtomicBool) -> String {
    let mut entropy = Seeded::new(9);
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let recording = RecordingId::random(&mut entropy);
        let due = TODAY.plus(RECORDINGS_KEPT);
        let began = Instant::now();
        for slot in 0..2 {
            keys.new_slot_secret(recording, slot, customer(1), due, &mut entropy).expect("a secret");
        }
        keys.sync().expect("synced");
        times.push(began.elapsed());
        std::thread::sleep(EVERY);
    }
    told(times)
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied();
    let [p50, p99, max] = [50, 99, 100].map(|percent| at(percent).unwrap_or_default());
    format!("p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?} ({} times)", times.len())
}

/// A sealed recording of two parties, 200 ms long.
fn record(keys: &KeyStore, folder: &Path, number: u64, expiry: Day) {
    let mut entropy = Seeded::new(number);
    let (recording, customer) = (recording(number), customer(number % CUSTOMERS));
    let secrets: Vec<_> = (0..2)
        .map(|slot| keys.new_slot_secret(recording, slot, customer, expiry, &mut entropy))
        .collect::<Result<_, _>>()
        .expect("secrets");
    let parties = vec![PartyId::from_bytes([1; 16]), PartyId::from_bytes([2; 16])];
    let context = Context {
        recording,
        customer,
        expiry,
        key_version: 1,
        codec: 0,
        form: Form::AsItCame,
        parties,
        receipts_hash: [9; 32],
    };
    let (mut writer, mut bytes) = Writer::start(&context, &secrets, &mut entropy).expect("a writer");
    let mut page = vec![0; writer.page_len()];
    writer.seal_page(&[b"caller", b"receptionist"], &mut page, &mut entropy).expect("a page");
    bytes.extend_from_slice(&page);
    let slots = vec![SlotGaps::default(); 2];
    let ending = Ending { reason: EndReason::HungUp, duration_ms: 200, slots, receipts_root: [9; 32] };
    writer.seal_final(&ending, &mut page, &mut entropy).expect("the final page");
    bytes.extend_from_slice(&page);
    std::fs::write(file::path(folder, recording), bytes).expect("a file");
}

/// What happened in one call, from the offer to the end.
fn events(number: u64, began: UnixMillis, recorded: bool) -> Vec<EventRecord> {
    let (leg, party) = (LegId::from_bytes(id(2, number)), PartyId::from_bytes(id(3, number)));
    let receptionist = ReceptionistId::from_bytes([5; 16]);
    let did: E164 = format!("+4930231{:05}", number % CUSTOMERS).parse().expect("a number");
    let caller = format!("+49151{:08}", number % 100_000_000);
    let mut events = vec![
        Event::Offered {
            trunk: "carrier".into(),
            did: Pii::new(did),
            caller: Caller::Known { address: Pii::new(caller), name: None },
            chain: Vec::new(),
            policy: Policy::AskBeforeConnect,
        },
        Event::Answered,
        Event::Rung { leg, receptionist },
        Event::Connected { leg, party, receptionist },
        Event::Together { epoch: Epoch(1), parties: vec![party] },
    ];
    if recorded {
        let recording = recording(number);
        events.push(Event::RecordingStarted { recording, epoch: Epoch(1) });
        events.push(Event::RecordingFinished {
            recording: Some(recording),
            result: RecordingResult::Ok,
            duration_ms: 200,
            gaps: [0, 0],
            pages: 1,
            why: String::new(),
        });
    }
    events.push(Event::Ended { by: EndedBy::Caller, why: "hung up".into() });
    let (call, customer) = (CallId::from_bytes(id(1, number)), Some(customer(number % CUSTOMERS)));
    let told = (0..).zip(events);
    let told = told.map(|(seq, event)| EventRecord {
        call,
        seq,
        at: UnixMillis(began.0 + i64::from(seq)),
        customer,
        event,
    });
    told.collect()
}

fn noon(day: u32) -> UnixMillis {
    UnixMillis(Day(day).start().0 + 43_200_000)
}

fn recording(number: u64) -> RecordingId {
    RecordingId::from_bytes(id(6, number))
}

fn customer(number: u64) -> CustomerId {
    CustomerId::from_bytes(id(4, number))
}

/// Ids that look like drawn ones: each is found again from its number, and neighbours are far apart.
fn id(kind: u64, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    Seeded::new(kind << 56 | number).fill(&mut bytes);
    bytes
}
