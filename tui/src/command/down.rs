//! `down`: stops the stack on a data directory.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::error::{Error, Result};
use super::print::{line, note};
use super::target::USUAL_DATA_DIR;
use crate::up::{Running, is_held, lock_holder, lock_path};

/// How long a stack may take to stop: its workers have 20 seconds, then its control plane.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(server: Option<&str>, data_dir: Option<&Path>) -> Result {
    let data_dir = data_dir.unwrap_or(Path::new(USUAL_DATA_DIR));
    let shown = data_dir.display();
    if let Some(named) = server
        && Running::living(data_dir).is_some_and(|running| running.server != named.trim_end_matches('/'))
    {
        let sentence = format!("{named} is not the stack on {shown}: name its folder with --data-dir, not its address");
        return Err(Error::Usage(sentence));
    }
    let lock = lock_path(data_dir);
    if !is_held(&lock) {
        note(format!("no stack runs on {shown}"));
        return Ok(());
    }
    let process = lock_holder(data_dir)
        .ok_or_else(|| Error::Failed(format!("{} does not name the process that runs the stack", lock.display())))?;
    note("stopping: workers first, then the control plane");
    kill_process(process, Signal::TERM)
        .map_err(|error| Error::File("could not signal the process that runs the stack".into(), error.into()))?;
    let began = Instant::now();
    while is_held(&lock) {
        if began.elapsed() > STOPS_WITHIN {
            let logs = data_dir.join("logs");
            return Err(Error::Failed(format!("the stack on {shown} has not stopped: see {}", logs.display())));
        }
        sleep(PAUSE).await;
    }
    line("stopped")
}
