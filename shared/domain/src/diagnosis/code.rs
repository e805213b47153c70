//! The known ways of losing a job, each with its name and its title.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $title:literal),+ $(,)?) => {
        /// One known way of losing a job.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum FindingCode { $($(#[$doc])* $variant),+ }

        impl FindingCode {
            /// Every code.
            pub const ALL: &'static [FindingCode] = &[$(FindingCode::$variant),+];

            /// The name, which is also the runbook page's.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(FindingCode::$variant => $name),+ }
            }

            /// What is wrong, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(FindingCode::$variant => $title),+ }
            }
        }
    };
}

codes! {
    /// Lock there, never acquired, reassembly queue empty.
    ReassemblyMessageLost "reassembly-message-lost" "the reassembly message was lost",
    /// Output object there, completion not.
    CompletionLost "completion-lost" "a segment is converted, but its completion was never recorded",
    /// All completions there, no lock.
    TriggerMissed "trigger-missed" "every segment is done, but reassembly was never triggered",
    /// Lock acquired, holder silent, no result.
    ReassemblyDied "reassembly-died" "reassembly started and died",
    /// Source there, job not split, chunking queue empty.
    SourceIgnored "source-ignored" "the source arrived, but no message asks for it to be split",
    /// Job row there, source never came.
    SourceMissing "source-missing" "the job was made, but its source never arrived",
    /// Status ingesting for long, ingest queue empty.
    IngestLost "ingest-lost" "the job waits for its source to be fetched, but no message asks for that",
    /// Result there, status still reassembling.
    CompletedStatusLost "completed-status-lost" "the result exists, but the job was never marked completed",
    /// A segment neither completed, nor running, nor dead-lettered, inference queue empty.
    SegmentLost "segment-lost" "a segment is neither done nor queued",
    /// Status says failed, result exists.
    StatusContradictsResult "status-contradicts-result" "the job says failed, but its result exists",
    /// Failed, yet every segment is there.
    FailedButComplete "failed-but-complete" "the job says failed, but every segment is converted",
    /// The ingest message is in its dead-letter queue.
    IngestDeadLettered "ingest-dead-lettered" "the source could not be fetched; its message is dead-lettered",
    /// The chunking message is in its dead-letter queue.
    SourceDeadLettered "source-dead-lettered" "the source could not be split; its message is dead-lettered",
    /// An inference message is in its dead-letter queue.
    SegmentDeadLettered "segment-dead-lettered" "a segment failed too often; its message is dead-lettered",
    /// The reassembly message is in its dead-letter queue.
    ReassemblyDeadLettered "reassembly-dead-lettered" "reassembly failed too often; its message is dead-lettered",
    /// More completions than segments.
    TooManyCompletions "too-many-completions" "more completions than segments are recorded",
    /// A worker has it, without a sign of life.
    SegmentSilent "segment-silent" "a worker took a segment and has gone silent",
    /// The same step failed several times and is still tried.
    StepFailing "step-failing" "a step of the job keeps failing and is tried again",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
