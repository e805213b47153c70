//! Shows the progress of an upload and of a job on stderr: a bar on a terminal, occasional lines elsewhere.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::print::{is_dumb, named, note};
use super::progress::Progress;
use crate::text::{shown, size};

/// The bar's length; its position is the share done.
const LENGTH: u64 = 1000;

/// Least time between two lines that only show progress.
const PAUSE: Duration = Duration::from_secs(5);

/// How far a job is.
#[derive(Debug)]
pub(super) enum Meter {
    Bar(ProgressBar),
    Lines {
        /// Each line's prefix.
        name: String,
        step: Option<(String, u32)>,
        last: Option<(Instant, String)>,
    },
}

impl Meter {
    /// A meter labelled `name`.
    pub(super) fn new(name: &str) -> Self {
        if has_cursor() {
            Meter::Bar(bar(LENGTH, name, "{prefix} {bar:28} {msg}"))
        } else {
            Meter::Lines { name: name.into(), step: None, last: None }
        }
    }

    /// Shows the job's state.
    pub(super) fn show(&mut self, progress: &Progress) {
        let text = progress.to_string();
        match self {
            Meter::Bar(bar) => {
                bar.set_position((f64::from(progress.share()) * LENGTH as f64) as u64);
                bar.set_message(shown(&text).into_owned());
            }
            Meter::Lines { name, step, last } => {
                let here = Some((progress.status.to_string(), progress.segments_done));
                let is_new = last.as_ref().is_none_or(|(at, shown)| at.elapsed() >= PAUSE && *shown != text);
                if *step != here || is_new {
                    note(format!("{name}  {text}"));
                    *step = here;
                    *last = Some((Instant::now(), text));
                }
            }
        }
    }

    /// Prints a message without disturbing the progress.
    pub(super) fn note(&self, text: &str) {
        match self {
            Meter::Bar(bar) => bar.println(shown(text)),
            Meter::Lines { name, .. } => note(format!("{name}  {text}")),
        }
    }
}

impl Drop for Meter {
    /// Removes the bar.
    fn drop(&mut self) {
        if let Meter::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// How far an upload is.
#[derive(Debug)]
pub(super) struct UploadMeter {
    bar: Option<ProgressBar>,
    name: String,
    sent: u64,
    bytes: u64,
    said_quarters: u64,
}

impl UploadMeter {
    /// A meter for a file of this size.
    pub(super) fn new(path: &Path, bytes: u64) -> Self {
        let name = named(path.file_name().map_or(path, Path::new));
        let is_terminal = has_cursor();
        let bar =
            is_terminal.then(|| bar(bytes, &name, "{prefix} {bar:28} uploading {bytes}/{total_bytes} {bytes_per_sec}"));
        Self { bar, name, sent: 0, bytes, said_quarters: 0 }
    }

    /// Counts sent bytes.
    pub(super) fn add(&mut self, bytes: u64) {
        self.sent += bytes;
        match &self.bar {
            Some(bar) => bar.set_position(self.sent),
            None => {
                let quarters = 4 * self.sent / self.bytes.max(1);
                if quarters > self.said_quarters {
                    self.said_quarters = quarters;
                    note(format!("{}  uploaded {} of {}", self.name, size(self.sent), size(self.bytes)));
                }
            }
        }
    }
}

impl Drop for UploadMeter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a bar can be redrawn in place on stderr.
fn has_cursor() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

fn bar(length: u64, name: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .expect("the templates above are well formed")
        .progress_chars("█▉▊▋▌▍▎▏ ");
    ProgressBar::new(length).with_style(style).with_prefix(name.to_owned())
}
