//! Commands about the platform under the pipeline: `logs`, `services`.

use clap::{Args, Subcommand};

use super::output::{Json, Write};

/// `logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Logs {
    /// The job
    pub id: String,
    /// Go on searching, and print what is new, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// At most so many lines of one search
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print JSON: the control plane's own type; with --follow one object a line
    #[command(flatten)]
    pub json: Json,
}

/// `services`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Services {
    #[command(subcommand)]
    pub command: Option<ServicesCommand>,
    #[command(flatten)]
    pub json: Json,
}

/// `services …`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ServicesCommand {
    /// List services
    List(Json),
    /// Set how many tasks a service should have
    Scale {
        /// The service, as the list names it
        service: String,
        /// How many tasks it should have
        #[arg(value_name = "N")]
        desired: u32,
        #[command(flatten)]
        write: Write,
    },
}
