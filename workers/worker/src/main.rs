//! The worker process: one stage, or all of them, on one backend.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use stereospot_domain::Stage;
use stereospot_runtime::stage::chain;
use stereospot_stereo::Provider;
use stereospot_worker::{inference, sandbox};

mod bounds;
mod clip;
mod identity;
mod platform;
mod process;
mod sandbox_report;
mod space;

/// Converts 2D video to stereo 3D: one worker process.
#[derive(Debug, Parser)]
#[command(name = "stereospot-worker", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Split sources into segments.
    Chunking(Options),
    /// Convert segments.
    Inference(Options),
    /// Join converted segments into results.
    Reassembly(Options),
    /// Do all three in one process.
    All(Options),
    /// Render the ray-cast demo clip into an MP4 file.
    Clip(clip::Options),
    /// Say what the process that reads videos is kept from on this machine.
    Sandbox(sandbox_report::Options),
    /// Read a video for a worker, which starts this.
    #[command(name = sandbox::SUBCOMMAND, hide = true)]
    Sandboxed,
}

/// Where queues, job store and objects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendKind {
    /// SQLite and files in the data directory.
    Local,
    /// SQS, DynamoDB and S3, as a deployment's environment file names them.
    Aws,
}

/// What converts the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InferenceKind {
    /// The depth model, in this process.
    Onnx,
    /// The deployment's SageMaker endpoint.
    Sagemaker,
    /// The deployment's inference server.
    Http,
    /// Nothing: segments are copied as they are.
    Stub,
}

impl fmt::Display for InferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InferenceKind::Onnx => "onnx",
            InferenceKind::Sagemaker => "sagemaker",
            InferenceKind::Http => "http",
            InferenceKind::Stub => "stub",
        })
    }
}

/// The options that every stage takes.
#[derive(Debug, Clone, Args)]
struct Options {
    /// Where queues, job store and objects live.
    #[arg(long, value_enum, env = "STEREOSPOT_BACKEND", default_value = "local")]
    backend: BackendKind,
    /// The deployment's environment file (`KEY=value` lines), for `--backend aws`.
    #[arg(long, env = "STEREOSPOT_ENV_FILE", value_name = "FILE", required_if_eq("backend", "aws"))]
    env_file: Option<PathBuf>,
    /// What converts the segments; default: what the environment file's INFERENCE_BACKEND says, otherwise onnx.
    #[arg(long, value_enum, env = "STEREOSPOT_INFERENCE")]
    inference: Option<InferenceKind>,
    /// The data directory; on AWS for events on their way, files being worked on, and locks.
    #[arg(long, env = "STEREOSPOT_DATA_DIR", default_value = "stereospot-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// This worker's name, unique in the deployment; default: the stage and the first free number.
    #[arg(long)]
    name: Option<String>,
    /// Report as NAME@HOST, since other machines have workers of this name too; on AWS the default for a worker without --name.
    #[arg(long, requires = "name")]
    add_host: bool,
    /// The control plane that events are sent to; default: the one on the data directory. Without one, events wait there.
    #[arg(long, env = "STEREOSPOT_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Serve metrics here; port 0 takes a free one. The address is written below `run/targets` in the data directory.
    #[arg(long, value_name = "ADDR", value_parser = stereospot_domain::text::listen_address)]
    metrics_listen: Option<SocketAddr>,
    /// The depth model, an ONNX file in the manner of Depth Anything; default: the one that comes with stereospot.
    #[arg(long, env = "STEREOSPOT_MODEL", value_name = "FILE")]
    model: Option<PathBuf>,
    /// ONNX Runtime's shared library; default: looked for where `make` puts it.
    #[arg(long, env = "STEREOSPOT_ONNXRUNTIME", value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// What runs the depth model: cpu, cuda or tensorrt. There is no falling back to another.
    #[arg(long, env = "STEREOSPOT_PROVIDER", default_value_t = Provider::Cpu)]
    provider: Provider,
    /// Threads for decoding, depth and encoding each; default: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    bounds: bounds::Bounds,
    /// Wanted length of a segment in seconds; default: 30, on AWS the deployment's setting.
    #[arg(long, env = "CHUNK_SEGMENT_DURATION_SEC", value_name = "SECS")]
    segment_secs: Option<f64>,
    /// Stop in order when standard input ends: so it does not outlive the process that started it.
    #[arg(long)]
    stop_on_stdin_eof: bool,
    /// The signal that ended the process before this one; `stereospot up` reports it.
    #[arg(long, hide = true)]
    previous_signal: Option<i32>,
    /// The exit code of the process before this one; `stereospot up` reports it.
    #[arg(long, hide = true)]
    previous_exit_code: Option<i32>,
}

fn main() -> ExitCode {
    let (stages, options): (&[Stage], Options) = match Cli::parse().command {
        Command::Chunking(options) => (&[Stage::Chunking], options),
        Command::Inference(options) => (&[Stage::Inference], options),
        Command::Reassembly(options) => (&[Stage::Reassembly], options),
        Command::All(options) => (Stage::ALL, options),
        Command::Clip(options) => return report(clip::render(&options)),
        Command::Sandbox(options) => return report(sandbox_report::print(&options)),
        Command::Sandboxed => return sandbox::serve(),
    };
    let is_supervised = options.stop_on_stdin_eof;
    let outcome = process::run(stages, options);
    let is_lasting = outcome.as_ref().is_err_and(|error| error.is::<Lasting>());
    let code = report(outcome);
    if is_supervised && is_lasting { ExitCode::from(LASTING) } else { code }
}

/// Why this worker can't start, where another attempt fails the same way until a person has acted.
#[derive(Debug)]
struct Lasting(anyhow::Error);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Lasting {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// `EX_CONFIG` of sysexits.h, for the program that started this one: `stereospot up` ends instead of starting such a worker again.
const LASTING: u8 = 78;

/// Prints the error with its causes as one sentence on standard error; exit code 1.
fn report(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = chain(&*error.into_boxed_dyn_error());
            // Not by a macro, which panics when standard error goes to a file on a full disk.
            let _ = writeln!(std::io::stderr(), "stereospot-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the model that comes with stereospot to where ONNX Runtime can read it.
fn own_model(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = data_dir.join("models");
    write_own_model(&folder).with_context(|| format!("the model can't be written into {}", folder.display()))?;
    Ok(folder.join("cues.onnx"))
}

fn write_own_model(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, content) in
        [("cues.onnx", stereospot_stereo::OWN_MODEL), ("cues.json", stereospot_stereo::OWN_MODEL_MANIFEST)]
    {
        // Several workers may start at once: each writes a file of its own, and the last rename wins with equal content.
        let unfinished = tempfile::NamedTempFile::new_in(folder)?;
        std::fs::write(unfinished.path(), content)?;
        unfinished.persist(folder.join(name))?;
    }
    Ok(())
}

/// Opens the depth model, or says in one sentence what to do.
fn open_model(options: &Options, threads: usize) -> anyhow::Result<inference::Model> {
    let runtime_library = match &options.onnxruntime {
        Some(path) => path.clone(),
        None => stereospot_stereo::find_runtime_library()?,
    };
    let (path, threads) = match &options.model {
        Some(path) => (path.clone(), threads),
        // So small a model gains nothing from a second thread, and the encoder needs the cores.
        None => (own_model(&options.data_dir)?, 1),
    };
    let spec = stereospot_stereo::ModelSpec {
        path,
        runtime_library,
        provider: options.provider,
        threads,
        resolution: stereospot_stereo::Options::default().resolution,
    };
    let model = stereospot_stereo::DepthModel::open(&spec)?;
    Ok(inference::Model {
        provider: model.provider_in_use().as_str(),
        name: model.name().to_owned(),
        model: Mutex::new(Some(model)),
    })
}
