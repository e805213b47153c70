//! Runs the real program.

use std::process::{Command, Output, Stdio};

/// The program, away from whatever stack runs here, with nothing on stdin.
pub(crate) fn stereospot(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stereospot"));
    for variable in ["STEREOSPOT_DATA_DIR", "STEREOSPOT_BACKEND", "STEREOSPOT_ENV_FILE"] {
        command.env_remove(variable);
    }
    // Port 9 on loopback: nothing listens there.
    command.args(args).env("STEREOSPOT_SERVER", "http://127.0.0.1:9").stdin(Stdio::null());
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> End {
    ended(stereospot(args).output().unwrap())
}

/// Reads how a run ended.
pub(crate) fn ended(output: Output) -> End {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    End { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
