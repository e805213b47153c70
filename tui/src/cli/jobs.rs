//! `jobs`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use stereospot_domain::JobStatus;
use stereospot_domain::amount::{Age, Bytes};
use stereospot_domain::diagnosis::FindingCode;

use super::named;
use super::output::{Json, Write};

/// `jobs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Jobs {
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
    #[command(flatten)]
    pub list: JobsList,
}

/// `jobs list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobsList {
    /// Only jobs with this status
    #[arg(long, value_parser = named::statuses())]
    pub status: Option<JobStatus>,
    /// At most so many [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: Option<u32>,
    /// Go on where an earlier list ended: its `next`
    #[arg(long)]
    pub cursor: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

/// `jobs …`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, newest first
    List(JobsList),
    /// Show one job: its segments, its stages, what is wrong with it
    Show {
        /// The job
        id: String,
        #[command(flatten)]
        json: Json,
    },
    /// Have a job's segments joined now
    Trigger {
        /// The job
        id: String,
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
        #[command(flatten)]
        json: Json,
    },
    /// Read every object of a job, and compare it with the checksum that its writer recorded. Exits with 1 when one is missing or
    /// damaged
    Verify {
        /// The job
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All jobs that are not deleted, one after the other; with --json one line each
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Carry out what a finding proposes
    Repair {
        /// The job
        id: String,
        /// The finding's code, as `jobs show` names it
        #[arg(value_parser = named::findings(), hide_possible_values = true)]
        code: FindingCode,
        #[command(flatten)]
        write: Write,
    },
    /// Give a job up: set it to failed
    Fail {
        /// The job
        id: String,
        /// The reason, kept with the job
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Take its dead letters off their queues, too; copies are kept for a day
        #[arg(long)]
        discard: bool,
        #[command(flatten)]
        write: Write,
    },
    /// Delete what an ended job has: its video, segments, result and dead letters
    Delete {
        /// The job
        id: String,
        #[command(flatten)]
        write: Write,
    },
    /// Delete what the oldest ended jobs have, by age or by size
    #[command(group = ArgGroup::new("what").args(["older_than", "keep_size"]).required(true).multiple(true), after_help = "\
Examples:
  stereospot jobs prune --older-than 30d --dry-run
  stereospot jobs prune --keep-size 200G
  stereospot jobs prune --older-than 7d --keep-size 50G --yes")]
    Prune {
        /// Those that ended at least so long ago: 30d, 12h
        #[arg(long, value_name = "AGE")]
        older_than: Option<Age>,
        /// The oldest, until all videos, segments and results together take no more than this: 200G
        #[arg(long, value_name = "SIZE")]
        keep_size: Option<Bytes>,
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
        #[command(flatten)]
        json: Json,
    },
}
