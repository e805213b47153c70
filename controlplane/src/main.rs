//! `stereospot-controlplane`: the control plane as a process.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use stereospot_controlplane::{Config, Server};
use stereospot_local::LocalBackend;
use stereospot_telemetry::Process;
use tokio::signal::unix::{SignalKind, signal};

/// Takes in events, shows what goes on, repairs what is lost.
#[derive(Debug, Parser)]
#[command(name = "stereospot-controlplane", version)]
struct Args {
    /// Where queues, jobs and objects are.
    #[arg(long, value_enum, default_value = "local")]
    backend: BackendKind,
    /// Directory of the embedded backend and of the control plane's own database.
    #[arg(long, env = "STEREOSPOT_DATA_DIR")]
    data_dir: PathBuf,
    /// Where to listen; this machine's loopback only. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7847")]
    listen: SocketAddr,
    /// The environment's name, shown on every screen.
    #[arg(long, default_value = "local")]
    environment: String,
    /// Say on every screen that a mistake hurts here.
    #[arg(long)]
    production: bool,
    /// Take no write and repair nothing.
    #[arg(long)]
    read_only: bool,
    /// Days for which events are kept.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650))]
    keep_days: u64,
    /// Most events that are kept.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    keep_events: u64,
    /// Stop when standard input ends: whoever started this process is gone then.
    #[arg(long)]
    stop_on_stdin_eof: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendKind {
    /// SQLite and files on this machine.
    Local,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stereospot-controlplane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    stereospot_telemetry::init_logging("controlplane")?;
    let recorder = stereospot_telemetry::install(Process::ControlPlane)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let served = runtime.block_on(serve(args, recorder));
    // A thread that still waits for standard input must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve(args: Args, recorder: stereospot_telemetry::Recorder) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for signals")?;
    let backend = match args.backend {
        BackendKind::Local => LocalBackend::open(&args.data_dir, stereospot_local::Options::default()).await?,
    };
    let mut config = Config::new(args.data_dir, args.listen);
    config.environment = args.environment;
    config.is_production = args.production;
    config.is_read_only = args.read_only;
    config.retention.age = std::time::Duration::from_secs(args.keep_days * 24 * 3600);
    config.retention.rows = args.keep_events;
    let server = Server::start(backend, config, Some(recorder)).await?;
    tracing::info!("control plane {} listens on {}", stereospot_controlplane::VERSION, server.url());
    let why = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = stdin_ended(), if args.stop_on_stdin_eof => "end of standard input",
    };
    tracing::info!("stopping: {why}");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Resolves when standard input ends; what comes before is passed over.
async fn stdin_ended() {
    let (ended, is_ended) = tokio::sync::oneshot::channel();
    // A thread of its own: reading standard input can't be cancelled, and must not hold up the end of the process.
    std::thread::spawn(move || {
        let mut passed_over = [0_u8; 256];
        while std::io::stdin().read(&mut passed_over).is_ok_and(|bytes| bytes > 0) {}
        // Nobody waits for it when a signal came first.
        let _ = ended.send(());
    });
    drop(is_ended.await);
}
