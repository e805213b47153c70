//! Finds the stack's programs and builds their command lines.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stereospot_domain::Stage;
use stereospot_telemetry::LogFile;

use super::child::Spec;
use super::error::Error;
use super::options::{Backend, Options};

const CONTROL_PLANE: &str = "stereospot-controlplane";
const WORKER: &str = "stereospot-worker";

/// The path of each program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    control_plane: PathBuf,
    /// None where no worker is wanted, so the program may be missing.
    worker: Option<PathBuf>,
}

/// Finds the control plane's program: in `bin_dir` if given, else beside this program, else on PATH.
///
/// # Errors
/// [`Error::Program`] when it is in none of these places.
pub(crate) fn control_plane(bin_dir: Option<&Path>) -> Result<PathBuf, Error> {
    find(CONTROL_PLANE, bin_dir)
}

impl Programs {
    /// Finds all programs, as [`control_plane`] does.
    ///
    /// # Errors
    /// [`Error::Program`] names the first that is missing.
    pub(super) fn find(options: &Options) -> Result<Self, Error> {
        let bin_dir = options.bin_dir.as_deref();
        let worker = (!options.fleet.is_empty()).then(|| find(WORKER, bin_dir)).transpose()?;
        Ok(Self { control_plane: control_plane(bin_dir)?, worker })
    }

    /// The control plane's command line.
    pub(super) fn control_plane(&self, data_dir: &Path, listen: SocketAddr, options: &Options) -> Spec {
        let mut args = backend_args(&options.backend, data_dir);
        args.extend(options.watch.iter().cloned());
        args.extend(["--listen".into(), listen.to_string().into(), "--stop-on-stdin-eof".into()]);
        let log = log(data_dir, "controlplane", options);
        Spec { name: "control plane".into(), program: self.control_plane.clone(), args, log, takes_previous_end: false }
    }

    /// A command line for each worker.
    pub(super) fn workers(&self, data_dir: &Path, server: &str, options: &Options) -> Vec<Spec> {
        let Some(program) = &self.worker else { return Vec::new() };
        let call = |(stage, number)| worker(program, stage, number, data_dir, server, options);
        options.fleet.workers().map(call).collect()
    }
}

fn worker(program: &Path, stage: Stage, number: u32, data_dir: &Path, server: &str, options: &Options) -> Spec {
    let name = format!("{stage}-{number}");
    let mut args: Vec<OsString> = vec![stage.as_str().into()];
    args.extend(backend_args(&options.backend, data_dir));
    let rest = ["--name", &name, "--server", server, "--metrics-listen", "127.0.0.1:0", "--stop-on-stdin-eof"];
    args.extend(rest.map(Into::into));
    if matches!(options.backend, Backend::Aws { .. }) {
        // Another machine may run a stack on the same deployment, with workers of the same names.
        args.push("--add-host".into());
    }
    if let Some(model) = &options.model {
        args.extend(["--model".into(), model.into()]);
    }
    if let Some(provider) = &options.provider {
        args.extend(["--provider".into(), provider.into()]);
    }
    if let Some(secs) = options.segment_secs {
        args.extend(["--segment-secs".into(), secs.to_string().into()]);
    }
    args.extend(options.bounds.iter().cloned());
    let log = log(data_dir, &name, options);
    Spec { name: format!("worker {name}"), program: program.to_owned(), args, log, takes_previous_end: true }
}

fn backend_args(backend: &Backend, data_dir: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = match backend {
        Backend::Local => ["--backend", "local"].map(Into::into).into(),
        Backend::Aws { env_file } => vec!["--backend".into(), "aws".into(), "--env-file".into(), env_file.into()],
    };
    args.extend(["--data-dir".into(), data_dir.into()]);
    args
}

fn find(name: &'static str, bin_dir: Option<&Path>) -> Result<PathBuf, Error> {
    let beside = match bin_dir {
        Some(folder) => folder.to_owned(),
        None => env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_default(),
    };
    let on_path: Vec<PathBuf> = match (bin_dir, env::var_os("PATH")) {
        (None, Some(path)) => env::split_paths(&path).collect(),
        _ => Vec::new(),
    };
    let mut folders = std::iter::once(&beside).chain(&on_path);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|path| is_program(path)));
    found.ok_or(Error::Program { name, beside })
}

fn log(data_dir: &Path, name: &str, options: &Options) -> LogFile {
    LogFile { path: data_dir.join("logs").join(format!("{name}.log")), keep: options.logs }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
