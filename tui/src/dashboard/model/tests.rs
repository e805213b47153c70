use stereospot_domain::{Collector, QueueRole};

use super::*;
use crate::dashboard::fixture::{ago, event, queue, snapshot};

const AT: Duration = Duration::from_secs(50);

fn model() -> Model {
    let mut model = Model::new();
    model.take(snapshot(), AT);
    model
}

#[test]
fn the_servers_clock_goes_on_with_ours() {
    let model = model();
    assert_eq!(model.server_now(AT), snapshot().now);
    assert_eq!(model.server_now(AT + Duration::from_secs(9)), snapshot().now.plus(Duration::from_secs(9)));
}

#[test]
fn silence_makes_everything_stale() {
    let model = model();
    // The shortest collector interval of the fixture is two seconds.
    assert!(!model.is_stale(AT + Duration::from_secs(6)));
    assert!(model.is_stale(AT + Duration::from_secs(7)));
    assert!(Model::new().is_stale(Duration::ZERO), "nothing was heard yet");
}

#[test]
fn a_collectors_success_confirms_what_it_did_not_send_again() {
    let mut model = model();
    assert!(!model.is_old(ago(60), Collector::Queues, AT), "read a minute ago, confirmed a second ago");
    let later = AT + Duration::from_secs(20);
    model.change(Change::Queue(queue(QueueRole::Inference, false, 3)), later, false);
    assert!(model.is_old(ago(60), Collector::Queues, later), "not confirmed for twenty seconds");
    let mut collector = snapshot().collectors.remove(0);
    collector.last_success_at = Some(model.server_now(later));
    model.change(Change::Collector(collector), later, false);
    assert!(!model.is_old(ago(60), Collector::Queues, later));
}

#[test]
fn changes_replace_and_add() {
    let mut model = model();
    model.change(Change::Queue(queue(QueueRole::Inference, false, 3)), AT, false);
    assert_eq!(model.queues.len(), 8);
    let (main, letters) = model.stage(Stage::Inference);
    assert_eq!((main.unwrap().ready.unwrap().value, letters.unwrap().ready.unwrap().value), (3, 14));
    let again = Change::Queue(queue(QueueRole::Inference, false, 3));
    assert!(!model.change(again, AT, false), "the same numbers again are no news");
    let beat = event(1, EventKind::WorkerHeartbeat);
    assert!(!model.change(Change::Event(Box::new(beat)), AT, false), "a heartbeat is no news");
    assert_eq!(model.log.len(), 0);
    let total = model.jobs_total;
    model.change(Change::Job(Box::new(crate::dashboard::fixture::stuck_job())), AT, false);
    assert_eq!(model.jobs_total, total);
}

#[test]
fn what_is_read_seldom_is_as_old_as_it_says() {
    let mut model = model();
    assert_eq!(model.read_at(ago(60), Collector::Queues), ago(1), "read each two seconds, sent when changed");
    let mut collector = snapshot().collectors.remove(0);
    collector.interval_secs = 10.0;
    model.change(Change::Collector(collector), AT, false);
    assert_eq!(model.read_at(ago(9), Collector::Queues), ago(9), "each reading is sent");
}
