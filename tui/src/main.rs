//! `stereospot`: the dashboard without arguments, otherwise a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    stereospot::command::main()
}
