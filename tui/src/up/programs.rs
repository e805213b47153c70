//! The stack's programs: where they lie and how they are called.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stereospot_domain::Stage;

use super::child::Spec;
use super::{Error, Options};

const CONTROL_PLANE: &str = "stereospot-controlplane";
const WORKER: &str = "stereospot-worker";

/// Where each program lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    control_plane: PathBuf,
    worker: PathBuf,
}

impl Programs {
    /// Finds them: in `bin_dir` where one is given, else beside this program, else on PATH.
    ///
    /// # Errors
    /// [`Error::Program`] names the first that is missing.
    pub(super) fn find(bin_dir: Option<&Path>) -> Result<Self, Error> {
        let beside = match bin_dir {
            Some(folder) => folder.to_owned(),
            None => env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_default(),
        };
        let on_path: Vec<PathBuf> = match (bin_dir, env::var_os("PATH")) {
            (None, Some(path)) => env::split_paths(&path).collect(),
            _ => Vec::new(),
        };
        let find = |name| {
            let mut folders = std::iter::once(&beside).chain(&on_path);
            let found = folders.find_map(|folder| Some(folder.join(name)).filter(|path| is_program(path)));
            found.ok_or_else(|| Error::Program { name, beside: beside.clone() })
        };
        Ok(Self { control_plane: find(CONTROL_PLANE)?, worker: find(WORKER)? })
    }

    /// The control plane's call.
    pub(super) fn control_plane(&self, data_dir: &Path, listen: SocketAddr) -> Spec {
        let mut args: Vec<OsString> = ["--backend", "local", "--data-dir"].map(Into::into).into();
        args.push(data_dir.into());
        args.extend(["--listen".into(), listen.to_string().into(), "--stop-on-stdin-eof".into()]);
        let log = log(data_dir, "controlplane");
        Spec { name: "control plane".into(), program: self.control_plane.clone(), args, log }
    }

    /// A worker's call.
    pub(super) fn worker(&self, stage: Stage, number: u32, data_dir: &Path, server: &str, options: &Options) -> Spec {
        let name = format!("{stage}-{number}");
        let mut args: Vec<OsString> = [stage.as_str(), "--backend", "local", "--data-dir"].map(Into::into).into();
        args.push(data_dir.into());
        let rest = ["--name", &name, "--server", server, "--metrics-listen", "127.0.0.1:0", "--stop-on-stdin-eof"];
        args.extend(rest.map(Into::into));
        if let Some(model) = &options.model {
            args.extend(["--model".into(), model.into()]);
        }
        if let Some(provider) = &options.provider {
            args.extend(["--provider".into(), provider.into()]);
        }
        if let Some(secs) = options.segment_secs {
            args.extend(["--segment-secs".into(), secs.to_string().into()]);
        }
        let log = log(data_dir, &name);
        Spec { name: format!("worker {name}"), program: self.worker.clone(), args, log }
    }
}

fn log(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("logs").join(format!("{name}.log"))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
