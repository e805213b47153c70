//! Ties a stack's process to the dashboard that started it: the end of standard input stops the stack.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdout};
use tokio_util::sync::CancellationToken;

/// The dashboard writes this byte to let the stack outlive it.
pub(super) const DETACH: u8 = b'd';

/// Cancels `stop` when standard input ends, which it does with the dashboard. After [`DETACH`] the stack keeps running and logs to
/// a file; if the log can't be opened, it stops.
pub(super) fn stop_with_dashboard(data_dir: &Path, stop: &CancellationToken) {
    // A new session, so that Ctrl-C and a closed terminal reach only the dashboard.
    let _ = setsid();
    let (log, stop) = (super::journal(data_dir), stop.clone());
    std::thread::spawn(move || {
        let mut byte = [0];
        let is_detached = io::stdin().read_exact(&mut byte).is_ok() && byte[0] == DETACH;
        if !is_detached || leave_terminal(&log).is_err() {
            stop.cancel();
        }
    });
}

/// Sends further output to the log. Standard output goes last: when it closes, the dashboard knows that it may exit.
fn leave_terminal(log: &Path) -> io::Result<()> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    dup2_stderr(&log)?;
    dup2_stdout(&OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}
