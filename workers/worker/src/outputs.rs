//! Records what output objects prove: a converted segment is a completion, a result is a completed job.
//!
//! Inference and reassembly record both themselves. This second way needs only the object's notification, so it also works when
//! one of them died between writing the object and recording it, and when another service wrote the object.
//!
//! When the deployment's job-worker writes completions, notifications here only end managed invocations.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use stereospot_domain::QueueRole;
use stereospot_domain::keys::{self, OutputKey};
use stereospot_domain::message::{self, Request};
use stereospot_ports::objects;
use stereospot_runtime::events::About;
use stereospot_runtime::job;
use stereospot_runtime::stage::{Asked, Context, Failure, Handler, Task};

/// The output-events stage.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Takes the result objects of a managed inference; absent when the deployment has none.
    pub results: Option<Arc<dyn Results>>,
}

/// The results of a managed inference, which are objects of its own.
#[async_trait]
pub trait Results: fmt::Debug + Send + Sync {
    /// True for keys of the output bucket that are results.
    fn is_result(&self, key: &str) -> bool;

    /// Records the result. Safe to do twice.
    ///
    /// # Errors
    /// A [`Failure`] decides what becomes of the message.
    async fn take(&self, context: &Context, about: &About, key: &str) -> Result<(), Failure>;
}

impl Outputs {
    fn is_result(&self, key: &str) -> bool {
        self.results.as_ref().is_some_and(|results| results.is_result(key))
    }
}

#[async_trait]
impl Handler for Outputs {
    fn role(&self) -> QueueRole {
        QueueRole::OutputEvents
    }

    fn read_odd(&self, error: &message::Error) -> Option<Asked> {
        match error {
            message::Error::Key(key) if self.is_result(key) => Some(Asked::Object(key.clone())),
            _ => None,
        }
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let output = match (&task.asked, &self.results) {
            (Asked::Known(Request::Output(output)), _) => *output,
            (Asked::Object(key), Some(results)) => return results.take(context, &task.about, key).await,
            _ => return Ok(()),
        };
        match output {
            OutputKey::Segment(job_id, index) => {
                if !job::wants(context, job_id, index).await? {
                    return Ok(());
                }
                Ok(job::record_completion(context, job_id, index).await?)
            }
            OutputKey::Final(job_id) | OutputKey::Done(job_id) => {
                // The mark alone proves nothing: the result must exist.
                if objects::exists(&*context.backend.output.store, &keys::result(job_id)).await? {
                    job::complete_job(context, job_id).await?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
