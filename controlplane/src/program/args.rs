//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use stereospot_controlplane::{Policy, Retention};
use stereospot_domain::amount::{Age, Bytes};
use stereospot_domain::retention;

/// A purge can be undone for a day, and its entry in the action log names it.
const SHORTEST_LOG: Duration = Duration::from_secs(2 * 24 * 3600);

/// Takes in events, shows what goes on, repairs what is lost.
#[derive(Debug, Parser)]
#[command(
    name = "stereospot-controlplane",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

/// Commands other than serving.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look at an AWS deployment: what is there, what is missing, what is not allowed. Changes nothing. Exits with 0 when all is
    /// well, with 1 when something is missing or forbidden.
    Doctor(Doctor),
    /// Make what an AWS account needs for the pipeline, and print the `.env` that names it. Running it again changes nothing.
    ///
    /// Standard output holds the `.env` and nothing else, or with --json the plan. At list price, beside what is used: nine CloudWatch
    /// alarms, 0.90 USD a month, and while a control plane runs one metric for the last of them, 0.50 USD.
    Provision(Provision),
    /// Show what a deployment's SageMaker endpoint runs, or have it run another image or other variables. It goes on answering while it
    /// moves over. Exits with 0 when it is in service as asked, with 1 when it is not.
    Endpoint(Endpoint),
    /// Back up the embedded stack, while it runs or not, into a new or empty folder.
    ///
    /// Holds videos, results, jobs, messages and events, so keep it as private as the data directory. Without its backup.json it
    /// is not complete.
    Backup(Safekeeping),
    /// Restore a backup into an empty data directory. Every job that was under way is then completed by `stereospot up`.
    Restore(Safekeeping),
}

/// The arguments of `backup` and `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Safekeeping {
    /// The folder of the backup.
    pub(super) dir: PathBuf,
    /// The data directory.
    #[arg(long, env = "STEREOSPOT_DATA_DIR", default_value = "stereospot-data")]
    pub(super) data_dir: PathBuf,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// The arguments of serving.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Where queues, jobs and objects are.
    #[arg(long, value_enum, env = "STEREOSPOT_BACKEND", default_value = "local")]
    pub(super) backend: BackendKind,
    /// The deployment's `.env`, as Terraform or `provision` wrote it; needed with --backend aws. Credentials are found as every
    /// AWS tool finds them: keys, AWS_PROFILE, SSO, roles.
    #[arg(long, env = "STEREOSPOT_ENV_FILE", required_if_eq("backend", "aws"))]
    pub(super) env_file: Option<PathBuf>,
    /// Directory of the control-plane database and of the embedded backend.
    #[arg(long, env = "STEREOSPOT_DATA_DIR", required = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Where to listen; this machine's loopback only. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7847", value_parser = stereospot_domain::text::listen_address)]
    pub(super) listen: SocketAddr,
    /// The environment's name, shown on every screen [default: the deployment's name prefix, or `local`].
    #[arg(long)]
    pub(super) environment: Option<String>,
    /// Say on every screen that a mistake hurts here.
    #[arg(long)]
    pub(super) production: bool,
    /// Take no write and repair nothing.
    #[arg(long)]
    pub(super) read_only: bool,
    /// Repair lost jobs without being asked [default: on; with --backend aws off: a deployment is changed by its operator alone].
    #[arg(long, value_enum, env = "STEREOSPOT_RECONCILE", value_name = "on|off", hide_possible_values = true)]
    pub(super) reconcile: Option<Reconcile>,
    /// Most calls a minute that watching may make [default: 300 on AWS].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) poll_budget: Option<u32>,
    /// Read the workers' log lines every so many seconds, to show what workers do that send no events; 0: never. On
    /// CloudWatch each reading costs by the bytes read.
    #[arg(long, default_value_t = 0)]
    pub(super) watch_logs: u64,
    #[command(flatten)]
    pub(super) keep: Keep,
    /// MiB a second at which the results of completed jobs are compared with their checksums in the background; 0: never. With
    /// --backend aws only `stereospot jobs verify` does that.
    #[arg(long, env = "STEREOSPOT_VERIFY_RATE", value_name = "MIB", default_value_t = 4, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub(super) verify_rate: u64,
    /// Largest source that may be uploaded.
    #[arg(long, env = "STEREOSPOT_MAX_UPLOAD", value_name = "SIZE", default_value = "100G")]
    pub(super) max_upload: Bytes,
    /// Stop when standard input ends: the process that started this one is gone then.
    #[arg(long)]
    pub(super) stop_on_stdin_eof: bool,
}

/// What is deleted automatically, and when.
#[derive(Debug, clap::Args)]
pub(super) struct Keep {
    /// Delete an ended job's video, segments and result this long after its end, such as 30d [default: never].
    #[arg(long, value_name = "AGE")]
    keep_jobs: Option<Age>,
    /// Delete the oldest ended jobs' videos, segments and results while all objects take more than this, such as 200G [default: no
    /// limit].
    #[arg(long, value_name = "SIZE")]
    keep_size: Option<Bytes>,
    /// Forget a deleted job this long after it was last active.
    #[arg(long, value_name = "AGE", default_value = "90d")]
    keep_rows: Age,
    /// Keep events this long.
    #[arg(long, value_name = "AGE", default_value = "30d")]
    keep_events: Age,
    /// Keep at most so many events.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    keep_event_count: u64,
    /// Keep the action log this long.
    #[arg(long, value_name = "AGE", default_value = "365d")]
    keep_actions: Age,
}

impl Keep {
    /// The policy that these options ask for.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            jobs: retention::Keep { age: self.keep_jobs.map(|age| age.0), bytes: self.keep_size.map(|size| size.0) },
            rows: self.keep_rows.0,
            actions: self.keep_actions.0.max(SHORTEST_LOG),
            events: Retention { age: self.keep_events.0, rows: self.keep_event_count },
        }
    }
}

/// Where queues, jobs and objects are.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum BackendKind {
    /// SQLite and files on this machine.
    Local,
    /// SQS, DynamoDB and S3.
    Aws,
}

/// Whether lost jobs are repaired without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Reconcile {
    /// They are.
    On,
    /// They are shown; an operator repairs them by plans.
    Off,
}

/// The arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The deployment's `.env`.
    #[arg(long, env = "STEREOSPOT_ENV_FILE")]
    pub(super) env_file: PathBuf,
    /// Print everything found as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// The arguments of `provision`.
#[derive(Debug, clap::Args)]
pub(super) struct Provision {
    /// First part of every name that is made.
    #[arg(long, value_name = "P")]
    pub(super) name_prefix: String,
    /// The region to make it in [default: AWS_REGION, AWS_DEFAULT_REGION, the profile's].
    #[arg(long, value_name = "R", env = "AWS_REGION")]
    pub(super) region: Option<String>,
    /// Ask here instead of AWS: an emulator.
    #[arg(long, value_name = "U", env = "AWS_ENDPOINT_URL")]
    pub(super) endpoint_url: Option<String>,
    /// Also make, change or remove this, although something else made it or the deployment it belongs to; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) take: Vec<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the plan as JSON instead of the `.env`.
    #[arg(long)]
    pub(super) json: bool,
    /// Remove all of it, with what it holds. Asks for the name prefix to be typed.
    #[arg(long)]
    pub(super) destroy: bool,
    /// With --destroy: the name prefix, for scripts, instead of typing it.
    #[arg(long, value_name = "PREFIX", requires = "destroy")]
    pub(super) yes: Option<String>,
}

/// The arguments of `endpoint`.
#[derive(Debug, clap::Args)]
pub(super) struct Endpoint {
    /// The deployment's `.env`.
    #[arg(long, env = "STEREOSPOT_ENV_FILE")]
    pub(super) env_file: PathBuf,
    /// Run this image from now on.
    #[arg(long)]
    pub(super) image: Option<String>,
    /// Set a variable in the container, such as IW3_LOW_VRAM=1.
    #[arg(long, value_name = "KEY=VALUE", value_parser = variable)]
    pub(super) set: Vec<(String, String)>,
    /// Remove a variable from the container.
    #[arg(long, value_name = "KEY")]
    pub(super) unset: Vec<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Don't ask.
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// Print the plan, or how the endpoint stands, as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as IW3_LOW_VRAM=1".to_owned()),
    }
}
