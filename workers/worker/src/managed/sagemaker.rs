//! A SageMaker endpoint: segments are handed over, and results come as objects.
//!
//! Invariant: a segment's message is deleted only after the endpoint has the segment and the row that finds it again stands.
//! From then on its result's notification, or its failure's, is what carries the segment on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stereospot_aws::sagemaker::{Matched, Sagemaker};
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{EventKind, Job, QueueRole, Stage, Topology, message};
use stereospot_ports::objects;
use stereospot_ports::work_queue::Outgoing;
use stereospot_runtime::events::About;
use stereospot_runtime::job;
use stereospot_runtime::stage::{Context, Failure, Handler, Task};

use super::{InFlight, segment};
use crate::inference::wanted;
use crate::outputs::Results;

/// A job fails when the endpoint has failed at one of its segments so often.
const MOST_FAILURES: u32 = 3;
/// A result that no row knows is looked at so often: the row may be a moment behind.
const LOOKS: u32 = 3;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// When a message is looked at again whose segment is under way.
const HELD: Duration = Duration::from_secs(60);

/// The inference stage, by an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// The endpoint.
    pub sagemaker: Sagemaker,
    /// What was handed over.
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
            // Perhaps a second delivery, perhaps somebody who gave the first up: the message stays until it is decided.
            return Err(Failure::Later { why: "the segment is at the endpoint already".into(), after: HELD });
        }
        self.in_flight.room(context, &task.cancel).await?;
        let invocation = self.sagemaker.invoke(&segment, context.backend.clock.now()).await?;
        self.in_flight.add(key.job_id, key.index, invocation, context.backend.clock.now());
        context.events.emit(EventKind::SegmentStarted, &task.about, [("provider", json!("sagemaker"))]);
        Ok(())
    }
}

/// What becomes of an endpoint's results.
#[derive(Debug)]
pub struct EndpointResults {
    /// The endpoint.
    pub sagemaker: Sagemaker,
    /// What this process handed over.
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
    if job::is_over(context, job_id).await? {
        return Ok(());
    }
    let key = keys::output_segment(job_id, index);
    let Some(bytes) = objects::size(&*context.backend.output.store, &key).await? else {
        return Err(Failure::Retry(format!("the endpoint says that it converted the segment, but there is no {key}")));
    };
    let wall_secs = matched.invoked_at.map(|at| context.backend.clock.now().since(at).as_secs_f64());
    let data = [("bytes", json!(bytes)), ("wall_secs", json!(wall_secs)), ("provider", json!("sagemaker"))];
    context.events.emit(EventKind::SegmentCompleted, about, data);
    Ok(job::record_completion(context, job_id, index).await?)
}

impl EndpointResults {
    /// The segment's message is sent again, or the job fails.
    async fn failed(&self, context: &Context, about: &About, matched: &Matched, reason: &str) -> Result<(), Failure> {
        let Matched { job_id, index, .. } = *matched;
        let Some(job) = context.backend.jobs.get(job_id).await?.filter(|job| !job.status.is_final()) else {
            return Ok(());
        };
        let failures = self.sagemaker.count_failure(job_id, index, context.backend.clock.now()).await?;
        let is_final = failures >= MOST_FAILURES;
        let data = [("error", json!(reason)), ("is_final", json!(is_final)), ("failures", json!(failures))];
        context.events.emit(EventKind::SegmentFailed, about, data);
        if is_final {
            let reason = format!("the endpoint failed {failures} times at segment {index}: {reason}");
            return Ok(job::fail_job(context, about, &reason).await?);
        }
        send_again(context, &job, matched).await
    }
}

async fn send_again(context: &Context, job: &Job, matched: &Matched) -> Result<(), Failure> {
    let Matched { job_id, index, .. } = *matched;
    let total = matched.total.or(job.total_segments).ok_or_else(|| {
        Failure::Retry(format!("segment {index} of job_id={job_id} can't be named: its number of segments is unknown"))
    })?;
    let key = keys::segment(SegmentKey { job_id, index, total, mode: job.mode });
    let body = message::object_created(&context.backend.input.name, &key);
    context.backend.queue(QueueRole::Inference)?.send(&[Outgoing::now(body)]).await?;
    Ok(())
}
