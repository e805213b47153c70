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
    pub(crate) fn start(context: &Context, job_id: Option<JobId>, parent: &CancellationToken) -> Self {
        let cancel = parent.child_token();
        let task = job_id.map(|job_id| {
            let (context, cancel) = (context.clone(), cancel.clone());
            AbortOnDropHandle::new(tokio::spawn(async move { watch(&context, job_id, &cancel).await }))
        });
        Self { cancel, parent: parent.clone(), _task: task }
    }

    /// True when the job has ended, and nothing else stopped the work.
    pub(crate) fn has_ended(&self) -> bool {
        self.cancel.is_cancelled() && !self.parent.is_cancelled()
    }
}

async fn watch(context: &Context, job_id: JobId, cancel: &CancellationToken) {
    // The work may begin with taking a failed job back: only a job that was seen alive can end.
    let mut was_alive = false;
    loop {
        match context.backend.jobs.get(job_id).await.map(|job| job.map(|job| job.status)) {
            Ok(None | Some(JobStatus::Failed | JobStatus::Deleted)) if was_alive => {
                tracing::info!("job_id={job_id} has ended: the work on it is stopped");
                return cancel.cancel();
            }
            Ok(None | Some(JobStatus::Failed | JobStatus::Deleted)) => {}
            Ok(Some(_)) => was_alive = true,
            Err(error) => tracing::debug!("job_id={job_id} can't be looked at: {}", one_line(&error)),
        }
        tokio::time::sleep(EVERY).await;
    }
}
