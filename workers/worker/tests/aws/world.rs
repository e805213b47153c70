//! A deployment on an emulator of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use object_store::ObjectStoreExt as _;
use stereospot_aws::provision::Provisioner;
use stereospot_aws::{AwsBackend, Connections, Deployment};
use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, Topology, keys};
use stereospot_media::Budget;
use stereospot_media::probe::Terms;
use stereospot_ports::{Backend, Bucket, SystemClock, objects};
use stereospot_runtime::events::Events;
use stereospot_runtime::stage::{Context, Handler, step};
use stereospot_worker::chunking::Chunking;
use stereospot_worker::inference::{Inference, Model};
use stereospot_worker::reassembly::Reassembly;
use stereospot_worker::scratch::Scratch;
use tokio_util::sync::CancellationToken;

use crate::fixture;

pub(crate) struct World {
    pub(crate) connections: Connections,
    pub(crate) context: Context,
    folder: tempfile::TempDir,
    emulator: Emulator,
}

impl World {
    /// Creates a deployment with `more` added to its environment file.
    pub(crate) async fn new(more: &str) -> Self {
        let emulator = Emulator::start();
        let text = format!("REGION=us-east-1\nAWS_ENDPOINT_URL={}\n", emulator.url);
        let nothing = Connections::open(Deployment::parse(&text, &|_| None).unwrap()).await;
        let provisioner = Provisioner::new(&nothing.config, &nothing.calls, "spot").unwrap();
        let plan = provisioner.plan().await.unwrap();
        provisioner.apply(&plan, &mut |_| ()).await.unwrap();
        let text = format!("{}{more}\n", provisioner.env(&plan.account).await.unwrap());
        let connections = Connections::open(Deployment::parse(&text, &|_| None).unwrap()).await;
        let opened = AwsBackend::connect(connections, Arc::new(SystemClock)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let events = Events::open("test", &folder.path().join("spool"), Arc::new(SystemClock)).unwrap();
        let context = Context::new(opened.backend, events, CancellationToken::new());
        Self { connections: opened.connections, context, folder, emulator }
    }

    /// A deployment with a job-worker.
    pub(crate) async fn with_job_worker(more: &str) -> Self {
        let mut world = Self::new(more).await;
        world.context.topology = Topology::JobWorker;
        world
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.context.backend
    }

    pub(crate) fn scratch(&self, name: &str) -> Scratch {
        Scratch::open(&self.path(name)).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn chunking(&self) -> Box<dyn Handler> {
        Box::new(Chunking {
            scratch: self.scratch("chunking"),
            sandbox: fixture::sandbox(),
            segment_secs: 0.4,
            with_sound: true,
            terms: Terms::default(),
        })
    }

    pub(crate) fn inference(&self) -> Box<dyn Handler> {
        let model = Model { model: Mutex::new(Some(fixture::model())), provider: "cpu", name: "cues".into() };
        Box::new(Inference {
            scratch: self.scratch("inference"),
            sandbox: fixture::sandbox(),
            budget: Budget { cores: 1, ..Budget::default() },
            resident: 0,
            model,
        })
    }

    pub(crate) fn reassembly(&self) -> Box<dyn Handler> {
        Box::new(Reassembly { scratch: self.scratch("reassembly"), sandbox: fixture::sandbox(), owner: "test".into() })
    }

    /// A job with an uploaded source; S3 notifies the chunking queue.
    pub(crate) async fn submit(&self) -> JobId {
        let job_id = JobId(uuid::Uuid::new_v4());
        let options =
            JobOptions { resolution: Some(112), preset: Some("ultrafast".into()), ..JobOptions::of(Format::Sbs) };
        let job = Job::new(job_id, options, None, self.backend().clock.now());
        self.backend().jobs.create(&job).await.unwrap();
        let source = std::fs::read(fixture::source(self.folder.path())).unwrap();
        put(&self.backend().input, &keys::source(job_id), source).await;
        job_id
    }

    /// Lets the stages work until none has a message.
    pub(crate) async fn work(&self, handlers: &[&dyn Handler]) {
        loop {
            let mut has_worked = false;
            for handler in handlers {
                while step(&self.context, *handler).await.unwrap() {
                    has_worked = true;
                }
            }
            if !has_worked {
                return;
            }
        }
    }

    /// Lets time pass on the queues.
    pub(crate) fn pass_secs(&self, secs: u32) {
        let at = self.emulator.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(at).unwrap();
        write!(stream, "GET /-/pass?ms={secs}000 HTTP/1.0\r\nHost: {at}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    pub(crate) async fn job(&self, job_id: JobId) -> Job {
        self.backend().jobs.get(job_id).await.unwrap().unwrap()
    }

    pub(crate) async fn status(&self, job_id: JobId) -> JobStatus {
        self.job(job_id).await.status
    }

    pub(crate) async fn completions(&self, job_id: JobId) -> u32 {
        self.backend().jobs.count_completions(job_id).await.unwrap()
    }

    /// Downloads an object into a file.
    pub(crate) async fn fetch(&self, bucket: &Bucket, key: &str) -> PathBuf {
        let bytes = bucket.store.get(&objects::path(key).unwrap()).await.unwrap().bytes().await.unwrap();
        let path = self.path("fetched.mp4");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) async fn exists(&self, bucket: &Bucket, key: &str) -> bool {
        objects::exists(&*bucket.store, key).await.unwrap()
    }
}

pub(crate) async fn put(bucket: &Bucket, key: &str, content: Vec<u8>) {
    bucket.store.put(&objects::path(key).unwrap(), content.into()).await.unwrap();
}

/// A running emulator; it ends when this is dropped.
struct Emulator {
    child: Child,
    url: String,
}

impl Emulator {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".tools/venv/bin/python");
        let mut child = Command::new(&python)
            .arg(root.join("shared/aws/tests/it/emulator.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup test` first", python.display()));
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the emulator did not start: run `scripts/setup test` first");
        Self { child, url }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
