//! `doctor`, `provision`, `endpoint`, `backup`, `restore`: this process is replaced by the control plane's program, so input, output and exit code are
//! that program's own.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, Result};
use super::target;
use crate::cli::{Doctor, Endpoint, Provision, Safekeeping};
use crate::up;

pub(super) fn doctor(options: Doctor) -> Result {
    let mut args: Vec<OsString> = vec!["doctor".into(), "--env-file".into(), options.env_file.into()];
    args.extend(options.json.then(|| "--json".into()));
    match become_it(options.bin_dir.as_deref(), &args)? {}
}

pub(super) fn provision(options: Provision) -> Result {
    let mut args: Vec<OsString> = vec!["provision".into(), "--name-prefix".into(), options.name_prefix.into()];
    if let Some(region) = options.region {
        args.extend(["--region".into(), region.into()]);
    }
    if let Some(url) = options.endpoint_url {
        args.extend(["--endpoint-url".into(), url.into()]);
    }
    args.extend(options.take.into_iter().flat_map(|name| ["--take".into(), name.into()]));
    if let Some(prefix) = options.yes {
        args.extend(["--yes".into(), prefix.into()]);
    }
    let switches = [("--dry-run", options.dry_run), ("--destroy", options.destroy), ("--json", options.json)];
    args.extend(switches.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.into()));
    match become_it(options.bin_dir.as_deref(), &args)? {}
}

pub(super) fn endpoint(options: Endpoint) -> Result {
    let mut args: Vec<OsString> = vec!["endpoint".into(), "--env-file".into(), options.env_file.into()];
    if let Some(image) = options.image {
        args.extend(["--image".into(), image.into()]);
    }
    for (name, values) in [("--set", options.set), ("--unset", options.unset)] {
        args.extend(values.into_iter().flat_map(|value| [name.into(), value.into()]));
    }
    let switches = [("--dry-run", options.dry_run), ("--yes", options.yes), ("--json", options.json)];
    args.extend(switches.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.into()));
    match become_it(options.bin_dir.as_deref(), &args)? {}
}

pub(super) fn safekeeping(name: &str, options: Safekeeping, data_dir: Option<&Path>) -> Result {
    let data_dir = data_dir.unwrap_or(Path::new(target::USUAL_DATA_DIR));
    let mut args: Vec<OsString> = vec![name.into(), "--data-dir".into(), data_dir.into()];
    args.extend(options.json.then(|| "--json".into()));
    args.extend(["--".into(), options.dir.into()]);
    match become_it(options.bin_dir.as_deref(), &args)? {}
}

/// Replaces this process with the control plane's program; returns only on failure.
fn become_it(bin_dir: Option<&Path>, args: &[OsString]) -> Result<Infallible> {
    let program: PathBuf = up::control_plane(bin_dir)?;
    let error = Command::new(&program).args(args).exec();
    Err(Error::File(format!("{} could not be started", program.display()), error))
}
