//! The metrics.

use super::Kind::{Counter, Gauge, Histogram};
use super::Process::{ControlPlane, Worker};
use super::Unit::{Bytes, Count, Flag, Seconds, UnixSeconds};
use super::{Metric, Process, label::*};

/// Answering a request: half a millisecond to ten seconds.
const REQUEST_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// A part of converting a frame: half a millisecond (on a GPU) to five seconds (a large model on one core).
const FRAME_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.5, 5.0];
/// A worker's step: a tenth of a second (joining a clip) to an hour (converting a long segment on a CPU).
const STEP_BUCKETS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1200.0, 2400.0, 3600.0];
/// A job: a second (a clip) to a day (a film on a CPU).
const JOB_BUCKETS: &[f64] =
    &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0];

const ON_CONTROL_PLANE: &[Process] = &[ControlPlane];
const ON_WORKER: &[Process] = &[Worker];
const ON_BOTH: &[Process] = &[ControlPlane, Worker];

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:ident),*] $unit:ident $buckets:expr, $by:ident, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $id: &Metric = &Metric {
                name: $name, kind: $kind, unit: $unit, help: $help, labels: &[$($label),*], buckets: $buckets, exported_by: $by,
            };
        )+

        /// Every metric, in the order in which the documentation lists them.
        pub const ALL: &[&Metric] = &[$($id),+];
    };
}

metrics! {
    // every process
    BUILD_INFO = Gauge "stereospot_build_info" [VERSION] Flag &[], ON_BOTH,
        "Always 1; the label says which version runs.";
    START_TIMESTAMP = Gauge "stereospot_start_timestamp_seconds" [] UnixSeconds &[], ON_BOTH,
        "When the process began.";
    BACKEND_ERRORS = Counter "stereospot_backend_errors_total" [ERROR_CODE] Count &[], ON_BOTH,
        "Failed calls to queues, job store and object store, by kind of failure.";
    BACKEND_CALLS = Counter "stereospot_backend_calls_total" [API, CALL_OUTCOME] Count &[], ON_BOTH,
        "Calls to the platform, with every retry: the platform charges for each.";
    CLOCK_AHEAD = Gauge "stereospot_clock_ahead_seconds" [] Seconds &[], ON_BOTH,
        "How far this machine's clock is ahead of the platform's, by its last answer; negative if behind, 0 without a platform.";

    // events
    EVENTS_INGESTED = Counter "stereospot_events_ingested_total" [EVENT_TYPE] Count &[], ON_CONTROL_PLANE,
        "New events that are durable.";
    EVENTS_DUPLICATE = Counter "stereospot_events_duplicate_total" [] Count &[], ON_CONTROL_PLANE,
        "Events that were already stored, and so ignored.";
    EVENTS_LOST = Counter "stereospot_events_lost_total" [] Count &[], ON_CONTROL_PLANE,
        "Events that never arrived, counted by gaps in the sequence numbers of their sources.";
    EVENTS_REJECTED = Counter "stereospot_events_rejected_total" [REJECT_REASON] Count &[], ON_CONTROL_PLANE,
        "Events that were rejected.";
    INGEST_BATCH_SECONDS = Histogram "stereospot_ingest_batch_seconds" [] Seconds REQUEST_BUCKETS, ON_CONTROL_PLANE,
        "From a batch's arrival until it is durable.";

    // queues
    QUEUE_MESSAGES = Gauge "stereospot_queue_messages" [QUEUE, QUEUE_STATE] Count &[], ON_CONTROL_PLANE,
        "Messages on a queue as last polled; dead-letter queues end in -dlq.";
    QUEUE_OLDEST_TIMESTAMP = Gauge "stereospot_queue_oldest_message_timestamp_seconds" [QUEUE]
        UnixSeconds &[], ON_CONTROL_PLANE,
        "When the oldest ready message was first sent; 0 without one.";

    // jobs
    JOBS = Gauge "stereospot_jobs" [JOB_STATUS] Count &[], ON_CONTROL_PLANE,
        "Jobs by status.";
    SEGMENTS = Gauge "stereospot_segments" [SEGMENT_STATE] Count &[], ON_CONTROL_PLANE,
        "Segments of unfinished jobs by state.";
    STUCK_JOBS = Gauge "stereospot_stuck_jobs" [DIAGNOSIS_CODE] Count &[], ON_CONTROL_PLANE,
        "Jobs with this finding; a job with two findings counts twice.";
    JOBS_FINISHED = Counter "stereospot_jobs_finished_total" [JOB_OUTCOME] Count &[], ON_CONTROL_PLANE,
        "Jobs that ended.";
    JOB_WARNINGS = Counter "stereospot_job_warnings_total" [WARNING_KIND] Count &[], ON_CONTROL_PLANE,
        "What was changed or left out of videos; the same matter counts once for a job.";
    JOB_DURATION_SECONDS = Histogram "stereospot_job_duration_seconds" [] Seconds JOB_BUCKETS, ON_CONTROL_PLANE,
        "From a job's submission to its result.";

    // the control plane
    COLLECTOR_UP = Gauge "stereospot_collector_up" [COLLECTOR] Flag &[], ON_CONTROL_PLANE,
        "1 when the collector's last run succeeded.";
    COLLECTOR_DURATION_SECONDS = Histogram "stereospot_collector_duration_seconds" [COLLECTOR]
        Seconds REQUEST_BUCKETS, ON_CONTROL_PLANE,
        "How long the collector's runs take.";
    COLLECTOR_ERRORS = Counter "stereospot_collector_errors_total" [COLLECTOR, ERROR_CODE] Count &[], ON_CONTROL_PLANE,
        "The collector's failed runs, by kind of failure.";
    COLLECTOR_LAST_SUCCESS = Gauge "stereospot_collector_last_success_timestamp_seconds" [COLLECTOR]
        UnixSeconds &[], ON_CONTROL_PLANE,
        "When the collector last succeeded; 0 for never.";
    POLLS_DEFERRED = Counter "stereospot_polls_deferred_total" [] Count &[], ON_CONTROL_PLANE,
        "Polls that had to wait because the budget of calls was used up.";
    POLL_BUDGET = Gauge "stereospot_poll_budget_calls" [] Count &[], ON_CONTROL_PLANE,
        "Calls per minute that polling may make.";
    LOG_SCANNED_BYTES = Counter "stereospot_log_scanned_bytes_total" [] Bytes &[], ON_CONTROL_PLANE,
        "Bytes that log searches read; CloudWatch charges for these.";
    SERVICE_TASKS = Gauge "stereospot_service_tasks" [SERVICE, TASK_STATE] Count &[], ON_CONTROL_PLANE,
        "Tasks of a service; 0 running of 0 desired is normal while queues are empty.";
    WORKERS = Gauge "stereospot_workers" [WORKER_STAGE, WORKER_STATE] Count &[], ON_CONTROL_PLANE,
        "Workers that sent events in the last hour.";
    ACTIONS = Counter "stereospot_actions_total" [ACTION, ACTION_OUTCOME] Count &[], ON_CONTROL_PLANE,
        "Plans that operators applied, also those that were refused then.";
    ACTION_ITEMS = Counter "stereospot_action_items_total" [ACTION, ITEM_OUTCOME] Count &[], ON_CONTROL_PLANE,
        "Items of applied plans.";
    RECONCILER_ACTS = Counter "stereospot_reconciler_acts_total" [DECISION] Count &[], ON_CONTROL_PLANE,
        "Decisions of the trigger check that the reconciler carried out, because no worker had.";
    RECONCILER_LAST_RUN = Gauge "stereospot_reconciler_last_run_timestamp_seconds" [] UnixSeconds &[], ON_CONTROL_PLANE,
        "When the reconciler last checked all unfinished jobs; 0 for never.";
    HTTP_REQUESTS = Counter "stereospot_http_requests_total" [ROUTE, METHOD, STATUS_CLASS] Count &[], ON_CONTROL_PLANE,
        "Answered requests.";
    HTTP_REQUEST_SECONDS = Histogram "stereospot_http_request_duration_seconds" [ROUTE, METHOD]
        Seconds REQUEST_BUCKETS, ON_CONTROL_PLANE,
        "From a request's head to its answer's head.";
    CONNECTIONS = Gauge "stereospot_http_connections" [] Count &[], ON_CONTROL_PLANE,
        "Open connections.";
    CONNECTIONS_ENDED = Counter "stereospot_http_connections_ended_total" [CONNECTION_END] Count &[], ON_CONTROL_PLANE,
        "Connections that the control plane ended to protect itself.";
    STREAM_CLIENTS = Gauge "stereospot_stream_clients" [] Count &[], ON_CONTROL_PLANE,
        "Dashboards that follow the stream of changes.";
    STREAM_RESETS = Counter "stereospot_stream_resets_total" [] Count &[], ON_CONTROL_PLANE,
        "Dashboards that fell behind the stream and had to start over.";
    STORE_BYTES = Gauge "stereospot_store_bytes" [] Bytes &[], ON_CONTROL_PLANE,
        "Size of the control-plane database on disk, with its write-ahead log.";

    // workers
    MESSAGES_RECEIVED = Counter "stereospot_messages_received_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Messages that the worker took from a queue.";
    MESSAGES_DELETED = Counter "stereospot_messages_deleted_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Messages that were deleted after their work was done.";
    MESSAGES_RELEASED = Counter "stereospot_messages_released_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Messages that were given back to be received again.";
    MESSAGES_DEAD = Counter "stereospot_messages_dead_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Messages whose last allowed receive failed, so that the queue dead-letters them.";
    STEP_SECONDS = Histogram "stereospot_step_duration_seconds" [STAGE, STEP_OUTCOME] Seconds STEP_BUCKETS, ON_WORKER,
        "From taking a message to the step's end.";
    FRAMES = Counter "stereospot_frames_total" [STAGE] Count &[], ON_WORKER,
        "Frames that a stage wrote.";
    FRAME_SECONDS = Histogram "stereospot_frame_duration_seconds" [FRAME_PART] Seconds FRAME_BUCKETS, ON_WORKER,
        "Mean time of a frame in each part of inference, one observation per segment; the parts run in parallel.";
    LEASE_EXTENDED = Counter "stereospot_lease_extended_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Leases that were extended while work went on.";
    LEASE_LOST = Counter "stereospot_lease_lost_total" [MAIN_QUEUE] Count &[], ON_WORKER,
        "Leases that ran out while the worker was busy: another worker may have done the same work.";
    WORKER_BUSY = Gauge "stereospot_worker_busy" [STAGE] Count &[], ON_WORKER,
        "Steps that the worker works on now.";
    PROVIDER_INFO = Gauge "stereospot_execution_provider_info" [PROVIDER] Flag &[], ON_WORKER,
        "1 for the execution provider that runs the depth model.";
    SPOOL_EVENTS = Gauge "stereospot_spool_events" [] Count &[], ON_WORKER,
        "Events that wait on disk for the control plane.";
    SPOOL_BYTES = Gauge "stereospot_spool_bytes" [] Bytes &[], ON_WORKER,
        "Size of the events that wait on disk.";
    SPOOL_LIMIT_BYTES = Gauge "stereospot_spool_limit_bytes" [] Bytes &[], ON_WORKER,
        "Size at which progress events are dropped from the spool.";
    SPOOL_DROPPED = Counter "stereospot_spool_dropped_total" [] Count &[], ON_WORKER,
        "Progress events that were dropped from a full spool.";
}
