use std::sync::Mutex;

use stereospot_domain::{Job, JobId, JobOptions, JobStatus, QueueName, keys};
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_ports::work_queue::Outgoing;

use super::*;

/// Answers each job with the failure that is made for it.
struct Scripted<F>(F);

#[async_trait]
impl<F: Fn(JobId) -> Result<(), Failure> + Send + Sync> Handler for Scripted<F> {
    fn role(&self) -> QueueRole {
        QueueRole::Chunking
    }

    async fn handle(&self, _: &Context, task: &Task) -> Result<(), Failure> {
        let Request::Chunk(job_id) = task.request else { panic!("{:?}", task.request) };
        self.0(job_id)
    }
}

struct World {
    context: Context,
    clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let backend = memory::backend(&clock);
        let folder = tempfile::tempdir().unwrap();
        let events = Events::open("test", folder.path(), backend.clock.clone()).unwrap();
        Self { context: Context { backend, events, stop: CancellationToken::new() }, clock, _folder: folder }
    }

    async fn job(&self, number: u128) -> JobId {
        let job_id = JobId(uuid::Uuid::from_u128(number));
        let job = Job::new(job_id, JobOptions::default(), None, self.context.backend.clock.now());
        self.context.backend.jobs.create(&job).await.unwrap();
        job_id
    }

    async fn send(&self, body: String) {
        self.context.backend.queue(QueueRole::Chunking).unwrap().send(&[Outgoing::now(body)]).await.unwrap();
    }

    async fn work(&self, rounds: u32, handler: &dyn Handler) {
        for _ in 0..rounds {
            step(&self.context, handler).await.unwrap();
            self.clock.advance(Duration::from_secs(70));
        }
    }

    async fn counts(&self) -> (u64, u64) {
        let stats = |name| {
            let queue = Arc::clone(self.context.backend.queue_named(name).unwrap());
            async move { queue.stats().await.unwrap().ready }
        };
        (stats(QueueName::main(QueueRole::Chunking)).await, stats(QueueName::dead_letter(QueueRole::Chunking)).await)
    }

    async fn status(&self, job_id: JobId) -> (JobStatus, Option<String>) {
        let job = self.context.backend.jobs.get(job_id).await.unwrap().unwrap();
        (job.status, job.error)
    }
}

fn source(job_id: JobId) -> String {
    message::object_created("input", &keys::source(job_id))
}

#[tokio::test]
async fn the_last_failed_attempt_fails_the_job_and_leaves_the_message_for_the_dead_letter_queue() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let handler = Scripted(|_| Err(Failure::Retry("the moon is wrong".into())));
    world.work(MAX_RECEIVES - 1, &handler).await;
    assert_eq!(world.status(job_id).await.0, JobStatus::Created);
    world.work(2, &handler).await;
    let (status, error) = world.status(job_id).await;
    assert_eq!(status, JobStatus::Failed);
    assert_eq!(error.unwrap(), "chunking failed 5 times: the moon is wrong");
    assert_eq!(world.counts().await, (0, 1));
}

#[tokio::test]
async fn what_is_given_back_is_never_dead_lettered() {
    for failure in [|| Failure::Cancelled, || Failure::Later { why: "busy".into(), after: Duration::from_secs(30) }] {
        let world = World::new();
        let job_id = world.job(1).await;
        world.send(source(job_id)).await;
        world.work(4 * MAX_RECEIVES, &Scripted(|_| Err(failure()))).await;
        assert_eq!(world.status(job_id).await.0, JobStatus::Created);
        assert_eq!(world.counts().await, (1, 0));
    }
}

#[tokio::test]
async fn each_record_of_a_message_stands_for_itself() {
    let world = World::new();
    let (bad, good) = (world.job(1).await, world.job(2).await);
    let record =
        |job_id| format!(r#"{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{}"}}}}}}"#, keys::source(job_id));
    world.send(format!(r#"{{"Records":[{},{}]}}"#, record(bad), record(good))).await;
    let handled = Mutex::new(Vec::new());
    let handler = Scripted(|job_id| {
        handled.lock().unwrap().push(job_id);
        if job_id == bad { Err(Failure::Refused("not a video".into())) } else { Ok(()) }
    });
    world.work(1, &handler).await;
    assert_eq!(*handled.lock().unwrap(), [bad, good]);
    assert_eq!(world.status(bad).await, (JobStatus::Failed, Some("not a video".into())));
    assert_eq!(world.status(good).await, (JobStatus::Created, None));
    assert_eq!(world.counts().await, (0, 0));
}

#[tokio::test]
async fn a_worker_that_cannot_go_on_ends_and_gives_the_message_back() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let handler = Scripted(|_| Err(Failure::Broken("no model".into())));
    let error = run(&world.context, &handler, &AtomicBool::new(false)).await.unwrap_err();
    assert!(error.to_string().contains("no model"));
    assert_eq!(world.counts().await, (1, 0));
    assert_eq!(world.status(job_id).await.0, JobStatus::Created);
}
