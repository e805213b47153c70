//! The AWS backend: SQS, DynamoDB and S3 behind the ports, and the other services that an operator needs.
//!
//! A deployment's environment file ([`deployment`]) names everything. What it does not name is not deployed, and the rest works
//! without it. Only this crate uses the SDK, and no port contains a type of it.
//!
//! Invariant: clients are built once, every call ends in time ([`config`]), every attempt is counted ([`calls`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use stereospot_domain::{BackendKind, QueueName};
use stereospot_ports::{Backend, Clock, Error, ErrorCode, Result, WorkQueue};

mod by_hand;
pub mod calls;
pub mod clock;
pub mod config;
pub mod credentials;
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
pub mod sqs;

pub use config::Connections;
pub use deployment::Deployment;
pub use sqs::SqsQueue;

/// Opens deployments.
#[derive(Debug, Clone, Copy)]
pub struct AwsBackend;

/// An opened deployment: the backend, and what AWS offers beyond the ports.
#[derive(Debug, Clone)]
pub struct Opened {
    pub backend: Backend,
    /// The backend's queues, with SQS's own methods: attributes, moves.
    pub queues: BTreeMap<QueueName, Arc<SqsQueue>>,
    pub connections: Connections,
}

impl AwsBackend {
    /// Opens a deployment. The backend lacks queues that the deployment does not name; an unnamed bucket or table says so at each
    /// call. Asks SQS once per main queue, for its dead-letter queue.
    ///
    /// # Errors
    /// [`ErrorCode::Denied`] without valid credentials, [`ErrorCode::Unavailable`] when AWS does not answer. A queue that is missing, or that
    /// the caller may not ask, is no error here: its own calls report it.
    pub async fn open(deployment: &Deployment) -> Result<Backend> {
        let connections = Connections::open(deployment.clone()).await;
        let clock = connections.calls.clock();
        Ok(Self::connect(connections, clock).await?.backend)
    }

    /// Like [`AwsBackend::open`], with clients that exist already.
    ///
    /// # Errors
    /// See [`AwsBackend::open`].
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

/// The deployed queues and their dead-letter queues, which no environment file names.
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

/// True when the error concerns this queue only: it does not exist, or the permission for it is missing.
fn is_of_this_queue(error: &Error) -> bool {
    error.code() == ErrorCode::NotFound || sqs::is_forbidden(error)
}

#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
