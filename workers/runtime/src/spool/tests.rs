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
    let count = 3 * FILE_BYTES / line::of(&event(1, EventKind::SegmentStarted)).unwrap().len() as u64;
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

fn of_boot(boot: u128, seq: u64) -> Event {
    Event { boot: Uuid::from_u128(boot), ..event(seq, EventKind::SegmentStarted) }
}

#[test]
fn any_flipped_bit_costs_its_lines_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    for seq in 1..=3 {
        spool.append(&event(seq, EventKind::SegmentStarted)).unwrap();
    }
    drop(spool);
    let path = folder.path().join("000000000000.jsonl");
    let whole = fs::read(&path).unwrap();
    let length = whole.len() / 3;
    for at in length..2 * length {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&path, &damaged).unwrap();
            let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
            let (_, events) = spool.oldest().unwrap().unwrap();
            spool.oldest().unwrap();
            let read: Vec<u64> = events.iter().map(|event| event.seq).collect();
            // The end of a line takes the next line with it.
            let left: &[u64] = if at + 1 == 2 * length { &[1] } else { &[1, 3] };
            assert_eq!(read, left, "byte {at}, bit {bit}");
            let lost = spool.unreadable();
            // A flip that makes a line end makes two damaged lines of one.
            assert!(lost == 3 - left.len() as u64 || damaged[at] == b'\n', "byte {at}, bit {bit}: {lost}");
        }
    }
}

#[test]
fn lines_of_earlier_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let line = serde_json::to_string(&event(1, EventKind::SegmentStarted)).unwrap();
    fs::write(folder.path().join("000000000000.jsonl"), format!("{line}\n")).unwrap();
    assert_eq!(drain(&mut Spool::open(folder.path(), 1 << 20).unwrap()), [1]);
}

#[test]
fn what_no_gap_shows_is_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    for (boot, seq) in [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)] {
        spool.append(&of_boot(boot, seq)).unwrap();
    }
    drop(spool);
    let path = folder.path().join("000000000000.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    let damaged: Vec<_> =
        lines.lines().enumerate().map(|(n, line)| if n == 1 || n == 3 { "?" } else { line }).collect();
    fs::write(&path, damaged.join("\n") + "\n").unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(drain(&mut spool), [1, 3, 1]);
    assert_eq!((spool.unreadable(), spool.take_without_gap(), spool.take_without_gap()), (2, 1, 0));
}
