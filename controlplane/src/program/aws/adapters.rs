//! Adapts what the AWS backend offers beyond the ports to the control plane's traits.

use std::sync::Arc;

use async_trait::async_trait;
use stereospot_aws::credentials::Renewed;
use stereospot_aws::provision::alarm::StuckJobs;
use stereospot_aws::sqs::{MoveState, MoveTask};
use stereospot_aws::{Connections, SqsQueue};
use stereospot_controlplane::{CallCounts, Counts, Redrive, Redrives, StuckJobsAlarm};
use stereospot_domain::Timestamp;
use stereospot_ports::{ErrorCode, Result};

/// Counts of all calls to AWS, and the state of what they are signed with.
#[derive(Debug)]
pub(super) struct Counted(pub(super) Connections);

impl CallCounts for Counted {
    fn snapshot(&self) -> Vec<(String, Counts)> {
        let counts = self.0.calls.snapshot().into_iter();
        counts
            .map(|((service, operation), count)| {
                let counts = Counts { attempts: count.attempts, throttled: count.throttled, failed: count.failed };
                (format!("{service}.{operation}"), counts)
            })
            .collect()
    }

    fn clock_ahead_secs(&self) -> i64 {
        self.0.calls.clock_ahead_secs()
    }

    fn wrong_clock(&self) -> Option<String> {
        self.0.calls.wrong_clock()
    }

    fn hindrance(&self) -> Option<String> {
        self.0.calls.hindrance()
    }

    fn renewals(&self) -> u64 {
        self.0.credentials.as_ref().map_or(0, Renewed::renewals)
    }
}

/// SQS's redrive of one dead-letter queue.
#[derive(Debug)]
pub(super) struct QueueRedrives(pub(super) Arc<SqsQueue>);

#[async_trait]
impl Redrives for QueueRedrives {
    async fn start(&self) -> Result<()> {
        self.0.start_move(None).await.map(drop)
    }

    async fn newest(&self) -> Result<Option<Redrive>> {
        Ok(self.0.moves().await?.into_iter().next().map(redrive))
    }

    async fn stop(&self) -> Result<bool> {
        let tasks = self.0.moves().await?;
        if tasks.iter().any(|task| task.state == MoveState::Cancelling) {
            return Ok(true);
        }
        let running = tasks.into_iter().find(|task| task.state == MoveState::Running);
        let Some(handle) = running.and_then(|task| task.handle) else { return Ok(false) };
        match self.0.cancel_move(&handle).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn redrive(task: MoveTask) -> Redrive {
    Redrive {
        is_running: matches!(task.state, MoveState::Running | MoveState::Cancelling),
        moved: task.moved,
        total: task.total,
        started_at: task.started_at,
        failure: match task.state {
            MoveState::Cancelled => Some("it was stopped".into()),
            MoveState::Failed => Some(task.failure.unwrap_or_else(|| "SQS gave no reason".into())),
            _ => None,
        },
    }
}

/// CloudWatch's alarm for stuck jobs.
#[derive(Debug)]
pub(super) struct Alarm(pub(super) StuckJobs);

#[async_trait]
impl StuckJobsAlarm for Alarm {
    async fn report(&self, count: u32, now: Timestamp) -> Result<()> {
        self.0.put(count, now).await
    }
}
