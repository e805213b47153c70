//! Objects that announce themselves: creating one sends the message that S3 would send.
//!
//! S3 does this itself. The backends without S3 wrap their store in [`NotifyingStore`], so that the rules, the bodies and the
//! order of steps stand here once.
//!
//! Invariant: the intention is recorded before the object appears and turned into a message before the creation is
//! acknowledged. So an acknowledged object has its message, and after a crash in between an [`Outbox`] knows what to send.

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

/// Which of the two buckets: each has its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Sources and segments.
    Input,
    /// Converted segments and results.
    Output,
}

impl Side {
    /// The bucket's name where no deployment gives another.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Input => "input",
            Side::Output => "output",
        }
    }
}

/// The queue that hears of a new object; none when no rule covers the key.
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

/// What is to be sent once an object exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The bucket that the object lies in.
    pub side: Side,
    /// Its key.
    pub key: String,
    /// Who hears of it.
    pub role: QueueRole,
    /// The message's body.
    pub body: String,
}

/// Keeps a notice from before its object appears until its message is sent.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Records that the object is about to appear. Durable as the backend's messages are.
    ///
    /// # Errors
    /// When the backend can't record it: then the object must not be created.
    async fn intend(&self, notice: &Notice) -> Result<u64>;

    /// Sends the notice's message and forgets what `intend` recorded under `id`, in one step.
    ///
    /// # Errors
    /// When the backend can't: the notice stays recorded.
    async fn send(&self, id: u64, notice: Notice) -> Result<()>;

    /// Forgets a notice whose object did not appear.
    ///
    /// # Errors
    /// When the backend can't: the notice stays recorded, and whoever recovers it finds no object.
    async fn withdraw(&self, id: u64) -> Result<()>;
}

/// A store whose creations (put, completed multipart upload, copy, rename) send notifications.
#[derive(Debug, Clone)]
pub struct NotifyingStore {
    inner: Arc<dyn ObjectStore>,
    announcer: Announcer,
}

impl NotifyingStore {
    /// Wraps the store of a bucket.
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
    /// Runs `create` between the recording and the sending of the notice.
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

/// The notification could not be sent: the creation is not acknowledged.
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

/// An upload in parts: the object appears, and is announced, at completion.
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
