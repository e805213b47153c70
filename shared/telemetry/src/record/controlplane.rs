//! Metrics that the control plane records.

use std::time::{Duration, SystemTime};

use super::{add, change, number, observe, set, touch, unix_seconds};
use crate::catalogue::{
    self as table, ActionOutcome, ConnectionEnd, ERROR_CODE, JobOutcome, QueueState, RejectReason, TaskState, Values,
    WorkerState,
};

/// Counts events of a type that are now durable; `kind` is `EventKind::as_str`.
pub fn events_ingested(kind: &str, count: u64) {
    add(table::EVENTS_INGESTED, &[kind], count);
}

/// Counts events that were already stored.
pub fn events_duplicate(count: u64) {
    add(table::EVENTS_DUPLICATE, &[], count);
}

/// Counts events that never arrived, by a gap in their source's sequence numbers.
pub fn events_lost(count: u64) {
    add(table::EVENTS_LOST, &[], count);
}

/// Counts events that were rejected.
pub fn events_rejected(reason: RejectReason, count: u64) {
    add(table::EVENTS_REJECTED, &[reason.as_str()], count);
}

/// Records how long a batch took from its arrival until it was durable.
pub fn ingest_batch(took: Duration) {
    observe(table::INGEST_BATCH_SECONDS, &[], took);
}

/// Records the number of messages on a queue; `queue` is `QueueName` as text, with `-dlq` for a dead-letter queue.
pub fn queue_messages(queue: &str, state: QueueState, count: u64) {
    set(table::QUEUE_MESSAGES, &[queue, state.as_str()], number(count));
}

/// Records when a queue's oldest ready message was first sent; `None` without one.
pub fn queue_oldest(queue: &str, sent_at: Option<SystemTime>) {
    set(table::QUEUE_OLDEST_TIMESTAMP, &[queue], sent_at.map_or(0.0, unix_seconds));
}

/// Records the number of jobs with a status; `status` is `JobStatus::as_str`.
pub fn jobs(status: &str, count: u64) {
    set(table::JOBS, &[status], number(count));
}

/// Records the number of segments of unfinished jobs in a state: `done`, `running`, `queued`, `missing` or `dead_lettered`.
pub fn segments(state: &str, count: u64) {
    set(table::SEGMENTS, &[state], number(count));
}

/// Records the number of jobs with a finding; `code` is `diagnosis::FindingCode::as_str`. Callers also set codes without jobs, to
/// 0.
pub fn stuck_jobs(code: &str, count: u64) {
    set(table::STUCK_JOBS, &[code], number(count));
}

/// Counts a job that ended. If it completed, also records the time since its submission.
pub fn job_finished(outcome: JobOutcome, took: Duration) {
    add(table::JOBS_FINISHED, &[outcome.as_str()], 1);
    if outcome == JobOutcome::Completed {
        observe(table::JOB_DURATION_SECONDS, &[], took);
    }
}

/// Something was changed or left out of a video; `kind` is a constant in the code, never data.
pub fn job_warning(kind: &'static str) {
    add(table::JOB_WARNINGS, &[kind], 1);
}

/// Exports a collector's series as 0 before its first run. `collector` is a constant in the code, never data.
pub fn collector_known(collector: &'static str) {
    touch(table::COLLECTOR_UP, &[collector]);
    touch(table::COLLECTOR_LAST_SUCCESS, &[collector]);
    touch(table::COLLECTOR_DURATION_SECONDS, &[collector]);
    if let Values::Closed(codes) = ERROR_CODE.values {
        codes.iter().for_each(|code| touch(table::COLLECTOR_ERRORS, &[collector, code]));
    }
}

/// Records a successful run of a collector, which ended `at`.
pub fn collector_succeeded(collector: &'static str, took: Duration, at: SystemTime) {
    set(table::COLLECTOR_UP, &[collector], 1.0);
    set(table::COLLECTOR_LAST_SUCCESS, &[collector], unix_seconds(at));
    observe(table::COLLECTOR_DURATION_SECONDS, &[collector], took);
}

/// Records a successful poll of a collector while others of its polls fail.
pub fn collector_read(collector: &'static str, took: Duration) {
    observe(table::COLLECTOR_DURATION_SECONDS, &[collector], took);
}

/// Records that everything a collector reads was read by `at`, also if it had nothing to read.
pub fn collector_fresh(collector: &'static str, at: SystemTime) {
    set(table::COLLECTOR_UP, &[collector], 1.0);
    set(table::COLLECTOR_LAST_SUCCESS, &[collector], unix_seconds(at));
}

/// Records a failed run of a collector; `code` is `stereospot_ports::ErrorCode::as_str`.
pub fn collector_failed(collector: &'static str, took: Duration, code: &str) {
    set(table::COLLECTOR_UP, &[collector], 0.0);
    add(table::COLLECTOR_ERRORS, &[collector, code], 1);
    observe(table::COLLECTOR_DURATION_SECONDS, &[collector], took);
}

/// Counts polls that had to wait for the budget.
pub fn polls_deferred(count: u64) {
    add(table::POLLS_DEFERRED, &[], count);
}

/// Records how many calls per minute polling may make.
pub fn poll_budget(calls: u32) {
    set(table::POLL_BUDGET, &[], f64::from(calls));
}

/// Counts bytes that a log search read.
pub fn log_bytes_scanned(bytes: u64) {
    add(table::LOG_SCANNED_BYTES, &[], bytes);
}

/// Records the number of a service's tasks. The caller adds up services that the catalogue lacks, as `other`.
pub fn service_tasks(service: &str, state: TaskState, count: u64) {
    set(table::SERVICE_TASKS, &[service, state.as_str()], number(count));
}

/// Records the number of workers of a stage in a state; `stage` is `Stage::as_str`, or `all` for workers that serve every stage.
pub fn workers(stage: &str, state: WorkerState, count: u64) {
    set(table::WORKERS, &[stage, state.as_str()], number(count));
}

/// Counts a plan that was applied, or refused on applying; `action` is `Action::name`.
pub fn action(action: &str, outcome: ActionOutcome) {
    add(table::ACTIONS, &[action, outcome.as_str()], 1);
}

/// Counts items of an applied plan; `outcome` is `done`, `skipped` or `failed`.
pub fn action_items(action: &str, outcome: &str, count: u64) {
    add(table::ACTION_ITEMS, &[action, outcome], count);
}

/// Counts a decision that the reconciler carried out: `create_lock_and_send`, `send_again`, `mark_reassembling` or
/// `mark_completed`.
pub fn reconciler_act(decision: &str) {
    add(table::RECONCILER_ACTS, &[decision], 1);
}

/// Records when the reconciler last checked all unfinished jobs.
pub fn reconciler_ran(at: SystemTime) {
    set(table::RECONCILER_LAST_RUN, &[], unix_seconds(at));
}

/// Records an answered request. `route` is the router's pattern, never the request's path. A method that the catalogue lacks counts
/// as `other`.
pub fn http_request(route: &str, method: &str, status: u16, took: Duration) {
    let method = table::METHOD.closed(method).unwrap_or("other");
    let class = match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    add(table::HTTP_REQUESTS, &[route, method, class], 1);
    observe(table::HTTP_REQUEST_SECONDS, &[route, method], took);
}

/// Records how many connections are open.
pub fn connections(count: usize) {
    set(table::CONNECTIONS, &[], count as f64);
}

/// Counts a connection that the control plane ended to protect itself.
pub fn connection_ended(why: ConnectionEnd) {
    add(table::CONNECTIONS_ENDED, &[why.as_str()], 1);
}

/// Counts a dashboard that follows the stream, until the guard is dropped.
#[must_use = "the client counts as gone once this is dropped"]
pub fn stream_client() -> StreamClient {
    change(table::STREAM_CLIENTS, &[], 1.0);
    StreamClient { _private: () }
}

/// A dashboard that follows the stream; see [`stream_client`].
#[derive(Debug)]
pub struct StreamClient {
    _private: (),
}

impl Drop for StreamClient {
    fn drop(&mut self) {
        change(table::STREAM_CLIENTS, &[], -1.0);
    }
}

/// Counts a dashboard that fell behind and had to start over.
pub fn stream_reset() {
    add(table::STREAM_RESETS, &[], 1);
}

/// Records the size of the control-plane database on disk.
pub fn store_bytes(bytes: u64) {
    set(table::STORE_BYTES, &[], number(bytes));
}
