use stereospot_api::view::WorkerState;
use stereospot_domain::attention::Subject;
use stereospot_domain::event::{Unread, WorkerStarted};
use stereospot_domain::queue::{Settings, Stats};
use stereospot_domain::{Collector, Event, Payload, QueueName, QueueRole, Stage};
use uuid::Uuid;

use super::*;

const FULL: &str = "no space left in the data directory";

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// A chunking worker, heard of last at 0, and a queue that has waited for it ever since.
fn world() -> World {
    let mut world = World::new(QueueName::all());
    let started = Event {
        v: 1,
        id: Uuid::from_u128(1),
        source: "chunking-1".into(),
        boot: Uuid::nil(),
        seq: 1,
        time: at(0),
        job_id: None,
        segment_index: None,
        stage: Some(Stage::Chunking),
        attempt: None,
        traceparent: None,
        payload: Payload::WorkerStarted(WorkerStarted::default()),
        unread: Unread::default(),
    };
    world.apply(&started, at(0));
    let waiting = Stats { ready: 3, oldest_enqueued_at: Some(at(0)), ..Stats::default() };
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };
    world.set_queue(QueueName::main(QueueRole::Chunking), waiting, settings, at(0));
    world
}

fn lines(world: &World, secs: i64) -> Vec<Subject> {
    world.attention_list(at(secs)).into_iter().map(|line| line.about).collect()
}

const IDLE: Subject = Subject::Stage { role: QueueRole::Chunking };
const FAILING: Subject = Subject::Collector { name: Collector::OwnDatabase };

fn silent() -> Subject {
    Subject::Worker { name: "chunking-1".into() }
}

#[test]
fn who_cannot_be_heard_is_not_called_silent() {
    let mut world = world();
    assert_eq!(lines(&world, 60), [IDLE, silent()]);
    for secs in [10, 20, 30, 40, 50, 60] {
        world.database_failed(100, FULL.into(), at(secs));
        // A small write still finds room.
        world.database_took(0, at(secs + 1));
        world.database_took(3, at(secs + 2));
        assert_eq!(lines(&world, secs + 3), [FAILING]);
    }
    let chunking = QueueName::main(QueueRole::Chunking);
    assert_eq!(world.consumers(chunking, at(63)), 1);
    assert_eq!(world.worker_views(at(63))[0].state, WorkerState::Idle);
    // Of two as large one goes: that says little.
    world.database_took(100, at(64));
    assert_eq!(lines(&world, 64), [FAILING]);
    // From now on the worker has time to send what it held back.
    world.database_took(100, at(65));
    assert!(lines(&world, 65).is_empty());
    assert_eq!(lines(&world, 90), [IDLE, silent()]);
}

#[test]
fn a_stage_of_which_nothing_could_be_heard_is_not_called_idle() {
    let mut world = world();
    world.workers.clear();
    assert_eq!(lines(&world, 40), [IDLE]);
    world.database_failed(1, FULL.into(), at(40));
    assert_eq!(lines(&world, 40), [FAILING]);
}

#[test]
fn a_failure_is_over_when_nothing_failed_for_a_while() {
    let mut world = world();
    world.database_failed(100, FULL.into(), at(10));
    world.database_took(0, at(24));
    assert_eq!(lines(&world, 24), [FAILING]);
    world.database_took(0, at(25));
    assert!(lines(&world, 25).is_empty());
}

#[test]
fn a_healthy_database_has_no_attention_line() {
    let mut world = world();
    world.database_took(0, at(1));
    assert!(world.collectors.is_empty());
}
