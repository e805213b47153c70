//! Confirms what output objects say: a converted segment is a completion, a result is a completed job.
//!
//! Inference and reassembly record both themselves. This second way needs nothing but the object's notification, so it also
//! works when one of them died between writing the object and recording it, and when the object is another service's work.

use async_trait::async_trait;
use stereospot_domain::keys::{self, OutputKey};
use stereospot_domain::message::Request;
use stereospot_domain::{QueueRole, SegmentCompletion};
use stereospot_ports::objects;
use stereospot_runtime::job;
use stereospot_runtime::stage::{Context, Failure, Handler, Task};

/// The output-events stage.
#[derive(Debug)]
pub struct Outputs;

#[async_trait]
impl Handler for Outputs {
    fn role(&self) -> QueueRole {
        QueueRole::OutputEvents
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Request::Output(output) = task.request else { return Ok(()) };
        match output {
            OutputKey::Segment(job_id, index) => {
                if job::is_over(context, job_id).await? {
                    return Ok(());
                }
                record_completion(context, job_id, index).await
            }
            OutputKey::Final(job_id) | OutputKey::Done(job_id) => {
                // The mark alone proves nothing: the result must be there.
                if objects::exists(&*context.backend.output.store, &keys::result(job_id)).await? {
                    job::complete_job(context, job_id).await?;
                }
                Ok(())
            }
        }
    }
}

/// Records that a segment's output exists, then runs the trigger check.
///
/// # Errors
/// When the backend can't be asked.
pub async fn record_completion(
    context: &Context,
    job_id: stereospot_domain::JobId,
    segment_index: u32,
) -> Result<(), Failure> {
    let completion = SegmentCompletion {
        job_id,
        segment_index,
        output_uri: context.backend.output.uri(&keys::output_segment(job_id, segment_index)),
        completed_at: context.backend.clock.now(),
    };
    context.backend.jobs.put_completion(&completion).await?;
    job::check_trigger(context, job_id).await?;
    Ok(())
}
