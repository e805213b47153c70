//! Labels and the closed sets of their values.
//!
//! Sets that the domain owns (statuses, stages, queues, codes …) are repeated here as text, so that this crate stands alone; a
//! test of the whole project holds them equal to the domain's.

use super::{Label, Values};

macro_rules! values {
    ($(#[$doc:meta])* $name:ident: $($(#[$value_doc:meta])* $variant:ident $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$value_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// Every value's text.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The label's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

values! {
    /// Where a queue's messages are.
    QueueState:
    /// Can be received now.
    Ready "ready",
    /// Under lease.
    InFlight "in_flight",
    /// Not to be received before a certain time.
    Delayed "delayed",
}

values! {
    /// How a worker's step ended.
    StepOutcome:
    /// Its result is written.
    Completed "completed",
    /// This attempt failed; the message comes back, or is dead-lettered.
    Failed "failed",
    /// It can never succeed: the job was marked failed and the message deleted.
    Refused "refused",
    /// Given back unfinished, because the worker stops.
    Released "released",
    /// Another worker may have the message.
    LeaseLost "lease_lost",
}

values! {
    /// What a frame goes through.
    FramePart:
    /// From packets to a picture.
    Decode "decode",
    /// From a picture to its depth.
    Depth "depth",
    /// From picture and depth to two eyes.
    Warp "warp",
    /// From two eyes to packets.
    Encode "encode",
}

values! {
    /// What runs the depth model.
    Provider:
    /// The processor.
    Cpu "cpu",
    /// CUDA.
    Cuda "cuda",
    /// TensorRT.
    TensorRt "tensorrt",
}

values! {
    /// How an ended job ended.
    JobOutcome:
    /// Its result exists.
    Completed "completed",
    /// It has none.
    Failed "failed",
}

values! {
    /// How an applied plan ended as a whole.
    ActionOutcome:
    /// Every item was done.
    Done "done",
    /// Some were, some were not.
    Partial "partial",
    /// None was.
    Failed "failed",
    /// It was not begun: an assumption no longer held, a plan too old, a server that takes no writes.
    Refused "refused",
}

values! {
    /// Why events were not taken in.
    RejectReason:
    /// They can't be read, or break the event's rules.
    Invalid "invalid",
    /// Too many or too large for one batch.
    TooLarge "too_large",
    /// The store was not able to keep them; the sender tries again.
    Unavailable "unavailable",
}

values! {
    /// What a worker that the control plane heard of is doing.
    WorkerState:
    /// Waiting for work.
    Idle "idle",
    /// At work.
    Busy "busy",
    /// Finishing what it has.
    Draining "draining",
    /// Ended in order.
    Stopped "stopped",
    /// Not heard of for too long.
    Silent "silent",
}

values! {
    /// How a call to the platform ended.
    CallOutcome:
    /// With an answer; a condition that was not met is one too.
    Answered "answered",
    /// The platform asked to slow down.
    Throttled "throttled",
    /// With another error, or without an answer.
    Failed "failed",
}

values! {
    /// What tasks of a service are counted.
    TaskState:
    /// Those that it should have.
    Desired "desired",
    /// Those that run.
    Running "running",
    /// Those that are being started.
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
/// A queue of the pipeline, which stages receive from.
pub const MAIN_QUEUE: Label = closed("queue", &["chunking", "inference", "reassembly", "output-events"]);
/// Where a queue's messages are.
pub const QUEUE_STATE: Label = closed("state", QueueState::NAMES);
/// A stage of the pipeline.
pub const STAGE: Label = closed("stage", &["chunking", "inference", "reassembly"]);
/// The stage that a worker serves; `all` for one that serves each.
pub const WORKER_STAGE: Label = closed("stage", &["chunking", "inference", "reassembly", "all"]);
/// What a worker is doing.
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
/// How an ended job ended.
pub const JOB_OUTCOME: Label = closed("outcome", JobOutcome::NAMES);
/// What a segment of an unfinished job is doing.
pub const SEGMENT_STATE: Label = closed("state", &["done", "running", "queued", "missing", "dead_lettered"]);
/// A diagnosis; also the name of its runbook page.
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
        "too-many-completions",
        "segment-silent",
        "step-failing",
    ],
);
/// What kind of failure a backend reported.
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
/// Why events were not taken in.
pub const REJECT_REASON: Label = closed("reason", RejectReason::NAMES);
/// An operator's action.
pub const ACTION: Label =
    closed("action", &["replay", "purge", "trigger", "repair", "restore", "scale", "stop_move", "fail"]);
/// How an applied plan ended.
pub const ACTION_OUTCOME: Label = closed("outcome", ActionOutcome::NAMES);
/// How one item of an applied plan ended.
pub const ITEM_OUTCOME: Label = closed("outcome", &["done", "skipped", "failed"]);
/// What the reconciler did.
pub const DECISION: Label =
    closed("decision", &["create_lock_and_send", "send_again", "mark_reassembling", "mark_completed"]);
/// How a step ended.
pub const STEP_OUTCOME: Label = closed("outcome", StepOutcome::NAMES);
/// What a frame goes through.
pub const FRAME_PART: Label = closed("part", FramePart::NAMES);
/// What runs the depth model.
pub const PROVIDER: Label = closed("provider", Provider::NAMES);
/// An API of the platform: service and operation. What is called too seldom to be told apart is `other`.
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
/// What tasks of a service are counted.
pub const TASK_STATE: Label = closed("state", TaskState::NAMES);
/// The first digit of an HTTP answer's status.
pub const STATUS_CLASS: Label = closed("status", &["1xx", "2xx", "3xx", "4xx", "5xx"]);
/// An HTTP method.
pub const METHOD: Label = closed("method", &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "other"]);
/// A route.
pub const ROUTE: Label = bounded("route", "the router's own patterns, never a request's path");
/// A collector.
pub const COLLECTOR: Label = bounded("collector", "the control plane's collectors, each named once in its code");
/// A version.
pub const VERSION: Label = bounded("version", "one for each build");
