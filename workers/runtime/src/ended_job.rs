//! Stops the work on a job that fails or is deleted meanwhile.

use std::time::Duration;

use stereospot_domain::{JobId, JobStatus};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::context::Context;
use crate::failure::one_line;

/// How often the job's row is read while there is work on it: one cheap read, on AWS too.
const EVERY: Duration = Duration::from_secs(2);

/// Cancels `cancel` when the job ends without a result. Not when it is completed: then what is left to do belongs to that.
#[derive(Debug)]
pub(crate) struct JobWatch {
    /// Cancelled also when `parent` is.
    pub(crate) cancel: CancellationToken,
    parent: CancellationToken,
    _task: Option<AbortOnDropHandle<()>>,
}

impl JobWatch {
    /// Reads the job's row before it returns: what ends the job during the work is seen however soon it comes.
    pub(crate) async fn start(context: &Context, job_id: Option<JobId>, parent: &CancellationToken) -> Self {
        let cancel = parent.child_token();
        let mut task = None;
        if let Some(job_id) = job_id {
            // The work may begin with taking a failed job back: only a job that was seen alive can end.
            let was_alive = tokio::select! {
                seen = look(context, job_id) => seen == Seen::Alive,
                () = parent.cancelled() => false,
            };
            let (context, cancel) = (context.clone(), cancel.clone());
            task = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                watch(&context, job_id, was_alive).await;
                cancel.cancel();
            })));
        }
        Self { cancel, parent: parent.clone(), _task: task }
    }

    /// True when the job has ended, and nothing else stopped the work.
    pub(crate) fn has_ended(&self) -> bool {
        self.cancel.is_cancelled() && !self.parent.is_cancelled()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Alive,
    Ended,
    Unknown,
}

async fn look(context: &Context, job_id: JobId) -> Seen {
    match context.backend.jobs.get(job_id).await.map(|job| job.map(|job| job.status)) {
        Ok(None | Some(JobStatus::Failed | JobStatus::Deleted)) => Seen::Ended,
        Ok(Some(_)) => Seen::Alive,
        Err(error) => {
            tracing::debug!("job_id={job_id} can't be looked at: {}", one_line(&error));
            Seen::Unknown
        }
    }
}

/// Returns when the job has ended after it was seen alive.
async fn watch(context: &Context, job_id: JobId, mut was_alive: bool) {
    loop {
        tokio::time::sleep(EVERY).await;
        match look(context, job_id).await {
            Seen::Alive => was_alive = true,
            Seen::Ended if was_alive => break,
            Seen::Ended | Seen::Unknown => {}
        }
    }
    tracing::info!("job_id={job_id} has ended: the work on it is stopped");
}
