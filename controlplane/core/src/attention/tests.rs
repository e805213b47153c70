use stereospot_api::view::ServiceView;
use stereospot_domain::diagnosis::Patience;
use stereospot_domain::event::{Unread, WorkerHeartbeat, WorkerStarted};
use stereospot_domain::queue::{Envelope, Peeked, Settings, Stats};
use stereospot_domain::{ErrorCode, Event, Job, JobId, JobOptions, JobStatus, Payload, Stage, message};
use uuid::Uuid;

use super::sources::FAILS_FOR;
use super::*;
use crate::world::{Outage, Polling};
use stereospot_domain::Collector;

const NOW: Timestamp = Timestamp(1_000_000_000);
const SETTINGS: Settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };

fn lines(world: &World) -> Vec<(Subject, String)> {
    world.attention_list(NOW).into_iter().map(|line| (line.about, line.evidence)).collect()
}

fn subjects(world: &World) -> Vec<Subject> {
    lines(world).into_iter().map(|(about, _)| about).collect()
}

fn stage(role: QueueRole) -> Subject {
    Subject::Stage { role }
}

fn service(name: &str, role: QueueRole) -> Subject {
    Subject::Service { name: name.into(), role }
}

fn queue(role: QueueRole) -> Subject {
    Subject::Queue { queue: QueueName::main(role) }
}

fn collector(name: Collector) -> Subject {
    Subject::Collector { name }
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
        envelope: Envelope::default(),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: Some(NOW),
        expires_at: None,
    };
    world.set_dead(QueueName::dead_letter(QueueRole::Reassembly), std::slice::from_ref(&dead), NOW);
    world.diagnose(job_id, NOW, Patience::default());
    world.collector_ran(Collector::Services, Duration::from_secs(1), None, NOW.minus(Duration::from_secs(20)));
    world.collector_ran(Collector::Services, Duration::from_secs(1), Some("no answer".into()), NOW);
    world.collector_ran(Collector::Jobs, Duration::from_secs(1), None, NOW);

    let queue = QueueName::dead_letter(QueueRole::Reassembly);
    let code = FindingCode::ReassemblyDeadLettered;
    let title = "reassembly failed too often; its message is dead-lettered";
    assert_eq!(
        lines(&world),
        [
            (stage(QueueRole::Reassembly), "queue 5, oldest 11m, 0 consumers".to_owned()),
            (Subject::DeadLetterQueue { queue }, "1 message".to_owned()),
            (Subject::Job { job_id, code }, format!("{title}: 1 message in reassembly-dlq")),
            (collector(Collector::Services), "no answer".to_owned()),
        ]
    );
    let before = world.attention_list(NOW);
    world.collector_ran(Collector::Services, Duration::from_secs(60), Some("no answer".into()), NOW);
    assert_eq!(world.attention_list(NOW), before, "a collector that is asked less often is not up again");
    let next: Vec<Vec<Step>> = before.into_iter().map(|line| line.next).collect();
    let expected = [
        vec![Step::StartWorker { stage: Stage::Reassembly }],
        vec![Step::Triage { queue }, Step::Replay { queue }],
        vec![Step::ReplayJob { job_id, code }],
        vec![Step::Wait { until: Wait::AllRead }],
    ];
    assert_eq!(next, expected);

    // What no worker can read and what is done is not offered for a replay.
    let offered =
        |world: &World| world.attention_list(NOW).into_iter().any(|line| line.next.contains(&Step::Replay { queue }));
    let unreadable = Peeked { id: "n".into(), body: "no JSON".into(), ..dead.clone() };
    world.set_dead(queue, std::slice::from_ref(&unreadable), NOW);
    assert!(!offered(&world), "no worker reads it");
    world.set_dead(queue, &[unreadable, dead], NOW);
    assert!(offered(&world), "one can be replayed");
    let mut job = world.jobs[&job_id].job.clone();
    job.status = JobStatus::Completed;
    world.set_job(job, NOW.plus(Duration::from_secs(1)));
    assert!(!offered(&world), "its job is completed");
}

#[test]
fn a_message_comes_back_only_from_a_worker_that_holds_one() {
    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, Timestamp(0));
    job.status = JobStatus::ChunkingInProgress;
    let mut world = World::new(QueueName::all());
    world.set_job(job.clone(), NOW.minus(Duration::from_secs(60)));
    let event = |seq, payload, job_id| Event {
        v: 1,
        id: Uuid::from_u128(seq),
        source: "chunking-1".into(),
        boot: Uuid::nil(),
        seq: seq as u64,
        time: NOW.minus(Duration::from_secs(60)),
        job_id,
        segment_index: None,
        stage: Some(Stage::Chunking),
        attempt: Some(1),
        traceparent: None,
        payload,
        unread: Unread::default(),
    };
    let heard_at = NOW.minus(Duration::from_secs(60));
    let next = |world: &World| {
        let line = world.attention_list(NOW).into_iter().find(|line| matches!(line.about, Subject::Worker { .. }));
        line.unwrap().next
    };
    let start = Step::StartWorker { stage: Stage::Chunking };
    world.apply(&event(1, Payload::WorkerStarted(WorkerStarted::default()), None), heard_at);
    assert_eq!(next(&world), [start.clone(), Step::ShowWorkers], "it was idle");
    world.apply(&event(2, Payload::ChunkingStarted, Some(job.job_id)), heard_at);
    assert_eq!(next(&world), [Step::Wait { until: Wait::LeaseEnds }, Step::ShowWorkers]);
    job.status = JobStatus::Failed;
    world.set_job(job, NOW);
    assert_eq!(next(&world), [start, Step::ShowWorkers], "an ended job needs no message");
}

#[test]
fn what_a_replay_would_leave_alone_is_to_be_discarded() {
    let name = QueueName::dead_letter(QueueRole::Reassembly);
    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, Timestamp(0));
    job.status = JobStatus::Completed;
    let job_id = job.job_id;
    let check = |bodies: &[&str], says: &str, step: Step| {
        let mut world = World::new(QueueName::all());
        world.set_job(job.clone(), NOW);
        let letters: Vec<Peeked> = bodies
            .iter()
            .enumerate()
            .map(|(at, body)| Peeked {
                id: at.to_string(),
                body: (*body).to_owned(),
                envelope: Envelope::default(),
                receive_count: 5,
                enqueued_at: Timestamp(0),
                dead_lettered_at: Some(NOW),
                expires_at: None,
            })
            .collect();
        world.set_dead(name, &letters, NOW);
        let line = world.attention_list(NOW).remove(0);
        assert_eq!((line.evidence.as_str(), &line.next[1]), (says, &step), "{bodies:?}");
    };
    let (test, done) = (r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#, message::reassemble(job_id));
    let (discard, replay) = (Step::Discard { queue: name }, Step::Replay { queue: name });
    let notice = "1 message: S3's notice that notifications were configured; nothing to do";
    check(&[test], notice, discard.clone());
    check(&["hello"], "1 message: no worker can read it", discard.clone());
    check(&[test, "hello", &done], "3 messages: no job needs them any more", discard);
    let other = message::reassemble(JobId(Uuid::from_u128(7)));
    check(&[test, &other], "2 messages", replay);
}

#[test]
fn a_message_in_flight_that_no_worker_holds_is_said() {
    let mut world = World::new(QueueName::all());
    let name = QueueName::main(QueueRole::Inference);
    let settings = Settings { visibility: Duration::from_secs(2400), ..SETTINGS };
    let held = Stats { in_flight: 1, ..Stats::default() };
    let heard = |payload| Event {
        v: 1,
        id: Uuid::nil(),
        source: "inference-1".into(),
        boot: Uuid::nil(),
        seq: 1,
        time: NOW,
        job_id: None,
        segment_index: None,
        stage: Some(Stage::Inference),
        attempt: None,
        traceparent: None,
        payload,
        unread: Unread::default(),
    };
    let beat = |busy| {
        let beat = WorkerHeartbeat { busy: Some(busy), ..WorkerHeartbeat::default() };
        heard(Payload::WorkerHeartbeat(beat))
    };
    world.apply(&beat(false), NOW);
    world.set_queue(name, held, settings, NOW.minus(Duration::from_secs(119)));
    assert!(lines(&world).is_empty(), "its worker's next report is on the way");
    world.set_queue(name, Stats::default(), settings, NOW.minus(Duration::from_secs(118)));
    world.set_queue(name, held, settings, NOW.minus(Duration::from_secs(117)));
    assert!(lines(&world).is_empty(), "it was free meanwhile");

    let mut world = World::new(QueueName::all());
    world.set_queue(name, held, settings, NOW.minus(Duration::from_secs(120)));
    world.set_queue(name, held, settings, NOW);
    assert!(lines(&world).is_empty(), "others may be at work, of whom nothing is known");
    world.apply(&beat(false), NOW);
    let evidence = "1 message in flight for 2m00s, and no known worker is at work; what no worker holds comes back at most 40m \
                    after it was received";
    assert_eq!(lines(&world), [(stage(QueueRole::Inference), evidence.to_owned())]);

    world.apply(&Event { seq: 2, ..beat(true) }, NOW);
    assert!(lines(&world).is_empty(), "a busy one may hold it");
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
    let of_both = [QueueRole::Deletion, QueueRole::Ingest].map(|role| service("media-worker", role));
    assert_eq!(subjects(&world), of_both);
    let next = world.attention_list(NOW).remove(0).next;
    assert_eq!(next, [Step::Scale { service: "media-worker".into(), desired: 1 }]);
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
    assert_eq!(subjects(&world), of_both[1..], "it deletes, but fetches nothing");
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
    world.polling = Some(Polling { budget: 300, waiting: 12, most_overdue: Duration::from_secs(75), since });
    world.is_held_back = true;
    let found: Vec<(Subject, String, Timestamp)> =
        world.attention_list(NOW).into_iter().map(|line| (line.about, line.evidence, line.since)).collect();
    let late = "300 calls a minute: 12 readings wait, the most overdue is 1m15s late";
    assert_eq!(
        found,
        [
            (queue(QueueRole::Reassembly), "the queue w-reassembly does not exist".to_owned(), NOW),
            (Subject::Polling, late.to_owned(), since),
        ],
        "a collector that waits for its turn is not down"
    );
    world.set_queue(name, empty, SETTINGS, NOW);
    (world.polling, world.is_held_back) = (None, false);
    assert_eq!(subjects(&world), [collector(Collector::Queues)]);
}

#[test]
fn an_outage_is_one_line_above_all_others() {
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
    world.outage =
        Some(Outage { since: ago(9), error: expired.into(), of_aws: true, may_pass: true, others_answer: false });
    let mut singly: Vec<Subject> = QueueName::all().take(3).map(|queue| Subject::Queue { queue }).collect();
    singly.extend([Services, Jobs, OwnDatabase, Queues].map(collector));
    singly.push(stage(QueueRole::Reassembly));
    let mut found = subjects(&world);
    singly.sort();
    found.sort();
    assert_eq!(found, singly, "for some seconds it may be anything");
    world.outage =
        Some(Outage { since: ago(10), error: expired.into(), of_aws: true, may_pass: true, others_answer: false });
    let one_line = [Subject::Backend, collector(OwnDatabase), stage(QueueRole::Reassembly)];
    assert_eq!(subjects(&world), one_line);
    let line = world.attention_list(NOW).remove(0);
    assert_eq!((line.severity, line.since), (Severity::Critical, ago(10)));
    assert_eq!((line.title.as_str(), line.evidence.as_str()), ("AWS can't be asked", expired));
    world.outage =
        Some(Outage { since: ago(10), error: expired.into(), of_aws: true, may_pass: true, others_answer: true });
    let expected = [&one_line[..], &[collector(Services)]].concat();
    assert_eq!(subjects(&world), expected, "what else there is speaks for itself");
    assert_eq!(world.not_read(NOW).len(), 4);
}

#[test]
fn a_missing_service_is_listed_before_its_consequences_and_a_failing_part_is_listed() {
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
    let found: Vec<(Subject, Severity)> =
        world.attention_list(NOW).into_iter().map(|line| (line.about, line.severity)).collect();
    let expected = [
        (queue(QueueRole::Chunking), Severity::Critical),
        (stage(QueueRole::Inference), Severity::Critical),
        (collector(Collector::Jobs), Severity::Warning),
        (queue(QueueRole::Ingest), Severity::Warning),
    ];
    assert_eq!(found, expected);
    let lines = world.attention_list(NOW);
    let queue = QueueName::main(QueueRole::Chunking);
    assert_eq!(lines[0].next, [Step::Provision { queue, is_provisioned: None }]);
    world.is_provisioned = Some(false);
    assert_eq!(world.attention_list(NOW)[0].next, [Step::Provision { queue, is_provisioned: Some(false) }]);
    assert_eq!(lines[2].evidence, "1 of 5 not read: jobs created: throttled");
    world.collector_ran(Collector::Jobs, Duration::from_secs(10), None, NOW);
    world.collector_lacks(Collector::Jobs, None, NOW);
    world.collector_lacks(Collector::Jobs, Some("1 of 5 not read".into()), NOW);
    assert_eq!(world.attention_list(NOW).len(), 3, "a moment's failure is no line");
}

#[test]
fn a_clock_that_was_set_is_said_once() {
    const TWO_DAYS: i64 = 2 * 24 * 3600 * 1000;
    let mut world = World::new(QueueName::all());
    let back = "this machine's clock was set back by 2d00h".to_owned();
    assert_eq!(world.note_jump(-4_999, NOW), None, "a time service's step");
    assert_eq!(world.note_jump(-TWO_DAYS, NOW), Some(back.clone()));
    assert_eq!(world.note_jump(-TWO_DAYS - 900, NOW), None);
    assert_eq!(lines(&world), [(Subject::Clock, back)]);
    assert!(world.note_jump(3, NOW).is_some());
    assert!(lines(&world).is_empty());
}
