//! Searches the log lines of local processes: the files `logs/*.log` of a data directory, and those that were put aside when they had
//! grown large, `logs/*.log.1` and so on.
//!
//! A line without a head (of a traceback, or printed by a library) belongs to the line before it.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use stereospot_ports::log_source::{Found, Line, LogSource, Progress, Search, line};
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::watch;

/// Number of lines between two checks whether the search was cancelled.
const LINES_AT_ONCE: u64 = 10_000;
/// Longer lines are truncated, so that a broken file does not fill the memory.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The log files of a data directory.
#[derive(Debug, Clone)]
pub struct LocalLogs {
    folder: PathBuf,
}

impl LocalLogs {
    /// The log files of `data_dir`. Each search looks for the files that exist by then.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("logs") }
    }
}

#[async_trait]
impl LogSource for LocalLogs {
    async fn lines(&self, search: &Search, progress: &watch::Sender<Progress>) -> Result<Found> {
        search.check()?;
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let reading = Reading {
            folder: self.folder.clone(),
            search: *search,
            progress: progress.clone(),
            is_unwanted: Arc::clone(&stop.0),
        };
        // Dropping this future drops `stop`, and the reading thread ends at its next check.
        tokio::task::spawn_blocking(move || reading.run())
            .await
            .map_err(|error| Error::with(ErrorCode::Internal, "reading the log files broke off", error))?
    }
}

/// Cancels the reading thread when dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Reading {
    folder: PathBuf,
    search: Search,
    progress: watch::Sender<Progress>,
    is_unwanted: Arc<AtomicBool>,
}

impl Reading {
    fn run(&self) -> Result<Found> {
        let files = self.files()?;
        let mut found = Found { searched: files.iter().map(|file| name(file)).collect(), ..Found::default() };
        for file in &files {
            if let Err(error) = self.read(file, &mut found) {
                found.missing.push(format!("{} can't be read: {error}", name(file)));
            }
            if self.is_unwanted.load(Ordering::Relaxed) {
                break;
            }
        }
        found.lines.sort_by_key(|line| line.time);
        found.is_whole = found.lines.len() <= self.search.limit;
        found.lines.truncate(self.search.limit);
        self.report(&found, true);
        Ok(found)
    }

    /// The log files in the order of their names, so that lines of the same time always come in the same order.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let missing = |error| {
            let message = format!("there are no log files in {}: did `stereospot up` run here?", self.folder.display());
            Error::with(ErrorCode::NotFound, message, error)
        };
        let entries = std::fs::read_dir(&self.folder).map_err(missing)?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| log_of(path).is_some() && path.is_file())
            .collect();
        if files.is_empty() {
            return Err(missing(std::io::ErrorKind::NotFound.into()));
        }
        // The highest number is the oldest.
        files.sort_by_key(|path| log_of(path).map(|(log, number)| (log, Reverse(number))));
        Ok(files)
    }

    fn read(&self, file: &Path, found: &mut Found) -> std::io::Result<()> {
        let mut reader = BufReader::new(File::open(file)?);
        let source = log_of(file).map_or_else(|| name(file), |(log, _)| log);
        let mut bytes = Vec::new();
        // Whether the last line with a head matched.
        let mut is_inside = false;
        // A process writes its lines in order of time, so matches of this file beyond the limit can't be among the oldest. One more
        // than the limit shows that there are more.
        let most = found.lines.len() + self.search.limit + 1;
        for number in 1_u64.. {
            bytes.clear();
            let count = reader.read_until(b'\n', &mut bytes)?;
            if count == 0 {
                break;
            }
            found.bytes_scanned += count as u64;
            if number.is_multiple_of(LINES_AT_ONCE) {
                self.report(found, false);
                if self.is_unwanted.load(Ordering::Relaxed) {
                    break;
                }
            }
            let kept = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
            let text = String::from_utf8_lossy(kept);
            let text = text.trim_end();
            match line::parse(text).time {
                Some(time) => {
                    if found.lines.len() >= most {
                        break;
                    }
                    is_inside = (self.search.from..=self.search.until).contains(&time) && self.search.wants(text);
                    if is_inside {
                        let (source, stream, text) = (source.clone(), String::new(), text.to_owned());
                        found.lines.push(Line { time, source, stream, text });
                    }
                }
                None if is_inside => {
                    if let Some(last) = found.lines.last_mut().filter(|last| last.text.len() < MAX_LINE_BYTES) {
                        last.text.push('\n');
                        last.text.push_str(text);
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn report(&self, found: &Found, is_done: bool) {
        self.progress.send_replace(Progress {
            searched: found.searched.clone(),
            lines_found: found.lines.len() as u64,
            bytes_scanned: found.bytes_scanned,
            is_done,
        });
    }
}

/// The name of the log to which a file belongs, and its age among that log's files: `("x.log", 2)` for `x.log.2`. None for other files.
fn log_of(file: &Path) -> Option<(String, u32)> {
    let name = file.file_name()?.to_str()?;
    match name.rsplit_once(".log") {
        Some((stem, "")) if !stem.is_empty() => Some((name.to_owned(), 0)),
        Some((stem, number)) => Some((format!("{stem}.log"), number.strip_prefix('.')?.parse().ok()?)),
        None => None,
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
