use std::sync::Mutex;

use stereospot_domain::event::StepFailed;
use stereospot_domain::{Event, Job, JobId, JobOptions, JobStatus, Payload, QueueName, Topology, keys};
use stereospot_ports::WorkQueue;
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_ports::work_queue::{Outgoing, Receipt, Receive, Settings};
use stereospot_ports::wrapped::WrappedQueue;

use super::*;
use crate::events::Events;

/// Answers each job with the failure that the function makes for it.
struct Scripted<F>(F);

#[async_trait]
impl<F: Fn(JobId) -> Result<(), Failure> + Send + Sync> Handler for Scripted<F> {
    fn role(&self) -> QueueRole {
        QueueRole::Chunking
    }

    async fn handle(&self, _: &Context, task: &Task) -> Result<(), Failure> {
        let Asked::Known(Request::Chunk(job_id)) = task.asked else { panic!("{:?}", task.asked) };
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
        Self { context: Context::new(backend, events, CancellationToken::new()), clock, _folder: folder }
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

fn chunking_failures(events: &[Event]) -> Vec<&StepFailed> {
    events
        .iter()
        .filter_map(|event| match &event.payload {
            Payload::ChunkingFailed(failed) => Some(failed),
            _ => None,
        })
        .collect()
}

fn source(job_id: JobId) -> String {
    message::object_created("input", &keys::source(job_id))
}

#[tokio::test]
async fn the_last_failed_attempt_fails_the_job_and_leaves_the_message_for_the_dead_letter_queue() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let handler = Scripted(|_| Err(Failure::Retry(ErrorCode::Internal, "the moon is wrong".into())));
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
async fn a_record_that_can_t_be_read_is_named_and_the_others_are_done() {
    let world = World::new();
    let good = world.job(1).await;
    let record = |key: &str| format!(r#"{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}"#);
    world.send(format!(r#"{{"Records":[{},7,{}]}}"#, record("elsewhere/x.mp4"), record(&keys::source(good)))).await;
    let handled = Mutex::new(Vec::new());
    let handler = Scripted(|job_id| {
        handled.lock().unwrap().push(job_id);
        Ok(())
    });
    world.work(1, &handler).await;
    assert_eq!(world.counts().await, (0, 0));
    assert_eq!(*handled.lock().unwrap(), [good]);
    let events: Vec<Event> = world.context.events.take_spooled();
    let said: Vec<&str> = chunking_failures(&events).iter().filter_map(|failed| failed.error.as_deref()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("a record of a message of chunking is left out, its others are done"), "{said:?}");
    assert!(said[0].contains("elsewhere/x.mp4"), "{said:?}");
}

/// Notes how long each message is leased for.
#[derive(Debug)]
struct Leases {
    inner: Arc<dyn WorkQueue>,
    noted: Mutex<Vec<(&'static str, Option<u64>)>>,
}

#[async_trait]
impl WrappedQueue for Leases {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn settings(&self) -> stereospot_ports::Result<Settings> {
        Ok(Settings { visibility: Duration::from_secs(2400), max_receives: Some(MAX_RECEIVES) })
    }

    async fn receive(&self, how: Receive) -> stereospot_ports::Result<Vec<Message>> {
        self.noted.lock().unwrap().push(("receive", how.visibility.map(|lease| lease.as_secs())));
        self.inner.receive(how).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> stereospot_ports::Result<()> {
        self.noted.lock().unwrap().push(("extend", Some(visibility.as_secs())));
        self.inner.extend(receipt, visibility).await
    }
}

#[tokio::test]
async fn a_lease_is_short_when_a_message_is_received_and_longer_at_work() {
    let mut world = World::new();
    let name = QueueName::main(QueueRole::Chunking);
    let inner = Arc::clone(&world.context.backend.queues[&name]);
    let queue = Arc::new(Leases { inner, noted: Mutex::default() });
    world.context.backend.queues.insert(name, queue.clone());
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    world.work(1, &Scripted(|_| Ok(()))).await;
    // The first one asks whether leases may be extended at all.
    let expected = [("extend", Some(15)), ("receive", Some(15)), ("extend", Some(120))];
    assert_eq!(*queue.noted.lock().unwrap(), expected);
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

#[tokio::test]
async fn a_strange_body_reaches_the_dead_letter_queue_by_the_queues_own_rule_and_hides_no_other() {
    let world = World::new();
    let job_id = world.job(1).await;
    let mebibyte = format!(
        r#"{{"Records":[{{"s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{}"}}}}}}]}}"#,
        "k".repeat(1_048_400)
    );
    for body in ["not JSON", "[1,2", r#"{"Records":[]}"#, mebibyte.as_str()] {
        world.send(body.to_owned()).await;
    }
    world.send(source(job_id)).await;
    let handled = Mutex::new(0);
    let handler = Scripted(|_| {
        *handled.lock().unwrap() += 1;
        Ok(())
    });
    world.work(5 * (MAX_RECEIVES + 1), &handler).await;
    assert_eq!(*handled.lock().unwrap(), 1);
    assert_eq!(world.counts().await, (0, 4));
    let dead = world.context.backend.queue_named(QueueName::dead_letter(QueueRole::Chunking)).unwrap();
    assert!(dead.peek(10).await.unwrap().iter().all(|message| message.receive_count == MAX_RECEIVES));
    assert_eq!(world.status(job_id).await.0, JobStatus::Created, "nobody's job was failed for them");
}

#[tokio::test]
async fn the_notice_that_notifications_were_configured_is_dropped() {
    let world = World::new();
    world.send(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#.into()).await;
    world.work(1, &Scripted(|_| panic!("asks for nothing"))).await;
    assert_eq!(world.counts().await, (0, 0));
}

#[tokio::test]
async fn a_backend_that_stays_away_costs_no_attempt_and_one_that_refuses_does() {
    let mut world = World::new();
    world.context.patience = Duration::ZERO;
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let away = || Err(stereospot_ports::Error::new(ErrorCode::Throttled, "slowly").into());
    world.work(4 * MAX_RECEIVES, &Scripted(|_| away())).await;
    assert_eq!(world.counts().await, (1, 0));
    assert_eq!(world.status(job_id).await.0, JobStatus::Created);
    let denied = || Err(stereospot_ports::Error::new(ErrorCode::Denied, "not allowed").into());
    world.work(2 * MAX_RECEIVES, &Scripted(|_| denied())).await;
    assert_eq!(world.counts().await, (0, 1));
    assert_eq!(world.status(job_id).await.0, JobStatus::Failed);
}

#[tokio::test]
async fn a_worker_whose_own_folder_cannot_be_used_fails_nobodys_job_and_says_why() {
    let mut world = World::new();
    world.context.patience = Duration::ZERO;
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let gone = || Err(Failure::NoScratch(ErrorCode::Denied, "this worker can't use its folder".into()));
    world.work(4 * MAX_RECEIVES, &Scripted(|_| gone())).await;
    assert_eq!(world.counts().await, (1, 0));
    assert_eq!(world.status(job_id).await, (JobStatus::Created, None));
    let told = world.context.events.take_spooled();
    let failures = chunking_failures(&told);
    assert_eq!(failures.len(), 4 * MAX_RECEIVES as usize);
    let expected = StepFailed {
        error: Some("this worker can't use its folder".into()),
        code: Some(ErrorCode::Denied),
        is_final: Some(false),
        ..StepFailed::default()
    };
    assert!(failures.iter().all(|failed| **failed == expected), "{failures:?}");
    world.work(1, &Scripted(|_| Ok(()))).await;
    assert_eq!(world.counts().await, (0, 0), "done once it can be used");
}

#[tokio::test]
async fn what_passes_is_waited_for_with_the_message_in_hand() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let tries = Mutex::new(vec![ErrorCode::Denied, ErrorCode::Unavailable]);
    // Three seconds of real time: the pauses are the point.
    let handler = Scripted(|_| match tries.lock().unwrap().pop() {
        Some(code) => Err(stereospot_ports::Error::new(code, "a bad day").into()),
        None => Ok(()),
    });
    world.work(1, &handler).await;
    assert_eq!(world.counts().await, (0, 0), "done in the end, by the first receiving");
}

/// A stage after chunking that refuses its work.
struct Refusing;

#[async_trait]
impl Handler for Refusing {
    fn role(&self) -> QueueRole {
        QueueRole::Reassembly
    }

    async fn handle(&self, _: &Context, _: &Task) -> Result<(), Failure> {
        Err(Failure::Refused("not a video".into()))
    }
}

#[tokio::test]
async fn where_the_job_worker_keeps_the_books_only_chunking_fails_a_job() {
    let mut world = World::new();
    world.context.topology = Topology::JobWorker;
    let (cut, uncut) = (world.job(1).await, world.job(2).await);
    world.send(source(uncut)).await;
    world.work(1, &Scripted(|_| Err(Failure::Refused("not a video".into())))).await;
    assert_eq!(world.status(uncut).await, (JobStatus::Failed, Some("not a video".into())));
    let queue = Arc::clone(world.context.backend.queue(QueueRole::Reassembly).unwrap());
    queue.send(&[Outgoing::now(message::reassemble(cut))]).await.unwrap();
    world.work(MAX_RECEIVES + 1, &Refusing).await;
    assert_eq!(world.status(cut).await, (JobStatus::Created, None));
    let dead = world.context.backend.queue_named(QueueName::dead_letter(QueueRole::Reassembly)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 1, "the message tells it");
    for done in [job::complete_job(&world.context, cut).await, job::record_completion(&world.context, cut, 0).await] {
        done.unwrap();
    }
    assert_eq!(world.context.backend.jobs.count_completions(cut).await.unwrap(), 0);
    assert_eq!(world.status(cut).await.0, JobStatus::Created);
}

/// A queue whose role may receive, send and delete, like those of existing deployments. After the lease its receipt is void.
#[derive(Debug)]
struct Restricted(Arc<dyn WorkQueue>, AtomicBool);

fn forbidden<T>() -> stereospot_ports::Result<T> {
    Err(stereospot_ports::Error::new(ErrorCode::Denied, "sqs:ChangeMessageVisibility is not allowed"))
}

#[async_trait]
impl WrappedQueue for Restricted {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.0
    }

    async fn settings(&self) -> stereospot_ports::Result<Settings> {
        Ok(Settings { visibility: Duration::from_millis(30), max_receives: Some(MAX_RECEIVES) })
    }

    async fn extend(&self, _: &Receipt, _: Duration) -> stereospot_ports::Result<()> {
        if self.1.swap(true, Ordering::SeqCst) {
            return Err(stereospot_ports::Error::new(ErrorCode::LeaseLost, "the lease ran out"));
        }
        forbidden()
    }

    async fn release(&self, _: &Receipt, _: Duration) -> stereospot_ports::Result<()> {
        forbidden()
    }
}

/// Works until the lease was reported lost, which is when it would have been stopped.
struct Long(Events);

#[async_trait]
impl Handler for Long {
    fn role(&self) -> QueueRole {
        QueueRole::Chunking
    }

    async fn handle(&self, _: &Context, task: &Task) -> Result<(), Failure> {
        let before = self.0.spooled().events;
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while self.0.spooled().events == before {
            ticks.tick().await;
        }
        if task.cancel.is_cancelled() { Err(Failure::Cancelled) } else { Ok(()) }
    }
}

#[tokio::test]
async fn where_leases_cannot_be_extended_work_goes_on_past_them() {
    let mut world = World::new();
    let name = QueueName::main(QueueRole::Chunking);
    let inner = Arc::clone(&world.context.backend.queues[&name]);
    world.context.backend.queues.insert(name, Arc::new(Restricted(inner, AtomicBool::new(false))));
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    world.work(1, &Long(world.context.events.clone())).await;
    assert_eq!(world.counts().await, (0, 0), "done and deleted");
    // A message that is given back is sent again as a new one, and the old one deleted.
    world.send(source(job_id)).await;
    step(&world.context, &Scripted(|_| Err(Failure::Cancelled))).await.unwrap();
    assert_eq!(world.counts().await, (1, 0), "at once");
    world.work(1, &Scripted(|_| Ok(()))).await;
    // A failed one can't be given back either: it comes again when its lease ends.
    world.send(source(job_id)).await;
    world.work(2, &Scripted(|_| Err(Failure::Retry(ErrorCode::Internal, "the moon is wrong".into())))).await;
    world.work(1, &Scripted(|_| Ok(()))).await;
    assert_eq!(world.counts().await, (0, 0));
}

#[tokio::test]
async fn what_is_damaged_is_dead_lettered_and_its_events_say_so() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    world.work(MAX_RECEIVES + 1, &Scripted(|_| Err(Failure::Damaged("segment 1 is damaged".into())))).await;
    assert_eq!(world.counts().await, (0, 1));
    let reason = "chunking failed 5 times: segment 1 is damaged";
    assert_eq!(world.status(job_id).await, (JobStatus::Failed, Some(reason.into())));
    let told: Vec<Event> = world.context.events.take_spooled();
    let failures = chunking_failures(&told);
    assert_eq!(failures.len(), MAX_RECEIVES as usize);
    let is_damaged = |failed: &&StepFailed| (failed.is_damaged, failed.code) == (Some(true), Some(ErrorCode::Corrupt));
    assert!(failures.iter().all(is_damaged), "{failures:?}");
    let ended = told.iter().find_map(|event| match &event.payload {
        Payload::JobFailed(failed) => Some(failed.code),
        _ => None,
    });
    assert_eq!(ended, Some(Some(ErrorCode::Corrupt)));
    // Any other failure does not say so.
    world.send(source(world.job(2).await)).await;
    world.work(1, &Scripted(|_| Err(Failure::Retry(ErrorCode::Internal, "the moon is wrong".into())))).await;
    let told = world.context.events.take_spooled();
    assert!(chunking_failures(&told).iter().all(|failed| failed.is_damaged.is_none()), "{told:?}");
}

/// Works until it is cancelled, like a long split.
#[derive(Default)]
struct Endless {
    began: tokio::sync::Notify,
}

#[async_trait]
impl Handler for Endless {
    fn role(&self) -> QueueRole {
        QueueRole::Chunking
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let job = context.backend.jobs.get(task.about.job_id.unwrap()).await?.unwrap();
        if job.status == JobStatus::Failed {
            return Ok(());
        }
        self.began.notify_one();
        task.cancel.cancelled().await;
        Err(Failure::Retry(ErrorCode::Internal, "libav was interrupted".into()))
    }
}

#[tokio::test]
async fn work_on_a_job_that_is_failed_stops() {
    let world = World::new();
    let job_id = world.job(1).await;
    world.send(source(job_id)).await;
    let endless = Endless::default();
    let failing = async {
        endless.began.notified().await;
        world.context.backend.jobs.transition(job_id, &Transition::failed("by an operator")).await.unwrap();
    };
    let (worked, ()) = tokio::join!(step(&world.context, &endless), failing);
    assert!(worked.unwrap(), "the work ended without a deadline of its own");
    assert_eq!(world.counts().await, (1, 0), "it goes back, since the job may have been taken back meanwhile");
    assert!(world.context.events.take_spooled().is_empty(), "no attempt failed");
    world.work(1, &endless).await;
    assert_eq!((world.counts().await, world.status(job_id).await.1), ((0, 0), Some("by an operator".into())));
}
