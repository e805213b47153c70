//! The typed client that dashboard, commands and workers use.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stereospot_domain::check::JobCheck;
use stereospot_domain::plan::{Action, AppliedPlan, Plan};
use stereospot_domain::{Event, Job, JobId, JobStatus, QueueName};
use uuid::Uuid;

use crate::problem::{Problem, UPLOADING};
use crate::view::{Change, DeploymentView, JobDetail, JobPage, LogPage, MessageView, QueueView, Snapshot, WorkerView};
use crate::wire::{Applied, Apply, EventBatch, EventsAccepted, Health, IDEMPOTENCY_KEY, NewJob, NewPlan};

mod sse;

use sse::SseParser;

/// The default address of a control plane.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7847";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The given server address is invalid.
    #[error("`{0}` is no server address: expected something like {DEFAULT_SERVER}")]
    Address(String),
    /// No connection.
    #[error("no control plane answers at {server}: start one with `stereospot up`, or name another with --server")]
    Unreachable {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke during the call.
    #[error("the control plane at {server} stopped answering")]
    Broken {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server took longer than the time limit of the call.
    #[error(
        "the control plane at {server} gave no answer in time: it, or what it asks, is slow or silent; try again, or see logs/controlplane.log in its data directory"
    )]
    Slow {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server answered with a problem.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The answer is not from a control plane.
    #[error("what answers at {server} is no stereospot control plane: {what}")]
    Foreign {
        server: String,
        /// What is wrong with the answer.
        what: String,
    },
}

impl Error {
    /// True if the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Broken { .. } | Error::Slow { .. } => true,
            Error::Refused(problem) => problem.status >= 500 || problem.status == 429 || problem.code == UPLOADING,
            Error::Address(_) | Error::Foreign { .. } => false,
        }
    }
}

/// The client's result.
pub type Result<T> = std::result::Result<T, Error>;

/// A client of one control plane. Cheap to clone; reuses connections.
#[derive(Debug, Clone)]
pub struct Client {
    server: String,
    http: reqwest::Client,
}

/// Time limit for reads. Uploads, downloads and streams have no limit.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time limit for writes, for plans and for peeking at a queue. A long dead-letter queue on SQS can only be read by receiving all
/// its messages.
const POST_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for log searches, which can be slow on CloudWatch.
const LOGS_TIMEOUT: Duration = Duration::from_secs(310);
/// Time limit for applying a plan, which may send thousands of messages one by one, and for reading all objects of a job. The server
/// goes on with a plan after the client gives up.
const APPLY_TIMEOUT: Duration = Duration::from_secs(1800);

impl Client {
    /// A client of the control plane at `server`, such as `http://127.0.0.1:7847`. Connects on the first call.
    ///
    /// # Errors
    /// [`Error::Address`] if `server` is not an HTTP address.
    pub fn new(server: &str) -> Result<Self> {
        let server = server.trim_end_matches('/').to_owned();
        let is_address = reqwest::Url::parse(&server).is_ok_and(|url| url.scheme() == "http" && url.has_host());
        if !is_address {
            return Err(Error::Address(server));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .no_proxy()
            .build()
            .map_err(|source| Error::Unreachable { server: server.clone(), source })?;
        Ok(Self { server, http })
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// `GET /healthz`.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn health(&self) -> Result<Health> {
        self.get("/healthz").await
    }

    /// Sends events. Once it returns `Ok`, they are durable.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn send_events(&self, events: Vec<Event>) -> Result<EventsAccepted> {
        self.post("/v1/events", &EventBatch { events }, POST_TIMEOUT).await
    }

    /// Creates a job.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn create_job(&self, job: &NewJob) -> Result<Job> {
        self.create_job_once(job, Uuid::new_v4()).await
    }

    /// Creates a job, or returns the one that an earlier call with the same key created: for callers that repeat the call.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn create_job_once(&self, job: &NewJob, key: Uuid) -> Result<Job> {
        let request = self.request(Method::POST, "/v1/jobs").header(IDEMPOTENCY_KEY, key.to_string());
        self.answer(self.send(request.timeout(POST_TIMEOUT).json(job)).await?).await
    }

    /// Uploads a job's source of `bytes` bytes.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn upload_source<S, E>(&self, job_id: JobId, bytes: u64, source: S) -> Result<Job>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let request = self
            .request(Method::PUT, &format!("/v1/jobs/{job_id}/source"))
            .header("content-length", bytes)
            .body(reqwest::Body::wrap_stream(source));
        self.answer(self.send(request).await?).await
    }

    /// Downloads a job's result.
    ///
    /// # Errors
    /// Like every call: [`Error`]. An error in the stream ends it.
    pub async fn download_result(&self, job_id: JobId) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
        let response = self.send(self.request(Method::GET, &format!("/v1/jobs/{job_id}/result"))).await?;
        let response = self.checked(response).await?;
        let server = self.server.clone();
        Ok(response
            .bytes_stream()
            .map(move |part| part.map_err(|source| Error::Broken { server: server.clone(), source })))
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn jobs(&self, status: Option<JobStatus>, limit: u32, cursor: Option<&str>) -> Result<JobPage> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(status.map(|status| ("status", status.to_string())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.get(&format!("/v1/jobs?{query}")).await
    }

    /// A job with its segments and timeline.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn job(&self, job_id: JobId) -> Result<JobDetail> {
        self.get(&format!("/v1/jobs/{job_id}")).await
    }

    /// Reads every object of a job, and compares it with what its writer recorded. Takes as long as reading them takes.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn verify_job(&self, job_id: JobId) -> Result<JobCheck> {
        let request = self.request(Method::POST, &format!("/v1/jobs/{job_id}/verify"));
        self.answer(self.send(request.timeout(APPLY_TIMEOUT)).await?).await
    }

    /// The newest `limit` events of a job, oldest first.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn job_events(&self, job_id: JobId, limit: u32) -> Result<Vec<Event>> {
        self.get(&format!("/v1/jobs/{job_id}/events?limit={limit}")).await
    }

    /// The newest `limit` events of all jobs and workers, in order of arrival, without progress and heartbeats.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn events(&self, limit: u32) -> Result<Vec<Event>> {
        self.get(&format!("/v1/events?limit={limit}")).await
    }

    /// A job's log lines, oldest first, at most `limit`. On CloudWatch a search may take half a minute and costs by the bytes read;
    /// dropping the future also stops the search there.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn logs(&self, job_id: JobId, limit: u32) -> Result<LogPage> {
        let request = self.request(Method::GET, &format!("/v1/jobs/{job_id}/logs?limit={limit}"));
        self.answer(self.send(request.timeout(LOGS_TIMEOUT)).await?).await
    }

    /// The deployment that the control plane works on, and the cost of polling it.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn deployment(&self) -> Result<DeploymentView> {
        self.get("/v1/deployment").await
    }

    /// All queues.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn queues(&self) -> Result<Vec<QueueView>> {
        self.get("/v1/queues").await
    }

    /// At most `max` messages of a queue, oldest first. They stay on the queue.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn peek(&self, queue: QueueName, max: u32) -> Result<Vec<MessageView>> {
        let request = self.request(Method::GET, &format!("/v1/queues/{queue}/messages?max={max}"));
        self.answer(self.send(request.timeout(POST_TIMEOUT)).await?).await
    }

    /// All workers.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.get("/v1/workers").await
    }

    /// Makes a plan. Changes nothing yet.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn plan(&self, action: Action, who: Option<String>) -> Result<Plan> {
        self.post("/v1/plans", &NewPlan { action, who }, POST_TIMEOUT).await
    }

    /// Applies a plan.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn apply(&self, plan_id: Uuid, apply: &Apply) -> Result<Applied> {
        self.post(&format!("/v1/plans/{plan_id}/apply"), apply, APPLY_TIMEOUT).await
    }

    /// The action log, newest first.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn actions(&self, limit: u32) -> Result<Vec<AppliedPlan>> {
        self.get(&format!("/v1/actions?limit={limit}")).await
    }

    /// The current state of everything that the dashboard shows.
    ///
    /// # Errors
    /// Like every call: [`Error`].
    pub async fn snapshot(&self) -> Result<Snapshot> {
        self.get("/v1/snapshot").await
    }

    /// The changes after a snapshot, each with its revision. Ends when the connection ends, or after 30 seconds without data: the
    /// server sends keep-alives more often.
    ///
    /// # Errors
    /// Like every call: [`Error`]. An error in the stream ends it.
    pub async fn changes(
        &self,
        after: u64,
        boot: Uuid,
    ) -> Result<impl Stream<Item = Result<(u64, Change)>> + Send + use<>> {
        let request = self
            .http
            .request(Method::GET, format!("{}/v1/stream?after={after}&boot={boot}", self.server))
            .header("accept", "text/event-stream");
        let response = self.checked(self.send(request).await?).await?;
        let (server, body) = (self.server.clone(), response.bytes_stream().boxed());
        Ok(futures::stream::unfold((body, SseParser::default(), server), |(mut body, mut parser, server)| async move {
            loop {
                if let Some(frame) = parser.next_frame() {
                    let change = frame.read(&server);
                    return Some((change, (body, parser, server)));
                }
                match tokio::time::timeout(Duration::from_secs(30), body.next()).await {
                    Ok(Some(Ok(part))) => parser.push(&part),
                    Ok(Some(Err(source))) => {
                        let error = Error::Broken { server: server.clone(), source };
                        return Some((Err(error), (futures::stream::empty().boxed(), SseParser::default(), server)));
                    }
                    Ok(None) | Err(_) => return None,
                }
            }
        }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.answer(self.send(self.request(Method::GET, path).timeout(CALL_TIMEOUT)).await?).await
    }

    async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B, within: Duration) -> Result<T> {
        let request = self.request(Method::POST, path).timeout(within).json(body);
        self.answer(self.send(request).await?).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|source| {
            let server = self.server.clone();
            match source {
                _ if source.is_connect() => Error::Unreachable { server, source },
                _ if source.is_timeout() => Error::Slow { server, source },
                _ => Error::Broken { server, source },
            }
        })
    }

    async fn checked(&self, response: Response) -> Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|source| Error::Broken { server: self.server.clone(), source })?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Error::Refused(problem)),
            Err(_) => Err(Error::Foreign { server: self.server.clone(), what: format!("status {status}") }),
        }
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let response = self.checked(response).await?;
        let body = response.bytes().await.map_err(|source| Error::Broken { server: self.server.clone(), source })?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Foreign { server: self.server.clone(), what: error.to_string() })
    }
}

#[cfg(test)]
mod tests;
