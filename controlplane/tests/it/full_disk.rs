//! A disk without space: the upload is refused with what to do, and nothing else suffers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use serde_json::json;
use stereospot_api::client::Error;
use stereospot_api::view::Snapshot;
use stereospot_api::wire::NewJob;
use stereospot_domain::attention::Subject;
use stereospot_domain::{Collector, EventKind, JobOptions, JobStatus, QueueName, QueueRole, Stage, keys};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::objects;

use crate::harness::{Plane, Worker};

/// A store whose parts find no space while `is_full`.
#[derive(Debug, Clone)]
struct Cramped {
    inner: Arc<dyn ObjectStore>,
    is_full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct CrampedUpload {
    inner: Box<dyn MultipartUpload>,
    is_full: Arc<AtomicBool>,
}

impl fmt::Display for Cramped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cramped")
    }
}

#[async_trait]
impl ObjectStore for Cramped {
    async fn put_opts(&self, to: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(to, payload, options).await
    }

    async fn put_multipart_opts(&self, to: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(to, options).await?;
        Ok(Box::new(CrampedUpload { inner, is_full: self.is_full.clone() }))
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(from, options).await
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(from, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartUpload for CrampedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if !self.is_full.load(Ordering::SeqCst) {
            return self.inner.put_part(data);
        }
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Box::pin(async { Err(object_store::Error::Generic { store: "cramped", source: Box::new(source) }) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

fn source() -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    futures::stream::iter([Ok(Bytes::from_static(b"0123456789"))])
}

#[tokio::test]
async fn a_full_disk_is_reported_and_the_upload_can_be_repeated() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let is_full = Arc::new(AtomicBool::new(true));
    backend.input.store = Arc::new(Cramped { inner: backend.input.store.clone(), is_full: is_full.clone() });
    let plane = Plane::over(backend, clock, |_| {}).await;
    let new = NewJob { title: None, options: JobOptions::default() };
    let job_id = plane.client.create_job(&new).await.unwrap().job_id;
    match plane.client.upload_source(job_id, 10, source()).await {
        Err(Error::Refused(problem)) => {
            assert_eq!((problem.status, problem.code.as_str()), (507, "full"), "{problem:?}");
            assert_eq!(
                problem.detail, "the upload broke off: no space left for objects: free some and submit again",
                "{problem:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!objects::exists(&*plane.backend.input.store, &keys::source(job_id)).await.unwrap());
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 0);
    let failed = plane.backend.jobs.get(job_id).await.unwrap().unwrap();
    assert_eq!(failed.status, JobStatus::Failed);
    assert!(failed.error.unwrap().starts_with("the upload broke off: no space left"));
    is_full.store(false, Ordering::SeqCst);
    let job = plane.client.upload_source(job_id, 10, source()).await.unwrap();
    assert_eq!((job.status, job.error), (JobStatus::Created, None), "what broke off may be sent again");
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 1);
}

#[tokio::test]
async fn an_unwritable_control_plane_database_is_reported() {
    let plane = Plane::start().await;
    plane.snapshot("all is read", |snapshot| snapshot.collectors.len() > 1).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async || {
        let answer = http.get(format!("{}/readyz", plane.client.server())).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    plane.eventually("ready", async |_| (ready().await.0 == 200).then_some(())).await;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(plane.config.data_dir.join("controlplane.db"));
    let mut database = sqlx::ConnectOptions::connect(&file).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON pulse BEGIN SELECT RAISE(ROLLBACK, 'nothing goes'); END";
    sqlx::query(refuse).execute(&mut database).await.unwrap();
    let told = plane
        .eventually("not ready", async |_| {
            let (status, text) = ready().await;
            (status == 503).then_some(text)
        })
        .await;
    assert!(told.contains("can't write its own database") && told.contains("nothing goes"), "{told}");
    plane
        .snapshot("a line for it", |snapshot| {
            snapshot.attention.iter().any(|line| line.about == Subject::Collector { name: Collector::OwnDatabase })
        })
        .await;
    sqlx::query("DROP TRIGGER refuse").execute(&mut database).await.unwrap();
    plane.eventually("ready again", async |_| (ready().await.0 == 200).then_some(())).await;
    plane.snapshot("no line any more", |snapshot| snapshot.attention.is_empty()).await;
}

#[tokio::test]
async fn events_that_cannot_be_stored_are_reported_though_a_small_write_fits() {
    let plane = Plane::start().await;
    plane.snapshot("all is read", |snapshot| snapshot.collectors.len() > 1).await;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(plane.config.data_dir.join("controlplane.db"));
    let mut database = sqlx::ConnectOptions::connect(&file).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'nothing goes'); END";
    sqlx::query(refuse).execute(&mut database).await.unwrap();
    let mut worker = Worker::new("chunking-1", Stage::Chunking);
    let batch: Vec<_> =
        (0..3).map(|_| worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}))).collect();
    plane.client.send_events(batch.clone()).await.unwrap_err();
    let is_told = |snapshot: &Snapshot| {
        snapshot.attention.iter().any(|line| {
            line.about == Subject::Collector { name: Collector::OwnDatabase } && line.evidence.contains("goes")
        })
    };
    plane.snapshot("a line for it", is_told).await;
    sqlx::query("DROP TRIGGER refuse").execute(&mut database).await.unwrap();
    plane.clock.advance(Duration::from_secs(5));
    plane.client.send_events(batch).await.unwrap();
    plane.snapshot("no line any more", |snapshot| snapshot.attention.is_empty()).await;
}
