//! What the dashboard asks of the outside, and the answers. [`super::update`] decides, [`super::runner`] carries out.

use stereospot_api::view::{DeploymentView, JobDetail, LogPage, MessageView};
use stereospot_api::wire::Applied;
use stereospot_domain::plan::{Action, Plan};
use stereospot_domain::{Event, JobId, QueueName};
use uuid::Uuid;

use super::export::Export;

/// Events of one job that are read and held.
pub(crate) const JOB_EVENTS: u32 = 500;

/// Lines of one search for logs: the most that a search can have.
pub(crate) const LOG_LINES: u32 = 10_000;

/// Messages of a dead-letter queue that are read.
pub(crate) const MESSAGES: u32 = 500;

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Make a plan.
    Plan {
        serial: u64,
        action: Action,
    },
    /// Apply one.
    Apply {
        serial: u64,
        plan_id: Uuid,
        confirm: Option<String>,
    },
    /// Read a job in full; with its events where they are not known yet.
    FetchJob {
        job_id: JobId,
        with_events: bool,
    },
    /// Read a queue's messages.
    Peek(QueueName),
    /// Search for a job's log lines; ends the search under way.
    SearchLogs {
        job_id: JobId,
    },
    /// Drop the search under way.
    StopSearch,
    /// Read what the control plane found of its platform.
    FetchDeployment,
    /// Write a new file.
    Export(Export),
    /// Put a text on the clipboard.
    Copy(String),
    /// Take the mouse, or give it back.
    Mouse(bool),
    /// Draw every cell again.
    Redraw,
    /// Stop the process until a shell wakes it.
    Sleep,
    Quit,
}

/// What an effect resulted in; errors are sentences already.
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
    /// Which file was written, or why not.
    Exported(Result<String, String>),
}

/// Why there are no results of a plan.
#[derive(Debug)]
pub(crate) enum Unapplied {
    /// It was not applied.
    Not(String),
    /// It was sent and no answer came: it may have been applied.
    Perhaps(String),
}
