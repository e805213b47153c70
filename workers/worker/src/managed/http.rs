//! A server that converts a segment while the caller waits.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use stereospot_aws::http_inference::HttpInference;
use stereospot_domain::event::{SegmentCompleted, SegmentStarted};
use stereospot_domain::{Payload, QueueRole, keys};
use stereospot_ports::{ErrorCode, objects};
use stereospot_runtime::job;
use stereospot_runtime::stage::{Context, Failure, Handler, Task};
use stereospot_telemetry::record;

use super::segment;
use crate::inference::wanted;

/// First pause between two pings of a server that is not ready; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The inference stage, when an HTTP server does the conversion.
#[derive(Debug)]
pub struct HttpServer {
    pub server: HttpInference,
}

#[async_trait]
impl Handler for HttpServer {
    fn role(&self) -> QueueRole {
        QueueRole::Inference
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Some((key, job)) = wanted(context, task).await? else { return Ok(()) };
        let segment = segment(context, &job, key)?;
        self.wait_until_ready(task).await?;
        let started = Instant::now();
        context.events.emit(Payload::SegmentStarted(SegmentStarted::default()), &task.about);
        tokio::select! {
            // The error's text already includes the server's message.
            converted = self.server.convert(&segment) => converted.map_err(|error| match error.code() {
                ErrorCode::Invalid => Failure::Refused(format!("{error}; change what it says and submit the video again")),
                // The server answered the ping a moment ago, so the segment may be the cause: count the attempt.
                code => Failure::Retry(code, error.to_string()),
            })?,
            () = task.cancel.cancelled() => return Err(Failure::Cancelled),
        }
        let output = keys::output_segment(key.job_id, key.index);
        let Some(bytes) = objects::size(&*context.backend.output.store, &output).await? else {
            let why = format!("the inference server says that it converted the segment, but there is no {output}");
            return Err(Failure::Retry(ErrorCode::NotFound, why));
        };
        let completed = SegmentCompleted {
            bytes: Some(bytes),
            wall_secs: Some(started.elapsed().as_secs_f64()),
            provider: Some("http".into()),
            ..SegmentCompleted::default()
        };
        context.events.emit(Payload::SegmentCompleted(completed), &task.about);
        Ok(job::record_completion(context, key.job_id, key.index).await?)
    }
}

impl HttpServer {
    /// Waits until the server answers. The segment is not at fault, so the message is kept.
    async fn wait_until_ready(&self, task: &Task) -> Result<(), Failure> {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.server.ping().await {
            record::backend_error(error.code().as_str());
            tracing::warn!("the inference server is not ready, asking again in {} s: {error}", pause.as_secs());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = task.cancel.cancelled() => return Err(Failure::Cancelled),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}
