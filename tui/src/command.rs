//! Runs the command and turns its result into an exit code.
//!
//! Invariant: exit code 0 means done, 1 failed, 2 wrong usage. An error is one sentence on stderr that says what to do.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use stereospot_api::Client;

use crate::cli::{Cli, Command};

mod actions;
mod controlplane;
mod dashboard;
mod deployment;
mod down;
mod error;
mod events;
mod fetch;
mod job_id;
mod jobs;
mod logs;
mod patience;
mod print;
mod queues;
mod services;
mod session;
mod stack;
mod status;
mod submit;
mod target;
mod verify;
mod workers;
mod write;

use error::{Error, Result};

/// The whole program: command line in, exit code out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Error::Failed(format!("could not start: {error}"))),
    };
    let end = runtime.block_on(run(cli));
    // Don't wait for a blocking thread: it may still be reading a terminal or a file.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn report(error: &Error) -> ExitCode {
    if let Some(sentence) = error.sentence() {
        print::note(format!("stereospot: {sentence}"));
    }
    ExitCode::from(error.exit_code())
}

async fn run(cli: Cli) -> Result {
    let client =
        || -> Result<Client> { Ok(Client::new(&target::server(cli.server.as_deref(), cli.data_dir.as_deref())?)?) };
    match cli.command {
        None => dashboard::open(client()?, &cli.look).await,
        Some(Command::Up(options)) => stack::run(*options, cli.data_dir.as_deref(), &cli.look).await,
        Some(Command::Down) => down::run(cli.server.as_deref(), cli.data_dir.as_deref()).await,
        Some(Command::Doctor(options)) => controlplane::doctor(options),
        Some(Command::Provision(options)) => controlplane::provision(options),
        Some(Command::Endpoint(options)) => controlplane::endpoint(options),
        Some(Command::Backup(options)) => controlplane::safekeeping("backup", options, cli.data_dir.as_deref()),
        Some(Command::Restore(options)) => controlplane::safekeeping("restore", options, cli.data_dir.as_deref()),
        Some(Command::Submit(options)) => {
            let server = target::server_once_started(cli.server.as_deref(), cli.data_dir.as_deref()).await?;
            submit::run(&Client::new(&server)?, options).await
        }
        Some(Command::Status(json)) => status::run(&client()?, json).await,
        Some(Command::Jobs(options)) => jobs::run(&client()?, options).await,
        Some(Command::Queues(options)) => queues::run(&client()?, options).await,
        Some(Command::Workers(json)) => workers::run(&client()?, json).await,
        Some(Command::Logs(options)) => logs::run(&client()?, options).await,
        Some(Command::Services(options)) => services::run(&client()?, options).await,
        Some(Command::Deployment(json)) => deployment::run(&client()?, json).await,
        Some(Command::Events(options)) => events::run(&client()?, options).await,
        Some(Command::Actions(options)) => actions::run(&client()?, options).await,
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "stereospot", &mut script);
            print::bytes(&script)
        }
        Some(Command::Man { dir }) => man(dir),
    }
}

fn man(dir: Option<PathBuf>) -> Result {
    match dir {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Error::Print)?;
            print::bytes(&page)
        }
        Some(dir) => clap_mangen::generate_to(Cli::command(), &dir)
            .map_err(|error| Error::File(format!("could not write man pages into {}", dir.display()), error)),
    }
}
