//! Events reach the database, once, in whatever order and however often they are told.

use vorzimmer_store::{Durable, StoreError};
use vorzimmer_types::event::RecordingResult;
use vorzimmer_types::{CallRecord, Event, UnixMillis};

use crate::fixture::{House, MORNING, call, customer, on_both, record, recorded_call, recording};

on_both! {
    a_call_is_stored_folded_and_told_again
    events_told_twice_or_late_change_nothing
    what_happens_to_recordings_within_one_batch_is_all_written
    page_counts_only_grow_and_open_recordings_are_found_after_a_crash
    what_is_done_afterwards_joins_the_story
    a_closed_log_says_so
    who_asks_is_told_once_what_was_told_before_is_durable
    a_log_that_was_closed_is_begun_again_at_once
}

async fn a_call_is_stored_folded_and_told_again(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let events = recorded_call(1, MORNING);
    events.iter().cloned().for_each(|event| log.append(event));
    assert_eq!(log.flush().await.expect("flush"), Durable::Database);

    let story = store.story(call(1)).await.expect("story");
    assert_eq!(story.events, events);
    assert_eq!(Some(&story.record), CallRecord::fold(&events).as_ref());
    assert_eq!(story.receipts.len(), 1);
    let row = store.recording(recording(1)).await.expect("recording");
    assert_eq!((row.result, row.gaps, row.pages), (Some(RecordingResult::Degraded), [0, 2], 307));
    assert_eq!(row.expiry, MORNING.day().plus(30));
}

async fn events_told_twice_or_late_change_nothing(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let events = recorded_call(1, MORNING);
    // The last ones first, then the first ones, then all of them again: each in a transaction of its own.
    for event in events[4..].iter().chain(&events[..4]).chain(&events) {
        log.append(event.clone());
        log.flush().await.expect("flush");
    }
    let story = store.story(call(1)).await.expect("story");
    assert_eq!(story.events, events);
    assert_eq!(Some(&story.record), CallRecord::fold(&events).as_ref());
    assert_eq!(log.health().unfolded, 0);
}

async fn what_happens_to_recordings_within_one_batch_is_all_written(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let finished = |pages| Event::RecordingFinished {
        recording: Some(recording(7)),
        result: RecordingResult::Ok,
        duration_ms: 2_000,
        gaps: [3, 0],
        pages,
        why: String::new(),
    };
    let destroyed = Event::RecordingDestroyed { recording: recording(7), why: "withdrawn".into() };
    let of_one = [finished(12), destroyed, finished(9)];
    (1..=30).flat_map(|id| recorded_call(id, MORNING)).for_each(|event| log.append(event));
    (9..).zip(of_one).for_each(|(seq, event)| log.append(record(7, seq, MORNING, event)));
    assert_eq!(log.flush().await.expect("flush"), Durable::Database);

    for id in 1..=30 {
        let row = store.recording(recording(id)).await.expect("recording");
        let expected =
            if id == 7 { (RecordingResult::Ok, [3, 0]) } else { (RecordingResult::Degraded, [0, 2]) };
        assert_eq!((row.result, row.gaps), (Some(expected.0), expected.1), "recording {id}");
        // Page counts only grow.
        assert_eq!((row.call, row.started_at, row.pages), (call(id), UnixMillis(MORNING.0 + 5_000), 307));
        assert_eq!(row.destroyed.map(|(_, why)| why), (id == 7).then(|| "withdrawn".to_owned()));
        let story = store.story(call(id)).await.expect("story");
        assert_eq!((story.receipts.len(), story.record.recordings.len()), (1, 1));
    }
}

async fn page_counts_only_grow_and_open_recordings_are_found_after_a_crash(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    // The count may be told before the event that starts the recording is written.
    log.acknowledge_pages(recording(1), 12);
    log.flush().await.expect("flush");
    recorded_call(1, MORNING).into_iter().take(6).for_each(|event| log.append(event));
    recorded_call(2, MORNING).into_iter().for_each(|event| log.append(event));
    log.acknowledge_pages(recording(1), 9);
    log.flush().await.expect("flush");
    let open = store.open_recordings().await.expect("open recordings");
    let found: Vec<_> = open.iter().map(|row| (row.recording, row.pages, row.customer)).collect();
    assert_eq!(found, [(recording(1), 12, customer())]);
}

async fn what_is_done_afterwards_joins_the_story(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    let mut events = recorded_call(1, MORNING);
    let last = events.pop().expect("the end");
    events.into_iter().for_each(|event| log.append(event));
    log.flush().await.expect("flush");

    for why in ["erasure", "operator"] {
        store.note_destroyed(recording(1), MORNING, why).await.expect("destroyed");
    }
    // The call goes on counting where it was.
    log.append(last);
    log.flush().await.expect("flush");

    let story = store.story(call(1)).await.expect("story");
    assert_eq!(story.events.len(), 10);
    assert!(story.record.recordings[0].destroyed.is_some());
    assert_eq!(story.record.why, "hung up");
    let row = store.recording(recording(1)).await.expect("recording");
    assert_eq!(row.destroyed, Some((MORNING, "erasure".to_owned())), "the first reason stays");
    let nothing = store.note_destroyed(recording(9), MORNING, "erasure").await;
    assert!(matches!(nothing, Err(StoreError::NoRecording { .. })));
}

async fn a_log_that_was_closed_is_begun_again_at_once(house: House) {
    let store = house.store().await;
    for _ in 0..100 {
        // Fails if the one before still has the spool.
        let log = house.log(&store);
        assert_eq!(log.close().await.expect("close"), Durable::Database);
    }
}

async fn a_closed_log_says_so(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    log.append(recorded_call(1, MORNING).remove(0));
    assert_eq!(log.close().await.expect("close"), Durable::Database);
    log.append(record(1, 1, MORNING, vorzimmer_types::Event::Answered));
    assert_eq!(log.health().lost, 1);
    assert!(matches!(log.flush().await, Err(StoreError::Closed)));
    assert_eq!(store.story(call(1)).await.expect("story").events.len(), 1);
}

async fn who_asks_is_told_once_what_was_told_before_is_durable(house: House) {
    let store = house.store().await;
    let log = house.log(&store);
    recorded_call(1, MORNING).into_iter().for_each(|event| log.append(event));
    let (tell, told) = tokio::sync::oneshot::channel();
    log.once_durable(|durable| tell.send(durable).expect("somebody listens"));
    told.await.expect("told").expect("durable");
    // Nobody asked for anything else: it is there all the same.
    assert_eq!(store.receipts(call(1)).await.expect("receipts").len(), 1);

    log.close().await.expect("closed");
    let (tell, told) = tokio::sync::oneshot::channel();
    log.once_durable(|durable| tell.send(durable).expect("somebody listens"));
    assert!(matches!(told.await.expect("told"), Err(StoreError::Closed)));
}
