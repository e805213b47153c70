//! Shows how far an upload and a job are: a bar on a terminal, now and then a line elsewhere. Always on stderr.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::print::{named, note};
use super::progress::Progress;
use crate::text::size;

/// The bar's length; its position is the share that is done.
const LENGTH: u64 = 1000;

/// Soonest after a line that another one tells of progress alone.
const PAUSE: Duration = Duration::from_secs(5);

/// How far a job is.
#[derive(Debug)]
pub(super) enum Meter {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere.
    Lines {
        /// What each line begins with.
        name: String,
        /// The step that was told last.
        step: Option<(String, u32)>,
        /// The last line.
        told: Option<(Instant, String)>,
    },
}

impl Meter {
    /// A meter for what `name` names.
    pub(super) fn new(name: &str) -> Self {
        if io::stderr().is_terminal() {
            Meter::Bar(bar(LENGTH, name, "{prefix} {bar:28} {msg}"))
        } else {
            Meter::Lines { name: name.into(), step: None, told: None }
        }
    }

    /// Shows where the job stands.
    pub(super) fn show(&mut self, progress: &Progress) {
        let text = progress.to_string();
        match self {
            Meter::Bar(bar) => {
                bar.set_position((f64::from(progress.share()) * LENGTH as f64) as u64);
                bar.set_message(text);
            }
            Meter::Lines { name, step, told } => {
                let here = Some((progress.status.to_string(), progress.segments_done));
                let is_new = told.as_ref().is_none_or(|(at, last)| at.elapsed() >= PAUSE && *last != text);
                if *step != here || is_new {
                    note(format!("{name}  {text}"));
                    *step = here;
                    *told = Some((Instant::now(), text));
                }
            }
        }
    }

    /// Says something beside the progress.
    pub(super) fn note(&self, text: &str) {
        match self {
            Meter::Bar(bar) => bar.println(text),
            Meter::Lines { name, .. } => note(format!("{name}  {text}")),
        }
    }
}

impl Drop for Meter {
    /// Takes the bar off the screen.
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
    told_quarters: u64,
}

impl UploadMeter {
    /// A meter of a file of so many bytes.
    pub(super) fn new(path: &Path, bytes: u64) -> Self {
        let name = named(path.file_name().map_or(path, Path::new));
        let is_terminal = io::stderr().is_terminal();
        let bar =
            is_terminal.then(|| bar(bytes, &name, "{prefix} {bar:28} uploading {bytes}/{total_bytes} {bytes_per_sec}"));
        Self { bar, name, sent: 0, bytes, told_quarters: 0 }
    }

    /// So many more bytes are on their way.
    pub(super) fn add(&mut self, bytes: u64) {
        self.sent += bytes;
        match &self.bar {
            Some(bar) => bar.set_position(self.sent),
            None => {
                let quarters = 4 * self.sent / self.bytes.max(1);
                if quarters > self.told_quarters {
                    self.told_quarters = quarters;
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

fn bar(length: u64, name: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .expect("the templates above are well formed")
        .progress_chars("█▉▊▋▌▍▎▏ ");
    ProgressBar::new(length).with_style(style).with_prefix(name.to_owned())
}
