//! A real recording, whose beginning or whole call the store was never told of when the process was killed.

use std::path::PathBuf;
use std::time::Duration;

use vorzimmer_consent::{Gate, Input, Newcomer, Output, Permit, Terms, Who};
use vorzimmer_recorder::queue::{QUEUE_PAGES, queue};
use vorzimmer_recorder::{Codec, FrameRef, Kept, Params, Recorder};
use vorzimmer_store::{EventLog, LogSettings};
use vorzimmer_types::consent::{Language, Policy, PromptVersion, SignedReceipt};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{Caller, RecordingResult};
use vorzimmer_types::{
    CallId, CustomerId, E164, Event, EventRecord, LegId, PartyId, Pii, ReceptionistId, RecordingId,
};
use vorzimmer_vault::callrec::file;

use super::take_in;
use crate::clock::{self, SystemEntropy};
use crate::config::{self, Settings};
use crate::recordings::Sealed;
use crate::recovery::close_open_recordings;
use crate::rooms::{FirstStart, Rooms};

const CALL: CallId = CallId::from_bytes([1; 16]);
const RECORDING: RecordingId = RecordingId::from_bytes([2; 16]);
const CUSTOMER: CustomerId = CustomerId::from_bytes([3; 16]);
const CALLER: PartyId = PartyId::from_bytes([4; 16]);
const RECEPTIONIST: PartyId = PartyId::from_bytes([5; 16]);
/// Packets of 20 ms in a second.
const PACKETS: u64 = 50;

struct Killed {
    _folder: tempfile::TempDir,
    settings: Settings,
    rooms: Rooms,
    _gate: Gate,
    permit: Option<Permit>,
    events: Vec<Event>,
}

impl Killed {
    /// Both have said yes.
    async fn once_permitted() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[data]\nfolder = \"data\"\nrecordings = \"rec\"\nkeys = \"keys/keys.db\"\n[key]\nfile = \"kek/key\"\n";
        let settings = config::parse(text, "test", folder.path(), []).expect("valid").settings;
        let rooms = Rooms::open(&settings, FirstStart::Welcome).await.expect("a first start");
        let did: E164 = "+493023125001".parse().expect("a number");
        let (trunk, did, policy) = ("near".to_owned(), Pii::new(did), Policy::AskBeforeConnect);
        let mut events =
            vec![Event::Offered { trunk, did, caller: Caller::Unknown, chain: Vec::new(), policy }];
        let question =
            PromptVersion { name: "ask".into(), version: 1, language: Language::De, sha256: "00".into() };
        let on_withdrawal = OnWithdrawal::Destroy;
        let terms =
            Terms { call: CALL, customer: CUSTOMER, policy, on_withdrawal, purpose: "quality".into() };
        let mut gate = Gate::new(terms);
        let receptionist = ReceptionistId::from_bytes([7; 16]);
        let standing = Who::Receptionist { id: receptionist, standing: true };
        let newcomer = |party, who| Input::Join(Newcomer { party, who, question: question.clone() });
        let mut permit = None;
        for step in [
            newcomer(CALLER, Who::Caller),
            Input::PromptEnded { party: CALLER },
            Input::Digit { party: CALLER, digit: '1' },
            newcomer(RECEPTIONIST, standing),
        ] {
            gate.handle(step, clock::now()).expect("taken");
            while let Some(output) = gate.poll() {
                match output {
                    Output::Receipt(receipt) => {
                        let receipt = SignedReceipt { receipt, signature: String::new(), key: String::new() };
                        events.push(Event::Consented { receipt });
                    }
                    Output::Record(made) => permit = Some(made),
                    _ => {}
                }
            }
        }
        let permit = permit.expect("both said yes");
        let leg = LegId::from_bytes([6; 16]);
        events.push(Event::Connected { leg, party: RECEPTIONIST, receptionist });
        events.push(Event::Together { epoch: permit.epoch(), parties: permit.parties().to_vec() });
        Self { _folder: folder, settings, rooms, _gate: gate, permit: Some(permit), events }
    }

    /// What the store has of the call.
    async fn stored(&self, events: &[Event]) {
        let spool = crate::forgetting::spool(&self.settings);
        let log = EventLog::start(self.rooms.store.clone(), &spool, LogSettings::default()).expect("a log");
        for (seq, event) in (0..).zip(events.iter().cloned()) {
            log.append(EventRecord { call: CALL, seq, at: clock::wall(), customer: Some(CUSTOMER), event });
        }
        log.close().await.expect("durable");
    }

    /// Records so many packets of each, and writes the pages that are full.
    fn record(&mut self, packets: u64) {
        let began = clock::now().mono;
        let keys = &self.rooms.keys;
        let expiry = clock::wall().day().plus(self.settings.retention.recordings.days);
        let secret = |slot| keys.new_slot_secret(RECORDING, slot, CUSTOMER, expiry, &mut SystemEntropy);
        let (pages, drain) = queue(QUEUE_PAGES, 2);
        let params = Params {
            recording: RECORDING,
            customer: CUSTOMER,
            expiry,
            key_version: 1,
            parties: vec![CALLER, RECEPTIONIST],
            secrets: (0..2).map(|slot| secret(slot).expect("a secret")).collect(),
            consented: began,
            queue: pages,
        };
        let permit = self.permit.take().expect("a permit");
        let began = began + Duration::from_secs(1);
        let (mut recorder, header) =
            Recorder::start(permit, params, began, &mut SystemEntropy).expect("permitted");
        let mut file = file::RecordingFile::create(&self.path()).expect("a file");
        file.append(&header.0).expect("written");
        for number in 0..packets {
            for slot in [0, 1] {
                let frame = FrameRef {
                    codec: Codec::Pcma,
                    ssrc: 1,
                    rtp_timestamp: number as u32 * 160,
                    sequence: number as u16,
                    payload: &[0x55; 160],
                };
                let now = began + Duration::from_millis(number * 20);
                assert_eq!(recorder.frame(slot, &frame, now, &mut SystemEntropy), Kept::Yes);
            }
            while let Ok(Some(page)) = drain.next_page() {
                file.append(&page.bytes).expect("written");
                drain.recycle(page);
            }
        }
    }

    fn path(&self) -> PathBuf {
        file::path(&self.settings.data.recordings, RECORDING)
    }

    /// What the next start does.
    async fn next_start(&self) {
        let folder = &self.settings.data.recordings;
        let days = self.settings.retention.recordings.days;
        take_in(&self.rooms, folder, days).await.expect("taken in");
        close_open_recordings(&self.rooms, folder).await.expect("closed");
    }

    fn has_keys(&self) -> bool {
        self.rooms.keys.slot_secret(RECORDING, 0).expect("read").is_some()
    }
}

#[tokio::test]
async fn a_recording_that_the_store_was_never_told_of_is_listed_closed_and_verifiable() {
    let mut killed = Killed::once_permitted().await;
    killed.stored(&killed.events).await;
    killed.record(PACKETS);
    // A second start finds nothing to do.
    for _ in 0..2 {
        killed.next_start().await;
        let row = killed.rooms.store.recording(RECORDING).await.expect("a row");
        assert_eq!((row.call, row.customer, row.result), (CALL, CUSTOMER, Some(RecordingResult::Degraded)));
        // Six pages of 160 ms are on disk, the last 40 ms were in memory.
        assert_eq!((row.pages, row.duration_ms), (6, 960));
        let story = killed.rooms.store.story(CALL).await.expect("a call");
        assert_eq!(story.record.recordings.len(), 1);
    }
    let sealed = Sealed::find(&killed.rooms, &killed.settings.data.recordings, RECORDING).await;
    let reader = sealed.map_err(|failure| failure.what).expect("found").open().expect("whole");
    assert_eq!(reader.pages(), 6);
}

#[tokio::test]
async fn a_recording_without_sound_leaves_nothing() {
    let mut killed = Killed::once_permitted().await;
    killed.stored(&killed.events).await;
    killed.record(1);
    assert!(killed.path().exists() && killed.has_keys());
    killed.next_start().await;
    assert!(!killed.path().exists(), "the file");
    assert!(!killed.has_keys(), "the keys");
    assert!(killed.rooms.store.recording(RECORDING).await.is_err(), "a row");
}

#[tokio::test]
async fn a_recording_that_no_known_consent_permits_stays_sealed_and_unlisted() {
    // The database is one of before the call, or of before the receptionist came.
    for stored in [0, 2] {
        let mut killed = Killed::once_permitted().await;
        killed.stored(killed.events.get(..stored).expect("events")).await;
        killed.record(PACKETS);
        let bytes = std::fs::read(killed.path()).expect("read");
        killed.next_start().await;
        assert!(killed.rooms.store.recording(RECORDING).await.is_err(), "a row");
        assert_eq!(std::fs::read(killed.path()).expect("read"), bytes);
        // It may be the database that is wrong: once the right one is there, nothing is lost.
        assert!(killed.has_keys());
        killed.stored(&killed.events).await;
        killed.next_start().await;
        let row = killed.rooms.store.recording(RECORDING).await.expect("a row");
        assert_eq!(row.result, Some(RecordingResult::Degraded));
    }
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_left_alone() {
    let mut killed = Killed::once_permitted().await;
    killed.stored(&killed.events).await;
    killed.record(PACKETS);
    let copy = file::path(&killed.settings.data.recordings, RecordingId::from_bytes([9; 16]));
    std::fs::copy(killed.path(), &copy).expect("copied");
    let noise = file::path(&killed.settings.data.recordings, RecordingId::from_bytes([8; 16]));
    std::fs::write(&noise, [7; 10_000]).expect("written");
    killed.next_start().await;
    assert!(copy.exists() && noise.exists());
    assert_eq!(
        killed.rooms.store.recordings(vorzimmer_store::Page::newest(10)).await.expect("rows").len(),
        1
    );
}
