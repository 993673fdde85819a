//! What was stored can be asked for, and stands nowhere in the clear.

use std::time::Duration;

use vorzimmer_store::{
    AuditEvent, Binding, Cursor, Lifetimes, Page, RecordingRow, Settings, Store, StoreError, Unkeyed,
};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CustomerId, Event, EventRecord, Pii, ReceptionistId, UnixMillis};
use vorzimmer_vault::{Class, KekSource, KeyStore};

use crate::fixture::{
    CALLER, DID, FORWARDER, House, MORNING, call, customer, number, on_both, recorded_call, recording,
};

const DAY_MS: i64 = 86_400_000;

on_both! {
    the_ids_of_all_recordings_are_looked_through_page_by_page
    calls_are_found_by_any_number_on_any_day
    listings_come_in_pages_newest_first
    a_customers_calls_are_listed_without_those_of_others
    what_may_be_encoded_again_is_listed_until_somebody_has_looked
    a_number_is_found_on_more_days_than_one_query_asks_for
    what_is_opened_beside_writes_in_turn_and_closes_alone
    what_lost_its_key_is_not_shown
    an_audit_entry_is_there_when_the_call_returns
    bindings_survive_a_restart_until_they_expire
    another_key_store_is_refused
}

async fn calls_are_found_by_any_number_on_any_day(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    for day in 0..3_u8 {
        let at = UnixMillis(MORNING.0 + i64::from(day) * DAY_MS);
        recorded_call(day, at).into_iter().for_each(|event| log.append(event));
    }
    log.flush().await.expect("flush");
    for known in [DID, CALLER, FORWARDER] {
        let found = store.find_by_number(&number(known)).await.expect("find");
        let calls: Vec<_> = found.iter().map(|record| record.call).collect();
        assert_eq!(calls, [call(2), call(1), call(0)]);
    }
    assert_eq!(store.find_by_number(&number("+4930999")).await.expect("find"), []);
}

async fn listings_come_in_pages_newest_first(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    for id in 0..5 {
        // Two began in the same millisecond.
        let at = UnixMillis(MORNING.0 + i64::from(id / 2));
        recorded_call(id, at).into_iter().for_each(|event| log.append(event));
    }
    log.flush().await.expect("flush");
    let mut page = Page::newest(2);
    let mut seen = Vec::new();
    loop {
        let calls = store.calls(page).await.expect("calls");
        seen.extend(calls.records.iter().map(|record| record.call));
        let Some(next) = calls.next else { break };
        page.before = Some(next);
    }
    assert_eq!(seen, [call(4), call(3), call(2), call(1), call(0)]);
    let recordings = store.recordings(Page::newest(3)).await.expect("recordings");
    let ids: Vec<_> = recordings.iter().map(|row| row.recording).collect();
    assert_eq!(ids, [recording(4), recording(3), recording(2)]);
}

async fn a_customers_calls_are_listed_without_those_of_others(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let other = CustomerId::from_bytes([201; 16]);
    for id in 0..6 {
        let owner = if id % 2 == 0 { customer() } else { other };
        let events = recorded_call(id, UnixMillis(MORNING.0 + i64::from(id) * 60_000));
        events.into_iter().for_each(|event| log.append(EventRecord { customer: Some(owner), ..event }));
    }
    log.flush().await.expect("flush");
    let first = store.calls_of(other, Page::newest(2)).await.expect("calls");
    let rest = store.calls_of(other, Page { before: first.next, limit: 2 }).await.expect("calls");
    let listed: Vec<_> = first.records.iter().chain(&rest.records).map(|record| record.call).collect();
    assert_eq!((listed, rest.next), (vec![call(5), call(3), call(1)], None));
    let nobody = CustomerId::from_bytes([202; 16]);
    assert_eq!(store.calls_of(nobody, Page::newest(2)).await.expect("calls").records, []);
}

async fn what_is_opened_beside_writes_in_turn_and_closes_alone(house: House) {
    let store = house.store().await;
    let beside = store.beside().await.expect("opened");
    for number in 0..20 {
        let (one, other) =
            tokio::join!(store.set_counter("one", number), beside.set_counter("other", number));
        one.expect("written");
        other.expect("written");
    }
    assert!(beside.scrub(0).await.is_ok());
    beside.close().await;
    store.set_counter("one", 20).await.expect("still open");
    assert_eq!(store.counter("other").await.expect("read"), Some(19));
}

async fn what_may_be_encoded_again_is_listed_until_somebody_has_looked(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    for id in 0..4_u8 {
        let mut events = recorded_call(id, UnixMillis(MORNING.0 + i64::from(id) * DAY_MS));
        if let (3, Event::RecordingFinished { duration_ms, .. }) = (id, &mut events[6].event) {
            *duration_ms = 9_999;
        }
        events.into_iter().for_each(|event| log.append(event));
    }
    log.flush().await.expect("flush");
    let beginning = Cursor { at: UnixMillis(0), id: [0; 16] };
    let today = MORNING.day();
    let listed = async |after, until, today| {
        let rows = store.as_they_came(after, until, today, 10).await.expect("listed");
        rows.into_iter().map(|row| row.recording).collect::<Vec<_>>()
    };
    let late = UnixMillis(MORNING.0 + 9 * DAY_MS);
    assert_eq!(listed(beginning, late, today).await, [recording(0), recording(1), recording(2)]);
    let first = store.recording(recording(0)).await.expect("a row");
    let after_first = Cursor { at: first.started_at, id: *recording(0).as_bytes() };
    assert_eq!(listed(after_first, late, today).await, [recording(1), recording(2)]);
    assert_eq!(listed(beginning, first.started_at, today).await, [recording(0)]);
    assert_eq!(listed(beginning, late, first.expiry).await, [recording(1), recording(2)], "due today");

    let second = store.recording(recording(1)).await.expect("a row");
    let smaller = |row: &RecordingRow, pages| Event::RecordingReencoded {
        recording: row.recording,
        pages,
        bytes_before: 1_265_664,
        bytes_after: 258_048,
    };
    store.note_of(&first, late, smaller(&first, 61)).await.expect("told");
    let why = "too little would be saved".to_owned();
    let left = Event::RecordingNotReencoded { recording: recording(1), why };
    store.note_of(&second, late, left.clone()).await.expect("told");
    assert_eq!(listed(beginning, late, today).await, [recording(2)]);
    assert_eq!(store.recording(recording(0)).await.expect("a row").pages, 61);
    assert_eq!(store.recording(recording(1)).await.expect("a row"), second);
    let story = store.story(call(1)).await.expect("a story");
    assert_eq!(story.events.last().map(|last| &last.event), Some(&left));
}

async fn a_number_is_found_on_more_days_than_one_query_asks_for(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    for day in 0..35_u8 {
        let at = UnixMillis(MORNING.0 + i64::from(day) * DAY_MS);
        recorded_call(day, at).into_iter().for_each(|event| log.append(event));
    }
    log.flush().await.expect("flush");
    let found = store.find_by_number(&number(FORWARDER)).await.expect("find");
    let calls: Vec<_> = found.iter().map(|record| record.call).collect();
    assert_eq!(calls, (0..35).rev().map(call).collect::<Vec<_>>());
}

async fn what_lost_its_key_is_not_shown(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    recorded_call(1, MORNING).into_iter().for_each(|event| log.append(event));
    let tomorrow = UnixMillis(MORNING.0 + DAY_MS);
    recorded_call(2, tomorrow).into_iter().for_each(|event| log.append(event));
    log.flush().await.expect("flush");
    let due = MORNING.day().plus(Lifetimes::default().call_data);
    store.keys().destroy_through(Class::CallData, due).expect("destroy");

    assert!(matches!(store.call(call(1)).await, Err(StoreError::NoCall { .. })));
    let listed = store.calls(Page::newest(10)).await.expect("calls");
    assert_eq!(listed.records.iter().map(|record| record.call).collect::<Vec<_>>(), [call(2)]);
    let found = store.find_by_number(&number(CALLER)).await.expect("find");
    assert_eq!(found.iter().map(|record| record.call).collect::<Vec<_>>(), [call(2)]);
    assert_eq!(store.receipts(call(1)).await.expect("receipts").len(), 1, "receipts outlive the call");

    // What is due already is not written any more, and does not stop what follows.
    recorded_call(3, MORNING).into_iter().for_each(|event| log.append(event));
    recorded_call(4, tomorrow).into_iter().for_each(|event| log.append(event));
    log.flush().await.expect("flush");
    assert_eq!(log.health().forgotten, 8);
    store.call(call(4)).await.expect("tomorrow's call");
}

async fn an_audit_entry_is_there_when_the_call_returns(house: House) {
    let store = house.store().await;
    let event = AuditEvent {
        at: MORNING,
        actor: Pii::new("cli:operator".to_owned()),
        purpose: Pii::new("Auskunft an Erika Mustermann".to_owned()),
        action: "recording-export".into(),
        object: recording(1).to_string(),
    };
    store.audit(&event).await.expect("audit");
    let later = AuditEvent { at: UnixMillis(MORNING.0 + 1), action: "call-find".into(), ..event.clone() };
    store.audit(&later).await.expect("audit");
    store.close().await;
    let (events, next) = house.store().await.audit_events(Page::newest(10)).await.expect("list");
    assert_eq!(events, [later, event]);
    assert_eq!(next, None);
}

async fn bindings_survive_a_restart_until_they_expire(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let anna = ReceptionistId::from_bytes([1; 16]);
    let binding = |contact: &str, after: i64| Binding {
        contact: contact.as_bytes().to_vec(),
        expires_at: UnixMillis(MORNING.0 + after),
    };
    let desk = binding("sip:anna@192.0.2.7:5060", 3_600_000);
    log.replace_bindings(anna, vec![binding("sip:anna@192.0.2.9", 60_000), desk.clone()]);
    log.flush().await.expect("flush");
    store.close().await;
    let store = house.store().await;
    assert_eq!(store.bindings(MORNING).await.expect("bindings").len(), 2);
    let later = UnixMillis(MORNING.0 + 60_000);
    assert_eq!(store.bindings(later).await.expect("bindings"), [(anna, desk)]);
    store.replace_bindings(anna, &[]).await.expect("unregister");
    assert_eq!(store.bindings(MORNING).await.expect("bindings"), []);
}

async fn another_key_store_is_refused(house: House) {
    let store = house.store().await;
    let mine = store.keys().store_id();
    store.close().await;
    let unkeyed = Unkeyed::open(&house.url, house.settings).await.expect("open");
    assert_eq!(unkeyed.key_store().await.expect("remembered"), Some(mine));
    let kek = KekSource::File(house.folder.path().join("other-kek"));
    let path = house.folder.path().join("other-keys");
    let other = KeyStore::open_or_create(&path, kek, None, &mut Seeded::new(77)).expect("another key store");
    let refused = unkeyed.with_keys(other.into(), Box::new(Seeded::new(3))).await;
    assert!(matches!(refused, Err(StoreError::OtherKeyStore { expected, .. }) if expected == mine));
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused() {
    for url in ["mysql://localhost/x", "data.db", ""] {
        let opened = Unkeyed::open(url, Settings::default()).await;
        assert!(matches!(opened, Err(StoreError::Scheme { .. })), "{url:?}");
    }
    let settings = Settings { connect: Duration::from_millis(200), ..Settings::default() };
    let opened = Unkeyed::open("postgres://nobody@localhost/x?host=/nonexistent", settings).await;
    assert!(matches!(opened, Err(StoreError::Open { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_personal_stands_in_any_file_and_all_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(crate::fixture::Kind::Sqlite);
    let store: Store = house.store().await;
    let log = house.log(&store);
    recorded_call(1, MORNING).into_iter().for_each(|event| log.append(event));
    log.flush().await.expect("flush");
    let _ = customer();
    let digits = |text: &str| text.trim_start_matches('+').as_bytes().to_vec();
    let secrets = [digits(DID), digits(CALLER), digits(FORWARDER), b"Mustermann".to_vec()];
    for entry in house.folder.path().read_dir().expect("folder") {
        let path = entry.expect("entry").path();
        let mode = path.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let bytes = std::fs::read(&path).expect("read");
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{} holds {}", path.display(), String::from_utf8_lossy(secret));
        }
    }
}

async fn the_ids_of_all_recordings_are_looked_through_page_by_page(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    assert_eq!(store.recording_ids(None, 3).await.expect("none"), []);
    // The highest bit too: ids are bytes, not numbers with a sign.
    let all = [1, 2, 3, 127, 128, 254, 255];
    all.iter().rev().flat_map(|id| recorded_call(*id, MORNING)).for_each(|event| log.append(event));
    log.flush().await.expect("flush");
    store.note_destroyed(recording(3), MORNING, "erasure").await.expect("destroyed");
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.recording_ids(after, 3).await.expect("ids");
        assert!(page.len() <= 3);
        after = page.last().copied();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, all.map(recording));
}
