//! `stereospot`: the dashboard when called bare, a command otherwise.

use std::process::ExitCode;

fn main() -> ExitCode {
    stereospot::command::main()
}
