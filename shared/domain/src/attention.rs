//! What is wrong, and what an operator can do about it: data, from which the dashboard and the command line make their words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::collector::Collector;
use crate::diagnosis::{Finding, FindingCode, Remedy};
use crate::job::JobId;
use crate::queue::{QueueName, QueueRole};
use crate::stage::Stage;

/// What an attention item is about. Two items with the same subject are the same matter at different times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// Neither queues nor jobs can be read.
    Backend,
    /// This machine's clock is wrong.
    Clock,
    /// Readings wait for the budget of calls.
    Polling,
    /// A collector does not read what it should, or the control-plane database can't be written.
    Collector { name: Collector },
    /// One queue can't be read.
    Queue { queue: QueueName },
    /// Messages wait and no worker of the stage is heard of, or messages are in flight and no known worker holds them.
    Stage { role: QueueRole },
    /// Messages wait and the service that receives them has no task.
    Service { name: String, role: QueueRole },
    /// A dead-letter queue holds messages.
    DeadLetterQueue { queue: QueueName },
    /// A finding of a job.
    Job { job_id: JobId, code: FindingCode },
    /// A worker is silent or failed.
    Worker { name: String },
}

impl Subject {
    /// The finding's or alert's code, which is also the runbook page's name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Subject::Backend | Subject::Polling | Subject::Collector { .. } | Subject::Queue { .. } => "collector-down",
            Subject::Clock => "clock-wrong",
            Subject::Service { role, .. } if !role.is_in_pipeline() => "queue-unserved",
            Subject::Stage { .. } | Subject::Service { .. } => "stage-stalled",
            Subject::DeadLetterQueue { .. } => "dlq-not-empty",
            Subject::Job { code, .. } => code.as_str(),
            Subject::Worker { .. } => "worker-silent",
        }
    }

    /// Among matters of equal severity, the one that holds up most comes first.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            // What can't be read makes the rest doubtful.
            Subject::Backend | Subject::Clock => 0,
            Subject::Polling | Subject::Collector { .. } | Subject::Queue { .. } => 1,
            Subject::Stage { .. } | Subject::Service { .. } => 2,
            Subject::DeadLetterQueue { .. } => 3,
            Subject::Job { .. } => 4,
            Subject::Worker { .. } => 5,
        }
    }

    /// The job that it names.
    #[must_use]
    pub fn job_id(&self) -> Option<JobId> {
        match self {
            Subject::Job { job_id, .. } => Some(*job_id),
            _ => None,
        }
    }

    /// The queue that it names, or whose work waits.
    #[must_use]
    pub fn queue(&self) -> Option<QueueName> {
        match self {
            Subject::Queue { queue } | Subject::DeadLetterQueue { queue } => Some(*queue),
            Subject::Stage { role } | Subject::Service { role, .. } => Some(QueueName::main(*role)),
            _ => None,
        }
    }
}

/// Something that an operator can do, or know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Look into a dead-letter queue.
    Triage { queue: QueueName },
    /// Replay a dead-letter queue.
    Replay { queue: QueueName },
    /// Take messages that no worker needs off a dead-letter queue.
    Discard { queue: QueueName },
    /// Replay the dead letters of one job.
    ReplayJob { job_id: JobId, code: FindingCode },
    /// Trigger reassembly.
    Trigger { job_id: JobId },
    /// Carry out a finding's repair.
    Repair { job_id: JobId, code: FindingCode },
    /// Set a job to failed.
    GiveUp { job_id: JobId },
    /// Look at a job.
    ShowJob { job_id: JobId },
    /// Set a service's number of tasks.
    Scale { service: String, desired: u32 },
    /// Start a worker of a stage, or find in its log why it died.
    StartWorker { stage: Stage },
    /// Repair what made a worker fail, and start it.
    RestartWorker { name: String },
    /// Look at the workers.
    ShowWorkers,
    /// Find in the platform's own events why a service's tasks don't start.
    ReadServiceEvents { service: String },
    /// Bring back a service that the cluster no longer has.
    RestoreService { service: String },
    /// Make a queue that is missing, or correct its name.
    Provision {
        queue: QueueName,
        /// Whether `provision` made the deployment; absent where that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_provisioned: Option<bool>,
    },
    /// Check what can be reached and what is allowed.
    Doctor,
    /// Allow more calls a minute.
    RaiseBudget,
    /// Set this machine's clock.
    SetClock,
    /// Start everything on the data directory again.
    RestartAll,
    /// Wait: what happens meanwhile.
    Wait { until: Wait },
}

/// What goes on without the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The reconciler repairs it.
    Repaired,
    /// The worker's message comes back when its lease ends.
    LeaseEnds,
    /// The service is scaled up by others.
    ScaledUp,
    /// One queue's numbers are unknown; the others go on.
    QueueRead,
    /// What is shown is old, and writes that rest on it are refused.
    AllRead,
    /// Some of what is shown may be old.
    SomeRead,
    /// Nothing newer is known until the backend answers again.
    BackendAnswers,
    /// Events wait with their senders, and no plan can be made.
    DatabaseWritten,
}

/// What may be done about findings now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    pub is_read_only: bool,
    /// The reconciler carries out safe repairs without being asked.
    pub reconciles: bool,
    /// It has tried this one, and could not.
    pub has_failed: bool,
}

impl Finding {
    /// What an operator can do about this finding of a job, the first thing first.
    #[must_use]
    pub fn steps(&self, job_id: JobId, means: Means) -> Vec<Step> {
        let (code, show) = (self.code, Step::ShowJob { job_id });
        if means.has_failed {
            return vec![show, Step::Repair { job_id, code }, Step::GiveUp { job_id }];
        }
        match self.remedy() {
            _ if means.is_read_only => vec![show],
            Remedy::Look => vec![show],
            Remedy::GiveUp => vec![show, Step::GiveUp { job_id }],
            // Read why it failed before it fails the same way again.
            Remedy::Replay if self.retry_helps == Some(false) => vec![show, Step::ReplayJob { job_id, code }],
            Remedy::Trigger if self.retry_helps == Some(false) => vec![show, Step::Trigger { job_id }],
            Remedy::Replay => vec![Step::ReplayJob { job_id, code }],
            Remedy::Trigger => vec![Step::Trigger { job_id }],
            Remedy::Repair if means.reconciles && self.is_safe_unasked() => {
                vec![show, Step::Wait { until: Wait::Repaired }]
            }
            Remedy::Repair => vec![Step::Repair { job_id, code }],
        }
    }
}

#[cfg(test)]
mod tests;
