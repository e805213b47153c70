use stereospot_api::view::ServiceView;
use stereospot_domain::diagnosis::{FindingCode, Patience};
use stereospot_domain::event::{Unread, WorkerStarted};
use stereospot_domain::queue::{Peeked, Settings, Stats};
use stereospot_domain::{ErrorCode, Event, Job, JobId, JobOptions, JobStatus, Payload, Stage, message};
use uuid::Uuid;

use super::sources::FAILS_FOR;
use super::*;
use crate::watch::collector::Collector;
use crate::world::Polling;

const NOW: Timestamp = Timestamp(1_000_000_000);
const SETTINGS: Settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };

fn lines(world: &World) -> Vec<(String, String)> {
    world.attention_list(NOW).into_iter().map(|line| (line.id, line.evidence)).collect()
}

#[test]
fn a_world_in_order_needs_no_attention() {
    assert!(lines(&World::new(QueueName::all())).is_empty());
}

#[test]
fn what_is_wrong_is_listed_gravest_first() {
    let mut world = World::new(QueueName::all());
    let stuck = Stats { ready: 5, oldest_enqueued_at: Some(NOW.minus(Duration::from_secs(660))), ..Stats::default() };
    world.set_queue(QueueName::main(QueueRole::Reassembly), stuck, SETTINGS, NOW);
    let young = Stats { ready: 5, oldest_enqueued_at: Some(NOW.minus(Duration::from_secs(29))), ..Stats::default() };
    world.set_queue(QueueName::main(QueueRole::Inference), young, SETTINGS, NOW);

    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, Timestamp(0));
    (job.status, job.total_segments) = (JobStatus::ChunkingComplete, Some(2));
    let job_id = job.job_id;
    world.set_job(job, NOW);
    let dead = Peeked {
        id: "m".into(),
        body: message::reassemble(job_id),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: Some(NOW),
        expires_at: None,
    };
    world.set_dead(QueueName::dead_letter(QueueRole::Reassembly), &[dead], NOW);
    world.diagnose(job_id, NOW, Patience::default());
    world.collector_ran(Collector::Services, Duration::from_secs(1), None, NOW.minus(Duration::from_secs(20)));
    world.collector_ran(Collector::Services, Duration::from_secs(1), Some("no answer".into()), NOW);
    world.collector_ran(Collector::Jobs, Duration::from_secs(1), None, NOW);

    let stuck_id = format!("job/{job_id}/{}", FindingCode::ReassemblyDeadLettered);
    assert_eq!(
        lines(&world),
        [
            ("stage/reassembly".to_owned(), "queue 5, oldest 11m, 0 consumers".to_owned()),
            ("dlq/reassembly".to_owned(), "1 message".to_owned()),
            (
                stuck_id,
                "reassembly failed too often; its message is dead-lettered: 1 message(s) in reassembly-dlq".to_owned()
            ),
            ("collector/services".to_owned(), "no answer".to_owned()),
        ]
    );
    let before = world.attention_list(NOW);
    world.collector_ran(Collector::Services, Duration::from_secs(60), Some("no answer".into()), NOW);
    assert_eq!(world.attention_list(NOW), before, "a collector that is asked less often is not up again");
    let next: Vec<String> = world.attention_list(NOW).into_iter().map(|line| line.next).collect();
    assert!(next[0].contains("logs/") && next[0].contains("`stereospot up`"), "{next:?}");
    assert_eq!(next[1..3], ["Enter: triage, r: replay", "r: replay"]);
}

#[test]
fn a_queue_of_a_service_without_tasks_is_served_by_a_worker_of_ours() {
    let mut world = World::new(QueueName::all());
    let began = NOW.minus(SCALING_TAKES);
    let waiting = Stats { ready: 2, ..Stats::default() };
    for role in [QueueRole::Deletion, QueueRole::Ingest] {
        world.set_queue(QueueName::main(role), waiting, SETTINGS, began);
    }
    let media_worker = ServiceView {
        name: "media-worker".into(),
        desired: 0,
        running: 0,
        pending: 0,
        min: None,
        max: None,
        is_scaling_suspended: false,
        note: None,
        observed_at: began,
    };
    world.set_services(vec![media_worker], began);
    let ids = |world: &World| -> Vec<String> { lines(world).into_iter().map(|(id, _)| id).collect() };
    assert_eq!(ids(&world), ["service/media-worker/deletion", "service/media-worker/ingest"]);
    let started = Event {
        v: 1,
        id: Uuid::nil(),
        source: "chunking-1".into(),
        boot: Uuid::nil(),
        seq: 1,
        time: NOW,
        job_id: None,
        segment_index: None,
        stage: Some(Stage::Chunking),
        attempt: None,
        traceparent: None,
        payload: Payload::WorkerStarted(WorkerStarted::default()),
        unread: Unread::default(),
    };
    world.apply(&started, NOW);
    assert_eq!(ids(&world), ["service/media-worker/ingest"], "it deletes, but fetches nothing");
}

#[test]
fn a_queue_that_cannot_be_read_and_a_budget_that_is_used_up_are_a_line_each() {
    let mut world = World::new(QueueName::all());
    let gone = "the queue w-reassembly does not exist";
    let name = QueueName::main(QueueRole::Reassembly);
    let empty = Stats { is_exact: true, ..Stats::default() };
    for name in QueueName::all() {
        world.set_queue(name, empty, SETTINGS, NOW);
    }
    assert_eq!(world.depth(QueueRole::Reassembly).map(|depth| depth.value), Some(0));
    world.queue_failed(name, ErrorCode::NotFound, gone, NOW);
    world.queue_failed(name, ErrorCode::NotFound, gone, NOW.plus(Duration::from_secs(9)));
    assert_eq!(world.depth(QueueRole::Reassembly), None, "nothing rests on its last numbers");
    world.collector_ran(Collector::Queues, Duration::from_secs(1), None, NOW.minus(Duration::from_secs(60)));
    let since = NOW.minus(Duration::from_secs(40));
    world.polling = Some(Polling { budget: 300, waiting: 12, latest: Duration::from_secs(75), since });
    world.is_held_back = true;
    let found: Vec<(String, String, Timestamp)> =
        world.attention_list(NOW).into_iter().map(|line| (line.id, line.evidence, line.since)).collect();
    let late = "300 calls a minute: 12 readings wait, the latest is 1m15s late";
    assert_eq!(
        found,
        [
            ("queue/reassembly".to_owned(), "the queue w-reassembly does not exist".to_owned(), NOW),
            ("collector/budget".to_owned(), late.to_owned(), since),
        ],
        "a collector that waits for its turn is not down"
    );
    world.set_queue(name, empty, SETTINGS, NOW);
    (world.polling, world.is_held_back) = (None, false);
    let ids: Vec<String> = world.attention_list(NOW).into_iter().map(|line| line.id).collect();
    assert_eq!(ids, ["collector/queues"]);
}

#[test]
fn that_nobody_answers_is_one_line_before_all_others() {
    let mut world = World::new(QueueName::all());
    let ago = |secs| NOW.minus(Duration::from_secs(secs));
    let expired = "the AWS credentials have expired: renew them";
    let stuck = Stats { ready: 5, oldest_enqueued_at: Some(ago(660)), ..Stats::default() };
    world.set_queue(QueueName::main(QueueRole::Reassembly), stuck, SETTINGS, NOW);
    use Collector::*;
    for name in [Queues, Jobs, SettledJobs, Services, OwnDatabase] {
        world.collector_ran(name, Duration::from_secs(30), None, ago(60));
        world.collector_ran(name, Duration::from_secs(30), Some(expired.into()), NOW);
        world.collector_lacks(name, None, ago(40));
    }
    for name in QueueName::all().take(3) {
        world.queue_failed(name, ErrorCode::Denied, expired, ago(40));
    }
    world.outage = Some(Outage { since: ago(9), error: expired.into(), of_aws: true, others_answer: false });
    let ids = |world: &World| -> Vec<String> { lines(world).into_iter().map(|(id, _)| id).collect() };
    let queues = ["chunking", "chunking-dlq", "inference"].map(|name| format!("queue/{name}"));
    let mut singly: Vec<String> =
        ["collector/jobs", "collector/own-database", "collector/queues", "stage/reassembly"].map(String::from).into();
    singly.extend(queues);
    singly.push("collector/services".into());
    let mut found = ids(&world);
    singly.sort();
    found.sort();
    assert_eq!(found, singly, "for some seconds it may be anything");
    world.outage = Some(Outage { since: ago(10), error: expired.into(), of_aws: true, others_answer: false });
    assert_eq!(ids(&world), ["backend/silent", "collector/own-database", "stage/reassembly"]);
    let line = world.attention_list(NOW).remove(0);
    assert_eq!((line.severity, line.since), (Severity::Critical, ago(10)));
    assert_eq!((line.subject.as_str(), line.evidence.as_str()), ("AWS can't be asked", expired));
    world.outage = Some(Outage { since: ago(10), error: expired.into(), of_aws: true, others_answer: true });
    let subjects: Vec<String> = world.attention_list(NOW).into_iter().map(|line| line.subject).collect();
    let expected = ["queues, jobs not read", "own-database not written", "reassembly idle", "services not read"];
    assert_eq!(subjects, expected, "what else there is speaks for itself");
    assert_eq!(world.not_read(NOW).len(), 4);
}

#[test]
fn what_is_missing_stands_before_what_it_holds_up_and_a_part_that_fails_is_told() {
    let mut world = World::new(QueueName::all());
    let gone = "the queue does not exist";
    let stuck = Stats { ready: 5, oldest_enqueued_at: Some(NOW.minus(Duration::from_secs(660))), ..Stats::default() };
    world.set_queue(QueueName::main(QueueRole::Inference), stuck, SETTINGS, NOW);
    world.queue_failed(QueueName::main(QueueRole::Chunking), ErrorCode::NotFound, gone, NOW);
    world.queue_failed(QueueName::main(QueueRole::Ingest), ErrorCode::NotFound, gone, NOW);
    world.collector_ran(Collector::Jobs, Duration::from_secs(10), None, NOW);
    world.collector_lacks(
        Collector::Jobs,
        Some("1 of 5 not read: jobs created: throttled".into()),
        NOW.minus(FAILS_FOR),
    );
    let found: Vec<(String, Severity)> =
        world.attention_list(NOW).into_iter().map(|line| (line.id, line.severity)).collect();
    let expected = [
        ("queue/chunking", Severity::Critical),
        ("stage/inference", Severity::Critical),
        ("collector/jobs", Severity::Warning),
        ("queue/ingest", Severity::Warning),
    ];
    assert_eq!(found, expected.map(|(id, severity)| (id.to_owned(), severity)));
    let lines = world.attention_list(NOW);
    assert!(lines[0].next.contains("stereospot provision"), "{}", lines[0].next);
    assert_eq!(lines[2].evidence, "1 of 5 not read: jobs created: throttled");
    world.collector_ran(Collector::Jobs, Duration::from_secs(10), None, NOW);
    world.collector_lacks(Collector::Jobs, None, NOW);
    world.collector_lacks(Collector::Jobs, Some("1 of 5 not read".into()), NOW);
    assert_eq!(world.attention_list(NOW).len(), 3, "a moment's failure is no line");
}

#[test]
fn the_next_step_is_one_that_can_be_taken() {
    let finding = |repair| Finding {
        code: FindingCode::SegmentLost,
        severity: Severity::Critical,
        since: NOW,
        evidence: Vec::new(),
        repair: Some(repair),
    };
    let resend = finding(Repair::ResendSegments { segments: vec![1] });
    let trigger = finding(Repair::Trigger);
    let mut world = World::new(QueueName::all());
    assert_eq!(world.next_step(&resend), "Enter: show; it is repaired by itself");
    let unsure = Finding { severity: Severity::Warning, ..resend.clone() };
    assert_eq!(world.next_step(&unsure), "f: repair", "nothing acts on a warning");
    world.reconciles = false;
    assert_eq!((world.next_step(&resend), world.next_step(&trigger)), ("f: repair", "t: trigger reassembly"));
    world.is_read_only = true;
    assert_eq!(
        (world.next_step(&resend), world.next_step(&trigger)),
        ("Enter: show (read-only)", "Enter: show (read-only)")
    );
}
