//! The options of the embedded backend.

use std::sync::Arc;

use stereospot_ports::{Clock, SystemClock};

/// Options of the backend.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time for leases, delays and rows.
    pub clock: Arc<dyn Clock>,
    /// A message received this many times is dead-lettered by the next receive; at least 1.
    pub max_receives: u32,
    /// Largest size of the database in bytes; absent means no limit but the disk. Above it writes fail with
    /// [`stereospot_ports::ErrorCode::Full`].
    pub max_database_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), max_receives: 5, max_database_bytes: None }
    }
}
