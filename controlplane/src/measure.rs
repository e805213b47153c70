//! The current state as metrics.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use stereospot_api::view::{SegmentState, ServiceView, WorkerState as State, WorkerView};
use stereospot_core::World;
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::{JobStatus, QueueName, Timestamp};
use stereospot_ports::work_queue::Stats;
use stereospot_telemetry::catalogue::{self, JobOutcome, QueueState, TaskState, Values, WorkerState};
use stereospot_telemetry::record;

/// Records a queue's message counts and the age of its oldest message.
pub(crate) fn queue(name: QueueName, stats: Stats) {
    let queue = name.to_string();
    record::queue_messages(&queue, QueueState::Ready, stats.ready);
    record::queue_messages(&queue, QueueState::InFlight, stats.in_flight);
    record::queue_messages(&queue, QueueState::Delayed, stats.delayed);
    let since_epoch = |at: Timestamp| Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
    record::queue_oldest(&queue, stats.oldest_enqueued_at.map(|at| UNIX_EPOCH + since_epoch(at)));
}

/// Records jobs that ended, each with how long it took.
pub(crate) fn ended(jobs: &[(JobStatus, Duration)]) {
    for (status, took) in jobs {
        match status {
            JobStatus::Completed => record::job_finished(JobOutcome::Completed, *took),
            JobStatus::Failed => record::job_finished(JobOutcome::Failed, *took),
            _ => {}
        }
    }
}

/// Records the tasks of services; services that the catalogue does not name count together as `other`.
pub(crate) fn services(services: &[ServiceView]) {
    const OTHER: &str = "other";
    let names = match catalogue::SERVICE.values {
        Values::Closed(names) => names,
        Values::Bounded(_) => &[],
    };
    for name in names {
        let of_name = services.iter().filter(|service| {
            let is_known = names.contains(&service.name.as_str());
            service.name == *name || (*name == OTHER && !is_known)
        });
        let (mut desired, mut running, mut pending) = (0, 0, 0);
        for service in of_name {
            desired += u64::from(service.desired);
            running += u64::from(service.running);
            pending += u64::from(service.pending);
        }
        record::service_tasks(name, TaskState::Desired, desired);
        record::service_tasks(name, TaskState::Running, running);
        record::service_tasks(name, TaskState::Pending, pending);
    }
}

/// Counts of jobs, segments, findings and workers at one moment.
#[derive(Debug)]
pub(crate) struct JobCounts {
    by_status: BTreeMap<JobStatus, u64>,
    segments: BTreeMap<&'static str, u64>,
    findings: BTreeMap<FindingCode, u64>,
    workers: Vec<WorkerView>,
}

impl JobCounts {
    /// Counts. States without any are 0, not absent.
    pub(crate) fn of(world: &World, now: Timestamp) -> Self {
        let mut segments: BTreeMap<&str, u64> =
            ["done", "running", "queued", "missing", "dead_lettered"].into_iter().map(|state| (state, 0)).collect();
        let mut findings: BTreeMap<FindingCode, u64> = FindingCode::ALL.iter().map(|code| (*code, 0)).collect();
        for job_id in world.unfinished() {
            for state in world.segment_states(job_id) {
                *segments.entry(segment_state(state)).or_default() += 1;
            }
        }
        let flagged = world.flagged.iter().filter_map(|job_id| world.jobs.get(job_id));
        for finding in flagged.flat_map(|entry| &entry.findings) {
            *findings.entry(finding.code).or_default() += 1;
        }
        Self { by_status: world.count_by_status(), segments, findings, workers: world.worker_views(now) }
    }

    /// Records them as metrics.
    pub(crate) fn record(self) {
        self.by_status.into_iter().for_each(|(status, count)| record::jobs(status.as_str(), count));
        self.segments.into_iter().for_each(|(state, count)| record::segments(state, count));
        self.findings.into_iter().for_each(|(code, count)| record::stuck_jobs(code.as_str(), count));
        for stage in ["chunking", "inference", "reassembly", "all"] {
            for (state, label) in [
                (State::Idle, WorkerState::Idle),
                (State::Busy, WorkerState::Busy),
                (State::Draining, WorkerState::Draining),
                (State::Stopped, WorkerState::Stopped),
                (State::Silent, WorkerState::Silent),
            ] {
                let is_counted = |worker: &&WorkerView| {
                    worker.state == state && worker.stage.map_or("all", |stage| stage.as_str()) == stage
                };
                record::workers(stage, label, self.workers.iter().filter(is_counted).count() as u64);
            }
        }
    }
}

fn segment_state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Done => "done",
        SegmentState::Running => "running",
        SegmentState::Queued => "queued",
        SegmentState::Missing => "missing",
        SegmentState::DeadLettered => "dead_lettered",
    }
}
