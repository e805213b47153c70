//! Log lines in memory, for tests.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Found, Line, LogSource, Progress, Search};
use crate::error::Result;

/// Log lines in memory.
#[derive(Debug, Default)]
pub struct MemoryLogs {
    lines: Mutex<Vec<Line>>,
}

impl MemoryLogs {
    /// Adds a line.
    pub fn push(&self, line: Line) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

#[async_trait]
impl LogSource for MemoryLogs {
    async fn lines(&self, search: &Search, progress: &watch::Sender<Progress>) -> Result<Found> {
        search.check()?;
        let all = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bytes_scanned = all.iter().map(|line| line.text.len() as u64).sum();
        let mut lines: Vec<Line> = all
            .into_iter()
            .filter(|line| (search.from..=search.until).contains(&line.time) && search.wants(&line.text))
            .collect();
        lines.sort_by_key(|line| line.time);
        let is_whole = lines.len() <= search.limit;
        lines.truncate(search.limit);
        let searched = vec!["memory".to_owned()];
        let lines_found = lines.len() as u64;
        progress.send_replace(Progress { searched: searched.clone(), lines_found, bytes_scanned, is_done: true });
        Ok(Found { lines, is_whole, searched, missing: Vec::new(), bytes_scanned })
    }
}
