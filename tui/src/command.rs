//! Runs what the command line asks for, and turns how it ended into an exit code.
//!
//! Invariant: 0 done, 1 failed, 2 usage; what went wrong is one sentence on stderr that says what to do.

use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::CommandFactory;
use stereospot_api::{Client, client};
use stereospot_domain::Timestamp;

use crate::cli::{Cli, Command, Look};
use crate::{dashboard, up};

pub mod job_id;
pub(crate) mod patience;
pub mod print;
pub mod target;

mod actions;
mod controlplane;
mod deployment;
mod events;
mod fetch;
mod jobs;
mod logs;
mod queues;
mod services;
mod stack;
mod status;
mod submit;
mod workers;
mod write;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was asked wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// A call of the control plane failed.
    #[error(transparent)]
    Api(#[from] client::Error),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String, #[source] io::Error),
    /// The local stack could not be started or kept up.
    #[error(transparent)]
    Up(#[from] up::Error),
    /// The dashboard could not be shown.
    #[error(transparent)]
    Dashboard(#[from] anyhow::Error),
    /// Printing failed.
    #[error("could not print")]
    Print(#[source] io::Error),
}

impl Error {
    /// 1 or 2; 0 when only the reader of the output went away.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Api(client::Error::Address(_)) => 2,
            Error::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// The sentence, with the innermost cause after a colon where it adds something; none when there is nothing to say.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        if self.exit_code() == 0 {
            return None;
        }
        let sentence = self.to_string();
        let mut innermost: &dyn std::error::Error = self;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let cause = innermost.to_string();
        Some(if sentence.contains(&cause) { sentence } else { format!("{sentence}: {cause}") })
    }
}

/// A command's end.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Error::Failed(format!("could not start: {error}"))),
    };
    let end = runtime.block_on(run(cli));
    // Reading a terminal or a file may hold a blocking thread: nobody waits for it.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// What `work` yields, or a failure with this sentence when Ctrl-C comes first; the work is dropped then, and cleans up.
///
/// # Errors
/// The work's, or [`Error::Failed`].
pub async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>, sentence: &str) -> Result<T> {
    tokio::select! {
        // In this order: from the work's first line on, Ctrl-C is heard.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::Failed(sentence.into())),
        end = work => end,
    }
}

/// This machine's time.
#[must_use]
pub fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
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
        None => open_dashboard(client()?, &cli.look).await,
        Some(Command::Up(options)) => stack::run(options, cli.data_dir.as_deref(), &cli.look).await,
        Some(Command::Doctor(options)) => controlplane::doctor(options),
        Some(Command::Provision(options)) => controlplane::provision(options),
        Some(Command::Endpoint(options)) => controlplane::endpoint(options),
        Some(Command::Submit(options)) => submit::run(&client()?, options).await,
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

async fn open_dashboard(client: Client, look: &Look) -> Result {
    if !look.linear && !is_at_terminal() {
        let sentence =
            "the dashboard needs a terminal: `stereospot status` prints the same once, --linear as it happens";
        return Err(Error::Usage(sentence.into()));
    }
    show_dashboard(client, look).await
}

/// Opens the dashboard; returns when it is closed.
async fn show_dashboard(client: Client, look: &Look) -> Result {
    let options = dashboard::Options {
        client,
        theme: look.theme,
        no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        who: who(),
        keys: look.keys.clone().or_else(usual_keys),
        is_linear: look.linear,
    };
    Ok(dashboard::run(options).await?)
}

fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The person at this machine, for the action log; `operator` where nobody says who that is.
fn who() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "operator".into())
}

/// The key file where people keep such files, if there is one.
fn usual_keys() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("stereospot").join("keys.toml")).filter(|path| path.is_file())
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
