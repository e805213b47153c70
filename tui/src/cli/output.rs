//! Options shared by many commands: how to print results and how to confirm writes.

use clap::Args;

/// `--json`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print JSON: the control plane's own types
    #[arg(long, global = true)]
    pub json: bool,
}

/// How to confirm a write.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Write {
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
