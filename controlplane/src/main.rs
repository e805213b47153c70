//! `stereospot-controlplane`: the control plane as a process.

mod program;

fn main() -> std::process::ExitCode {
    program::main()
}
