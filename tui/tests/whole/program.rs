//! Runs the real program.

use std::process::{Command, Output, Stdio};

/// The program with empty stdin and no stack in reach.
pub(crate) fn stereospot(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stereospot"));
    for variable in ["STEREOSPOT_DATA_DIR", "STEREOSPOT_BACKEND", "STEREOSPOT_ENV_FILE"] {
        command.env_remove(variable);
    }
    // Port 9 on loopback: nothing listens there.
    command.args(args).env("STEREOSPOT_SERVER", "http://127.0.0.1:9").stdin(Stdio::null());
    command
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> End {
    ended(stereospot(args).output().unwrap())
}

/// Converts the output of a finished process.
pub(crate) fn ended(output: Output) -> End {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    End { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
