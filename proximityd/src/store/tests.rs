//! What the store promises, beyond its schema.

use proto_json::event::Level;
use serde_json::Value;

use super::*;

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("test.db"), Clock::fixed(0)).unwrap()
}

fn event(message: &str) -> NewEvent {
    NewEvent { level: Level::Info, data: Value::Null, ..NewEvent::info("test", message) }
}

#[tokio::test]
async fn a_bad_request_spoils_no_other_of_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let writes: Vec<_> = (0..20)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |tx| {
                        tx.event(event(&format!("{i}")))?;
                        if i % 2 == 0 { Err(StoreError::Unique("asked to fail".into())) } else { Ok(i) }
                    })
                    .await
            })
        })
        .collect();
    let mut good = 0;
    for write in writes {
        good += usize::from(write.await.unwrap().is_ok());
    }
    assert_eq!(good, 10);
    let events = store.read(|reader| reader.events(0, 100)).await.unwrap();
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(|event| event.message.parse::<u32>().unwrap() % 2 == 1));
}

#[tokio::test]
async fn events_are_published_in_the_order_of_their_numbers_and_only_when_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut listener = store.subscribe();
    for i in 0..50 {
        let result: Result<(), StoreError> = store
            .write(move |tx| {
                tx.event(event(&format!("{i}")))?;
                if i == 20 { Err(StoreError::Closed) } else { Ok(()) }
            })
            .await;
        assert_eq!(result.is_ok(), i != 20);
    }
    let mut last = 0;
    for _ in 0..49 {
        let event = listener.recv().await.unwrap();
        assert!(event.seq > last);
        assert_ne!(event.message, "20");
        last = event.seq;
    }
    assert!(listener.try_recv().is_err());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let first: u64 = store.write(|tx| tx.event(event("first"))).await.unwrap();
    let epoch = store.epoch().to_string();
    drop(store);
    let store = open(&dir);
    assert_eq!(store.epoch(), epoch);
    let second: u64 = store.write(|tx| tx.event(event("second"))).await.unwrap();
    assert_eq!(second, first + 1);
    assert_eq!(store.read(|reader| reader.event_range()).await.unwrap(), (first, second + 1));
}

#[tokio::test]
async fn a_vmid_is_held_by_one_operation_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let reserve = |operation: &'static str| store.write(move |tx| tx.reserve_vmid("h", 100, operation));
    assert!(reserve("a").await.unwrap());
    assert!(!reserve("b").await.unwrap());
    store.write(|tx| tx.release_vmid("h", 100)).await.unwrap();
    assert!(reserve("b").await.unwrap());
    let held = store.read(|reader| reader.held_vmids("h")).await.unwrap();
    assert_eq!(held, [(100, "b".to_string())]);
}

#[tokio::test]
async fn ids_that_an_operation_took_and_does_not_use_are_free_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for (vmid, operation) in [(100, "a"), (101, "a"), (102, "b")] {
        assert!(store.write(move |tx| tx.reserve_vmid("h", vmid, operation)).await.unwrap());
    }
    store.write(|tx| tx.release_unused_vmids("a", Some(101))).await.unwrap();
    let held = store.read(|reader| reader.held_vmids("h")).await.unwrap();
    assert_eq!(held, [(101, "a".to_string()), (102, "b".to_string())]);
    store.write(|tx| tx.release_unused_vmids("a", None)).await.unwrap();
    let held = store.read(|reader| reader.held_vmids("h")).await.unwrap();
    assert_eq!(held, [(102, "b".to_string())]);
}

#[tokio::test]
async fn a_value_of_the_daemons_own_is_kept_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert_eq!(store.read(|reader| reader.meta("k")).await.unwrap(), None);
    for value in ["one", "two"] {
        store.write(move |tx| tx.set_meta("k", value)).await.unwrap();
        assert_eq!(store.read(|reader| reader.meta("k")).await.unwrap().as_deref(), Some(value));
    }
}
