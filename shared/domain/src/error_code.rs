//! The reasons for a failure, as a closed set. Metrics use them as a label, and failure events hold one beside the message.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stage::Stage;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal),+ $(,)?) => {
        /// Why an operation failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $variant),+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),+];

            /// The name on the wire; also the metric label.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name),+ }
            }
        }
    };
}

codes! {
    /// The queue, row or object does not exist.
    NotFound "not_found",
    /// The thing exists already, or the condition of the write does not hold.
    Conflict "conflict",
    /// The receipt is no longer valid: the lease ran out, and another worker may hold the message.
    LeaseLost "lease_lost",
    /// A permission is missing.
    Denied "denied",
    /// The backend refused the call because of its rate limit.
    Throttled "throttled",
    /// No answer in time, or no connection.
    Unavailable "unavailable",
    /// The request is wrong, for example too large or malformed.
    Invalid "invalid",
    /// No space is left.
    Full "full",
    /// The stored data cannot be read.
    Corrupt "corrupt",
    /// Anything else.
    Internal "internal",
}

impl ErrorCode {
    /// True if the cause of a step's failure lies outside the video and the program, so that another attempt may succeed. Only
    /// inference meets passing causes within the program: a model may run out of a GPU's memory.
    #[must_use]
    pub fn may_pass(self, stage: Stage) -> bool {
        match self {
            ErrorCode::Invalid | ErrorCode::Corrupt => false,
            ErrorCode::Internal => stage == Stage::Inference,
            ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::LeaseLost
            | ErrorCode::Denied
            | ErrorCode::Throttled
            | ErrorCode::Unavailable
            | ErrorCode::Full => true,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
