//! Why something failed, in a closed set: the metric label, and what failure events carry beside their sentence.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal),+ $(,)?) => {
        /// The kind of a failure.
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
    /// It exists already, or its condition does not hold.
    Conflict "conflict",
    /// The receipt is no longer valid: the lease ran out, and another worker may hold the message.
    LeaseLost "lease_lost",
    /// Not allowed.
    Denied "denied",
    /// Asked too often.
    Throttled "throttled",
    /// No answer in time, or no connection.
    Unavailable "unavailable",
    /// The request is wrong: too large, malformed.
    Invalid "invalid",
    /// No space left.
    Full "full",
    /// The stored data cannot be read.
    Corrupt "corrupt",
    /// Anything else.
    Internal "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
