//! What the dashboard asks of the outside, and the answers. [`super::update`] decides, [`super::runner`] carries out.

use stereospot_api::view::{DeploymentView, JobDetail, LogPage, MessageView};
use stereospot_api::wire::Applied;
use stereospot_domain::plan::{Action, Plan};
use stereospot_domain::{Event, JobId, QueueName};
use uuid::Uuid;

use super::export::Export;

/// Events of one job that are read and kept.
pub(crate) const JOB_EVENTS: u32 = 500;

/// Log lines per search: the most that the server returns.
pub(crate) const LOG_LINES: u32 = 10_000;

/// Messages of a dead-letter queue that are read.
pub(crate) const MESSAGES: u32 = 500;

/// Something to do outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Make a plan.
    Plan {
        serial: u64,
        action: Action,
    },
    /// Apply a plan.
    Apply {
        serial: u64,
        plan_id: Uuid,
        confirm: Option<String>,
    },
    /// Read a job in full, including its events if they are not known yet.
    FetchJob {
        job_id: JobId,
        with_events: bool,
    },
    /// Read a queue's messages.
    Peek(QueueName),
    /// Search for a job's log lines; cancels the running search.
    SearchLogs {
        job_id: JobId,
    },
    /// Cancel the running search.
    StopSearch,
    /// Read what the control plane found of its platform.
    FetchDeployment,
    Export(Export),
    /// Copy a text to the clipboard.
    Copy(String),
    /// Capture the mouse, or release it.
    Mouse(bool),
    /// Redraw every cell.
    Redraw,
    /// Suspend the process until the shell resumes it.
    Sleep,
    /// Close the dashboard; a stack that it started stops.
    Quit,
    /// Close the dashboard and leave its stack running.
    Detach,
}

/// The result of an effect; errors are already sentences.
#[derive(Debug)]
pub(crate) enum Answer {
    Plan {
        serial: u64,
        plan: Result<Box<Plan>, String>,
    },
    Applied {
        serial: u64,
        applied: Result<Applied, Unapplied>,
    },
    Job {
        job_id: JobId,
        detail: Result<Box<JobDetail>, String>,
        events: Option<Vec<Event>>,
    },
    Messages {
        queue: QueueName,
        messages: Result<Vec<MessageView>, String>,
    },
    Logs {
        job_id: JobId,
        page: Result<LogPage, String>,
    },
    Deployment(Result<Box<DeploymentView>, String>),
    /// The written file, or why there is none.
    Exported(Result<String, String>),
}

/// Why a plan has no results.
#[derive(Debug)]
pub(crate) enum Unapplied {
    /// It was not applied.
    Not(String),
    /// It was sent without an answer, so it may have been applied.
    Perhaps(String),
}
