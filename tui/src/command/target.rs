//! Chooses the control plane that a command talks to.
//!
//! Invariant: a command never reaches another stack than the one it names. The first matching rule decides:
//! 1. A named server (`--server`, `STEREOSPOT_SERVER`). Only `--data-dir` on the command line overrides the variable
//!    ([`crate::cli::Cli::read`] does that).
//! 2. The control plane that runs on the data directory: the named one (`--data-dir`, `STEREOSPOT_DATA_DIR`), else
//!    [`USUAL_DATA_DIR`].
//! 3. If none runs there, but the directory was named or a stack ran on it before, an error, which says so while `up` is still
//!    starting. Another server would give the work to the wrong stack.
//! 4. If nothing was named and no stack ever ran in the default place, [`DEFAULT_SERVER`].
//!
//! The dashboard applies these rules once, when it opens.

use std::path::Path;
use std::time::Duration;

use stereospot_api::client::DEFAULT_SERVER;

use tokio::time::{Instant, sleep};

use super::error::{Error, Result};
use super::print::note;
use crate::up::{Running, is_held, lock_path};

/// Where a local stack keeps its data by default.
pub(super) const USUAL_DATA_DIR: &str = "./stereospot-data";

/// How long a stack may take to start its control plane.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(200);

/// The address of the chosen control plane.
///
/// # Errors
/// [`Error::Failed`] when no stack runs on the data directory; the sentence says how to start one.
pub(super) fn server(given: Option<&str>, data_dir: Option<&Path>) -> Result<String> {
    given.map_or_else(|| on(data_dir, Path::new(USUAL_DATA_DIR)), |server| Ok(server.to_owned()))
}

/// Like [`server`], for work that can wait: while a stack on the data directory is starting its control plane, or starting it again,
/// this waits for it.
///
/// # Errors
/// As [`server`].
pub(super) async fn server_once_started(given: Option<&str>, data_dir: Option<&Path>) -> Result<String> {
    let began = Instant::now();
    let mut is_said = false;
    loop {
        match server(given, data_dir) {
            Err(_)
                if is_held(&lock_path(data_dir.unwrap_or(Path::new(USUAL_DATA_DIR))))
                    && began.elapsed() < STARTS_WITHIN =>
            {
                if !std::mem::replace(&mut is_said, true) {
                    note("the stack's control plane is being started: waiting for it");
                }
                sleep(PAUSE).await;
            }
            found => return found,
        }
    }
}

fn on(data_dir: Option<&Path>, usual: &Path) -> Result<String> {
    let meant = data_dir.unwrap_or(usual);
    if let Some(running) = Running::living(meant) {
        return Ok(running.server);
    }
    if data_dir.is_none() && !Running::path(usual).exists() && !Running::lock_path(usual).exists() {
        return Ok(DEFAULT_SERVER.to_owned());
    }
    Err(Error::Failed(why_none(meant, data_dir.is_some())))
}

/// Says why no control plane runs there, and what to do.
fn why_none(data_dir: &Path, is_named: bool) -> String {
    let shown = data_dir.display();
    if is_held(&lock_path(data_dir)) {
        let log = data_dir.join("logs").join("controlplane.log");
        let advice = match Running::hindrance(data_dir) {
            Some(why) => format!("it waits, because {why}"),
            None => "try again in a moment".to_owned(),
        };
        return format!(
            "the control plane of the stack on {shown} is being started and can't be asked yet: {advice}; see {}",
            log.display()
        );
    }
    let mut start = "stereospot up".to_owned();
    // The data directory of a deployment on AWS has no queues.
    if data_dir.join("controlplane.db").exists() && !data_dir.join("stereospot.db").exists() {
        start.push_str(" --backend aws --env-file FILE");
    }
    if is_named {
        start.push_str(&format!(" --data-dir {shown}"));
    }
    format!("no stack runs on {shown}: start it with `{start}`, or name a server with --server")
}

#[cfg(test)]
mod tests;
