//! The typed client that dashboard, commands and workers use.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stereospot_domain::plan::{Action, AppliedPlan, Plan};
use stereospot_domain::{Event, Job, JobId, JobStatus, QueueName};
use uuid::Uuid;

use crate::problem::{Problem, UPLOADING};
use crate::view::{Change, DeploymentView, JobDetail, JobPage, LogPage, MessageView, QueueView, Snapshot, WorkerView};
use crate::wire::{Applied, Apply, EventBatch, EventsAccepted, Health, NewJob, NewPlan};

mod sse;

use sse::SseParser;

/// Where a control plane listens when nobody says otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7847";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address is no address.
    #[error("`{0}` is no server address: expected something like {DEFAULT_SERVER}")]
    Address(String),
    /// No answer.
    #[error("no control plane answers at {server}: start one with `stereospot up`, or name another with --server")]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or time ran out, in the middle.
    #[error("the control plane at {server} stopped answering")]
    Broken {
        /// Where it is.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server was reached, and took longer than such a call is given.
    #[error(
        "the control plane at {server} gave no answer in time: it, or what it asks, is slow or silent; try again, or see logs/controlplane.log in its data directory"
    )]
    Slow {
        /// Where it is.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused, and said why.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// Something else answers there.
    #[error("what answers at {server} is no stereospot control plane: {what}")]
    Foreign {
        /// Where.
        server: String,
        /// What was odd.
        what: String,
    },
}

impl Error {
    /// True when the same call may succeed later, unchanged.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Broken { .. } | Error::Slow { .. } => true,
            Error::Refused(problem) => problem.status >= 500 || problem.status == 429 || problem.code == UPLOADING,
            Error::Address(_) | Error::Foreign { .. } => false,
        }
    }
}

/// A client's answer.
pub type Result<T> = std::result::Result<T, Error>;

/// A client of one control plane. Cheap to clone; connections are kept.
#[derive(Debug, Clone)]
pub struct Client {
    server: String,
    http: reqwest::Client,
}

/// Time for a call that moves little; uploads, downloads and streams have none.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for a call that writes, or makes a plan: a long dead-letter queue on SQS can only be looked at by receiving all of it.
const POST_TIMEOUT: Duration = Duration::from_secs(60);
/// Time to search logs; CloudWatch reads at its own pace.
const LOGS_TIMEOUT: Duration = Duration::from_secs(310);
/// Time to apply a plan: thousands of messages are sent one by one. The server goes on when nobody waits any more.
const APPLY_TIMEOUT: Duration = Duration::from_secs(1800);

impl Client {
    /// A client of the control plane at `server`, such as `http://127.0.0.1:7847`. Connects at the first call.
    ///
    /// # Errors
    /// [`Error::Address`] when that is no address.
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
    /// As every call: [`Error`].
    pub async fn health(&self) -> Result<Health> {
        self.get("/healthz").await
    }

    /// Sends events; when it returns they are durable.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn send_events(&self, events: Vec<Event>) -> Result<EventsAccepted> {
        self.post("/v1/events", &EventBatch { events }, POST_TIMEOUT).await
    }

    /// Makes a job.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn create_job(&self, job: &NewJob) -> Result<Job> {
        self.post("/v1/jobs", job, POST_TIMEOUT).await
    }

    /// Uploads a job's source; `bytes` is its length.
    ///
    /// # Errors
    /// As every call: [`Error`].
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
    /// As every call: [`Error`]; the stream's own errors end it.
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
    /// As every call: [`Error`].
    pub async fn jobs(&self, status: Option<JobStatus>, limit: u32, cursor: Option<&str>) -> Result<JobPage> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(status.map(|status| ("status", status.to_string())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.get(&format!("/v1/jobs?{query}")).await
    }

    /// One job in full.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn job(&self, job_id: JobId) -> Result<JobDetail> {
        self.get(&format!("/v1/jobs/{job_id}")).await
    }

    /// A job's events, oldest first, at most `limit` of the newest.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn job_events(&self, job_id: JobId, limit: u32) -> Result<Vec<Event>> {
        self.get(&format!("/v1/jobs/{job_id}/events?limit={limit}")).await
    }

    /// The newest events of all jobs and workers, in the order of their arrival, at most `limit`; progress and heartbeats left out.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn events(&self, limit: u32) -> Result<Vec<Event>> {
        self.get(&format!("/v1/events?limit={limit}")).await
    }

    /// A job's log lines, oldest first, at most `limit`. On CloudWatch it may take half a minute, and costs by the bytes read;
    /// dropping the future stops the search there too.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn logs(&self, job_id: JobId, limit: u32) -> Result<LogPage> {
        let request = self.request(Method::GET, &format!("/v1/jobs/{job_id}/logs?limit={limit}"));
        self.answer(self.send(request.timeout(LOGS_TIMEOUT)).await?).await
    }

    /// What the control plane works on, and what asking it costs.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn deployment(&self) -> Result<DeploymentView> {
        self.get("/v1/deployment").await
    }

    /// Every queue.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn queues(&self) -> Result<Vec<QueueView>> {
        self.get("/v1/queues").await
    }

    /// Messages on a queue, oldest first, without touching them.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn peek(&self, queue: QueueName, max: u32) -> Result<Vec<MessageView>> {
        let request = self.request(Method::GET, &format!("/v1/queues/{queue}/messages?max={max}"));
        self.answer(self.send(request.timeout(POST_TIMEOUT)).await?).await
    }

    /// Every worker.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.get("/v1/workers").await
    }

    /// Makes a plan; changes nothing.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn plan(&self, action: Action, who: Option<String>) -> Result<Plan> {
        self.post("/v1/plans", &NewPlan { action, who }, POST_TIMEOUT).await
    }

    /// Applies a plan.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn apply(&self, plan_id: Uuid, apply: &Apply) -> Result<Applied> {
        self.post(&format!("/v1/plans/{plan_id}/apply"), apply, APPLY_TIMEOUT).await
    }

    /// The action log, newest first.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn actions(&self, limit: u32) -> Result<Vec<AppliedPlan>> {
        self.get(&format!("/v1/actions?limit={limit}")).await
    }

    /// Everything there is to see now.
    ///
    /// # Errors
    /// As every call: [`Error`].
    pub async fn snapshot(&self) -> Result<Snapshot> {
        self.get("/v1/snapshot").await
    }

    /// Changes after a snapshot, each with its revision, until the connection ends or nothing (not even a keep-alive) came for
    /// 30 seconds.
    ///
    /// # Errors
    /// As every call: [`Error`]; the stream's own errors end it.
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
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_with_an_example() {
        for server in ["", "localhost", "ftp://x", "http://"] {
            assert!(Client::new(server).unwrap_err().to_string().contains("http://127.0.0.1"), "{server}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told_with_what_to_do() {
        // Port 9 on loopback: nothing listens there.
        let error = Client::new("http://127.0.0.1:9").unwrap().health().await.unwrap_err();
        assert!(error.retryable());
        assert!(error.to_string().contains("stereospot up"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_slow_is_not_one_that_is_gone() {
        // It takes connections and never answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let request = client.request(Method::GET, "/healthz").timeout(Duration::from_millis(50));
        let error = client.send(request).await.unwrap_err();
        assert!(matches!(error, Error::Slow { .. }) && error.retryable());
        assert!(error.to_string().contains("gave no answer in time"), "{error}");
    }
}
