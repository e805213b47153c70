//! Watching a deployment that sends no events: what goes on, and what went wrong, follows from rows, objects and queues alone.

use std::sync::Arc;
use std::time::Duration;

use stereospot_api::view::{Attention, Snapshot};
use stereospot_controlplane::{Config, Platform};
use stereospot_domain::{EventKind, JobId, JobStatus, QueueName, QueueRole, Topology, keys, message};
use stereospot_ports::fleet::{Fleet, Limits, Scaled, Scaling, Service, memory::MemoryFleet};
use stereospot_ports::job_store::Transition;
use stereospot_ports::log_source::{Found, Line, LogSource, Progress, Search, memory::MemoryLogs};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Error, ErrorCode, JobStore, Result};

use crate::foreign;
use crate::harness::{Plane, Side};

const STEP: Duration = Duration::from_secs(61);
const REASSEMBLY: QueueName = QueueName { role: QueueRole::Reassembly, is_dead_letter: false };

/// Quick, with as many calls as it likes: the pauses are those of a platform where calls are paid for.
fn quick(config: &mut Config) {
    (config.poll, config.poll_budget_per_minute) = (Duration::from_millis(2), Some(1_000_000));
}

async fn watched(topology: Topology, change: impl FnOnce(&mut Platform, &mut Config)) -> Plane {
    let clock = ManualClock::default();
    let (mut platform, _) = foreign::platform(&clock, topology, None);
    let mut changed = Config::new(std::path::PathBuf::new(), ([127, 0, 0, 1], 0).into());
    (changed.reconcile, changed.keep_alive) = (Duration::from_millis(20), Duration::from_secs(10));
    quick(&mut changed);
    change(&mut platform, &mut changed);
    Plane::over(platform, clock, |config| {
        let Config { poll, poll_budget_per_minute, reconcile, watch_logs, .. } = changed;
        (config.poll, config.poll_budget_per_minute) = (poll, poll_budget_per_minute);
        (config.reconcile, config.watch_logs) = (reconcile, watch_logs);
    })
    .await
}

/// One that repairs nothing by itself.
async fn passive() -> Plane {
    watched(Topology::VideoWorker, |_, config| config.reconcile = Duration::from_secs(3600)).await
}

/// Passes silence until the queues' numbers can be relied on.
async fn silence(plane: &Plane, job_id: JobId) {
    plane.after(job_id, STEP).await;
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 20).await;
    plane.clock.advance(Duration::from_secs(180));
}

/// Builds a case and waits until it is found, with this repair.
async fn check(case: &str, build: impl AsyncFn(&Plane, &dyn JobStore) -> JobId, expected: &[(&str, Option<&str>)]) {
    let plane = passive().await;
    let job_id = build(&plane, &*plane.backend.jobs).await;
    silence(&plane, job_id).await;
    let expected: Vec<(String, Option<String>)> =
        expected.iter().map(|(code, repair)| ((*code).to_owned(), repair.map(str::to_owned))).collect();
    let found = plane
        .eventually(&format!("case {case}: {expected:?}"), async |plane| {
            let snapshot = plane.client.snapshot().await.unwrap();
            let view = snapshot.jobs.iter().find(|view| view.job.job_id == job_id)?;
            let found: Vec<(String, Option<String>)> = view
                .findings
                .iter()
                .map(|finding| {
                    let repair = serde_json::to_value(&finding.repair).unwrap();
                    (finding.code.to_string(), repair["repair"].as_str().map(str::to_owned))
                })
                .collect();
            (found == expected).then_some(snapshot)
        })
        .await;
    let is_grave = expected.iter().any(|(code, _)| code != "too-many-completions");
    assert_eq!(found.attention.iter().any(|line| line.job_id == Some(job_id)), is_grave, "case {case}");
    plane.stop().await;
}

#[tokio::test]
async fn every_way_of_losing_a_job_is_found_without_any_event() {
    use JobStatus::*;
    check(
        "1, the message was never sent",
        async |plane, jobs| {
            let job_id = plane.job(ChunkingComplete, Some(2)).await;
            plane.complete(job_id, [0, 1]).await;
            assert!(jobs.create_lock(job_id, plane.now()).await.unwrap());
            job_id
        },
        &[("reassembly-message-lost", Some("send_reassembly"))],
    )
    .await;
    check(
        "2, a completion's event was dropped",
        async |plane, _| {
            let job_id = plane.job(ChunkingComplete, Some(2)).await;
            plane.complete(job_id, [0]).await;
            plane.put_silently(Side::Output, &keys::output_segment(job_id, 0)).await;
            plane.put_silently(Side::Output, &keys::output_segment(job_id, 1)).await;
            job_id
        },
        &[("completion-lost", Some("put_completions"))],
    )
    .await;
    for case in ["3, nothing looked again", "12, both last completions saw one too few"] {
        check(
            case,
            async |plane, _| {
                let job_id = plane.job(ChunkingComplete, Some(2)).await;
                plane.complete(job_id, [0, 1]).await;
                job_id
            },
            &[("trigger-missed", Some("trigger"))],
        )
        .await;
    }
    check(
        "4, reassembly died with the lock",
        async |plane, jobs| {
            let job_id = plane.job(Reassembling, Some(1)).await;
            plane.complete(job_id, [0]).await;
            jobs.create_lock(job_id, plane.now()).await.unwrap();
            jobs.acquire_lock(job_id, "theirs", plane.now(), Duration::from_secs(1)).await.unwrap();
            job_id
        },
        &[("reassembly-died", Some("reset_lock_and_send"))],
    )
    .await;
    check(
        "5, chunking dropped the message",
        async |plane, _| {
            let job_id = plane.job(Created, None).await;
            plane.put_silently(Side::Input, &keys::source(job_id)).await;
            job_id
        },
        &[("source-ignored", Some("resend_source"))],
    )
    .await;
    check(
        "6, completed was never set",
        async |plane, jobs| {
            let job_id = plane.job(Reassembling, Some(1)).await;
            plane.complete(job_id, [0]).await;
            jobs.create_lock(job_id, plane.now()).await.unwrap();
            plane.put_silently(Side::Output, &keys::result(job_id)).await;
            job_id
        },
        &[("completed-status-lost", Some("mark_completed"))],
    )
    .await;
    check(
        "7, a failure of the managed inference never matched",
        async |plane, _| {
            let job_id = plane.job(ChunkingComplete, Some(2)).await;
            plane.complete(job_id, [0]).await;
            job_id
        },
        &[("segment-lost", Some("resend_segments"))],
    )
    .await;
    check(
        "8, a late event moved the job backwards",
        async |plane, _| {
            let job_id = plane.job(Failed, Some(1)).await;
            plane.complete(job_id, [0]).await;
            plane.put_silently(Side::Output, &keys::result(job_id)).await;
            job_id
        },
        &[("status-contradicts-result", Some("mark_completed"))],
    )
    .await;
    check(
        "9, one error set failed, and all was converted later",
        async |plane, _| {
            let job_id = plane.job(Failed, Some(2)).await;
            plane.complete(job_id, [0, 1]).await;
            job_id
        },
        &[("failed-but-complete", Some("trigger"))],
    )
    .await;
    check(
        "10, a bad source",
        async |plane, _| {
            let job_id = plane.job(ChunkingInProgress, None).await;
            let body = message::object_created("input", &keys::source(job_id));
            plane.backend.queue(QueueRole::Chunking).unwrap().send(&[Outgoing::now(body)]).await.unwrap();
            plane.dead_letter(QueueRole::Chunking).await;
            plane.put_silently(Side::Input, &keys::source(job_id)).await;
            job_id
        },
        &[("source-dead-lettered", Some("replay_dead_letters"))],
    )
    .await;
    check(
        "11, more completions than segments",
        async |plane, jobs| {
            let job_id = plane.job(ChunkingComplete, Some(2)).await;
            plane.complete(job_id, [0, 1, 2]).await;
            jobs.create_lock(job_id, plane.now()).await.unwrap();
            let waits = Outgoing::now(message::reassemble(job_id));
            plane.backend.queues[&REASSEMBLY].send(&[waits]).await.unwrap();
            job_id
        },
        &[("too-many-completions", None)],
    )
    .await;
}

#[tokio::test]
async fn an_approximate_zero_is_believed_after_a_minute_of_them() {
    let plane = passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    let queue = plane.backend.queue(QueueRole::Inference).unwrap();
    queue.send(&[Outgoing::now("waits")]).await.unwrap();
    plane.depth_is_read(QueueName::main(QueueRole::Inference), 1).await;
    plane.after(job_id, Duration::from_secs(3600)).await;
    queue.purge().await.unwrap();
    plane.depth_is_read(QueueName::main(QueueRole::Inference), 0).await;
    let later = async |plane: &Plane| {
        let revision = plane.client.snapshot().await.unwrap().revision;
        plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 40).await
    };
    assert!(later(&plane).await.jobs[0].findings.is_empty(), "the number may be a minute old");
    plane.clock.advance(Duration::from_secs(59));
    assert!(later(&plane).await.jobs[0].findings.is_empty());
    plane.clock.advance(Duration::from_secs(2));
    plane.findings(job_id, &["segment-lost"]).await;
}

#[tokio::test]
async fn a_deployments_own_job_worker_has_its_time_before_anything_is_written_for_it() {
    let plane = watched(Topology::JobWorker, |_, _| {}).await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let other = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(other, [0]).await;
    plane.backend.jobs.create_lock(other, plane.now()).await.unwrap();
    plane.put_silently(Side::Output, &keys::result(other)).await;
    silence(&plane, job_id).await;
    plane.findings(job_id, &["trigger-missed"]).await;
    plane.findings(other, &["completed-status-lost"]).await;
    plane.clock.advance(Duration::from_secs(600));
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some runs later", |snapshot| snapshot.revision > revision + 60).await;
    let jobs = &plane.backend.jobs;
    assert_eq!(jobs.lock(job_id).await.unwrap(), None, "the job-worker may still do it");
    assert_eq!(jobs.get(other).await.unwrap().unwrap().status, JobStatus::Reassembling);
    plane.clock.advance(Duration::from_secs(120));
    plane.status(job_id, JobStatus::Reassembling).await;
    plane.status(other, JobStatus::Completed).await;
}

/// The kinds of a job's events, in time.
async fn told(plane: &Plane, job_id: JobId) -> Vec<String> {
    let events = plane.client.job_events(job_id, 100).await.unwrap();
    let place =
        |event: &stereospot_domain::Event| event.segment_index.map_or(String::new(), |index| format!(" {index}"));
    events.iter().map(|event| format!("{}{} {}", event.payload.name(), place(event), event.source)).collect()
}

#[tokio::test]
async fn a_job_of_workers_that_send_nothing_has_a_history_all_the_same() {
    let mut plane = passive().await;
    let job_id = plane.job(JobStatus::ChunkingInProgress, None).await;
    let seen = async |plane: &Plane, what: &str| {
        plane
            .eventually(what, async |plane| {
                plane.clock.advance(Duration::from_secs(1));
                told(plane, job_id).await.iter().any(|one| one.starts_with(what)).then_some(())
            })
            .await;
    };
    seen(&plane, "chunking.started").await;
    let jobs = plane.backend.jobs.clone();
    let moved = |to| Transition { total_segments: Some(2), ..Transition::to(to) };
    jobs.transition(job_id, &moved(JobStatus::ChunkingComplete)).await.unwrap();
    seen(&plane, "chunking.completed").await;
    plane.complete(job_id, [1]).await;
    plane.snapshot("one is done", |snapshot| snapshot.jobs[0].segments_done == 1).await;
    seen(&plane, "segment.completed 1").await;
    plane.restart().await;
    plane.complete(job_id, [0]).await;
    jobs.create_lock(job_id, plane.now()).await.unwrap();
    plane.snapshot("both are done", |snapshot| snapshot.jobs[0].segments_done == 2).await;
    seen(&plane, "segment.completed 0").await;
    seen(&plane, "reassembly.triggered").await;
    let done = Transition::completed(plane.now());
    jobs.transition(job_id, &done).await.unwrap();
    seen(&plane, "job.completed").await;
    plane.restart().await;
    plane.after(job_id, Duration::from_secs(20)).await;
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 20).await;
    let mut all = told(&plane, job_id).await;
    all.sort();
    let observed = [
        "chunking.completed",
        "chunking.started",
        "job.completed",
        "job.submitted",
        "reassembly.completed",
        "reassembly.triggered",
        "segment.completed 0",
        "segment.completed 1",
    ];
    assert_eq!(all, observed.map(|kind| format!("{kind} observed")), "each once, over two restarts");
    let detail = plane.client.job(job_id).await.unwrap();
    let stages: Vec<String> = detail.timeline.iter().map(|entry| entry.stage.to_string()).collect();
    assert_eq!(stages, ["chunking", "inference", "reassembly"]);
    assert!(plane.client.snapshot().await.unwrap().workers.is_empty(), "what was seen is no worker");
}

#[tokio::test]
async fn what_workers_write_into_their_logs_is_told_once() {
    let logs = Arc::new(MemoryLogs::default());
    let plane = watched(Topology::VideoWorker, |platform, config| {
        platform.logs = Some(logs.clone());
        config.watch_logs = Duration::from_millis(20);
        config.reconcile = Duration::from_secs(3600);
    })
    .await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let line = |text: &str| Line {
        time: plane.now(),
        source: "/ecs/stereo-spot/video-worker".into(),
        stream: "task".into(),
        text: text.replace("JOB", &job_id.to_string()),
    };
    plane.snapshot("the job", |snapshot| snapshot.jobs.len() == 1).await;
    logs.push(line("video-worker: job_id=JOB segment_index=0/2 start (key=k)"));
    logs.push(line("video-worker: nothing of interest job_id=JOB"));
    logs.push(line("video-worker: job_id=JOB segment_index=1/2 failed: out of memory"));
    let error = plane
        .eventually("the failure", async |plane| {
            let detail = plane.client.job(job_id).await.unwrap();
            detail.segments.iter().find_map(|segment| segment.error.clone())
        })
        .await;
    assert_eq!(error, "out of memory");
    plane.complete(job_id, [0]).await;
    logs.push(line("video-worker: job_id=JOB segment_index=0/2 complete (key=k)"));
    plane
        .eventually("the end", async |plane| {
            told(plane, job_id).await.iter().any(|one| one.starts_with("segment.completed")).then_some(())
        })
        .await;
    plane.after(job_id, Duration::from_secs(30)).await;
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some looks", |snapshot| snapshot.revision > revision + 20).await;
    let mut of_segments = told(&plane, job_id).await;
    of_segments.retain(|one| one.starts_with("segment"));
    of_segments.sort();
    let source = "observed/video-worker";
    let expected = ["segment.completed 0", "segment.failed 1", "segment.started 0"];
    assert_eq!(of_segments, expected.map(|one| format!("{one} {source}")));
    let snapshot = plane.client.snapshot().await.unwrap();
    assert!(snapshot.collectors.iter().any(|one| one.name == "logs" && one.error.is_none()), "{snapshot:?}");
}

#[tokio::test]
async fn a_worker_of_ours_tells_for_itself() {
    let plane = passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    let mut worker = crate::harness::Worker::new("inference-1", stereospot_domain::Stage::Inference);
    let data = serde_json::json!({"frames": 1});
    let done = worker.event(EventKind::SegmentCompleted, plane.now(), Some((job_id, Some(0))), data);
    plane.complete(job_id, [0]).await;
    plane.client.send_events(vec![done]).await.unwrap();
    for _ in 0..3 {
        plane.after(job_id, Duration::from_secs(301)).await;
        plane.snapshot("a reading", |snapshot| snapshot.jobs[0].segments_done == 1).await;
    }
    plane
        .eventually("what nobody told", async |plane| {
            told(plane, job_id).await.iter().any(|one| one.starts_with("chunking.completed")).then_some(())
        })
        .await;
    let mut of_segments = told(&plane, job_id).await;
    of_segments.retain(|one| one.starts_with("segment"));
    assert_eq!(of_segments, ["segment.completed 0 inference-1"]);
}

#[tokio::test]
async fn a_service_without_a_task_is_told_when_work_waits_for_longer_than_scaling_takes() {
    let scaling = Scaling::Within(Limits { min: 0, max: 8, is_suspended: false });
    let of = |name: &str, running| Service {
        name: name.into(),
        desired: running,
        running,
        pending: 0,
        scaling: scaling.clone(),
        note: None,
    };
    let fleet = MemoryFleet::of([of("video-worker", 0), of("media-worker", 1)]);
    let plane = watched(Topology::VideoWorker, |platform, _| platform.fleet = Some(Arc::new(fleet))).await;
    plane.snapshot("the services", |snapshot| snapshot.services.len() == 2).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.clock.advance(Duration::from_secs(3600));
    plane.backend.queues[&inference].send(&[Outgoing::now("work")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    plane.clock.advance(Duration::from_secs(599));
    let revision = plane.client.snapshot().await.unwrap().revision;
    let young = plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 20).await;
    assert!(!young.attention.iter().any(|line| line.id.starts_with("service/")), "{:?}", young.attention);
    plane.clock.advance(Duration::from_secs(1));
    let has_line = |line: &Attention| {
        line.id == "service/video-worker/inference"
            && line.evidence == "queue inference 1, 0 running of 0 desired"
            && line.next == "s: scale; stereospot services scale video-worker 1"
    };
    plane.snapshot("a line", |snapshot| snapshot.attention.iter().any(has_line)).await;
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    plane.backend.queues[&inference].receive(how).await.unwrap();
    plane.snapshot("somebody took it", |snapshot| !snapshot.attention.iter().any(has_line)).await;
}

/// A platform whose services can't be asked for, and whose logs are not there.
#[derive(Debug)]
struct Forbidden;

#[async_trait::async_trait]
impl Fleet for Forbidden {
    async fn services(&self) -> Result<Vec<Service>> {
        Err(Error::new(ErrorCode::Denied, "ecs:DescribeServices is not allowed: add it to the role in use"))
    }
    async fn scale(&self, _: &str, _: u32) -> Result<Scaled> {
        Err(Error::new(ErrorCode::Denied, "ecs:UpdateService is not allowed"))
    }
}

#[async_trait::async_trait]
impl LogSource for Forbidden {
    async fn lines(&self, _: &Search, _: &tokio::sync::watch::Sender<Progress>) -> Result<Found> {
        Err(Error::new(ErrorCode::NotFound, "no log group exists in this region: is LOGS_REGION right?"))
    }
}

#[tokio::test]
async fn what_one_collector_cannot_read_is_its_own_fault() {
    let plane = watched(Topology::VideoWorker, |platform, config| {
        platform.fleet = Some(Arc::new(Forbidden));
        platform.logs = Some(Arc::new(Forbidden));
        config.watch_logs = Duration::from_millis(20);
    })
    .await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    let error_of = |snapshot: &Snapshot, name: &str| {
        snapshot.collectors.iter().find(|one| one.name == name).and_then(|one| one.error.clone())
    };
    let snapshot = plane
        .snapshot("both faults", |snapshot| {
            error_of(snapshot, "services").is_some() && error_of(snapshot, "logs").is_some()
        })
        .await;
    assert!(error_of(&snapshot, "services").unwrap().contains("ecs:DescribeServices is not allowed"));
    plane.clock.advance(Duration::from_secs(60));
    let collectors = |snapshot: &Snapshot| -> Vec<(String, i64)> {
        let of_collectors = snapshot.attention.iter().filter(|line| line.id.starts_with("collector/"));
        of_collectors.map(|line| (line.id.clone(), line.since.as_millis())).collect()
    };
    let began = plane.now().minus(Duration::from_secs(60)).as_millis();
    let expected = ["collector/logs", "collector/services"].map(|id| (id.to_owned(), began));
    plane.snapshot("a line for each, and no other", |snapshot| collectors(snapshot) == expected).await;
    plane.complete(job_id, [1]).await;
    plane.snapshot("jobs go on", |snapshot| snapshot.jobs[0].segments_done == 2).await;
}

#[tokio::test]
async fn a_reassembly_message_is_lost_only_when_its_queue_is_surely_empty() {
    let plane = watched(Topology::VideoWorker, |_, _| {}).await;
    let queue = plane.backend.queues[&REASSEMBLY].clone();
    queue.send(&[Outgoing::now(message::reassemble(JobId(uuid::Uuid::nil())))]).await.unwrap();
    plane.depth_is_read(REASSEMBLY, 1).await;
    let job_id = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.backend.jobs.create_lock(job_id, plane.now()).await.unwrap();
    plane.after(job_id, Duration::from_secs(300)).await;
    queue.purge().await.unwrap();
    plane.depth_is_read(REASSEMBLY, 0).await;
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some runs later", |snapshot| snapshot.revision > revision + 60).await;
    assert_eq!(queue.stats().await.unwrap().ready, 0, "the number may be a minute old");
    plane.clock.advance(STEP);
    plane.depth_is_read(REASSEMBLY, 1).await;
    let sent = queue.peek(10).await.unwrap();
    assert_eq!(sent[0].body, message::reassemble(job_id));
}
