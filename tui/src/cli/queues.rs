//! `queues`.

use clap::{Args, Subcommand};
use stereospot_domain::QueueName;
use uuid::Uuid;

use super::named;
use super::output::{Json, Write};

/// `queues`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Queues {
    #[command(subcommand)]
    pub command: Option<QueuesCommand>,
    #[command(flatten)]
    pub json: Json,
}

/// `queues …`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum QueuesCommand {
    /// List queues, each followed by its dead-letter queue
    List(Json),
    /// Show messages, oldest first; on SQS this hides them for seconds and raises their receive count
    Peek {
        /// The queue
        #[arg(value_parser = named::queues())]
        queue: QueueName,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        max: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Send dead-lettered messages to their main queue again
    Replay {
        /// A dead-letter queue
        #[arg(value_parser = named::dead_letter_queues())]
        queue: QueueName,
        /// Only this message; may be given several times
        #[arg(long = "id", value_name = "MESSAGE")]
        ids: Vec<String>,
        #[command(flatten)]
        write: Write,
    },
    /// Stop the platform's own move of a long dead-letter queue, which a replay started; what was moved stays moved
    StopMove {
        /// The dead-letter queue
        #[arg(value_parser = named::dead_letter_queues())]
        queue: QueueName,
        #[command(flatten)]
        write: Write,
    },
    /// Take messages off a queue, all or only some; copies are kept for `restore`
    Purge {
        /// The queue
        #[arg(value_parser = named::queues())]
        queue: QueueName,
        /// Only this message; may be given several times
        #[arg(long = "id", value_name = "MESSAGE")]
        ids: Vec<String>,
        #[command(flatten)]
        write: Write,
    },
    /// Put back what a purge took away
    Restore {
        /// The purge's plan, as `actions` names it
        plan: Uuid,
        #[command(flatten)]
        write: Write,
    },
}
