//! Copies segments without converting them, to try a deployment's plumbing without a model, as existing services can.

use async_trait::async_trait;
use stereospot_domain::event::{SegmentCompleted, SegmentStarted};
use stereospot_domain::{Payload, QueueRole, keys};
use stereospot_runtime::job;
use stereospot_runtime::stage::{Context, Failure, Handler, Task};

use crate::files;
use crate::inference::wanted;
use crate::scratch::Scratch;

/// The inference stage, by copying.
#[derive(Debug)]
pub struct Stub {
    pub scratch: Scratch,
}

#[async_trait]
impl Handler for Stub {
    fn role(&self) -> QueueRole {
        QueueRole::Inference
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Some((key, _)) = wanted(context, task).await? else { return Ok(()) };
        context.events.emit(Payload::SegmentStarted(SegmentStarted::default()), &task.about);
        let folder = self.scratch.folder()?;
        let file = folder.path().join("segment.mp4");
        files::download(&context.backend.input, &keys::segment(key), &file, &task.cancel).await?;
        let output = keys::output_segment(key.job_id, key.index);
        let bytes = files::upload(&file, &context.backend.output, &output, &task.cancel).await?;
        let completed =
            SegmentCompleted { bytes: Some(bytes), provider: Some("stub".into()), ..SegmentCompleted::default() };
        context.events.emit(Payload::SegmentCompleted(completed), &task.about);
        Ok(job::record_completion(context, key.job_id, key.index).await?)
    }
}
