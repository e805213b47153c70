//! A deployment with extra queues: shown where they exist, and nowhere else.

use std::time::Duration;

use crossterm::event::KeyCode;
use stereospot_api::view::{DeploymentView, FoundQueue, SegmentState};
use stereospot_domain::{QueueName, QueueRole, Topology};

use super::{SIZES, full, text};
use crate::dashboard::effect::Answer;
use crate::dashboard::fixture;
use crate::dashboard::harness::Harness;
use crate::dashboard::input::Input;

fn in_topology_a(columns: u16, rows: u16) -> Harness {
    let snapshot = fixture::in_topology_a();
    let found =
        |name: QueueName| FoundQueue { name, physical: format!("p-{name}"), exists: true, note: None, read_at: None };
    let queues = snapshot.queues.iter().map(|queue| found(queue.name)).collect();
    let view = DeploymentView { topology: Some(Topology::JobWorker), queues, ..fixture::deployment() };
    let mut dash = Harness::new(columns, rows);
    dash.snapshot(snapshot);
    dash.input(Input::Answer(Answer::Deployment(Ok(Box::new(view)))));
    dash.pass(Duration::from_millis(400));
    dash
}

#[test]
fn every_queue_that_is_deployed_has_its_row_at_three_sizes() {
    for (columns, rows) in SIZES {
        for (key, name) in [('1', "pulse"), ('2', "queues"), ('8', "deployment")] {
            let mut dash = in_topology_a(columns, rows);
            dash.key(key);
            dash.draw();
            insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text(dash.screen()));
        }
    }
}

#[test]
fn dead_letters_of_every_deployed_queue_are_a_step_away() {
    let places = |mut dash: Harness| {
        dash.key(':');
        "dlq/chunking".chars().for_each(|letter| dash.key(letter));
        dash.code(KeyCode::Enter);
        let mut seen = vec![dash.state.path(&dash.state.place())];
        loop {
            dash.key('l');
            let place = dash.state.path(&dash.state.place());
            if seen.contains(&place) {
                return seen;
            }
            seen.push(place);
        }
    };
    let pipeline = ["dlq/chunking", "dlq/inference", "dlq/reassembly", "dlq/output-events"];
    assert_eq!(places(full(80, 24)), pipeline);
    let further = ["dlq/job-status-events", "dlq/deletion", "dlq/ingest", "dlq/job-events"];
    assert_eq!(places(in_topology_a(80, 24)), [pipeline, further].concat());
}

#[test]
fn dead_letters_of_a_queue_that_is_not_deployed_are_no_zero() {
    let mut dash = full(80, 24);
    dash.key(':');
    "dlq/ingest".chars().for_each(|letter| dash.key(letter));
    dash.code(KeyCode::Enter);
    let queue = QueueName::dead_letter(QueueRole::Ingest);
    let said = "this deployment has no queue ingest-dlq";
    dash.input(Input::Answer(Answer::Messages { queue, messages: Err(said.into()) }));
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains(said) && !shown.contains("0 messages"), "{shown}");
}

#[test]
fn the_palette_offers_what_is_deployed() {
    let offers = |mut dash: Harness| {
        dash.key(':');
        "dlq/j".chars().for_each(|letter| dash.key(letter));
        dash.draw();
        text(dash.screen())
    };
    assert!(offers(in_topology_a(80, 24)).contains("dlq/job-status-events"));
    assert!(!offers(full(80, 24)).contains("dlq/job"));
}

#[test]
fn dead_segments_that_cannot_be_counted_are_not_zero() {
    let legend = |segments_dead| {
        let mut dash = full(200, 50);
        let mut detail = fixture::detail();
        detail.segments.retain(|segment| segment.state != SegmentState::DeadLettered);
        detail.view.segments_dead = segments_dead;
        dash.key('4');
        dash.code(KeyCode::Down);
        dash.key('5');
        let (job_id, detail) = (fixture::job_id(1), Ok(Box::new(detail)));
        dash.input(Input::Answer(Answer::Job { job_id, detail, events: None }));
        dash.draw();
        text(dash.screen())
    };
    let (known, unknown) = (legend(Some(0)), legend(None));
    assert!(known.contains("✗ dead-lettered 0"), "{known}");
    assert!(unknown.contains("✗ dead-lettered ·"), "{unknown}");
}
