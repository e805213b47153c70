use serde_json::Map;
use stereospot_domain::event::Unread;
use stereospot_domain::{EventKind, Payload, Timestamp};
use uuid::Uuid;

use super::*;

fn event(seq: u64, kind: EventKind) -> Event {
    Event {
        v: 1,
        id: Uuid::from_u128(seq.into()),
        source: "test".into(),
        boot: Uuid::nil(),
        seq,
        time: Timestamp(1),
        job_id: None,
        segment_index: None,
        stage: None,
        attempt: None,
        traceparent: None,
        payload: Payload::read(kind.as_str(), Map::new()).0,
        unread: Unread::default(),
    }
}

fn drain(spool: &mut Spool) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some((path, events)) = spool.oldest().unwrap() {
        seen.extend(events.iter().map(|event| event.seq));
        spool.remove(&path).unwrap();
    }
    seen
}

#[test]
fn events_outlive_the_process_and_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    for seq in 1..=3 {
        spool.append(&event(seq, EventKind::SegmentStarted)).unwrap();
    }
    drop(spool);
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    spool.append(&event(4, EventKind::SegmentCompleted)).unwrap();
    assert_eq!(spool.oldest().unwrap().unwrap().1.len(), 3);
    assert_eq!(drain(&mut spool), [1, 2, 3, 4]);
    assert_eq!(spool.waiting(), Waiting::default());
    assert!(spool.oldest().unwrap().is_none());
}

#[test]
fn a_full_spool_drops_progress_and_keeps_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1000).unwrap();
    let mut dropped = 0;
    for seq in 1..=40 {
        let kind = if seq % 2 == 0 { EventKind::SegmentProgress } else { EventKind::SegmentCompleted };
        if spool.append(&event(seq, kind)).unwrap() == Appended::Dropped {
            assert!(kind.is_progress());
            dropped += 1;
        }
    }
    assert!(dropped > 10, "{dropped}");
    let kept = drain(&mut spool);
    assert_eq!(kept.iter().filter(|seq| *seq % 2 == 1).count(), 20);
    assert_eq!(kept.len(), 40 - dropped);
}

#[test]
fn a_line_cut_short_by_a_crash_costs_that_line_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    for seq in 1..=2 {
        spool.append(&event(seq, EventKind::SegmentStarted)).unwrap();
    }
    drop(spool);
    let path = folder.path().join("000000000000.jsonl");
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    spool.append(&event(3, EventKind::SegmentStarted)).unwrap();
    assert_eq!(drain(&mut spool), [1, 3]);
    assert_eq!(spool.unreadable(), 1);
}

#[test]
fn a_long_outage_is_kept_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), u64::MAX).unwrap();
    let count = 3 * FILE_BYTES / serde_json::to_vec(&event(1, EventKind::SegmentStarted)).unwrap().len() as u64;
    for seq in 1..=count {
        spool.append(&event(seq, EventKind::SegmentStarted)).unwrap();
    }
    assert!(fs::read_dir(folder.path()).unwrap().count() >= 3);
    assert_eq!(drain(&mut spool), (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_spool_that_is_deleted_loses_what_it_held_and_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("spool");
    let mut spool = Spool::open(&root, 1 << 20).unwrap();
    for seq in 1..=3 {
        spool.append(&event(seq, EventKind::SegmentStarted)).unwrap();
    }
    std::fs::remove_dir_all(&root).unwrap();
    assert!(drain(&mut spool).is_empty());
    assert_eq!((spool.unreadable(), spool.waiting()), (3, Waiting::default()));
    spool.append(&event(4, EventKind::SegmentCompleted)).unwrap();
    assert_eq!(drain(&mut spool), [4]);
}
