//! The command line: every subcommand, option and help text.
//!
//! Invariant: parsing reads no file and no network, so help, completions and the man page work anywhere.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

mod deployment;
mod jobs;
mod named;
mod output;
mod queues;
mod stack;
mod submit;

pub(crate) use deployment::{Logs, Services, ServicesCommand};
pub(crate) use jobs::{Jobs, JobsCommand, JobsList};
pub(crate) use output::{Json, Write};
pub(crate) use queues::{Queues, QueuesCommand};
pub(crate) use stack::{BackendName, Doctor, Endpoint, Provision, Safekeeping, Up};
pub(crate) use submit::Submit;

use crate::dashboard::theme::ThemeName;

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
pub(crate) struct Cli {
    /// The control plane's address [default: that of the stack on the data directory; where there never was one, http://127.0.0.1:7847]
    #[arg(long, global = true, env = "STEREOSPOT_SERVER", value_name = "URL", value_hint = ValueHint::Url)]
    pub server: Option<String>,
    /// The stack's data directory [default: ./stereospot-data; of a deployment on AWS a folder of its own, such as ./prod-data]
    #[arg(long, global = true, env = "STEREOSPOT_DATA_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// How the dashboard looks.
    #[command(flatten)]
    pub look: Look,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Parses this process's command line; prints one sentence and exits with 2 when it is wrong. An environment variable set to
    /// an empty string counts as unset, because shells and service files unset variables that way. `--data-dir` on the command
    /// line overrides a server from the environment: what was typed wins.
    pub(crate) fn read() -> Self {
        let mut matches = without_empty_variables(Self::command()).get_matches();
        let is_typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let is_by_data_dir = is_typed("data_dir") && !is_typed("server");
        let mut cli =
            Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut Self::command()).exit());
        if is_by_data_dir {
            cli.server = None;
        }
        cli
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    let args = command.mut_args(|arg| {
        if arg.get_env().is_some_and(is_empty) { arg.env(clap::builder::Resettable::Reset) } else { arg }
    });
    args.mut_subcommands(without_empty_variables)
}

/// How the dashboard looks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Look {
    /// The dashboard's colours: dark, light or colour-blind; NO_COLOR in the environment turns them off
    #[arg(long, value_name = "NAME", default_value = "dark", value_parser = named::themes(), hide_possible_values = true)]
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
pub(crate) enum Command {
    /// Start a control plane and workers, with the dashboard
    #[command(after_help = "\
Examples:
  stereospot up
  stereospot up --headless --workers inference=4
  stereospot up --listen 127.0.0.1:0 --data-dir /srv/stereo
  stereospot up --backend aws --env-file prod.env
  stereospot up --backend aws --env-file dev.env --workers inference=1

With --backend aws no worker is started unless --workers names some: the control plane watches a deployment that has its own.
The stack stops, workers first, on Ctrl-C, SIGTERM or SIGHUP. Leaving the dashboard asks whether to stop the stack or to leave \
it running; `stereospot down` stops it later.")]
    Up(Box<Up>),
    /// Stop the stack that runs on the data directory, workers first
    #[command(after_help = "\
Examples:
  stereospot down
  stereospot down --data-dir /srv/stereo

Unfinished jobs go on with the next `stereospot up`. Exit codes: 0 no stack runs there any more, 1 it did not stop.")]
    Down,
    /// Check whether a deployment on AWS is as it must be, and what may be done there
    #[command(after_help = "\
Examples:
  stereospot doctor --env-file prod.env
  stereospot doctor --env-file prod.env --json

It only reads: queues, tables, buckets, log groups, services, and the permissions to use them.
Exit codes: 0 all is well, 1 something is missing or forbidden.")]
    Doctor(Doctor),
    /// Make, or take away, what the pipeline needs on AWS, and print its env file
    #[command(after_help = "\
Examples:
  stereospot provision --name-prefix stereo-dev --region eu-west-1 --dry-run
  stereospot provision --name-prefix stereo-dev --region eu-west-1 > dev.env
  stereospot provision --name-prefix stereo-dev --region eu-west-1 --destroy

What exists already is left as it is, unless it must be otherwise to work: --dry-run says so. Standard output holds the env \
file and nothing else, or with --json the plan.")]
    Provision(Provision),
    /// Show what a deployment's SageMaker endpoint runs, or have it run another image or other variables
    #[command(after_help = "\
Examples:
  stereospot endpoint --env-file prod.env
  stereospot endpoint --env-file prod.env --set IW3_LOW_VRAM=1 --dry-run
  stereospot endpoint --env-file prod.env --image 1234.dkr.ecr.eu-west-1.amazonaws.com/inference:v7

The endpoint goes on answering while it moves over, which takes minutes; the old configuration stays, to go back to.
Exit codes: 0 it is in service as asked, 1 it is not.")]
    Endpoint(Endpoint),
    /// Back up the stack of this machine, while it runs or not
    #[command(after_help = "\
Examples:
  stereospot backup /mnt/backup/monday
  stereospot --data-dir /srv/stereospot backup /mnt/backup/monday

DIR must be empty or not exist. A backup without backup.json is not complete. It holds videos and results: keep it private.")]
    Backup(Safekeeping),
    /// Restore a backup into an empty data directory
    #[command(after_help = "\
Example:  stereospot --data-dir /srv/restored restore /mnt/backup/monday

Every file is compared with its checksum. Then `stereospot up` completes every job that was under way.")]
    Restore(Safekeeping),
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
  stereospot queues purge chunking-dlq --id 0198e4a2-7d10-7c3b-9f52-1b6c0d3e4f5a --dry-run
  stereospot queues purge chunking-dlq")]
    Queues(Queues),
    /// List the workers
    Workers(Json),
    /// Search the log lines of a job, wherever its workers write them
    #[command(after_help = "\
Examples:
  stereospot logs 7f3a
  stereospot logs 7f3a --follow
  stereospot logs 7f3a --limit 10000 --json > job.json

ID is a job's id or its beginning, at least 4 characters. On AWS a search may take half a minute and is paid for by the \
bytes it scans; Ctrl-C stops it.")]
    Logs(Logs),
    /// List the services whose tasks do the work, or set how many tasks one should have
    #[command(after_help = "\
Examples:
  stereospot services
  stereospot services scale video-worker 2 --dry-run
  stereospot services scale video-worker 0 --yes")]
    Services(Services),
    /// Show what was found of the deployment, what is missing, and what watching it costs
    Deployment(Json),
    /// List what happened last, of all jobs and workers, oldest first
    Events(Events),
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

/// `events`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Events {
    /// At most so many, the newest
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub json: Json,
}

/// `actions`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Actions {
    /// At most so many, newest first
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    #[command(flatten)]
    pub json: Json,
}
