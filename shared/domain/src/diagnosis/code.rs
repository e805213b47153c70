//! The known ways of losing a job. One table says everything that depends on the code alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::Severity;
use crate::options::UnknownName;

/// What an operator can do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Look at the job: nothing can be done from here.
    Look,
    /// Replay its dead letters.
    Replay,
    /// Trigger reassembly.
    Trigger,
    /// Carry out the finding's own repair.
    Repair,
    /// Give the job up.
    GiveUp,
}

/// Whether the reconciler may carry out a repair without being asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unasked {
    /// Harmless however often it runs, also at the same time as someone else's repair.
    Allowed,
    Never,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $severity:ident $unasked:ident $remedy:ident $(else $other:ident)?
        $title:literal),+ $(,)?) => {
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

            /// How much it matters where the evidence is certain. Evidence from age alone makes it a warning.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(FindingCode::$variant => Severity::$severity),+ }
            }

            /// True when the reconciler may carry out the repair without being asked.
            pub(super) fn is_safe_unasked(self) -> bool {
                let unasked = match self { $(FindingCode::$variant => Unasked::$unasked),+ };
                unasked == Unasked::Allowed
            }

            /// What an operator does where a repair is known.
            pub(super) fn with_repair(self) -> Remedy {
                match self { $(FindingCode::$variant => Remedy::$remedy),+ }
            }

            /// What an operator does where no repair is known.
            pub(super) fn without_repair(self) -> Remedy {
                match self { $($(FindingCode::$variant => Remedy::$other,)?)+ _ => Remedy::Look }
            }
        }
    };
}

codes! {
    /// Lock there, never acquired, reassembly queue empty.
    ReassemblyMessageLost "reassembly-message-lost" Critical Never Trigger "the reassembly message was lost",
    /// Output object there, completion not.
    CompletionLost "completion-lost" Critical Allowed Repair
        "a segment is converted, but its completion was never recorded",
    /// All completions there, no lock.
    TriggerMissed "trigger-missed" Critical Never Trigger "every segment is done, but reassembly was never triggered",
    /// Lock acquired, holder silent, no result.
    ReassemblyDied "reassembly-died" Critical Never Trigger "reassembly started and died",
    /// Source there, job not split, chunking queue empty.
    SourceIgnored "source-ignored" Critical Allowed Repair "the source arrived, but no message asks for it to be split",
    /// Job row there, source never came.
    SourceMissing "source-missing" Warning Never Look "the job was made, but its source never arrived",
    /// Status ingesting for long, ingest queue empty.
    IngestLost "ingest-lost" Critical Allowed Repair else GiveUp
        "the job waits for its source to be fetched, but no message asks for that",
    /// Result there, status still reassembling.
    CompletedStatusLost "completed-status-lost" Warning Never Trigger
        "the result exists, but the job was never marked completed",
    /// A segment neither completed, nor running, nor dead-lettered, inference queue empty.
    SegmentLost "segment-lost" Critical Allowed Repair "a segment is neither done nor queued",
    /// Status says failed, result exists.
    StatusContradictsResult "status-contradicts-result" Critical Never Trigger
        "the job says failed, but its result exists",
    /// Failed, yet every segment is there.
    FailedButComplete "failed-but-complete" Critical Never Trigger "the job says failed, but every segment is converted",
    /// The ingest message is in its dead-letter queue.
    IngestDeadLettered "ingest-dead-lettered" Critical Never Replay
        "the source could not be fetched; its message is dead-lettered",
    /// The chunking message is in its dead-letter queue.
    SourceDeadLettered "source-dead-lettered" Critical Never Replay
        "the source could not be split; its message is dead-lettered",
    /// An inference message is in its dead-letter queue.
    SegmentDeadLettered "segment-dead-lettered" Critical Never Replay
        "a segment failed too often; its message is dead-lettered",
    /// The reassembly message is in its dead-letter queue.
    ReassemblyDeadLettered "reassembly-dead-lettered" Critical Never Replay
        "reassembly failed too often; its message is dead-lettered",
    /// Completed, and no result exists.
    ResultMissing "result-missing" Critical Never Repair "the job is completed, but its result is gone",
    /// Completed, and the result is not what was written.
    ResultDamaged "result-damaged" Critical Never Repair "the result is not as it was written",
    /// The row of a completed job is gone.
    RowMissing "row-missing" Critical Never Repair "the row of a completed job is gone",
    /// The row of a deleted job has another status.
    DeletedCameBack "deleted-came-back" Warning Never Repair "the job was deleted, and its row has another status now",
    /// More completions than segments.
    TooManyCompletions "too-many-completions" Notice Never Look "more completions than segments are recorded",
    /// A worker has it, without a sign of life.
    SegmentSilent "segment-silent" Warning Never Look "a worker took a segment and has gone silent",
    /// The same step failed several times and is still tried.
    StepFailing "step-failing" Warning Never Look "a step of the job keeps failing and is tried again",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FindingCode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        FindingCode::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| UnknownName {
            what: "finding",
            given: text.into(),
            known: FindingCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}
