//! Ties a stack's process to the dashboard that started it: the end of standard input stops the stack.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdout};
use tokio_util::sync::CancellationToken;

/// The byte that unties the two.
pub(super) const DETACH: u8 = b'd';

/// Cancels `stop` when the dashboard's process ends. After [`DETACH`] the stack goes on, away from the terminal.
pub(super) fn hold(data_dir: &Path, stop: &CancellationToken) {
    // Ctrl-C and the end of the terminal concern the dashboard alone.
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

/// Sends further output to the log. Standard output is last: the dashboard sees it close, and knows that it may go.
fn leave_terminal(log: &Path) -> io::Result<()> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    dup2_stderr(&log)?;
    dup2_stdout(&OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}
