//! Object notifications for backends without S3: creating an object sends the message that S3 would send.
//!
//! These backends wrap their store in [`NotifyingStore`], which holds the rules, the bodies and the order of steps for all of them.
//!
//! Invariant: a notice is recorded before the object appears and becomes a message before the creation is acknowledged. So every
//! acknowledged object has its message, and after a crash the [`Outbox`] knows what to send.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, UploadPart,
};
use stereospot_domain::{QueueRole, message};

use crate::error::Result;

/// One of the two buckets. Each has its own notification rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Sources and segments.
    Input,
    /// Converted segments and results.
    Output,
}

impl Side {
    /// The default name of the bucket.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Input => "input",
            Side::Output => "output",
        }
    }
}

/// The queue that is notified of a new object; `None` if no rule matches the key.
#[must_use]
pub fn recipient(side: Side, key: &str) -> Option<QueueRole> {
    match side {
        Side::Input if key.starts_with("input/") && key.ends_with(".mp4") => Some(QueueRole::Chunking),
        Side::Input if key.starts_with("segments/") && key.ends_with(".mp4") => Some(QueueRole::Inference),
        Side::Output if key.starts_with("jobs/") && (key.ends_with(".mp4") || key.ends_with(".reassembly-done")) => {
            Some(QueueRole::OutputEvents)
        }
        _ => None,
    }
}

/// A message to send once an object exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub side: Side,
    pub key: String,
    /// The queue that the message goes to.
    pub role: QueueRole,
    /// The message's body.
    pub body: String,
}

/// Keeps each notice from before its object appears until its message is sent.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Records a notice, as durably as the backend's messages, and returns its id.
    ///
    /// # Errors
    /// If the backend can't record it. The object must not be created then.
    async fn intend(&self, notice: &Notice) -> Result<u64>;

    /// Sends the notice's message and forgets what `intend` recorded under `id`, atomically.
    ///
    /// # Errors
    /// If the backend can't. The notice stays recorded.
    async fn send(&self, id: u64, notice: Notice) -> Result<()>;

    /// Forgets a notice whose object was not created.
    ///
    /// # Errors
    /// If the backend can't. The notice stays recorded; recovery then finds no object and drops it.
    async fn withdraw(&self, id: u64) -> Result<()>;
}

/// A store that sends a notification for each put, completed multipart upload, copy and rename.
#[derive(Debug, Clone)]
pub struct NotifyingStore {
    inner: Arc<dyn ObjectStore>,
    announcer: Announcer,
}

impl NotifyingStore {
    /// Wraps a bucket's store.
    pub fn new(inner: Arc<dyn ObjectStore>, side: Side, outbox: Arc<dyn Outbox>) -> Self {
        Self { inner, announcer: Announcer { side, outbox } }
    }
}

#[derive(Debug, Clone)]
struct Announcer {
    side: Side,
    outbox: Arc<dyn Outbox>,
}

impl Announcer {
    /// Records the notice, runs `create`, and sends the notice.
    async fn around<T>(
        &self,
        location: &Path,
        create: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        let Some(role) = recipient(self.side, location.as_ref()) else { return create.await };
        let key = location.to_string();
        let body = message::object_created(self.side.as_str(), &key);
        let notice = Notice { side: self.side, key, role, body };
        let id = self.outbox.intend(&notice).await.map_err(|error| failed("record", error))?;
        match create.await {
            Ok(made) => {
                self.outbox.send(id, notice).await.map_err(|error| failed("send", error))?;
                Ok(made)
            }
            Err(error) => {
                if let Err(withdrawal) = self.outbox.withdraw(id).await {
                    tracing::warn!(key = %location, error = %withdrawal, "a notice of an object that was not created stays");
                }
                Err(error)
            }
        }
    }
}

/// The notification could not be recorded or sent, so the creation is not acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("can't {what} the notification")]
struct NotNotified {
    what: &'static str,
    source: crate::Error,
}

fn failed(what: &'static str, source: crate::Error) -> object_store::Error {
    object_store::Error::Generic { store: "notifying", source: Box::new(NotNotified { what, source }) }
}

impl fmt::Display for NotifyingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "notifying {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for NotifyingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.announcer.around(location, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(NotifyingUpload { inner, location: location.clone(), announcer: self.announcer.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.announcer.around(to, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        self.announcer.around(to, self.inner.rename_opts(from, to, options)).await
    }
}

/// A multipart upload. The object appears, and its notification is sent, on completion.
#[derive(Debug)]
struct NotifyingUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    announcer: Announcer,
}

#[async_trait]
impl MultipartUpload for NotifyingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        self.announcer.around(&self.location, self.inner.complete()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.inner.abort().await
    }
}
