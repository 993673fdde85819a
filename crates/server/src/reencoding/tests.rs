//! A real recording of twelve seconds, copied by hand step by step, killed after each of them, and put right by the next run.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use vorzimmer_consent::{Gate, Input, Newcomer, Output, Permit, Terms, Who};
use vorzimmer_recorder::queue::{PageDrain, QUEUE_PAGES, queue};
use vorzimmer_recorder::{Codec, FrameRef, Kept, Params, Recorder};
use vorzimmer_retention::destroy_voices;
use vorzimmer_types::consent::{Epoch, Language, Policy, PromptVersion};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{Caller, EndedBy, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, E164, Event, EventRecord, LegId, Now, PartyId, Pii, ReceptionistId, RecordingId,
};
use vorzimmer_vault::callrec::{EndReason, Form, file};

use super::copying::{Outcome, Work, clear};
use super::idle::Idle;
use super::worker::Worker;
use super::{BEGINNING, Reencoder};
use crate::clock::{self, SystemEntropy};
use crate::config::{self, Reencoding, Settings};
use crate::control::Report;
use crate::recordings::Sealed;
use crate::rooms::{FirstStart, Rooms};

const CALL: CallId = CallId::from_bytes([1; 16]);
const RECORDING: RecordingId = RecordingId::from_bytes([2; 16]);
const CUSTOMER: CustomerId = CustomerId::from_bytes([3; 16]);
const CALLER: PartyId = PartyId::from_bytes([4; 16]);
const RECEPTIONIST: PartyId = PartyId::from_bytes([5; 16]);
const SECONDS: u64 = 12;
const PACKETS: u64 = SECONDS * 50;

/// What the writer's thread does.
fn write(drain: &mut PageDrain, file: &mut file::RecordingFile) {
    while let Ok(Some(page)) = drain.next_page() {
        file.append(&page.bytes).expect("written");
        drain.recycle(page);
    }
}

struct House {
    _folder: tempfile::TempDir,
    settings: Settings,
    rooms: Rooms,
    calls: watch::Sender<Report>,
    began: Instant,
}

/// Both have said yes.
fn permitted(began: Instant) -> (Gate, Permit) {
    let question =
        PromptVersion { name: "ask".into(), version: 1, language: Language::De, sha256: "00".into() };
    let mut gate = Gate::new(Terms {
        call: CALL,
        customer: CUSTOMER,
        policy: Policy::AskBeforeConnect,
        on_withdrawal: OnWithdrawal::Destroy,
        purpose: "quality".into(),
    });
    let receptionist = Who::Receptionist { id: ReceptionistId::from_bytes([7; 16]), standing: true };
    let newcomer = |party, who| Input::Join(Newcomer { party, who, question: question.clone() });
    let mut permit = None;
    for step in [
        newcomer(CALLER, Who::Caller),
        Input::PromptEnded { party: CALLER },
        Input::Digit { party: CALLER, digit: '1' },
        newcomer(RECEPTIONIST, receptionist),
    ] {
        gate.handle(step, Now { mono: began, wall: clock::wall() }).expect("the gate takes it");
        while let Some(output) = gate.poll() {
            if let Output::Record(made) = output {
                permit = Some(made);
            }
        }
    }
    (gate, permit.expect("both said yes"))
}

impl House {
    /// A call was recorded, and is over.
    async fn after_a_call() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[data]\nfolder = \"data\"\nrecordings = \"rec\"\nkeys = \"keys/keys.db\"\n[key]\nfile = \"kek/key\"\n";
        let settings = config::parse(text, "test", folder.path(), []).expect("valid").settings;
        let rooms = Rooms::open(&settings, FirstStart::Welcome).await.expect("a first start");
        let (calls, _) = watch::channel(Report::default());
        let house = Self { _folder: folder, settings, rooms, calls, began: clock::now().mono };
        let pages = house.record();
        let did: E164 = "+493023125001".parse().expect("a number");
        let (leg, receptionist) = (LegId::from_bytes([6; 16]), ReceptionistId::from_bytes([7; 16]));
        let (trunk, did, policy) = ("near".to_owned(), Pii::new(did), Policy::AskBeforeConnect);
        let events = [
            Event::Offered { trunk, did, caller: Caller::Unknown, chain: Vec::new(), policy },
            Event::Connected { leg, party: RECEPTIONIST, receptionist },
            Event::Together { epoch: Epoch(1), parties: vec![CALLER, RECEPTIONIST] },
            Event::RecordingStarted { recording: RECORDING, epoch: Epoch(1) },
            Event::RecordingFinished {
                recording: Some(RECORDING),
                result: RecordingResult::Ok,
                duration_ms: SECONDS * 1000,
                gaps: [0; 2],
                pages,
                why: String::new(),
            },
            Event::Ended { by: EndedBy::Caller, why: "hung up".into() },
        ];
        let spool = crate::forgetting::spool(&house.settings);
        let log = vorzimmer_store::EventLog::start(
            house.rooms.store.clone(),
            &spool,
            vorzimmer_store::LogSettings::default(),
        );
        let log = log.expect("a log");
        for (seq, event) in (0..).zip(events) {
            let at = clock::wall();
            log.append(EventRecord { call: CALL, seq, at, customer: Some(CUSTOMER), event });
        }
        log.close().await.expect("durable");
        house
    }

    /// Seals a recording of two square tones into its file. Gives its pages of sound.
    fn record(&self) -> u64 {
        let (_gate, permit) = permitted(self.began);
        let expiry = clock::wall().day().plus(self.settings.retention.recordings.days);
        let keys = &self.rooms.keys;
        let secret = |slot| keys.new_slot_secret(RECORDING, slot, CUSTOMER, expiry, &mut SystemEntropy);
        let (pages, mut drain) = queue(QUEUE_PAGES, 2);
        let params = Params {
            recording: RECORDING,
            customer: CUSTOMER,
            expiry,
            key_version: 1,
            parties: vec![CALLER, RECEPTIONIST],
            secrets: (0..2).map(|slot| secret(slot).expect("a secret")).collect(),
            consented: self.began,
            queue: pages,
        };
        let began = self.began + Duration::from_secs(1);
        let started = Recorder::start(permit, params, began, &mut SystemEntropy);
        let (mut recorder, header) = started.expect("permitted");
        let mut file = file::RecordingFile::create(&self.path()).expect("a file");
        file.append(&header.0).expect("written");
        for number in 0..PACKETS {
            let now = began + Duration::from_millis(number * 20);
            for (slot, half_wave) in [(0, 8), (1, 5)] {
                let payload: Vec<u8> =
                    (0..160_usize).map(|at| if at / half_wave % 2 == 0 { 0xa5 } else { 0x25 }).collect();
                let frame = FrameRef {
                    codec: Codec::Pcma,
                    ssrc: 1,
                    rtp_timestamp: number as u32 * 160,
                    sequence: number as u16,
                    payload: &payload,
                };
                assert_eq!(recorder.frame(slot, &frame, now, &mut SystemEntropy), Kept::Yes);
            }
            write(&mut drain, &mut file);
        }
        let end = began + Duration::from_secs(SECONDS);
        let finished = recorder.finish(EndReason::HungUp, end, &mut SystemEntropy).expect("ended");
        write(&mut drain, &mut file);
        finished.last_pages.iter().for_each(|page| file.append(&page.bytes).expect("written"));
        finished.pages
    }

    fn recordings(&self) -> &std::path::Path {
        &self.settings.data.recordings
    }

    fn path(&self) -> std::path::PathBuf {
        file::path(self.recordings(), RECORDING)
    }

    async fn sealed(&self) -> Sealed {
        let sealed = Sealed::find(&self.rooms, self.recordings(), RECORDING).await;
        sealed.map_err(|failure| failure.what).expect("known")
    }

    async fn begin(&self) -> Work {
        let sealed = self.sealed().await;
        Work::begin(sealed, self.recordings().to_owned(), self.rooms.keys.clone()).expect("begun")
    }

    /// What the next start does, and one look for work.
    async fn next_run(&self) {
        clear(self.recordings()).expect("cleared");
        let settings = Reencoding { enabled: true, after_minutes: 0, max_load: 1e6, ..Reencoding::default() };
        let mut reencoder = Reencoder {
            rooms: self.rooms.clone(),
            folder: self.recordings().to_owned(),
            idle: Idle::new(&settings, self.calls.subscribe()),
            settings,
            worker: Worker::start().expect("a thread"),
        };
        reencoder.batch(BEGINNING).await.expect("looked up");
    }

    async fn told(&self) -> Vec<Event> {
        let story = self.rooms.store.story(CALL).await.expect("known");
        let told = story.events.into_iter().map(|record| record.event);
        told.filter(|event| {
            matches!(event, Event::RecordingReencoded { .. } | Event::RecordingNotReencoded { .. })
        })
        .collect()
    }

    fn copies(&self) -> usize {
        std::fs::read_dir(self.recordings().join(file::COPIES)).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn killed_after_any_step_the_next_run_finishes_it_once() {
    let mut steps = 0;
    loop {
        let house = House::after_a_call().await;
        let before = std::fs::metadata(house.path()).expect("a file").len();
        let mut work = house.begin().await;
        for _ in 0..steps {
            work = work.go_on().expect("a step");
        }
        let done = matches!(work, Work::Done(_));
        drop(work);
        // Whatever stands there now is whole, and all of it.
        let reader = house.sealed().await.open().expect("whole");
        assert_eq!(reader.ending().duration_ms, SECONDS * 1000, "after {steps} steps");
        assert_eq!(reader.header().form == Form::Copy, done, "after {steps} steps");

        house.next_run().await;
        let after = std::fs::metadata(house.path()).expect("a file").len();
        assert!(after * 4 <= before, "{after} of {before} bytes");
        let sealed = house.sealed().await;
        let reader = sealed.open().expect("whole");
        assert_eq!(reader.header().form, Form::Copy);
        assert_eq!((sealed.row.pages, after), (reader.pages(), (reader.pages() + 2) * 4096));
        let pages = reader.pages();
        let expected = Event::RecordingReencoded {
            recording: RECORDING,
            pages,
            bytes_before: before,
            bytes_after: after,
        };
        assert_eq!(house.told().await, std::slice::from_ref(&expected), "after {steps} steps");
        assert_eq!(house.copies(), 0);
        house.next_run().await;
        assert_eq!(house.told().await, [expected], "it is done once");
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "{steps} steps are hardly small ones");
}

#[tokio::test]
async fn what_is_destroyed_meanwhile_does_not_come_back() {
    let mut steps = 0;
    loop {
        let house = House::after_a_call().await;
        let mut work = house.begin().await;
        for _ in 0..steps {
            work = work.go_on().expect("a step");
        }
        let done = matches!(work, Work::Done(_));
        destroy_voices(&house.rooms.keys, house.recordings(), RECORDING).expect("destroyed");
        let outcome = loop {
            match work {
                Work::Done(outcome) => break outcome,
                other => work = other.go_on().expect("a step"),
            }
        };
        assert_eq!(outcome == Outcome::Gone, !done, "after {steps} steps");
        assert!(!house.path().exists(), "after {steps} steps");
        assert_eq!(house.copies(), 0, "after {steps} steps");
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "{steps} steps are hardly small ones");
}

#[tokio::test]
async fn what_does_not_open_is_left_and_said_so_once() {
    let house = House::after_a_call().await;
    let mut bytes = std::fs::read(house.path()).expect("a file");
    bytes[9000] ^= 1;
    std::fs::write(house.path(), &bytes).expect("written");
    house.next_run().await;
    house.next_run().await;
    let told = house.told().await;
    assert!(matches!(&told[..], [Event::RecordingNotReencoded { .. }]), "{told:?}");
    assert_eq!(std::fs::read(house.path()).expect("a file"), bytes);
}

#[tokio::test]
async fn nothing_is_begun_while_a_call_runs() {
    let house = House::after_a_call().await;
    house.calls.send_modify(|report| report.calls.running = 1);
    house.next_run().await;
    assert_eq!(house.told().await, []);
    assert_eq!(house.copies(), 0);
}
