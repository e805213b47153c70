//! Kinds of failure, the same for every backend.

/// What kind of failure; a closed set that is also the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The queue, row or object does not exist.
    NotFound,
    /// It exists already, or is not as the condition wants it.
    Conflict,
    /// The receipt is no longer valid: the lease ran out and another may hold the message.
    LeaseLost,
    /// Not allowed.
    Denied,
    /// Asked too often.
    Throttled,
    /// No answer in time, or no connection.
    Unavailable,
    /// The request is wrong: too large, malformed.
    Invalid,
    /// No space left.
    Full,
    /// What is stored cannot be read.
    Corrupt,
    /// Anything else.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: &'static [Code] = &[
        Code::NotFound,
        Code::Conflict,
        Code::LeaseLost,
        Code::Denied,
        Code::Throttled,
        Code::Unavailable,
        Code::Invalid,
        Code::Full,
        Code::Corrupt,
        Code::Internal,
    ];

    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotFound => "not_found",
            Code::Conflict => "conflict",
            Code::LeaseLost => "lease_lost",
            Code::Denied => "denied",
            Code::Throttled => "throttled",
            Code::Unavailable => "unavailable",
            Code::Invalid => "invalid",
            Code::Full => "full",
            Code::Corrupt => "corrupt",
            Code::Internal => "internal",
        }
    }
}
