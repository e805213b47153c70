//! The process around the control plane: its arguments, its backend, its other commands.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use stereospot_controlplane::{Config, Platform, Server};
use stereospot_local::logs::LocalLogs;
use stereospot_local::{LocalBackend, SteadyClock};
use stereospot_telemetry::{Process, Recorder};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

mod args;
#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "program/without_aws.rs"]
mod aws;
mod output;
mod safekeeping;

use args::{Args, BackendKind, Command, Reconcile, Serve};
use output::OneLine;

/// Runs the command, and returns the exit code.
pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        None => run(args.serve).map(|()| true),
        Some(Command::Doctor(args)) => runtime().and_then(|runtime| runtime.block_on(aws::doctor(&args))),
        Some(Command::Provision(args)) => runtime().and_then(|runtime| runtime.block_on(aws::provision(&args))),
        Some(Command::Endpoint(args)) => runtime().and_then(|runtime| runtime.block_on(aws::endpoint(&args))),
        Some(Command::Backup(args)) => runtime().and_then(|runtime| runtime.block_on(safekeeping::back_up(&args))),
        Some(Command::Restore(args)) => safekeeping::restore(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        // The command has printed what is wrong.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stereospot-controlplane: {}", OneLine(&error));
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")
}

fn run(serve: Serve) -> anyhow::Result<()> {
    stereospot_telemetry::init_logging("controlplane")?;
    let recorder = stereospot_telemetry::install(Process::ControlPlane)?;
    let runtime = runtime()?;
    let served = runtime.block_on(self::serve(serve, recorder));
    // A thread that still waits for standard input must not keep the process alive.
    runtime.shutdown_background();
    served
}

async fn serve(args: Serve, recorder: Recorder) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for signals")?;
    let data_dir = args.data_dir.clone().context("--data-dir is missing")?;
    stereospot_local::keep_private(&data_dir);
    let platform = match args.backend {
        BackendKind::Local => {
            let clock = std::sync::Arc::new(SteadyClock::of(&data_dir));
            let options = stereospot_local::Options { clock, ..stereospot_local::Options::default() };
            let backend = LocalBackend::open(&data_dir, options).await?;
            Platform { logs: Some(std::sync::Arc::new(LocalLogs::of(&data_dir))), ..Platform::from(backend) }
        }
        BackendKind::Aws => {
            let env_file = args.env_file.as_deref().context("--env-file is missing")?;
            // Connecting may take long when AWS does not answer; a signal ends it.
            tokio::select! {
                opened = aws::open(env_file, &data_dir) => opened?,
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            }
        }
    };
    let mut config = Config::new(data_dir, args.listen);
    config.environment = args.environment.unwrap_or_else(|| named(&platform));
    config.is_production = args.production;
    config.is_read_only = args.read_only;
    config.repairs_by_itself = match args.reconcile {
        Some(wanted) => wanted == Reconcile::On,
        None => matches!(args.backend, BackendKind::Local),
    };
    let repairs = match (config.is_read_only, config.repairs_by_itself) {
        (true, _) => "nothing is written (--read-only)",
        (false, true) => "lost jobs are repaired without asking (--reconcile on)",
        (false, false) => "lost jobs are shown, and repaired by an operator's plan only (--reconcile off)",
    };
    config.retention = args.keep.policy();
    config.max_upload = args.max_upload;
    config.poll_budget_per_minute = args.poll_budget;
    config.verify_bytes_per_sec = args.verify_rate * 1024 * 1024;
    config.watch_logs = std::time::Duration::from_secs(args.watch_logs);
    let mut server = Server::start(platform, config, Some(recorder)).await?;
    tracing::info!("{repairs}");
    tracing::info!("control plane {} listens on {}", stereospot_controlplane::VERSION, server.url());
    let why = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = stdin_ended(), if args.stop_on_stdin_eof => "end of standard input",
        () = server.broke_off() => {
            anyhow::bail!("internal error: a part of it broke off (the log has the line with `panicked at`); start it again")
        }
    };
    tracing::info!("stopping: {why}");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// The default name of the environment: the deployment's, or else the backend's.
fn named(platform: &Platform) -> String {
    platform.facts.prefix.clone().unwrap_or_else(|| platform.backend.kind.as_str().into())
}

/// Resolves when standard input ends. What it holds is ignored.
async fn stdin_ended() {
    let (ended, is_ended) = tokio::sync::oneshot::channel();
    // In a thread of its own, because reading standard input can't be cancelled.
    std::thread::spawn(move || {
        let mut passed_over = [0_u8; 256];
        while std::io::stdin().read(&mut passed_over).is_ok_and(|bytes| bytes > 0) {}
        // If a signal came first, no one receives this.
        let _ = ended.send(());
    });
    drop(is_ended.await);
}
