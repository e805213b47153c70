//! The catalogue's closed label values are the domain's own values.

use std::collections::BTreeSet;

use serde_json::json;
use stereospot_api::view::{SegmentState, WorkerState};
use stereospot_domain::diagnosis;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::trigger::Decision;
use stereospot_domain::{EventKind, JobStatus, QueueName, QueueRole, Stage, Warning};
use stereospot_telemetry::catalogue::{self, Label, Values};

fn closed(label: &Label) -> BTreeSet<String> {
    match label.values {
        Values::Closed(values) => values.iter().map(|value| (*value).to_owned()).collect(),
        Values::Bounded(_) => panic!("{} is not closed", label.name),
    }
}

fn check<T: ToString>(label: &Label, expected: impl IntoIterator<Item = T>) {
    assert_eq!(closed(label), expected.into_iter().map(|value| value.to_string()).collect(), "{}", label.name);
}

#[test]
fn sets_with_a_list_are_the_same() {
    check(&catalogue::QUEUE, QueueName::all());
    let further: Vec<String> = QueueName::all()
        .filter(|name| !QueueName::pipeline().any(|own| own == *name))
        .map(|name| name.to_string())
        .collect();
    assert_eq!(catalogue::QUEUE.optional, further);
    check(&catalogue::MAIN_QUEUE, QueueRole::PIPELINE.iter().map(|role| role.as_str()));
    check(&catalogue::STAGE, Stage::ALL);
    check(&catalogue::WORKER_STAGE, Stage::ALL.iter().map(|stage| stage.as_str()).chain(["all"]));
    check(&catalogue::JOB_STATUS, JobStatus::ALL);
    check(&catalogue::DIAGNOSIS_CODE, diagnosis::FindingCode::ALL);
    check(&catalogue::EVENT_TYPE, EventKind::ALL.iter().chain([&EventKind::Unknown]));
    check(&catalogue::ERROR_CODE, stereospot_ports::ErrorCode::ALL.iter().map(|code| code.as_str()));
    check(&catalogue::WARNING_KIND, Warning::KINDS);
    check(&catalogue::JOB_OUTCOME, [JobStatus::Completed, JobStatus::Failed]);
}

// The following types have no list of their values. The matches fail to compile when a variant is added; the texts come
// from serde.

#[test]
fn actions_are_the_same() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let actions = ["replay", "purge", "trigger", "repair", "restore", "scale", "stop_move", "fail", "delete", "prune"]
        .map(|name| {
            let value = json!({
                "action": name, "queue": "inference-dlq", "job_id": id, "plan_id": id, "code": "segment-lost",
                "service": "video-worker", "desired": 1,
            });
            serde_json::from_value::<Action>(value).unwrap()
        });
    for action in &actions {
        match action {
            Action::Replay { .. }
            | Action::Purge { .. }
            | Action::Trigger { .. }
            | Action::Repair { .. }
            | Action::Restore { .. }
            | Action::Scale { .. }
            | Action::StopMove { .. }
            | Action::Fail { .. }
            | Action::Delete { .. }
            | Action::Prune { .. } => {}
        }
    }
    check(&catalogue::ACTION, actions.iter().map(Action::name));
}

#[test]
fn outcomes_of_items_are_the_same() {
    let all = [Outcome::Done, Outcome::Skipped, Outcome::Failed];
    for outcome in all {
        match outcome {
            Outcome::Done | Outcome::Skipped | Outcome::Failed => {}
        }
    }
    check(&catalogue::ITEM_OUTCOME, texts(&all));
}

#[test]
fn decisions_that_act_are_the_same() {
    let all = [Decision::CreateLockAndSend, Decision::SendAgain, Decision::MarkReassembling, Decision::MarkCompleted];
    for decision in all {
        match decision {
            Decision::CreateLockAndSend
            | Decision::SendAgain
            | Decision::MarkReassembling
            | Decision::MarkCompleted
            // Waiting is not an action.
            | Decision::Wait(_) => {}
        }
    }
    check(&catalogue::DECISION, texts(&all));
}

#[test]
fn states_that_the_control_plane_shows_are_the_same() {
    let segments = [
        SegmentState::Done,
        SegmentState::Running,
        SegmentState::Queued,
        SegmentState::Missing,
        SegmentState::DeadLettered,
    ];
    for state in segments {
        match state {
            SegmentState::Done
            | SegmentState::Running
            | SegmentState::Queued
            | SegmentState::Missing
            | SegmentState::DeadLettered => {}
        }
    }
    check(&catalogue::SEGMENT_STATE, texts(&segments));
    let workers =
        [WorkerState::Idle, WorkerState::Busy, WorkerState::Draining, WorkerState::Stopped, WorkerState::Silent];
    for state in workers {
        match state {
            WorkerState::Idle
            | WorkerState::Busy
            | WorkerState::Draining
            | WorkerState::Stopped
            | WorkerState::Silent => {}
        }
    }
    check(&catalogue::WORKER_STATE, texts(&workers));
}

fn texts<T: serde::Serialize>(values: &[T]) -> Vec<String> {
    values
        .iter()
        .map(|value| serde_json::to_value(value).unwrap().as_str().expect("it is written as a text").to_owned())
        .collect()
}
