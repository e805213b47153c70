//! The AWS backend: SQS, DynamoDB and S3 behind the ports, and the other services that an operator needs.
//!
//! Everything is named by a deployment's environment file ([`deployment`]): what it does not name is not deployed, and nothing
//! that is absent breaks what is there. The SDK is named in this crate only, and no type of its stands in a port.
//!
//! Invariant: clients are built once ([`Connections`]), every call ends in time, every attempt is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use stereospot_domain::{BackendKind, QueueName};
use stereospot_ports::{Backend, Clock, Error, ErrorCode, Result, SystemClock, WorkQueue};

pub mod calls;
pub mod config;
pub mod deployment;
pub mod doctor;
pub mod dynamo;
pub mod ecs;
pub mod error;
pub mod http_inference;
pub mod logs;
pub mod provision;
pub mod s3;
pub mod sagemaker;
mod signed;
pub mod sqs;

pub use config::Connections;
pub use deployment::Deployment;
pub use sqs::SqsQueue;

/// Opens deployments.
#[derive(Debug, Clone, Copy)]
pub struct AwsBackend;

/// An opened deployment: the backend, and what it offers beyond the ports.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Behind the ports.
    pub backend: Backend,
    /// The same queues, with SQS's own methods: attributes, moves.
    pub queues: BTreeMap<QueueName, Arc<SqsQueue>>,
    /// The shared clients.
    pub connections: Connections,
}

impl AwsBackend {
    /// Opens what a deployment names. Queues that it does not name are absent; a bucket or table that it does not name says so
    /// at each call. SQS is asked once for each main queue, for its dead-letter queue.
    ///
    /// # Errors
    /// One sentence that says what to do: [`ErrorCode::Denied`] without good credentials, [`ErrorCode::Unavailable`] when AWS does not
    /// answer. A queue that is not there, or that may not be asked, is no error here:
    /// its own calls say so.
    pub async fn open(deployment: &Deployment) -> Result<Backend> {
        let connections = Connections::open(deployment.clone()).await;
        Ok(Self::connect(connections, Arc::new(SystemClock)).await?.backend)
    }

    /// As [`AwsBackend::open`], over clients that exist already.
    ///
    /// # Errors
    /// As [`AwsBackend::open`].
    pub async fn connect(connections: Connections, clock: Arc<dyn Clock>) -> Result<Opened> {
        let deployment = &connections.deployment;
        let bucket = |name: &Option<String>, key, what| match name {
            Some(name) => s3::bucket(&connections, name),
            None => Ok(s3::not_deployed(key, what)),
        };
        let input = bucket(&deployment.input_bucket, "INPUT_BUCKET_NAME", "bucket of sources and segments")?;
        let output =
            bucket(&deployment.output_bucket, "OUTPUT_BUCKET_NAME", "bucket of converted segments and results")?;
        let jobs = Arc::new(dynamo::DynamoJobs::new(&connections));
        let queues = queues(&connections, &clock).await?;
        let ported = queues.iter().map(|(name, queue)| (*name, Arc::clone(queue) as Arc<dyn WorkQueue>)).collect();
        let backend = Backend { kind: BackendKind::Aws, queues: ported, jobs, input, output, clock };
        Ok(Opened { backend, queues, connections })
    }
}

/// The queues that are deployed with their dead-letter queues, which no environment file names.
async fn queues(connections: &Connections, clock: &Arc<dyn Clock>) -> Result<BTreeMap<QueueName, Arc<SqsQueue>>> {
    let found = connections.deployment.queues.iter().map(async |(role, url)| {
        let main = SqsQueue::new(connections, QueueName::main(*role), url, Arc::clone(clock));
        let redrive = match main.attributes().await {
            Ok(attributes) => attributes.redrive,
            Err(error) if is_of_this_queue(&error) => {
                tracing::warn!(queue = %main.name(), %error, "its dead-letter queue is taken to be named after it");
                None
            }
            Err(error) => return Err(error),
        };
        let url = sqs::dead_letter_url(url, redrive.as_ref());
        let dead = SqsQueue::new(connections, QueueName::dead_letter(*role), &url, Arc::clone(clock));
        Ok([main, dead])
    });
    let found = futures::future::try_join_all(found).await?;
    Ok(found.into_iter().flatten().map(|queue| (queue.name(), Arc::new(queue))).collect())
}

/// Whether another queue may still answer: this one does not exist, or only the permission for the call is missing.
fn is_of_this_queue(error: &Error) -> bool {
    error.code() == ErrorCode::NotFound || sqs::is_forbidden(error)
}

#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
