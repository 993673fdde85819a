//! What a store with a million calls answers, and how fast: on SQLite and on a PostgreSQL of its own, beside a database
//! of a hundredth of that. What grows with the number of calls shows as a ratio.
//!
//! `cargo bench -p vorzimmer-store --bench million`; `CALLS=100000` for fewer, `DATABASES=sqlite` for one. The calls go in through the event log,
//! sealed, as running calls' events do.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says what it met")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vorzimmer_store::testing::Postgres;
use vorzimmer_store::{Cursor, EventLog, LogSettings, Page, Settings, Store};
use vorzimmer_types::consent::{Epoch, Policy};
use vorzimmer_types::entropy::{Entropy, Seeded};
use vorzimmer_types::event::{Caller, EndedBy, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, E164, Event, EventRecord, LegId, PartyId, Pii, ReceptionistId, RecordingId,
    UnixMillis,
};
use vorzimmer_vault::{KekSource, KeyStore};

/// 2026-01-31T00:00:00Z.
const BEGIN: i64 = 1_769_817_600_000;
const DAY_MS: i64 = 86_400_000;
const DAYS: u64 = 60;
const CUSTOMERS: u64 = 200;
/// Each caller rings so often on average.
const CALLS_OF_A_CALLER: u64 = 5;
/// Every so-manieth call is recorded.
const RECORDED: u64 = 5;
/// Times that each question is asked.
const ASKED: u64 = 400;
/// Calls whose events wait in memory before they are waited for.
const FLUSH_EVERY: u64 = 2_000;
/// Rows that an operator looks at.
const SHOWN: u32 = 50;

fn main() {
    let calls =
        std::env::var("CALLS").ok().map_or(1_000_000, |text| text.parse().expect("CALLS is a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:<10} {:>9} {:<34} {:>9} {:>9} {:>9}",
        "database", "calls", "question", "p50 ms", "p99 ms", "max ms"
    );
    let databases = std::env::var("DATABASES").unwrap_or_else(|_| "sqlite postgres".into());
    for database in databases.split_whitespace() {
        let small = runtime.block_on(measure(database, (calls / 100).max(100)));
        let large = runtime.block_on(measure(database, calls));
        for (small, large) in small.iter().zip(&large) {
            let ratio = large.p99.as_secs_f64() / small.p99.as_secs_f64();
            println!(
                "{database:<10} {:<44} p99 of a hundred times the calls: {ratio:.2} times",
                small.question
            );
        }
    }
}

/// How long the answers to one question took.
struct Times {
    question: &'static str,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let Self { question, p50, p99, max } = self;
        write!(f, "{question:<34} {:>9.3} {:>9.3} {:>9.3}", ms(*p50), ms(*p99), ms(*max))
    }
}

async fn measure(database: &str, calls: u64) -> Vec<Times> {
    let folder = tempfile::tempdir().expect("a folder");
    let postgres = (database == "postgres").then(|| Postgres::start().unwrap_or_else(|why| panic!("{why}")));
    let url = match &postgres {
        Some(postgres) => postgres.create_database().expect("a database"),
        None => format!("sqlite:{}", folder.path().join("data.db").display()),
    };
    let kek = KekSource::File(folder.path().join("kek"));
    let keys = KeyStore::open_or_create(&folder.path().join("keys"), kek, None, &mut Seeded::new(1));
    let settings = Settings { connect: Duration::from_secs(60), ..Settings::default() };
    let store = Store::open(&url, settings, Arc::new(keys.expect("a key store")), Box::new(Seeded::new(2)))
        .await
        .expect("a store");
    let spool = folder.path().join("spool");
    let patient = LogSettings { commit_timeout: Duration::from_secs(60), ..LogSettings::default() };
    let log = EventLog::start(store.clone(), &spool, patient).expect("a log");
    let began = Instant::now();
    fill(&log, calls).await;
    let took = began.elapsed().as_secs_f64();
    println!("{database:<10} {calls:>9} stored in {took:.0} s, {:.0} calls a second", calls as f64 / took);
    let times = questions(&store, calls).await;
    for one in &times {
        println!("{database:<10} {calls:>9} {one}");
    }
    log.close().await.expect("everything stored");
    store.close().await;
    times
}

async fn fill(log: &EventLog, calls: u64) {
    for number in 0..calls {
        events(number, calls).into_iter().for_each(|event| log.append(event));
        if number % FLUSH_EVERY == FLUSH_EVERY - 1 {
            log.flush().await.expect("stored");
        }
    }
    log.flush().await.expect("stored");
    assert_eq!(log.health().spooled, 0, "the database kept up");
}

async fn questions(store: &Store, calls: u64) -> Vec<Times> {
    let mut dice = Seeded::new(3);
    let mut any = |below: u64| roll(&mut dice, below);
    let places: Vec<_> = (0..ASKED).map(|_| (any(calls), any(CUSTOMERS))).collect();
    let page = |(number, _): (u64, u64)| {
        let at = UnixMillis(offered_at(number, calls));
        Page { before: Some(Cursor { at, id: *call(number).as_bytes() }), limit: SHOWN }
    };
    vec![
        ask("the newest 50", &places, async |_| {
            store.calls(Page::newest(SHOWN)).await.map(|found| found.records.len())
        })
        .await,
        ask("50 from anywhere", &places, async |place| {
            store.calls(page(place)).await.map(|found| found.records.len())
        })
        .await,
        ask("a customer's newest 50", &places, async |(_, who)| {
            store.calls_of(customer(who), Page::newest(SHOWN)).await.map(|found| found.records.len())
        })
        .await,
        ask("a customer's 50 from anywhere", &places, async |place| {
            store.calls_of(customer(place.1), page(place)).await.map(|found| found.records.len())
        })
        .await,
        ask("all calls of a caller's number", &places, async |(number, _)| {
            store.find_by_number(&caller(number, calls)).await.map(|found| found.len())
        })
        .await,
        ask("one call with its story", &places, async |(number, _)| {
            store.story(call(number)).await.map(|found| found.events.len())
        })
        .await,
        ask("50 recordings from anywhere", &places, async |place| {
            store.recordings(page(place)).await.map(|found| found.len())
        })
        .await,
    ]
}

async fn ask<F, E: fmt::Display>(
    question: &'static str,
    places: &[(u64, u64)],
    asked: impl Fn((u64, u64)) -> F,
) -> Times
where
    F: Future<Output = Result<usize, E>>,
{
    let mut times = Vec::with_capacity(places.len());
    let mut found = 0;
    for place in places {
        let began = Instant::now();
        found += asked(*place).await.unwrap_or_else(|why| panic!("{question}: {why}"));
        times.push(began.elapsed());
    }
    assert!(found > 0, "{question}: nothing was found");
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Times { question, p50: at(50), p99: at(99), max: at(100) }
}

/// What happened in one call, from the offer to the end.
fn events(number: u64, calls: u64) -> Vec<EventRecord> {
    let (leg, party) = (LegId::from_bytes(id(2, number)), PartyId::from_bytes(id(3, number)));
    let receptionist = ReceptionistId::from_bytes([5; 16]);
    let mut events = vec![
        Event::Offered {
            trunk: "carrier".into(),
            did: Pii::new(format!("+4930231{:05}", number % CUSTOMERS).parse().expect("a number")),
            caller: Caller::Known {
                address: Pii::new(caller(number, calls).as_str().to_owned()),
                name: None,
            },
            chain: Vec::new(),
            policy: Policy::AskBeforeConnect,
        },
        Event::Answered,
        Event::Rung { leg, receptionist },
        Event::Connected { leg, party, receptionist },
    ];
    if number.is_multiple_of(RECORDED) {
        let recording = RecordingId::from_bytes(*call(number).as_bytes());
        events.push(Event::RecordingStarted { recording, epoch: Epoch(1) });
        events.push(Event::RecordingFinished {
            recording: Some(recording),
            result: RecordingResult::Ok,
            duration_ms: 61_400,
            gaps: [0, 0],
            pages: 307,
            why: String::new(),
        });
    }
    events.push(Event::Ended { by: EndedBy::Caller, why: "hung up".into() });
    let (offered, customer) = (offered_at(number, calls), Some(customer(number % CUSTOMERS)));
    let told = (0..).zip(events).map(|(seq, event)| {
        let at = UnixMillis(offered + i64::from(seq) * 1_000);
        EventRecord { call: call(number), seq, at, customer, event }
    });
    told.collect()
}

/// Calls are spread evenly over the days that are kept.
fn offered_at(number: u64, calls: u64) -> i64 {
    let whole = DAY_MS * i64::try_from(DAYS).expect("few days");
    let share = i128::from(number) * i128::from(whole) / i128::from(calls);
    BEGIN + i64::try_from(share).expect("within the days")
}

fn call(number: u64) -> CallId {
    CallId::from_bytes(id(1, number))
}

fn customer(number: u64) -> CustomerId {
    CustomerId::from_bytes(id(4, number))
}

fn caller(number: u64, calls: u64) -> E164 {
    let callers = (calls / CALLS_OF_A_CALLER).max(1);
    format!("+49151{:08}", number.wrapping_mul(7_919) % callers).parse().expect("a number")
}

/// Ids that look like drawn ones: each is found again from its number, and neighbours are far apart.
fn id(kind: u64, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    Seeded::new(kind << 48 | number).fill(&mut bytes);
    bytes
}

fn roll(dice: &mut Seeded, below: u64) -> u64 {
    let mut bytes = [0; 8];
    dice.fill(&mut bytes);
    u64::from_le_bytes(bytes) % below.max(1)
}
