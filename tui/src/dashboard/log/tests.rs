use stereospot_domain::EventKind;

use super::*;
use crate::dashboard::fixture::{event, job_id};

fn log(count: u32) -> Log {
    let mut log = Log::new();
    let kinds = [EventKind::SegmentStarted, EventKind::SegmentProgress, EventKind::SegmentFailed];
    for number in 0..count {
        log.push(event(number, kinds[number as usize % 3]));
    }
    log
}

fn kinds(log: &Log) -> Vec<EventKind> {
    (0..log.shown_len()).map(|at| log.shown(at).unwrap().event.kind()).collect()
}

#[test]
fn the_log_is_bounded_and_counts_what_it_dropped() {
    let log = log(MAX_EVENTS as u32 + 7);
    assert_eq!((log.len(), log.shown_len(), log.dropped()), (MAX_EVENTS, MAX_EVENTS, 7));
    assert_eq!(log.under_cursor().unwrap().event.time, event(MAX_EVENTS as u32 + 6, EventKind::JobFailed).time);
}

#[test]
fn what_was_before_the_connection_stands_once_and_in_order() {
    let event = |number| event(number, EventKind::SegmentStarted);
    let times = |log: &Log| (0..log.shown_len()).map(|at| log.shown(at).unwrap().event.time).collect::<Vec<_>>();
    let mut log = Log::new();
    log.recall((0..3).map(event).collect());
    // The stream began before these were requested.
    (2..5).for_each(|number| log.push(event(number)));
    assert_eq!(times(&log), (0..5).map(|number| event(number).time).collect::<Vec<_>>());
    // The connection was lost for a while.
    log.recall((3..8).map(event).collect());
    assert_eq!(times(&log), (0..8).map(|number| event(number).time).collect::<Vec<_>>());
    assert_eq!(log.index(), Some(7), "it follows");
}

#[test]
fn what_was_dropped_does_not_come_back_behind_newer_ones() {
    let event = |number| event(number, EventKind::SegmentStarted);
    let full = MAX_EVENTS as u32;
    let newest = |log: &Log| log.newest().next().unwrap().event.time;
    let mut log = log(full + 2);
    // The first two were dropped; one came while the connection was lost.
    log.recall(vec![event(0), event(1), event(full + 1), event(full + 2)]);
    assert_eq!((log.dropped(), newest(&log)), (3, event(full + 2).time));
    // None of the repeated events is here any more.
    log.recall(vec![event(0), event(1)]);
    assert_eq!((log.dropped(), newest(&log)), (3, event(full + 2).time));
}

#[test]
fn filters_hold_for_what_comes_later() {
    let mut log = log(6);
    log.set_filter("FAILED");
    assert_eq!(kinds(&log), [EventKind::SegmentFailed; 2]);
    log.push(event(6, EventKind::JobFailed));
    log.push(event(7, EventKind::SegmentStarted));
    assert_eq!(kinds(&log).len(), 3);
    log.set_filter("!segment");
    assert_eq!(kinds(&log), [EventKind::JobFailed]);
    log.set_filter("");
    log.set_only_job(Some(job_id(1)));
    assert_eq!(log.shown_len(), 4, "odd numbers are job 1's");
}

#[test]
fn the_cursor_stays_while_events_come_and_follows_on_demand() {
    let mut log = log(10);
    log.step(-3);
    let chosen = log.under_cursor().unwrap().event.id;
    log.push(event(10, EventKind::JobFailed));
    assert_eq!(log.under_cursor().unwrap().event.id, chosen);
    log.seek_end();
    log.push(event(11, EventKind::JobFailed));
    assert_eq!(log.under_cursor().unwrap().number, 11);
}

#[test]
fn a_held_log_counts_what_came_and_loses_nothing() {
    let mut log = log(3);
    log.hold(true);
    log.push(event(3, EventKind::JobFailed));
    assert_eq!((log.shown_len(), log.held_back()), (3, 1));
    log.hold(false);
    assert_eq!((log.shown_len(), log.held_back()), (4, 0));
}

#[test]
fn errors_are_found_in_both_directions() {
    let mut log = log(9);
    assert!(log.seek_error(-1));
    assert_eq!(log.under_cursor().unwrap().number, 5);
    assert!(log.seek_error(1));
    assert_eq!(log.under_cursor().unwrap().number, 8);
    assert!(!log.seek_error(1));
    assert_eq!(facts(&event(1, EventKind::JobFailed)), "frames=96");
}
