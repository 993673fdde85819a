//! A crash is played by writing what had been written by then: events in the store, keys, and a file without its end.

use vorzimmer_store::{EventLog, LogSettings};
use vorzimmer_types::consent::{Answer, Epoch, Method, Policy, Receipt, Role, SignedReceipt};
use vorzimmer_types::event::{Caller, EndedBy, RecordingResult};
use vorzimmer_types::record::Disposition;
use vorzimmer_types::{
    CallId, CustomerId, E164, Event, EventRecord, LegId, PartyId, Pii, ReceiptId, ReceptionistId, RecordingId,
};
use vorzimmer_vault::callrec::{Context, Form, Writer, file};

use super::{close_open_recordings, end_open_calls, withdrawn_but_there};
use crate::clock::{self, SystemEntropy};
use crate::config::{self, Settings};
use crate::recordings::Sealed;
use crate::rooms::{FirstStart, Rooms};

const CALL: CallId = CallId::from_bytes([1; 16]);
const RECORDING: RecordingId = RecordingId::from_bytes([2; 16]);
const CUSTOMER: CustomerId = CustomerId::from_bytes([3; 16]);
const CALLER: PartyId = PartyId::from_bytes([4; 16]);
const RECEPTIONIST: PartyId = PartyId::from_bytes([5; 16]);

struct Crashed {
    _folder: tempfile::TempDir,
    settings: Settings,
    rooms: Rooms,
    log: EventLog,
    seq: u32,
}

impl Crashed {
    /// A server that answered a call, connected it and began to record it.
    async fn while_recording() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[data]\nfolder = \"data\"\nrecordings = \"rec\"\nkeys = \"keys/keys.db\"\n[key]\nfile = \"kek/key\"\n";
        let settings = config::parse(text, "test", folder.path(), []).expect("valid").settings;
        let rooms = Rooms::open(&settings, FirstStart::Welcome).await.expect("a first start");
        let spool = crate::forgetting::spool(&settings);
        let log = EventLog::start(rooms.store.clone(), &spool, LogSettings::default()).expect("a log");
        let mut crashed = Self { _folder: folder, settings, rooms, log, seq: 0 };
        let did: E164 = "+493023125001".parse().expect("a number");
        let (trunk, did) = ("near".to_owned(), Pii::new(did));
        let policy = Policy::AskBeforeConnect;
        crashed.tell(Event::Offered { trunk, did, caller: Caller::Unknown, chain: Vec::new(), policy });
        crashed.answered(CALLER, Role::Caller, Answer::Yes);
        let (leg, receptionist) = (LegId::from_bytes([6; 16]), ReceptionistId::from_bytes([7; 16]));
        crashed.tell(Event::Connected { leg, party: RECEPTIONIST, receptionist });
        crashed.tell(Event::RecordingStarted { recording: RECORDING, epoch: Epoch(1) });
        crashed.log.flush().await.expect("durable");
        crashed
    }

    fn tell(&mut self, event: Event) {
        let record =
            EventRecord { call: CALL, seq: self.seq, at: clock::wall(), customer: Some(CUSTOMER), event };
        self.seq += 1;
        self.log.append(record);
    }

    fn answered(&mut self, party: PartyId, role: Role, answer: Answer) {
        let receipt = Receipt {
            id: ReceiptId::random(&mut SystemEntropy),
            call: CALL,
            customer: CUSTOMER,
            party,
            role,
            prompt: None,
            answer,
            method: Method::Key { digit: '1' },
            at: clock::wall(),
            purpose: "a test".into(),
            epoch: Epoch(1),
        };
        let receipt = SignedReceipt { receipt, signature: String::new(), key: String::new() };
        self.tell(Event::Consented { receipt });
    }

    /// Makes keys and a file that has its header page and nothing else.
    fn begin_file(&self) {
        let expiry = clock::wall().day().plus(self.settings.retention.recordings.days);
        let secrets: Vec<_> = (0..2)
            .map(|slot| {
                let made =
                    self.rooms.keys.new_slot_secret(RECORDING, slot, CUSTOMER, expiry, &mut SystemEntropy);
                made.expect("a secret")
            })
            .collect();
        let context = Context {
            recording: RECORDING,
            customer: CUSTOMER,
            expiry,
            key_version: 1,
            codec: 0,
            form: Form::AsItCame,
            parties: vec![CALLER, RECEPTIONIST],
            receipts_hash: [0; 32],
        };
        let (_, header) = Writer::start(&context, &secrets, &mut SystemEntropy).expect("a header");
        let path = file::path(&self.settings.data.recordings, RECORDING);
        let mut file = file::RecordingFile::create(&path).expect("a file");
        file.append(&header).expect("written");
    }

    async fn recover(&self) -> RecordingResult {
        close_open_recordings(&self.rooms, &self.settings.data.recordings).await.expect("recovered");
        let left = self.rooms.store.open_recordings().await.expect("rows");
        assert_eq!(left, [], "none is left open");
        let row = self.rooms.store.recording(RECORDING).await.expect("a row");
        row.result.expect("it ended")
    }
}

#[tokio::test]
async fn an_interrupted_recording_is_closed_and_verifiable() {
    let crashed = Crashed::while_recording().await;
    crashed.begin_file();
    // It has no sound yet, so nothing usable was kept; but the file is closed and whole.
    assert_eq!(crashed.recover().await, RecordingResult::Failed);
    let sealed = Sealed::find(&crashed.rooms, &crashed.settings.data.recordings, RECORDING).await;
    let reader = sealed.map_err(|failure| failure.what).expect("found").open().expect("whole");
    assert_eq!(reader.pages(), 0);
    assert_eq!(withdrawn_but_there(&crashed.rooms).await.expect("read"), []);
    // A second start finds nothing to do.
    close_open_recordings(&crashed.rooms, &crashed.settings.data.recordings).await.expect("recovered");
}

#[tokio::test]
async fn a_withdrawal_before_the_crash_is_carried_out_after_it() {
    let mut crashed = Crashed::while_recording().await;
    crashed.begin_file();
    crashed.answered(CALLER, Role::Caller, Answer::Withdrawn);
    crashed.log.flush().await.expect("durable");
    assert_eq!(crashed.recover().await, RecordingResult::Withdrawn);
    let doomed = withdrawn_but_there(&crashed.rooms).await.expect("read");
    assert_eq!(doomed.iter().map(|doomed| doomed.recording).collect::<Vec<_>>(), [RECORDING]);
}

#[tokio::test]
async fn a_destruction_that_had_begun_is_finished() {
    let crashed = Crashed::while_recording().await;
    crashed.begin_file();
    assert!(crashed.rooms.keys.destroy_slot(RECORDING, 0).expect("destroyed"));
    assert_eq!(crashed.recover().await, RecordingResult::Withdrawn);
    assert_eq!(withdrawn_but_there(&crashed.rooms).await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_missing_or_damaged_file_fails_its_recording_and_nothing_else() {
    let crashed = Crashed::while_recording().await;
    crashed.begin_file();
    let path = file::path(&crashed.settings.data.recordings, RECORDING);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(crashed.recover().await, RecordingResult::Failed);
    assert_eq!(std::fs::read(&path).expect("read"), bytes, "what cannot be understood stays as it is");

    let crashed = Crashed::while_recording().await;
    assert_eq!(crashed.recover().await, RecordingResult::Failed, "neither keys nor file: nothing is kept");
}

#[tokio::test]
async fn calls_that_a_crash_cut_off_are_ended_once() {
    let crashed = Crashed::while_recording().await;
    for _ in 0..2 {
        end_open_calls(&crashed.rooms).await.expect("ended");
    }
    let story = crashed.rooms.store.story(CALL).await.expect("a call");
    assert_eq!(story.record.disposition, Disposition::Handled);
    assert_eq!(story.record.ended_by, Some(EndedBy::Vorzimmer));
    let ends = story.events.iter().filter(|record| matches!(record.event, Event::Ended { .. })).count();
    assert_eq!(ends, 1);
}
