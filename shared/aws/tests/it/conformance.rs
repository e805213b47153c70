//! The conformance suite of all backends, against the emulator.
//!
//! Time passes on the emulator's clock, so no case waits for a lease. The cases peek at queues, which SQS can't do without
//! raising receive counts; on queues with a redrive policy the emulator itself shows the messages instead, so that cases about
//! notifications or receive counts see the truth. The cases *about* peeking and leasing by id run on queues without a redrive
//! policy, where this backend offers both.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use stereospot_aws::{AwsBackend, Connections};
use stereospot_domain::{QueueRole, Timestamp};
use stereospot_ports::conformance::{CASES, Case, Passing, Report, Stop, World, number_of_cases};
use stereospot_ports::work_queue::Peeked;
use stereospot_ports::wrapped::WrappedQueue;
use stereospot_ports::{Backend, Clock, Result, SystemClock, WorkQueue};

use crate::emulator::{Emulator, Shape};

/// Cases that need peeking or leasing by id on a main queue.
const WITHOUT_REDRIVE: &[&str] = &[
    "peeking_shows_the_oldest_first",
    "peeking_changes_nothing",
    "leasing_by_id_takes_exactly_those",
    "leasing_by_id_does_not_raise_the_count",
    "leasing_by_id_leaves_out_what_is_not_ready",
    "a_lease_by_id_is_a_real_lease",
];

/// Cases where SQS or the emulator behaves differently: why, and where a test checks the documented behaviour. Each case runs and
/// must fail: one that passes does not belong here.
const DIFFERS: &[(&str, &str)] = &[
    (
        "peeking_changes_nothing",
        "SQS can't show a message without receiving it, and shows none in flight: queues::looking_at_a_dead_letter_queue",
    ),
    (
        "leasing_by_id_does_not_raise_the_count",
        "SQS counts every receiving: queues::leasing_by_id_on_a_dead_letter_queue",
    ),
    (
        "an_upload_in_parts_is_announced_at_its_end",
        "the emulator announces it twice, S3 once: objects::an_upload_in_parts_appears_at_its_end",
    ),
    (
        "the_key_is_form_encoded",
        "the emulator escapes `/` and writes JSON with spaces: objects::a_notification_names_the_key, and the domain's own tests",
    ),
];

/// Cases that can't run here: why, and where a test checks them.
const NOT_RUN: &[(&str, &str)] = &[(
    "a_dropped_receive_loses_nothing",
    "SQS may carry out a dropped request between two looks, so that a message moves meanwhile: \
     queues::dropped_receives_lose_nothing looks when all is quiet",
)];

/// Time limit for a case, as in the suite.
const LONGEST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_aws_backend_passes_the_suite() {
    let emulator = Arc::new(Emulator::start());
    let passed = Arc::new(AtomicI64::new(0));
    let mut report = Report::default();
    for case in CASES.iter().copied().flatten() {
        if let Some((name, reason)) = NOT_RUN.iter().find(|(name, _)| *name == case.name) {
            report.skipped.push((name, (*reason).into()));
            continue;
        }
        let outcome = run(&emulator, &passed, case).await;
        let differs = DIFFERS.iter().find(|(name, _)| *name == case.name);
        match (outcome, differs) {
            (Ok(()), None) => report.passed.push(case.name),
            (Err(Stop::Failed(_)), Some((_, reason))) => report.skipped.push((case.name, (*reason).into())),
            (Ok(()), Some(_)) => report.failed.push((case.name, "passes: it no longer differs".into())),
            (Err(Stop::Failed(how) | Stop::Skipped(how)), _) => report.failed.push((case.name, how)),
        }
    }
    for (name, reason) in &report.skipped {
        println!("skipped {name}: {reason}");
    }
    assert_eq!(report.failed, []);
    assert_eq!(report.skipped.len(), DIFFERS.len() + NOT_RUN.len());
    assert_eq!(report.total(), number_of_cases());
}

async fn run(emulator: &Arc<Emulator>, passed: &Arc<AtomicI64>, case: &Case) -> Result<(), Stop> {
    let is_without = WITHOUT_REDRIVE.contains(&case.name);
    let shape = if is_without { Shape::NoRedrive } else { Shape::Usual };
    let connections = emulator.deploy(shape).await;
    let turned = Turned { emulator: Arc::clone(emulator), passed: Arc::clone(passed) };
    let open = async |connections: Connections| -> Result<Backend> {
        let mut backend = AwsBackend::connect(connections.clone(), Arc::new(turned.clone())).await?.backend;
        if !is_without {
            for queue in backend.queues.values_mut().filter(|queue| !queue.name().is_dead_letter) {
                let name = name_of(&connections, queue.name().role);
                *queue = Arc::new(Shown { inner: Arc::clone(queue), name, emulator: Arc::clone(emulator) });
            }
        }
        Ok(backend)
    };
    let backend = open(connections.clone()).await?;
    // Its own clients, as another process has.
    let peer = open(emulator.connect(connections.deployment.clone()).await).await?;
    let world = World { backend, peer, time: Box::new(turned.clone()), keep: Box::new(()) };
    let tried = AssertUnwindSafe(tokio::time::timeout(LONGEST, (case.run)(&world))).catch_unwind().await;
    match tried {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Stop::Failed(format!("took longer than {} s", LONGEST.as_secs()))),
        Err(_) => Err(Stop::Failed("panicked".into())),
    }
}

/// The emulator's name of a main queue.
fn name_of(connections: &Connections, role: QueueRole) -> String {
    connections.deployment.queue_name(role).unwrap().to_owned()
}

/// The emulator's clock.
#[derive(Debug, Clone)]
struct Turned {
    emulator: Arc<Emulator>,
    passed: Arc<AtomicI64>,
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().as_millis() + self.passed.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Passing for Turned {
    async fn pass(&self, time: Duration) -> Result<(), String> {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.emulator.control(&format!("pass?ms={millis}")).await;
        self.passed.fetch_add(millis, Ordering::SeqCst);
        Ok(())
    }
}

/// A queue that the emulator peeks at.
#[derive(Debug)]
struct Shown {
    inner: Arc<dyn WorkQueue>,
    name: String,
    emulator: Arc<Emulator>,
}

#[async_trait]
impl WrappedQueue for Shown {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        let shown = self.emulator.control(&format!("messages?queue={}", self.name)).await;
        let peeked = |message: &serde_json::Value| Peeked {
            id: message["id"].as_str().unwrap().into(),
            body: message["body"].as_str().unwrap().into(),
            envelope: serde_json::from_value(message["envelope"].clone()).unwrap(),
            receive_count: u32::try_from(message["receive_count"].as_u64().unwrap()).unwrap(),
            enqueued_at: Timestamp(message["enqueued_at"].as_i64().unwrap()),
            dead_lettered_at: None,
            expires_at: None,
        };
        Ok(shown.as_array().unwrap().iter().map(peeked).take(max).collect())
    }
}
