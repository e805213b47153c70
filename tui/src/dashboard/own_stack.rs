//! The stack that a dashboard started.

/// A stack that ends with its dashboard, unless the operator leaves it running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnStack {
    /// Worker processes that a stop would interrupt.
    pub workers: usize,
}
