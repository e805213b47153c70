//! A deployment whose workers are not ours, as its ports show it: numbers of queues are approximate, locks have no lease, and every
//! call is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use stereospot_controlplane::{CallCounts, Counts, Platform, PlatformFacts};
use stereospot_domain::{BackendKind, Job, JobId, JobStatus, Lock, SegmentCompletion, Topology};
use stereospot_ports::job_store::Page;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Peeked, Stats};
use stereospot_ports::wrapped::{WrappedJobStore, WrappedQueue};
use stereospot_ports::{JobStore, Result, WorkQueue};

/// Counts of calls by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Calls {
    fn count(&self, api: &'static str) {
        *self.0.lock().unwrap().entry(api).or_default() += 1;
    }

    /// How many there were so far.
    pub(crate) fn of(&self, api: &str) -> u64 {
        self.0.lock().unwrap().get(api).copied().unwrap_or(0)
    }

    /// All of them.
    pub(crate) fn all(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }
}

impl CallCounts for Calls {
    fn snapshot(&self) -> Vec<(String, Counts)> {
        let counts = self.0.lock().unwrap();
        let of = |attempts: u64| Counts { attempts, ..Counts::default() };
        counts.iter().map(|(api, count)| ((*api).to_owned(), of(*count))).collect()
    }
}

/// A deployment of this topology over an empty memory backend, or over this job store.
pub(crate) fn platform(clock: &ManualClock, topology: Topology, jobs: Option<Arc<dyn JobStore>>) -> (Platform, Calls) {
    let calls = Calls::default();
    let mut backend = memory::backend(clock);
    for queue in backend.queues.values_mut() {
        *queue = Arc::new(Approximate { inner: queue.clone(), calls: calls.clone() });
    }
    backend.jobs = Arc::new(Theirs { inner: jobs.unwrap_or_else(|| backend.jobs.clone()), calls: calls.clone() });
    for bucket in [&mut backend.input, &mut backend.output] {
        bucket.store = Arc::new(Objects { inner: bucket.store.clone(), calls: calls.clone() });
    }
    backend.kind = BackendKind::Aws;
    let facts = PlatformFacts { topology: Some(topology), ..PlatformFacts::default() };
    (Platform { facts, calls: Some(Arc::new(calls.clone())), ..Platform::from(backend) }, calls)
}

/// A queue whose numbers are approximate.
#[derive(Debug)]
struct Approximate {
    inner: Arc<dyn WorkQueue>,
    calls: Calls,
}

#[async_trait]
impl WrappedQueue for Approximate {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn stats(&self) -> Result<Stats> {
        self.calls.count("sqs.GetQueueAttributes");
        Ok(Stats { is_exact: false, oldest_enqueued_at: None, ..self.inner.stats().await? })
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        self.calls.count("sqs.ReceiveMessage");
        let peeked = self.inner.peek(max).await?;
        Ok(peeked.into_iter().map(|one| Peeked { dead_lettered_at: None, ..one }).collect())
    }
}

/// Tables whose locks have neither lease nor owner.
#[derive(Debug)]
struct Theirs {
    inner: Arc<dyn JobStore>,
    calls: Calls,
}

#[async_trait]
impl WrappedJobStore for Theirs {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        self.calls.count("dynamodb.GetItem");
        self.inner.get(job_id).await
    }

    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        self.calls.count("dynamodb.Query jobs");
        self.inner.list(status, cursor, limit).await
    }

    async fn count_completions(&self, job_id: JobId) -> Result<u32> {
        self.calls.count("dynamodb.Query completions");
        self.inner.count_completions(job_id).await
    }

    async fn list_completions(
        &self,
        job: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>> {
        self.calls.count("dynamodb.Query completions");
        self.inner.list_completions(job, cursor, limit).await
    }

    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>> {
        self.calls.count("dynamodb.GetItem lock");
        let lock = self.inner.lock(job_id).await?;
        Ok(lock.map(|lock| Lock { lease_until: None, owner: None, ..lock }))
    }
}

/// Objects whose reads are counted.
#[derive(Debug)]
struct Objects {
    inner: Arc<dyn ObjectStore>,
    calls: Calls,
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counted {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, at: &Path, data: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.inner.put_opts(at, data, options).await
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.calls.count(if options.head { "s3.HEAD" } else { "s3.GET" });
        self.inner.get_opts(at, options).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.calls.count("s3.GET list");
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.calls.count("s3.GET list");
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
