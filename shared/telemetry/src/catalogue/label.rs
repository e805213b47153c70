//! Labels and the closed sets of their values.
//!
//! The sets of the domain (statuses, stages, queues, codes …) are repeated here as text, so that this crate does not depend on
//! it. A test of the workspace checks that they are equal.

use super::{Label, Values};

macro_rules! values {
    ($(#[$doc:meta])* $name:ident: $($(#[$value_doc:meta])* $variant:ident $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$value_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The text of every value.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The text of the label's value.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

values! {
    /// The state of messages on a queue.
    QueueState:
    /// Can be received now.
    Ready "ready",
    /// Under lease.
    InFlight "in_flight",
    /// Can't be received yet.
    Delayed "delayed",
}

values! {
    /// How a worker's step ended.
    StepOutcome:
    /// The result is written.
    Completed "completed",
    /// This attempt failed; the message is delivered again or dead-lettered.
    Failed "failed",
    /// It can never succeed: the job was marked failed and the message deleted.
    Refused "refused",
    /// The worker stops and gave the message back unfinished.
    Released "released",
    /// The lease ran out; another worker may have the message.
    LeaseLost "lease_lost",
}

values! {
    /// A part of converting a frame.
    FramePart:
    /// Packets to picture.
    Decode "decode",
    /// Picture to depth.
    Depth "depth",
    /// Picture and depth to stereo picture.
    Warp "warp",
    /// Stereo picture to packets.
    Encode "encode",
}

values! {
    /// The execution provider that runs the depth model.
    Provider:
    Cpu "cpu",
    Cuda "cuda",
    TensorRt "tensorrt",
}

values! {
    /// How a job ended.
    JobOutcome:
    /// With a result.
    Completed "completed",
    /// Without a result.
    Failed "failed",
}

values! {
    /// How applying a plan ended.
    ActionOutcome:
    /// Every item was done.
    Done "done",
    /// Only some items were done.
    Partial "partial",
    /// No item was done.
    Failed "failed",
    /// Not begun: an assumption no longer held, the plan was too old, or the server is read-only.
    Refused "refused",
}

values! {
    /// Why events were rejected.
    RejectReason:
    /// They can't be read, or break the rules for events.
    Invalid "invalid",
    /// Too many or too large for a batch.
    TooLarge "too_large",
    /// The control-plane database could not store them; the sender tries again.
    Unavailable "unavailable",
}

values! {
    /// Why a connection was ended.
    ConnectionEnd:
    /// At the limit of connections, it was without a request for the longest time.
    MadeRoom "made_room",
    /// Too many connections were at work.
    Refused "refused",
    /// It had no request, or took too long to send one.
    Slow "slow",
    /// Its client did not read what it was sent.
    Unread "unread",
}

values! {
    /// The state of a worker, as the control plane knows it.
    WorkerState:
    /// Waiting for work.
    Idle "idle",
    Busy "busy",
    /// Finishing its work before it stops.
    Draining "draining",
    /// Reported that it stopped.
    Stopped "stopped",
    /// Has sent no event for too long.
    Silent "silent",
}

values! {
    /// How a call to the platform ended.
    CallOutcome:
    /// With an answer, also that a condition was not met.
    Answered "answered",
    /// The platform asked to slow down.
    Throttled "throttled",
    /// With another error, or without an answer.
    Failed "failed",
}

values! {
    /// Which tasks of a service are counted.
    TaskState:
    /// Those that the platform aims for.
    Desired "desired",
    Running "running",
    /// Those that are starting.
    Pending "pending",
}

const fn closed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Closed(values), optional: &[] }
}

const fn bounded(name: &'static str, why: &'static str) -> Label {
    Label { name, values: Values::Bounded(why), optional: &[] }
}

/// A queue or dead-letter queue.
pub const QUEUE: Label = Label {
    name: "queue",
    values: Values::Closed(&[
        "chunking",
        "chunking-dlq",
        "inference",
        "inference-dlq",
        "reassembly",
        "reassembly-dlq",
        "output-events",
        "output-events-dlq",
        "job-status-events",
        "job-status-events-dlq",
        "deletion",
        "deletion-dlq",
        "ingest",
        "ingest-dlq",
        "job-events",
        "job-events-dlq",
    ]),
    optional: FURTHER_QUEUES,
};
/// Queues that only existing deployments have.
const FURTHER_QUEUES: &[&str] = &[
    "job-status-events",
    "job-status-events-dlq",
    "deletion",
    "deletion-dlq",
    "ingest",
    "ingest-dlq",
    "job-events",
    "job-events-dlq",
];
/// A main queue that our workers receive from.
pub const MAIN_QUEUE: Label = closed("queue", &["chunking", "inference", "reassembly", "output-events"]);
/// The state of messages on a queue.
pub const QUEUE_STATE: Label = closed("state", QueueState::NAMES);
/// A stage of the pipeline.
pub const STAGE: Label = closed("stage", &["chunking", "inference", "reassembly"]);
/// The stage that a worker serves; `all` if it serves every stage.
pub const WORKER_STAGE: Label = closed("stage", &["chunking", "inference", "reassembly", "all"]);
/// The state of a worker.
pub const WORKER_STATE: Label = closed("state", WorkerState::NAMES);
/// A job's status.
pub const JOB_STATUS: Label = closed(
    "status",
    &[
        "created",
        "ingesting",
        "chunking_in_progress",
        "chunking_complete",
        "reassembling",
        "completed",
        "failed",
        "deleted",
    ],
);
/// How a job ended.
pub const JOB_OUTCOME: Label = closed("outcome", JobOutcome::NAMES);
/// What was changed or left out of a video.
pub const WARNING_KIND: Label = closed(
    "kind",
    &[
        "stream-left-out",
        "sound-reencoded",
        "sound-downmixed",
        "times-repaired",
        "clock-jumps",
        "frames-repeated",
        "deinterlaced",
        "tone-mapped",
        "captions-lost",
        "already-stereo",
        "size-changes",
    ],
);
/// The state of a segment of an unfinished job.
pub const SEGMENT_STATE: Label = closed("state", &["done", "running", "queued", "missing", "dead_lettered"]);
/// A finding code; also the name of its runbook page.
pub const DIAGNOSIS_CODE: Label = closed(
    "code",
    &[
        "reassembly-message-lost",
        "completion-lost",
        "trigger-missed",
        "reassembly-died",
        "source-ignored",
        "source-missing",
        "ingest-lost",
        "completed-status-lost",
        "segment-lost",
        "status-contradicts-result",
        "failed-but-complete",
        "ingest-dead-lettered",
        "source-dead-lettered",
        "segment-dead-lettered",
        "reassembly-dead-lettered",
        "result-missing",
        "result-damaged",
        "row-missing",
        "deleted-came-back",
        "too-many-completions",
        "segment-silent",
        "step-failing",
    ],
);
/// The kind of failure that a backend reported.
pub const ERROR_CODE: Label = closed(
    "code",
    &[
        "not_found",
        "conflict",
        "lease_lost",
        "denied",
        "throttled",
        "unavailable",
        "invalid",
        "full",
        "corrupt",
        "internal",
    ],
);
/// An event's type; `unknown` for those of newer versions.
pub const EVENT_TYPE: Label = closed(
    "type",
    &[
        "job.submitted",
        "job.completed",
        "job.failed",
        "job.repaired",
        "chunking.started",
        "chunking.completed",
        "chunking.failed",
        "segment.started",
        "segment.progress",
        "segment.completed",
        "segment.failed",
        "lease.extended",
        "lease.lost",
        "reassembly.triggered",
        "reassembly.started",
        "reassembly.completed",
        "reassembly.failed",
        "worker.started",
        "worker.heartbeat",
        "worker.draining",
        "worker.stopped",
        "spool.dropped",
        "unknown",
    ],
);
/// Why a connection ended.
pub const CONNECTION_END: Label = closed("why", ConnectionEnd::NAMES);
/// Why events were rejected.
pub const REJECT_REASON: Label = closed("reason", RejectReason::NAMES);
/// An operator's action.
pub const ACTION: Label = closed(
    "action",
    &["replay", "purge", "trigger", "repair", "restore", "scale", "stop_move", "fail", "delete", "prune"],
);
/// How applying a plan ended.
pub const ACTION_OUTCOME: Label = closed("outcome", ActionOutcome::NAMES);
/// How an item of an applied plan ended.
pub const ITEM_OUTCOME: Label = closed("outcome", &["done", "skipped", "failed"]);
/// A decision of the trigger check that the reconciler carried out.
pub const DECISION: Label =
    closed("decision", &["create_lock_and_send", "send_again", "mark_reassembling", "mark_completed"]);
/// How a step ended.
pub const STEP_OUTCOME: Label = closed("outcome", StepOutcome::NAMES);
/// A part of converting a frame.
pub const FRAME_PART: Label = closed("part", FramePart::NAMES);
/// The execution provider that runs the depth model.
pub const PROVIDER: Label = closed("provider", Provider::NAMES);
/// An API of the platform: service and operation. Rarely called ones count as `other`.
pub const API: Label = closed(
    "api",
    &[
        "sqs.CancelMessageMoveTask",
        "sqs.ChangeMessageVisibility",
        "sqs.ChangeMessageVisibilityBatch",
        "sqs.DeleteMessage",
        "sqs.GetQueueAttributes",
        "sqs.ListMessageMoveTasks",
        "sqs.PurgeQueue",
        "sqs.ReceiveMessage",
        "sqs.SendMessage",
        "sqs.SendMessageBatch",
        "sqs.StartMessageMoveTask",
        "dynamodb.BatchWriteItem",
        "dynamodb.DeleteItem",
        "dynamodb.GetItem",
        "dynamodb.PutItem",
        "dynamodb.Query",
        "dynamodb.UpdateItem",
        "s3.DELETE",
        "s3.GET",
        "s3.HEAD",
        "s3.POST",
        "s3.PUT",
        "ecs.DescribeServices",
        "ecs.UpdateService",
        "application-auto-scaling.DescribeScalableTargets",
        "sagemaker-runtime.InvokeEndpointAsync",
        "inference-server.invocations",
        "ecs-agent.UpdateTaskProtection",
        "cloudwatch.PutMetricData",
        "cloudwatch-logs.DescribeLogGroups",
        "cloudwatch-logs.GetQueryResults",
        "cloudwatch-logs.StartQuery",
        "cloudwatch-logs.StopQuery",
        "other",
    ],
);
/// How a call to the platform ended.
pub const CALL_OUTCOME: Label = closed("outcome", CallOutcome::NAMES);
/// A service of a deployment.
pub const SERVICE: Label = closed("service", &["web-ui", "media-worker", "video-worker", "job-worker", "other"]);
/// Which tasks of a service are counted.
pub const TASK_STATE: Label = closed("state", TaskState::NAMES);
/// The class of an HTTP status.
pub const STATUS_CLASS: Label = closed("status", &["1xx", "2xx", "3xx", "4xx", "5xx"]);
/// An HTTP method.
pub const METHOD: Label = closed("method", &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "other"]);
/// A route.
pub const ROUTE: Label = bounded("route", "the router's own patterns, never a request's path");
/// A collector.
pub const COLLECTOR: Label = bounded("collector", "the control plane's collectors, each named once in its code");
/// A version.
pub const VERSION: Label = bounded("version", "one for each build");
