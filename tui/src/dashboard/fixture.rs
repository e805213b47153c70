//! A pipeline in trouble, for tests: every screen has content.

use std::time::Duration;

use stereospot_api::view::{
    Attention, CollectorView, Environment, JobDetail, JobView, MessageView, Observed, QueueView, SegmentState,
    SegmentView, Snapshot, TimelineEntry, WorkerState, WorkerView,
};
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::diagnosis::{Finding, FindingCode, Repair, Severity};
use stereospot_domain::event::Unread;
use stereospot_domain::plan::{Action, Plan, PlanItem, Target};
use stereospot_domain::queue::Envelope;
use stereospot_domain::{
    BackendKind, Collector, Event, EventKind, Fingerprint, Format, Job, JobId, JobOptions, JobStatus, Payload,
    QueueName, QueueRole, Stage, Timestamp,
};
use uuid::Uuid;

mod aws;

pub(crate) use aws::{deployment, in_topology_a, log_line, log_page, on_aws};

/// The server's clock: 2026-05-28, 20:26:40 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_780_000_000_000);

pub(crate) fn ago(secs: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(secs))
}

/// Ids that differ in their first digits, as random ones do.
pub(crate) fn job_id(number: u32) -> JobId {
    let mixed = u128::from(number.wrapping_add(1).wrapping_mul(0x9e37_79b9));
    JobId(Uuid::from_u128(mixed << 96 | u128::from(number)))
}

pub(crate) fn job(number: u32, title: &str, status: JobStatus) -> JobView {
    let mut job =
        Job::new(job_id(number), JobOptions::of(Format::Sbs), Some(title.into()), ago(600 + u64::from(number) * 60));
    job.status = status;
    JobView {
        job,
        observed_at: ago(1),
        segments_done: 0,
        segments_running: 0,
        segments_dead: Some(0),
        progress: None,
        frames_per_second: None,
        eta: None,
        last_activity_at: ago(2),
        last_event: None,
        attempts: 1,
        findings: Vec::new(),
    }
}

fn sized(mut view: JobView, done: u32, running: u32, total: u32) -> JobView {
    view.job.total_segments = Some(total);
    (view.segments_done, view.segments_running) = (done, running);
    view.progress = Some(done as f32 / total as f32);
    view.last_event = Some(format!("segment.completed {}", done.saturating_sub(1)));
    view
}

/// The stuck job: one dead-lettered segment, two missing.
pub(crate) fn stuck_job() -> JobView {
    let mut view = sized(job(1, "holiday in the dolomites.mp4", JobStatus::ChunkingComplete), 61, 0, 64);
    (view.segments_dead, view.attempts, view.last_activity_at) = (Some(1), 3, ago(540));
    view.findings = vec![
        Finding {
            code: FindingCode::SegmentDeadLettered,
            severity: Severity::Critical,
            since: ago(540),
            evidence: vec![
                "in inference-dlq: segment 17".into(),
                "CUDA out of memory: tried to allocate 2.50 GiB".into(),
            ],
            repair: Some(Repair::ReplayDeadLetters {
                queue: QueueName::dead_letter(QueueRole::Inference),
                message_ids: vec!["m-1".into()],
            }),
            retry_helps: None,
        },
        Finding {
            code: FindingCode::SegmentLost,
            severity: Severity::Critical,
            since: ago(540),
            evidence: vec![
                "neither completed, running nor dead-lettered: segments 22, 40".into(),
                "the inference queue is empty".into(),
            ],
            repair: Some(Repair::ResendSegments { segments: vec![22, 40] }),
            retry_helps: None,
        },
    ];
    view
}

fn jobs() -> Vec<JobView> {
    let mut running = sized(job(0, "bigbuckbunny.mp4", JobStatus::ChunkingComplete), 9, 2, 22);
    (running.frames_per_second, running.eta) = (Some(18.4), Some(NOW.plus(Duration::from_secs(190))));
    running.last_activity_at = ago(0);
    let mut failed = job(4, "notes.txt", JobStatus::Failed);
    failed.job.error = Some("the source is no video: no stream of pictures was found".into());
    let mut joining = sized(job(3, "clip-4k.mov", JobStatus::Reassembling), 8, 0, 8);
    joining.job.options = JobOptions::of(Format::Anaglyph);
    vec![
        running,
        stuck_job(),
        sized(job(2, "interview.mkv", JobStatus::Completed), 30, 0, 30),
        joining,
        failed,
        job(5, "wedding.mp4", JobStatus::ChunkingInProgress),
        sized(job(6, "日本語のビデオ.mp4", JobStatus::ChunkingComplete), 0, 0, 120),
    ]
}

pub(crate) fn queue(role: QueueRole, is_dead_letter: bool, ready: u64) -> QueueView {
    let seen = |value| Some(Observed { value, at: ago(1), is_exact: true });
    let name = QueueName { role, is_dead_letter };
    QueueView {
        name,
        ready: seen(ready),
        in_flight: seen(if is_dead_letter { 0 } else { ready.min(2) }),
        delayed: seen(0),
        oldest_enqueued_at: (ready > 0).then(|| ago(250)),
        in_per_minute: (!is_dead_letter).then_some(ready as f32 / 2.0),
        out_per_minute: (!is_dead_letter).then_some(ready as f32 / 3.0),
        history: (0..30).map(|minute| ready * minute / 30).collect(),
        drains_in_secs: None,
        consumers: (!is_dead_letter).then_some(2),
        visibility_secs: (!is_dead_letter).then_some(30.0),
        max_receives: (!is_dead_letter).then_some(3),
        purged_at: None,
    }
}

fn queues() -> Vec<QueueView> {
    use QueueRole::*;
    let mut list: Vec<QueueView> = [(Chunking, 2, 0), (Inference, 318, 14), (Reassembly, 5, 0), (OutputEvents, 0, 0)]
        .into_iter()
        .flat_map(|(role, ready, dead)| [queue(role, false, ready), queue(role, true, dead)])
        .collect();
    list[0].drains_in_secs = Some(12.0);
    // One approximate queue, one stalled stage, one unknown value.
    list[2].ready = list[2].ready.map(|seen| Observed { is_exact: false, ..seen });
    (list[4].out_per_minute, list[4].consumers) = (Some(0.0), Some(0));
    list[6].delayed = None;
    list
}

fn worker(name: &str, stage: Stage, state: WorkerState) -> WorkerView {
    let is_busy = state == WorkerState::Busy;
    WorkerView {
        name: name.into(),
        stage: Some(stage),
        state,
        job_id: is_busy.then(|| job_id(0)),
        segment_index: is_busy.then_some(9),
        frames_per_second: is_busy.then_some(9.2),
        last_seen_at: ago(if state == WorkerState::Silent { 190 } else { 1 }),
        started_at: Some(ago(4000)),
        done: 42,
        failed: u64::from(state == WorkerState::Silent),
        events_lost: 0,
        spooled: 0,
        version: Some("0.1.0".into()),
        provider: (stage == Stage::Inference).then(|| "cpu".into()),
        error: None,
    }
}

fn attention() -> Vec<Attention> {
    let queue = QueueName::dead_letter(QueueRole::Inference);
    let (job_id, code) = (job_id(1), FindingCode::SegmentDeadLettered);
    let said = |title: &str, evidence: &str| (title.to_owned(), evidence.to_owned());
    vec![
        Attention::new(
            Subject::DeadLetterQueue { queue },
            Severity::Critical,
            ago(360),
            said("DLQ inference", "14 messages: CUDA out of memory ×11, timeout ×3"),
            vec![Step::Triage { queue }, Step::Replay { queue }],
        ),
        Attention::new(
            Subject::Job { job_id, code },
            Severity::Critical,
            ago(540),
            said("job 3c6ef372 stuck  61/64", "in inference-dlq: segment 17"),
            vec![Step::Repair { job_id, code }],
        ),
        Attention::new(
            Subject::Stage { role: QueueRole::Reassembly },
            Severity::Warning,
            ago(250),
            said("reassembly idle", "queue 5, oldest 4m, 0 consumers"),
            vec![Step::ShowWorkers],
        ),
    ]
}

/// Everything at once.
pub(crate) fn snapshot() -> Snapshot {
    let jobs = jobs();
    let collector = |name, secs, interval_secs| CollectorView {
        name,
        last_success_at: Some(ago(secs)),
        error: None,
        lacks: None,
        interval_secs,
    };
    Snapshot {
        revision: 7,
        boot: Uuid::from_u128(1),
        now: NOW,
        environment: Environment {
            name: "local".into(),
            backend: BackendKind::Local,
            is_production: false,
            is_read_only: false,
            repairs_by_itself: true,
            version: "0.1.0".into(),
            region: None,
            topology: None,
            prefix: None,
        },
        jobs_total: jobs.len() as u64,
        jobs,
        queues: queues(),
        workers: vec![
            worker("chunking-1@box", Stage::Chunking, WorkerState::Idle),
            worker("inference-1@box", Stage::Inference, WorkerState::Busy),
            worker("inference-2@box", Stage::Inference, WorkerState::Busy),
            worker("reassembly-1@box", Stage::Reassembly, WorkerState::Silent),
        ],
        services: Vec::new(),
        attention: attention(),
        collectors: vec![
            collector(Collector::Queues, 1, 2.0),
            collector(Collector::Jobs, 2, 5.0),
            collector(Collector::DeadLetters, 184, 5.0),
        ],
    }
}

/// The stuck job in full.
pub(crate) fn detail() -> JobDetail {
    let segment = |index: u32| {
        let state = match index {
            17 => SegmentState::DeadLettered,
            22 | 40 => SegmentState::Missing,
            50 => SegmentState::Running,
            51 => SegmentState::Queued,
            _ => SegmentState::Done,
        };
        let is_done = state == SegmentState::Done;
        SegmentView {
            index,
            state,
            worker: (state != SegmentState::Queued).then(|| format!("inference-{}@box", 1 + index % 2)),
            attempts: if index == 17 { 3 } else { 1 },
            frames_done: (state == SegmentState::Running).then_some(60),
            frames: Some(96),
            started_at: Some(ago(900 - u64::from(index))),
            completed_at: is_done.then(|| ago(880 - u64::from(index))),
            last_seen_at: Some(ago(540)),
            error: (index == 17).then(|| "CUDA out of memory: tried to allocate 2.50 GiB".into()),
        }
    };
    let entry = |stage, attempt, from, to: Option<u64>, error: Option<&str>| TimelineEntry {
        stage,
        attempt,
        started_at: ago(from),
        ended_at: to.map(ago),
        worker: Some(format!("{stage}-1@box")),
        error: error.map(str::to_owned),
    };
    JobDetail {
        view: stuck_job(),
        segments: (0..64).map(segment).collect(),
        timeline: vec![
            entry(Stage::Chunking, 1, 960, Some(930), None),
            entry(Stage::Inference, 1, 925, None, None),
            entry(Stage::Inference, 2, 700, Some(690), Some("CUDA out of memory: tried to allocate 2.50 GiB")),
        ],
        lock: None,
        can_trigger: false,
        trigger_note: "segments 17, 22, 40 are missing".into(),
        result_bytes: None,
        result_sha256: None,
        check: None,
        warnings: Vec::new(),
    }
}

pub(crate) fn event(number: u32, kind: EventKind) -> Event {
    let frames = [("frames".to_owned(), 96.into())];
    let (payload, data) = Payload::read(kind.as_str(), frames.into_iter().collect());
    Event {
        v: 1,
        id: Uuid::from_u128(u128::from(number) + 1),
        source: "inference-1@box".into(),
        boot: Uuid::from_u128(1),
        seq: u64::from(number) + 1,
        time: NOW.plus(Duration::from_secs(u64::from(number))),
        job_id: Some(job_id(number % 2)),
        segment_index: Some(number),
        stage: Some(Stage::Inference),
        attempt: Some(1 + number % 2),
        traceparent: None,
        payload,
        unread: Unread { data, ..Unread::default() },
    }
}

pub(crate) fn message(number: u32) -> MessageView {
    let error = if number.is_multiple_of(4) {
        format!("timed out after {number}s")
    } else {
        format!("CUDA out of memory: tried to allocate {number}.50 GiB")
    };
    MessageView {
        id: format!("m-{number}"),
        body: r#"{"Records":[{"s3":{"bucket":{"name":"stereospot"},"object":{"key":"segments/17.mp4"}}}]}"#.into(),
        envelope: Envelope::default(),
        job_id: Some(job_id(1)),
        segment_index: Some(17 + number),
        receive_count: 3,
        enqueued_at: ago(900),
        dead_lettered_at: Some(ago(400 + u64::from(number))),
        expires_at: Some(NOW.plus(Duration::from_secs(86_400 * 14))),
        fingerprint: Some(Fingerprint::of(&error)),
        error: Some(error),
    }
}

/// A message that a plan is about.
pub(crate) fn target(number: u32) -> Target {
    Target::Message { queue: QueueName::dead_letter(QueueRole::Inference), id: format!("m-{number}") }
}

pub(crate) fn plan(action: Action, confirm: Option<&str>) -> Plan {
    let item = |number: u32, what: &str| PlanItem {
        target: target(number),
        what: what.into(),
        job_id: Some(job_id(1)),
        segment_index: Some(number),
        envelope: Envelope::default(),
    };
    Plan {
        id: Uuid::from_u128(0xa41c << 112),
        action,
        who: "alice".into(),
        created_at: NOW,
        valid_until: NOW.plus(Duration::from_secs(60)),
        scope: "2 messages of 1 job in inference-dlq".into(),
        items: vec![
            item(17, "send to inference, then take off inference-dlq"),
            item(18, "send to inference, then take off inference-dlq"),
        ],
        skips: vec![item(19, "its segment is complete already")],
        effect: "inference: 318 → 320 messages".into(),
        assumptions: vec!["each message is still in inference-dlq".into()],
        confirm: confirm.map(str::to_owned),
        refused: None,
        command: "stereospot queues replay inference-dlq --message m-17 --message m-18".into(),
    }
}
