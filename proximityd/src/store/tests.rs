//! What the store promises, beyond its schema.

use proto_json::app::{AppState, Resources};
use proto_json::event::Level;
use proto_json::operation::OperationState;
use serde_json::Value;

use super::*;
use crate::model::app::{AppRecord, AppSpec, ProbeFrom, Source};
use crate::model::operation::OperationRecord;

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

fn app(name: &str) -> AppRecord {
    let spec = AppSpec {
        source: Source::Catalog,
        document: String::new(),
        settings: Default::default(),
        secrets: Vec::new(),
        generated: Vec::new(),
        images: Default::default(),
        digests: Default::default(),
        resources: Resources { cores: 1, memory: 1 << 30, disk: 8 << 30 },
        storage: None,
        bridge: None,
        ip: "dhcp".into(),
        gateway: None,
        timeout_seconds: None,
        ports: Vec::new(),
        probe_from: ProbeFrom::Daemon,
        ssh: None,
    };
    AppRecord {
        id: format!("id-{name}"),
        name: name.into(),
        host: "pve".into(),
        template: "whoami".into(),
        template_version: "1".into(),
        state: AppState::Deploying,
        reason: None,
        node: None,
        vmid: None,
        ip: None,
        url: None,
        spec,
        created_at: "2026-01-01T00:00:00Z".into(),
        checked_at: None,
        removed_at: None,
    }
}

fn operation_on(app: &AppRecord) -> OperationRecord {
    OperationRecord {
        id: format!("op-{}", app.name),
        kind: "deploy".into(),
        version: 1,
        app: Some(app.id.clone()),
        app_name: Some(app.name.clone()),
        host: app.host.clone(),
        parent: None,
        params: Value::Null,
        data: Value::Null,
        state: OperationState::Queued,
        step: None,
        waiting_for: None,
        actor: "test".into(),
        request_id: None,
        created_at: "2026-01-01T00:00:00Z".into(),
        started_at: None,
        ended_at: None,
        error: None,
        cancel_requested: false,
        first_event: 1,
    }
}

/// A change that the list shows.
type Change = Box<dyn FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send>;

fn update(change: impl FnOnce(&mut AppRecord) + Send + 'static) -> Change {
    Box::new(move |tx| {
        let mut app = tx.app("id-a")?.expect("it was inserted");
        change(&mut app);
        tx.update_app(&app)
    })
}

#[tokio::test]
async fn whatever_changes_the_list_changes_its_number_before_the_write_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let changes: Vec<Change> = vec![
        Box::new(|tx| tx.insert_app(&app("a"))),
        Box::new(|tx| tx.insert_operation(&operation_on(&app("a")))),
        update(|app| app.state = AppState::Starting),
        update(|app| app.reason = Some("it starts".into())),
        update(|app| app.node = Some("pve1".into())),
        update(|app| app.vmid = Some(100)),
        update(|app| app.ip = Some("10.0.0.1".into())),
        update(|app| app.url = Some("http://10.0.0.1".into())),
        update(|app| app.checked_at = Some("2026-01-02T00:00:00Z".into())),
        Box::new(|tx| tx.set_app_state("id-a", AppState::Running, None)),
        Box::new(|tx| tx.end_operation("op-a", OperationState::Done)),
        Box::new(|tx| tx.insert_app(&app("b"))),
        update(|app| app.removed_at = Some("2026-01-03T00:00:00Z".into())),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let (number, list) = (store.listing(), store.read(|reader| reader.app_list(false)).await.unwrap());
        store.write(change).await.unwrap();
        assert_ne!(store.listing(), number, "change {index}");
        assert_ne!(store.read(|reader| reader.app_list(false)).await.unwrap(), list, "change {index}");
    }
}

#[tokio::test]
async fn whoever_hears_of_a_change_finds_the_number_changed_already() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut listener = store.subscribe();
    store.write(|tx| tx.insert_app(&app("a"))).await.unwrap();
    for _ in 0..100 {
        let number = store.listing();
        let writer = store.clone();
        let write = tokio::spawn(async move {
            writer
                .write(|tx| {
                    tx.set_app_state("id-a", AppState::Running, None)?;
                    tx.event(event("changed"))
                })
                .await
        });
        listener.recv().await.unwrap();
        assert_ne!(store.listing(), number);
        write.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_the_list_does_not_show_leaves_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.write(|tx| tx.insert_app(&app("a"))).await.unwrap();
    let number = store.listing();
    store.write(|tx| tx.event(event("something"))).await.unwrap();
    store.write(|tx| tx.set_secret("id-a", "PASSWORD", b"sealed")).await.unwrap();
    store.write(|tx| tx.reserve_vmid("pve", 100, "op-a")).await.unwrap();
    assert_eq!(store.listing(), number);
}

#[tokio::test]
async fn the_list_is_by_name_and_shows_the_removed_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store
        .write(|tx| {
            for name in ["c", "a", "b"] {
                tx.insert_app(&app(name))?;
            }
            tx.update_app(&AppRecord { removed_at: Some("2026-01-03T00:00:00Z".into()), ..app("b") })
        })
        .await
        .unwrap();
    let names = async |removed| {
        let list = store.read(move |reader| reader.app_list(removed)).await.unwrap();
        list.into_iter().map(|app| app.name).collect::<Vec<_>>()
    };
    assert_eq!(names(false).await, ["a", "c"]);
    assert_eq!(names(true).await, ["a", "b", "c"]);
}
