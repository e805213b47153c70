//! What a child may use, and how its worker starts it.

use serde::{Deserialize, Serialize};

/// The subcommand that makes this program a child.
pub const SUBCOMMAND: &str = "sandboxed";

/// What a child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// None: as much as the system gives.
    pub memory_bytes: Option<u64>,
    pub open_files: u64,
    /// Between two packets or pictures, all threads together: a whole film may take hours.
    pub processor_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: Some(4 << 30), open_files: 128, processor_secs: 300 }
    }
}
