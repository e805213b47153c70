//! A backend that stops writing after a number of writes, like a killed process. Reading goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use stereospot_domain::{Job, JobId, QueueName, SegmentCompletion, Timestamp};
use stereospot_ports::job_store::{Acquired, Transition, Transitioned};
use stereospot_ports::work_queue::{Outgoing, Receipt};
use stereospot_ports::wrapped::{WrappedJobStore, WrappedQueue};
use stereospot_ports::{Backend, Bucket, Error, ErrorCode, JobStore, Result, WorkQueue};
use tokio_util::sync::CancellationToken;

/// A limited number of writes.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<AtomicI64>,
    /// Cancelled by the first refused write: a killed process waits for nothing.
    pub(crate) killed: CancellationToken,
}

impl Budget {
    pub(crate) fn of(writes: i64) -> Self {
        Self { left: Arc::new(AtomicI64::new(writes)), killed: CancellationToken::new() }
    }

    /// True when a write was refused.
    pub(crate) fn is_spent(&self) -> bool {
        self.killed.is_cancelled()
    }

    /// Limits the backend.
    pub(crate) fn limit(&self, backend: &Backend) -> Backend {
        let queues: BTreeMap<QueueName, Arc<dyn WorkQueue>> = backend
            .queues
            .iter()
            .map(|(name, queue)| {
                (*name, Arc::new(Limited { inner: Arc::clone(queue), budget: self.clone() }) as Arc<dyn WorkQueue>)
            })
            .collect();
        let bucket = |bucket: &Bucket| Bucket {
            store: Arc::new(Limited { inner: Arc::clone(&bucket.store), budget: self.clone() }),
            ..bucket.clone()
        };
        Backend {
            queues,
            jobs: Arc::new(Limited { inner: Arc::clone(&backend.jobs), budget: self.clone() }),
            input: bucket(&backend.input),
            output: bucket(&backend.output),
            ..backend.clone()
        }
    }

    fn spend(&self) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.left.store(-1, Ordering::SeqCst);
        self.killed.cancel();
        Err(Error::new(ErrorCode::Unavailable, "killed"))
    }

    fn spend_on_object(&self) -> object_store::Result<()> {
        self.spend().map_err(|error| object_store::Error::Generic { store: "limited", source: Box::new(error) })
    }
}

struct Limited<T: ?Sized> {
    inner: Arc<T>,
    budget: Budget,
}

impl<T: ?Sized> fmt::Debug for Limited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limited by {:?}", self.budget)
    }
}

impl<T: ?Sized> fmt::Display for Limited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limited by {:?}", self.budget)
    }
}

#[async_trait]
impl WrappedQueue for Limited<dyn WorkQueue> {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>> {
        self.budget.spend()?;
        self.inner.send(messages).await
    }

    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()> {
        self.budget.spend()?;
        self.inner.release(receipt, delay).await
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        self.budget.spend()?;
        self.inner.delete(receipt).await
    }

    async fn purge(&self) -> Result<u64> {
        self.budget.spend()?;
        self.inner.purge().await
    }
}

#[async_trait]
impl WrappedJobStore for Limited<dyn JobStore> {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn create(&self, job: &Job) -> Result<()> {
        self.budget.spend()?;
        self.inner.create(job).await
    }

    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned> {
        self.budget.spend()?;
        self.inner.transition(job_id, transition).await
    }

    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()> {
        self.budget.spend()?;
        self.inner.set_uploaded(job_id, at, bytes).await
    }

    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()> {
        self.budget.spend()?;
        self.inner.put_completion(completion).await
    }

    async fn delete_completions(&self, job_id: JobId) -> Result<u32> {
        self.budget.spend()?;
        self.inner.delete_completions(job_id).await
    }

    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()> {
        self.budget.spend()?;
        self.inner.delete_completion(job_id, segment_index).await
    }

    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool> {
        self.budget.spend()?;
        self.inner.create_lock(job_id, now).await
    }

    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool> {
        self.budget.spend()?;
        self.inner.retrigger_lock(job_id, observed, now).await
    }

    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired> {
        self.budget.spend()?;
        self.inner.acquire_lock(job_id, owner, now, lease).await
    }

    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool> {
        self.budget.spend()?;
        self.inner.release_lock(job_id, owner).await
    }

    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool> {
        self.budget.spend()?;
        self.inner.reset_lock(job_id, observed).await
    }

    async fn delete_lock(&self, job_id: JobId) -> Result<bool> {
        self.budget.spend()?;
        self.inner.delete_lock(job_id).await
    }
}

#[async_trait]
impl ObjectStore for Limited<dyn ObjectStore> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.budget.spend_on_object()?;
        self.inner.put_opts(location, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        // The clips here are small enough to be put at once; a multipart upload would have to count at its completion.
        self.inner.put_multipart_opts(location, options).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        if let Err(error) = self.budget.spend_on_object() {
            return Box::pin(futures::stream::iter([Err(error)]));
        }
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.budget.spend_on_object()?;
        self.inner.copy_opts(from, to, options).await
    }
}
