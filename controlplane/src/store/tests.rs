use std::time::Duration;

use stereospot_core::worker::BootCount;
use stereospot_domain::event::{SegmentCompleted, Unread};
use stereospot_domain::{Event, JobId, Payload, QueueName, QueueRole, Timestamp};
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::{Envelope, Message, Receipt};
use uuid::Uuid;

use super::events::NewRow;
use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn event(seq: u64, job_id: Option<JobId>) -> Event {
    Event {
        v: 1,
        id: Uuid::from_u128(u128::from(seq)),
        source: "w".into(),
        boot: Uuid::nil(),
        seq,
        time: NOW,
        job_id,
        segment_index: None,
        stage: None,
        attempt: None,
        traceparent: None,
        payload: Payload::SegmentCompleted(SegmentCompleted::default()),
        unread: Unread::default(),
    }
}

async fn ingest(store: &Store, events: &[Event], now: Timestamp) -> events::Ingested {
    let bodies: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let rows: Vec<NewRow<'_>> = events.iter().zip(&bodies).map(|(event, body)| NewRow { event, body }).collect();
    store.ingest(&rows, now).await.unwrap()
}

#[tokio::test]
async fn new_events_are_separated_from_known_ones_across_statements() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let old: Vec<Event> = (1..=300).map(|seq| event(seq, None)).collect();
    assert!(ingest(&store, &old, NOW).await.is_new.iter().all(|is_new| *is_new));
    // Old and new mixed, some twice in the same group, over several statements.
    let mixed: Vec<Event> = (200..=900).chain(890..=910).map(|seq| event(seq, None)).collect();
    let ingested = ingest(&store, &mixed, NOW).await;
    let expected: Vec<bool> = (200..=900).map(|seq| seq > 300).chain((890..=910).map(|seq| seq > 900)).collect();
    assert_eq!(ingested.is_new, expected);
    let count = ingested.counts[&("w".to_owned(), Uuid::nil())];
    assert_eq!(count, BootCount { done: 910, failed: 0, lost: 0 });
}

#[tokio::test]
async fn lost_events_are_counted_and_late_ones_uncounted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    assert_eq!(ingest(&store, &[event(1, None), event(4, None)], NOW).await.lost_change, 2);
    assert_eq!(ingest(&store, &[event(4, None)], NOW).await.lost_change, 0);
    assert_eq!(ingest(&store, &[event(2, None)], NOW).await.lost_change, -1);
    let boots = store.boots_since(NOW).await.unwrap();
    assert_eq!((boots.len(), boots[0].count.lost), (1, 1));
    assert_eq!(boots[0].events.len(), 1);
}

#[tokio::test]
async fn events_of_an_earlier_process_are_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    assert_eq!(ingest(&store, &[event(220, None), event(219, None)], NOW).await.lost_change, 0);
    // From there on gaps count as ever.
    assert_eq!(ingest(&store, &[event(223, None)], NOW).await.lost_change, 2);
    assert_eq!(store.boots_since(NOW).await.unwrap()[0].count.lost, 2);
    // The life's own beginning comes late: then all between is missing.
    assert_eq!(ingest(&store, &[event(1, None)], NOW).await.lost_change, 217);
}

#[tokio::test]
async fn a_damaged_file_is_named_with_what_is_lost_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("controlplane.db");
    let store = Store::open(dir.path()).await.unwrap();
    let events: Vec<Event> = (1..=500).map(|seq| event(seq, None)).collect();
    ingest(&store, &events, NOW).await;
    store.close().await;
    let whole = std::fs::read(&file).unwrap();
    let is_told = |error: &Error| {
        let told = error.to_string();
        assert!(matches!(error, Error::Damaged(_)), "{error:?}");
        assert!(told.contains("is damaged: stop the stack, move it and its -wal and -shm away"), "{told}");
    };
    // In the schema's own pages, then already in the head.
    for (at, bytes) in [(4096, 16 * 1024), (0, 4096)] {
        drop(std::fs::remove_file(file.with_extension("db-wal")));
        let mut damaged = whole.clone();
        damaged[at..at + bytes].fill(0xa5);
        std::fs::write(&file, &damaged).unwrap();
        match Store::open(dir.path()).await {
            Err(error) => is_told(&error),
            // Found only when the page is read.
            Ok(store) => is_told(&store.boots_since(Timestamp(0)).await.unwrap_err()),
        }
    }
}

#[tokio::test]
async fn old_and_surplus_events_are_pruned_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let job_id = JobId(Uuid::from_u128(7));
    for start in [0, 1000, 2000] {
        let events: Vec<Event> = (1..=1000).map(|seq| event(start + seq, Some(job_id))).collect();
        let at = NOW.plus(Duration::from_millis(start));
        ingest(&store, &events, at).await;
    }
    let keep = |rows, age| Retention { rows, age: Duration::from_millis(age) };
    let now = NOW.plus(Duration::from_millis(2000));
    let left = async || store.job_events(job_id, 10_000).await.unwrap().len();
    assert!(!store.prune(keep(10_000, 2000), now).await.unwrap());
    assert_eq!(left().await, 3000);
    assert!(!store.prune(keep(10_000, 1500), now).await.unwrap());
    assert_eq!(left().await, 2000);
    assert!(!store.prune(keep(500, 10_000), now).await.unwrap());
    assert_eq!(left().await, 500);
    assert_eq!(store.job_events(job_id, 1).await.unwrap()[0].seq, 3000);
}

#[tokio::test]
async fn copies_are_kept_until_they_are_put_back_or_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let (plan, queue) = (Uuid::from_u128(1), QueueName::main(QueueRole::Inference));
    let envelope = Envelope { trace_header: Some("Root=1-2".into()), ..Envelope::default() };
    let message = |id: &str| Message {
        id: id.into(),
        receipt: Receipt("r".into()),
        body: format!("body {id}"),
        envelope: envelope.clone(),
        receive_count: 1,
        enqueued_at: NOW,
    };
    store.copy_messages(plan, queue, &[message("a"), message("b"), message("c")], NOW).await.unwrap();
    store.drop_copies(plan, &["a".into()]).await.unwrap();
    store.copies_restored(plan, &["b".into()], NOW).await.unwrap();
    let left = store.copies(plan).await.unwrap();
    assert_eq!(left, [Copied { message_id: "c".into(), queue, body: "body c".into(), envelope }]);
    // A copy of an earlier version.
    let mut writer = store.writer().await.unwrap();
    sqlx::query("UPDATE copies SET envelope = NULL").execute(&mut *writer).await.unwrap();
    drop(writer);
    assert!(store.copies(plan).await.unwrap()[0].envelope.is_empty());
    store.forget_copies(NOW.plus(Duration::from_millis(1))).await.unwrap();
    assert!(store.copies(plan).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_data_directory_that_is_a_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Store::open(&file).await.unwrap_err();
    assert!(error.to_string().contains("check that the directory exists"), "{error}");
}

#[tokio::test]
async fn a_transaction_that_sqlite_itself_rolled_back_does_not_end_all_writing() {
    // As on a full disk.
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    store.pulse(NOW).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON pulse BEGIN SELECT RAISE(ROLLBACK, 'nothing goes'); END";
    sqlx::query(refuse).execute(&mut *store.writer().await.unwrap()).await.unwrap();
    for _ in 0..3 {
        let told = chain(&store.pulse(NOW).await.unwrap_err());
        assert!(told.contains("nothing goes"), "{told}");
    }
    sqlx::query("DROP TRIGGER refuse").execute(&mut *store.writer().await.unwrap()).await.unwrap();
    store.pulse(NOW).await.unwrap();
}

#[tokio::test]
async fn nothing_is_acknowledged_by_a_file_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let (path, aside) = (dir.path().join("controlplane.db"), dir.path().join("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    let error = store.pulse(NOW).await.unwrap_err();
    assert!(error.to_string().contains("controlplane.db was moved, deleted or replaced"), "{error}");
    std::fs::write(&path, "another").unwrap();
    assert!(matches!(store.pulse(NOW).await, Err(Error::Moved { .. })));
    std::fs::rename(&aside, &path).unwrap();
    store.pulse(NOW).await.unwrap();
}
