//! The command line: every subcommand, option and help text.
//!
//! Invariant: parsing touches nothing outside (no file, no network), so that help, completions and man page work anywhere.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use stereospot_domain::{Format, JobOptions, JobStatus, QueueName};
use uuid::Uuid;

use crate::dashboard::ThemeName;

/// Converts 2D video to stereo 3D, and lets its operator see and repair everything.
///
/// Without a command it opens the dashboard.
#[derive(Debug, Parser)]
#[command(
    name = "stereospot",
    version,
    after_help = "\
Examples:
  stereospot up                                     start the local stack and open the dashboard
  stereospot submit clip.mp4 --output clip-3d.mp4   convert a file and fetch the result
  stereospot jobs                                   list the jobs
  stereospot queues replay inference-dlq --dry-run  show what a replay would do

Exit codes: 0 done, 1 failed, 2 usage."
)]
pub struct Cli {
    /// The control plane's address [default: the running local stack's, else http://127.0.0.1:7847]
    #[arg(long, global = true, env = "STEREOSPOT_SERVER", value_name = "URL", value_hint = ValueHint::Url)]
    pub server: Option<String>,
    /// The local stack's data directory
    #[arg(long, global = true, env = "STEREOSPOT_DATA_DIR", value_name = "DIR", default_value = "./stereospot-data",
        value_hint = ValueHint::DirPath)]
    pub data_dir: PathBuf,
    /// How the dashboard looks.
    #[command(flatten)]
    pub look: Look,
    /// What to do; absent means the dashboard.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How the dashboard looks.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// The dashboard's colours: dark, light or colour-blind; NO_COLOR in the environment turns them off
    #[arg(long, value_name = "NAME", default_value = "dark")]
    pub theme: ThemeName,
    /// A file that changes the dashboard's keys [default: stereospot/keys.toml in the configuration folder, where it exists]
    #[arg(long, env = "STEREOSPOT_KEYS", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keys: Option<PathBuf>,
    /// Plain lines instead of screens, for screen readers
    #[arg(long)]
    pub linear: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the local stack: control plane and workers, with the dashboard
    #[command(after_help = "\
Examples:
  stereospot up
  stereospot up --headless --workers inference=4
  stereospot up --listen 127.0.0.1:0 --data-dir /srv/stereo

The stack stops, workers first, when the dashboard is closed or on Ctrl-C, SIGTERM or SIGHUP.")]
    Up(Up),
    /// Convert video files
    #[command(after_help = "\
Examples:
  stereospot submit clip.mp4
  stereospot submit clip.mp4 --mode anaglyph --output clip-3d.mp4
  stereospot submit *.mp4 --mode half-sbs --output results/
  stereospot submit clip.mp4 --wait --json

Without --wait it returns once the source is uploaded; the job goes on by itself. With --json, several files yield \
one object a line, in their order.")]
    Submit(Submit),
    /// Show what is wrong, the stages, and the numbers as a whole
    Status(Json),
    /// List jobs, look at one, repair one
    #[command(after_help = "\
Examples:
  stereospot jobs --status failed
  stereospot jobs show 7f3a
  stereospot jobs trigger 7f3a --dry-run
  stereospot jobs download 7f3a result.mp4

ID is a job's id or its beginning, at least 4 characters.")]
    Jobs(Jobs),
    /// List queues, look into one, replay or purge one
    #[command(after_help = "\
Examples:
  stereospot queues
  stereospot queues peek inference-dlq
  stereospot queues replay inference-dlq --dry-run
  stereospot queues purge chunking-dlq")]
    Queues(Queues),
    /// List the workers
    Workers(Json),
    /// List what was applied: who, when, what became of it
    Actions(Actions),
    /// Print a completion script
    #[command(
        after_help = "Example:  stereospot completions bash > ~/.local/share/bash-completion/completions/stereospot"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write one a command
    #[command(after_help = "Example:  stereospot man --dir ~/.local/share/man/man1")]
    Man {
        /// Write a page for each command into this folder, which must exist
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// `--json`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Json {
    /// Print JSON: the control plane's own types
    #[arg(long, global = true)]
    pub json: bool,
}

/// `up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// No dashboard: print a line when ready, and what happens, until stopped
    #[arg(long)]
    pub headless: bool,
    /// Where the control plane listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7847")]
    pub listen: std::net::SocketAddr,
    /// How many worker processes of each stage; a stage that isn't named keeps its default
    #[arg(long, value_name = "STAGE=N,…", default_value = "chunking=1,inference=2,reassembly=1")]
    pub workers: crate::up::Fleet,
    /// The depth model, an ONNX file [default: the one that is shipped]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub model: Option<PathBuf>,
    /// What runs the depth model: cpu, cuda or tensorrt; never falls back silently
    #[arg(long, value_name = "NAME", value_parser = ["cpu", "cuda", "tensorrt"])]
    pub provider: Option<String>,
    /// Wanted length of a segment in seconds
    #[arg(long, value_name = "N", value_parser = segment_secs)]
    pub segment_secs: Option<f64>,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}

/// Reads a segment's length by the same rule as a job's option.
fn segment_secs(text: &str) -> Result<f64, String> {
    let secs = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    let options = JobOptions { segment_secs: Some(secs), ..JobOptions::default() };
    options.check().map(|()| secs).map_err(|error| error.to_string())
}

/// `submit`.
#[derive(Debug, Clone, Args)]
pub struct Submit {
    /// Video files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// How the two eyes are packed: sbs, half-sbs, tb, half-tb, cross-eyed, anaglyph, anaglyph-color, anaglyph-half-color, anaglyph-gray
    #[arg(long, value_name = "MODE", default_value = "sbs")]
    pub mode: Format,
    /// What to call the job [default: the file's name]
    #[arg(long)]
    pub title: Option<String>,
    /// Total parallax range in per cent of the width, 0 to 10 [default: 2]
    #[arg(long, value_name = "PERCENT")]
    pub divergence: Option<f32>,
    /// The depth that lies on the screen, 0 far to 1 near [default: 0.5]
    #[arg(long, value_name = "DEPTH")]
    pub convergence: Option<f32>,
    /// Depth curve, -3 to 3 [default: 0]
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true)]
    pub foreground_scale: Option<f32>,
    /// Short side of the depth input in pixels [default: 392]
    #[arg(long, value_name = "PIXELS")]
    pub resolution: Option<u32>,
    /// Constant rate factor of the H.264 encoder, 0 to 51 [default: 20]
    #[arg(long)]
    pub crf: Option<u32>,
    /// Preset of the H.264 encoder, ultrafast to veryslow [default: medium]
    #[arg(long)]
    pub preset: Option<String>,
    /// Wanted length of a segment in seconds [default: the workers']
    #[arg(long, value_name = "N")]
    pub segment_secs: Option<f64>,
    /// Wait until the job ends, showing its progress
    #[arg(long)]
    pub wait: bool,
    /// Where to put the result, a file or (with several sources) a folder; implies --wait
    #[arg(long, short, value_name = "OUT", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Overwrite OUT
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Stop waiting after so many seconds; the job goes on
    #[arg(long, value_name = "SECS")]
    pub timeout: Option<u64>,
    /// Print one JSON object for each file at the end
    #[arg(long)]
    pub json: bool,
}

impl Submit {
    /// The job's options.
    #[must_use]
    pub fn options(&self) -> JobOptions {
        JobOptions {
            divergence: self.divergence,
            convergence: self.convergence,
            foreground_scale: self.foreground_scale,
            resolution: self.resolution,
            crf: self.crf,
            preset: self.preset.clone(),
            segment_secs: self.segment_secs,
            ..JobOptions::of(self.mode)
        }
    }
}

/// How a write is confirmed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Write {
    /// Only show the plan
    #[arg(long)]
    pub dry_run: bool,
    /// Apply without asking
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Print JSON: the plan with --dry-run, else what became of it
    #[command(flatten)]
    pub json: Json,
}

/// `jobs`.
#[derive(Debug, Clone, Args)]
pub struct Jobs {
    /// What to do; absent means `list`.
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
    /// As `list`.
    #[command(flatten)]
    pub list: JobsList,
}

/// `jobs list`.
#[derive(Debug, Clone, Args)]
pub struct JobsList {
    /// Only jobs with this status
    #[arg(long)]
    pub status: Option<JobStatus>,
    /// At most so many [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: Option<u32>,
    /// Go on where an earlier list ended: its `next`
    #[arg(long)]
    pub cursor: Option<String>,
    /// `--json`.
    #[command(flatten)]
    pub json: Json,
}

/// `jobs …`.
#[derive(Debug, Clone, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    List(JobsList),
    /// Show one job: its segments, its stages, what is wrong with it
    Show {
        /// The job
        id: String,
        /// `--json`.
        #[command(flatten)]
        json: Json,
    },
    /// Have a job's segments joined now
    Trigger {
        /// The job
        id: String,
        /// How it is confirmed.
        #[command(flatten)]
        write: Write,
    },
    /// Show a job's events, oldest first
    Events {
        /// The job
        id: String,
        /// At most so many, the newest
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// `--json`.
        #[command(flatten)]
        json: Json,
    },
    /// Carry out what a finding proposes
    Repair {
        /// The job
        id: String,
        /// The finding's code, as `jobs show` names it
        code: String,
        /// How it is confirmed.
        #[command(flatten)]
        write: Write,
    },
    /// Fetch a job's result
    Download {
        /// The job
        id: String,
        /// The file to write
        #[arg(value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// Overwrite OUT
        #[arg(long)]
        force: bool,
        /// `--json`.
        #[command(flatten)]
        json: Json,
    },
}

/// `queues`.
#[derive(Debug, Clone, Args)]
pub struct Queues {
    /// What to do; absent means `list`.
    #[command(subcommand)]
    pub command: Option<QueuesCommand>,
    /// `--json`.
    #[command(flatten)]
    pub json: Json,
}

/// `queues …`.
#[derive(Debug, Clone, Subcommand)]
pub enum QueuesCommand {
    /// List queues, each followed by its dead-letter queue
    List(Json),
    /// Show messages, oldest first, without touching them
    Peek {
        /// The queue, such as inference or inference-dlq
        queue: QueueName,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        max: u32,
        /// `--json`.
        #[command(flatten)]
        json: Json,
    },
    /// Send dead-lettered messages to their main queue again
    Replay {
        /// A dead-letter queue, such as inference-dlq
        queue: QueueName,
        /// Only this message; may be given several times
        #[arg(long = "id", value_name = "MESSAGE")]
        ids: Vec<String>,
        /// How it is confirmed.
        #[command(flatten)]
        write: Write,
    },
    /// Take every message off a queue; a copy is kept for `restore`
    Purge {
        /// The queue
        queue: QueueName,
        /// How it is confirmed.
        #[command(flatten)]
        write: Write,
    },
    /// Put back what a purge took away
    Restore {
        /// The purge's plan, as `actions` names it
        plan: Uuid,
        /// How it is confirmed.
        #[command(flatten)]
        write: Write,
    },
}

/// `actions`.
#[derive(Debug, Clone, Args)]
pub struct Actions {
    /// At most so many, newest first
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// `--json`.
    #[command(flatten)]
    pub json: Json,
}
