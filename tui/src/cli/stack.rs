//! `up`, and the commands that the control plane's program runs against a deployment on AWS.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use stereospot_domain::JobOptions;
use stereospot_domain::amount::{Age, Bytes};
use stereospot_domain::memory::{Memory, NotAnAmount};

/// Where the pipeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BackendName {
    /// On this machine: one SQLite file and a folder
    #[default]
    Local,
    /// On AWS, as the env file says
    Aws,
}

/// `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Where the pipeline runs: local, on this machine; aws, as the env file says
    #[arg(long, env = "STEREOSPOT_BACKEND", value_name = "NAME", default_value = "local", hide_possible_values = true)]
    pub backend: BackendName,
    /// The deployment's settings, for --backend aws: a `.env` as `stereospot provision` or Terraform writes it
    /// [env: STEREOSPOT_ENV_FILE]
    // clap doesn't read the variable: with another backend the option is an error, the variable is not.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,
    /// No dashboard: print a line when ready, and what happens, until stopped
    #[arg(long)]
    pub headless: bool,
    /// Used by `up` itself: runs the stack under a dashboard of another process
    #[arg(long, hide = true, conflicts_with = "headless")]
    pub attached: bool,
    /// Where the control plane listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7847", value_parser = stereospot_domain::text::listen_address)]
    pub listen: std::net::SocketAddr,
    #[command(flatten)]
    pub watch: Watch,
    /// How many worker processes of each stage, or `none`; a stage that isn't named keeps its default
    /// [default: chunking=1,inference=2,reassembly=1; on aws: none]
    #[arg(long, value_name = "STAGE=N,…")]
    pub workers: Option<crate::up::Wanted>,
    /// The depth model, an ONNX file [default: the one that is shipped]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub model: Option<PathBuf>,
    /// What runs the depth model: cpu, cuda or tensorrt; never falls back silently
    #[arg(long, value_name = "NAME", value_parser = ["cpu", "cuda", "tensorrt"])]
    pub provider: Option<String>,
    /// Wanted length of a segment in seconds
    #[arg(long, value_name = "N", value_parser = segment_secs)]
    pub segment_secs: Option<f64>,
    /// Keep the log of each process this long [default: 30d]
    #[arg(long, value_name = "AGE", help_heading = "What is kept")]
    pub keep_logs: Option<Age>,
    /// Keep at most so much of the log of each process [default: 50M]
    #[arg(long, value_name = "SIZE", help_heading = "What is kept")]
    pub keep_log_size: Option<Bytes>,
    #[command(flatten)]
    pub bounds: Bounds,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}

/// What the workers of a stack may use, and the largest sources; passed on to them.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Bounds {
    /// Memory that all workers together may use, such as 8G [default: 80 % of this machine's, or of its cgroup's limit]
    #[arg(long, env = "STEREOSPOT_MEMORY", value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Most pixels in a picture [default: 67108864, which is 8192x8192]
    #[arg(long, env = "STEREOSPOT_MAX_PIXELS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pixels: Option<u64>,
    /// Most frames of a video [default: 2000000]
    #[arg(long, env = "STEREOSPOT_MAX_FRAMES", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_frames: Option<u64>,
    /// Longest video, in seconds [default: 86400]
    #[arg(long, env = "STEREOSPOT_MAX_DURATION", value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_duration: Option<u64>,
    /// Most tracks of a source, of all kinds [default: 100]
    #[arg(long, env = "STEREOSPOT_MAX_TRACKS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tracks: Option<u64>,
    /// Most chapters of a source [default: 1000]
    #[arg(long, env = "STEREOSPOT_MAX_CHAPTERS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_chapters: Option<u64>,
}

impl Bounds {
    /// The arguments for each of so many workers.
    ///
    /// # Errors
    /// If their share of the memory is too little to start with.
    pub(crate) fn args(&self, workers: u32) -> Result<Vec<OsString>, NotAnAmount> {
        let limits = [
            ("--max-pixels", self.max_pixels),
            ("--max-frames", self.max_frames),
            ("--max-duration", self.max_duration),
            ("--max-tracks", self.max_tracks),
            ("--max-chapters", self.max_chapters),
        ];
        let memory = self.memory.unwrap_or(Memory::Part(1)).divided_by(workers)?;
        let mut args: Vec<OsString> = vec!["--memory".into(), memory.to_string().into()];
        let given = limits.into_iter().filter_map(|(name, value)| Some([name.into(), value?.to_string().into()]));
        args.extend(given.flatten());
        Ok(args)
    }
}

/// How the control plane of a stack watches; passed on to it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Watch {
    /// The environment's name, shown on every screen [default: the deployment's name prefix, or `local`]
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Say on every screen that a mistake hurts here
    #[arg(long)]
    pub production: bool,
    /// Take no write and repair nothing
    #[arg(long)]
    pub read_only: bool,
    /// Repair lost jobs without being asked [default: on; on aws only where workers of all stages are started here]
    #[arg(long, value_name = "on|off", env = "STEREOSPOT_RECONCILE", value_parser = ["on", "off"], hide_possible_values = true)]
    pub reconcile: Option<String>,
    /// Most calls a minute that watching a deployment may make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub poll_budget: Option<u32>,
    /// Read the workers' log lines every so many seconds, to follow workers that send no events; AWS bills each byte read
    #[arg(long, value_name = "SECS")]
    pub watch_logs: Option<u64>,
    /// Largest source that may be uploaded [default: 100G]
    #[arg(long, env = "STEREOSPOT_MAX_UPLOAD", value_name = "SIZE")]
    pub max_upload: Option<Bytes>,
    #[command(flatten)]
    pub keep: Keep,
}

/// What the control plane deletes automatically; passed on to it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is kept")]
pub(crate) struct Keep {
    /// Delete an ended job's video, segments and result this long after its end, such as 30d [default: never]
    #[arg(long, value_name = "AGE")]
    keep_jobs: Option<Age>,
    /// Delete those of the oldest ended jobs while all of them take more than this, such as 200G [default: no limit]
    #[arg(long, value_name = "SIZE")]
    keep_size: Option<Bytes>,
    /// Forget a deleted job this long after it was last active [default: 90d]
    #[arg(long, value_name = "AGE")]
    keep_rows: Option<Age>,
    /// Keep events this long [default: 30d]
    #[arg(long, value_name = "AGE")]
    keep_events: Option<Age>,
    /// Keep at most so many events [default: 10000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..))]
    keep_event_count: Option<u64>,
    /// Keep the action log this long [default: 365d]
    #[arg(long, value_name = "AGE")]
    keep_actions: Option<Age>,
}

impl Keep {
    fn args(&self) -> Vec<OsString> {
        let age = |age: Option<Age>| age.map(|age| age.to_string());
        let given = [
            ("--keep-jobs", age(self.keep_jobs)),
            ("--keep-size", self.keep_size.map(|size| size.to_string())),
            ("--keep-rows", age(self.keep_rows)),
            ("--keep-events", age(self.keep_events)),
            ("--keep-event-count", self.keep_event_count.map(|count| count.to_string())),
            ("--keep-actions", age(self.keep_actions)),
        ];
        given.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()])).flatten().collect()
    }
}

impl Watch {
    /// The arguments for the control plane's program.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let number = |name: &str, value: Option<u64>| value.map(|value| [name.into(), value.to_string().into()]);
        let mut args: Vec<OsString> = Vec::new();
        args.extend(self.environment.iter().flat_map(|name| ["--environment".into(), name.into()]));
        args.extend(self.production.then(|| "--production".into()));
        args.extend(self.read_only.then(|| "--read-only".into()));
        args.extend(self.reconcile.iter().flat_map(|wanted| ["--reconcile".into(), wanted.into()]));
        args.extend(number("--poll-budget", self.poll_budget.map(u64::from)).into_iter().flatten());
        args.extend(self.max_upload.iter().flat_map(|most| ["--max-upload".into(), most.to_string().into()]));
        args.extend(number("--watch-logs", self.watch_logs).into_iter().flatten());
        args.extend(self.keep.args());
        args
    }
}

/// Parses a segment length by the same rule as a job's option.
fn segment_secs(text: &str) -> Result<f64, String> {
    let secs = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    let options = JobOptions { segment_secs: Some(secs), ..JobOptions::default() };
    options.check().map(|()| secs).map_err(|error| error.to_string())
}

/// `doctor`: run by the control plane's program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Doctor {
    /// The deployment's settings: a `.env` as `stereospot provision` or Terraform writes it
    #[arg(long, env = "STEREOSPOT_ENV_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}

/// `backup` and `restore`: run by the control plane's program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Safekeeping {
    /// The folder of the backup
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}

/// `provision`: run by the control plane's program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Provision {
    /// First part of every resource's name
    #[arg(long, value_name = "PREFIX")]
    pub name_prefix: String,
    /// The region to make it in [default: AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long)]
    pub region: Option<String>,
    /// Ask here instead of AWS: an emulator
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint_url: Option<String>,
    /// Also make, change or remove this, although something else made it; may be repeated
    #[arg(long, value_name = "NAME")]
    pub take: Vec<String>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Take all of it away, with what it holds; asks for the name prefix to be typed
    #[arg(long)]
    pub destroy: bool,
    /// With --destroy: the name prefix, for scripts, instead of typing it
    #[arg(long, value_name = "PREFIX", requires = "destroy")]
    pub yes: Option<String>,
    /// Print the plan as JSON instead of the env file
    #[arg(long)]
    pub json: bool,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}

/// `endpoint`: run by the control plane's program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Endpoint {
    /// The deployment's settings: a `.env` as `stereospot provision` or Terraform writes it
    #[arg(long, env = "STEREOSPOT_ENV_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: PathBuf,
    /// Run this image from now on
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Set a variable in the container, such as IW3_LOW_VRAM=1; more than once for more
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Remove a variable from the container; more than once for more
    #[arg(long, value_name = "KEY")]
    pub unset: Vec<String>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Don't ask
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the stack's programs lie; otherwise beside this one, else on PATH
    #[arg(long, value_name = "DIR", hide = true)]
    pub bin_dir: Option<PathBuf>,
}
