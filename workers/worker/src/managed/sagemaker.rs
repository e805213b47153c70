//! A SageMaker endpoint: segments are handed over, and results come as objects.
//!
//! Invariant: a segment's message is deleted only after the endpoint has the segment and the row that leads back to it is
//! written. From then on the notification of the result, or of the failure, carries the segment on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_aws::sagemaker::{Matched, Sagemaker};
use stereospot_domain::event::{SegmentCompleted, SegmentStarted, StepFailed};
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{Job, Payload, QueueRole, Stage, Topology, message};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::{ErrorCode, objects};
use stereospot_runtime::events::About;
use stereospot_runtime::job;
use stereospot_runtime::stage::{Context, Failure, Handler, Task};

use super::{InFlight, segment};
use crate::inference::wanted;
use crate::outputs::Results;

/// A job fails when the endpoint has failed so often at one of its segments.
const MOST_FAILURES: u32 = 3;
/// How often to look for the row of a result: it may be a moment behind.
const LOOKS: u32 = 3;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// When to look again at a message whose segment is at the endpoint.
const HELD: Duration = Duration::from_secs(60);

/// The inference stage, by an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    pub sagemaker: Sagemaker,
    pub in_flight: Arc<InFlight>,
}

#[async_trait]
impl Handler for Endpoint {
    fn role(&self) -> QueueRole {
        QueueRole::Inference
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Some((key, job)) = wanted(context, task).await? else { return Ok(()) };
        let segment = segment(context, &job, key)?;
        if self.in_flight.holds(context, key.job_id, key.index).await? {
            // A second delivery, or the first was given up: the message stays until that is decided.
            return Err(Failure::Later { why: "the segment is at the endpoint already".into(), after: HELD });
        }
        self.in_flight.room(context, &task.cancel).await?;
        let invocation = self.sagemaker.invoke(&segment, context.backend.clock.now()).await?;
        self.in_flight.add(key.job_id, key.index, invocation, context.backend.clock.now());
        let begun = SegmentStarted { provider: Some("sagemaker".into()), ..SegmentStarted::default() };
        context.events.emit(Payload::SegmentStarted(begun), &task.about);
        Ok(())
    }
}

/// Takes an endpoint's results.
#[derive(Debug)]
pub struct EndpointResults {
    pub sagemaker: Sagemaker,
    /// The invocations of this process.
    pub in_flight: Arc<InFlight>,
}

#[async_trait]
impl Results for EndpointResults {
    fn is_result(&self, key: &str) -> bool {
        Sagemaker::is_result(key)
    }

    async fn take(&self, context: &Context, about: &About, key: &str) -> Result<(), Failure> {
        let uri = context.backend.output.uri(key);
        self.in_flight.end(&uri);
        if context.topology == Topology::JobWorker {
            return Ok(());
        }
        let Some(matched) = self.sagemaker.matched(key).await? else {
            if about.attempt.is_none_or(|attempt| attempt < LOOKS) {
                let why = format!("no invocation is known yet whose result is {key}");
                return Err(Failure::Later { why, after: LOOK_AGAIN_AFTER });
            }
            tracing::info!("the result {key} belongs to no invocation of this pipeline, or was taken before");
            return Ok(());
        };
        let about = About {
            job_id: Some(matched.job_id),
            segment_index: Some(matched.index),
            stage: Some(Stage::Inference),
            attempt: None,
        };
        match &matched.failure {
            None => succeeded(context, &about, &matched).await?,
            Some(reason) => self.failed(context, &about, &matched, reason).await?,
        }
        Ok(self.sagemaker.forget(&uri).await?)
    }
}

async fn succeeded(context: &Context, about: &About, matched: &Matched) -> Result<(), Failure> {
    let Matched { job_id, index, .. } = *matched;
    if !job::wants(context, job_id, index).await? {
        return Ok(());
    }
    let key = keys::output_segment(job_id, index);
    let Some(bytes) = objects::size(&*context.backend.output.store, &key).await? else {
        let why = format!("the endpoint says that it converted the segment, but there is no {key}");
        return Err(Failure::Retry(ErrorCode::NotFound, why));
    };
    let wall_secs = matched.invoked_at.map(|at| context.backend.clock.now().since(at).as_secs_f64());
    let completed = SegmentCompleted {
        bytes: Some(bytes),
        wall_secs,
        provider: Some("sagemaker".into()),
        ..SegmentCompleted::default()
    };
    context.events.emit(Payload::SegmentCompleted(completed), about);
    Ok(job::record_completion(context, job_id, index).await?)
}

impl EndpointResults {
    /// Sends the segment's message again, or fails the job.
    async fn failed(&self, context: &Context, about: &About, matched: &Matched, reason: &str) -> Result<(), Failure> {
        let Matched { job_id, index, .. } = *matched;
        let Some(job) = context.backend.jobs.get(job_id).await?.filter(|job| !job.status.is_final()) else {
            return Ok(());
        };
        let failures = self.sagemaker.count_failure(job_id, index, context.backend.clock.now()).await?;
        let is_final = failures >= MOST_FAILURES;
        let failed = StepFailed {
            error: Some(reason.to_owned()),
            is_final: Some(is_final),
            failures: Some(failures),
            ..StepFailed::default()
        };
        context.events.emit(Payload::SegmentFailed(failed), about);
        if is_final {
            let reason = format!("the endpoint failed {failures} times at segment {index}: {reason}");
            return Ok(job::fail_job(context, about, &reason, None).await?);
        }
        send_again(context, &job, matched).await
    }
}

async fn send_again(context: &Context, job: &Job, matched: &Matched) -> Result<(), Failure> {
    let Matched { job_id, index, .. } = *matched;
    let total = matched.total.or(job.total_segments).ok_or_else(|| {
        let why = format!("segment {index} of job_id={job_id} can't be named: its number of segments is unknown");
        Failure::Retry(ErrorCode::NotFound, why)
    })?;
    let key = keys::segment(SegmentKey { job_id, index, total, mode: job.mode });
    let body = message::object_created(&context.backend.input.name, &key);
    context.backend.queue(QueueRole::Inference)?.send(&[Outgoing::now(body)]).await?;
    Ok(())
}
