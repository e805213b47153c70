use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::{JobId, QueueName, QueueRole, Stage};
use uuid::Uuid;

use super::*;

const JOB: JobId = JobId(Uuid::nil());
const ID: &str = "00000000-0000-0000-0000-000000000000";

#[test]
fn the_command_that_repairs_comes_before_one_that_looks() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let check = |steps: &[Step], expected: &str| assert_eq!(next(steps), expected);
    check(&[Step::Triage { queue }, Step::Replay { queue }], "stereospot queues replay inference-dlq");
    check(&[Step::Triage { queue }], "stereospot queues peek inference-dlq");
    let (show, code) = (Step::ShowJob { job_id: JOB }, FindingCode::SegmentLost);
    let give_up = Step::GiveUp { job_id: JOB };
    let repair = Step::Repair { job_id: JOB, code };
    check(&[show.clone(), repair, give_up.clone()], &format!("stereospot jobs repair {ID} segment-lost"));
    check(&[show.clone(), give_up], &format!("stereospot jobs show {ID}; stereospot jobs fail {ID}"));
    let wait = Step::Wait { until: Wait::Repaired };
    check(&[show, wait], &format!("stereospot jobs show {ID}; it is repaired automatically"));
    check(&[Step::Scale { service: "video-worker".into(), desired: 1 }], "stereospot services scale video-worker 1");
    let workers = [Step::Wait { until: Wait::LeaseEnds }, Step::ShowWorkers];
    check(&workers, "its message comes back when the lease ends; stereospot workers");
    assert_eq!(command(&workers).as_deref(), Some("stereospot workers"));
    let start = [Step::StartWorker { stage: Stage::Inference }];
    assert_eq!(command(&start), None);
    assert!(next(&start).contains("logs/") && next(&start).contains("`stereospot up`"), "{}", next(&start));
}

#[test]
fn a_missing_queue_is_made_again_by_what_made_the_others() {
    let check = |is_provisioned, says: &str| {
        let step = Step::Provision { queue: QueueName::main(QueueRole::Chunking), is_provisioned };
        assert!(plain(&step).starts_with(says), "{}", plain(&step));
    };
    check(Some(true), "stereospot provision makes it again");
    check(Some(false), "what made the deployment (Terraform, CloudFormation) makes it again");
    check(None, "what made the deployment (stereospot provision, Terraform) makes it again");
}

#[test]
fn every_action_has_a_command_that_the_command_line_takes() {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let message_ids = Some(vec!["m-1".to_owned(), "m-2".to_owned()]);
    let actions = [
        Action::Replay { queue, message_ids: None },
        Action::Replay { queue, message_ids: message_ids.clone() },
        Action::Purge { queue, message_ids },
        Action::Trigger { job_id: JOB },
        Action::Repair { job_id: JOB, code: FindingCode::SegmentLost },
        Action::Restore { plan_id: Uuid::nil() },
        Action::Scale { service: "video-worker".into(), desired: 2 },
        Action::StopMove { queue },
        Action::Fail { job_id: JOB, reason: Some("gone".into()), discard: false },
    ];
    let steps = [Step::Triage { queue }, Step::ShowJob { job_id: JOB }, Step::ShowWorkers, Step::Doctor];
    let commands = actions.iter().map(Action::command).chain(steps.iter().filter_map(command_of));
    for command in commands {
        let checked = crate::check_command_line(command.split(' '));
        assert!(checked.is_ok(), "{command}: {checked:?}");
    }
}
