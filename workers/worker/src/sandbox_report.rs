//! Says what the process that reads videos is kept from on this machine: on request, and at the start of a worker.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use stereospot_domain::text::size;
use stereospot_runtime::stage::chain;
use stereospot_worker::sandbox::{Held, Limits, Protection, Sandbox};

/// Options of `sandbox`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Try each protection from inside. The exit code is 1 if one does not hold.
    #[arg(long, required = true)]
    check: bool,
}

/// Prints a line for each protection.
///
/// # Errors
/// When one does not hold, or no such process can be started.
pub(crate) fn print(_: &Options) -> anyhow::Result<()> {
    let limits = Limits::default();
    let held = Sandbox::new(limits).check(&std::env::temp_dir()).context("the sandbox can't be checked")?;
    let mut out = std::io::stdout().lock();
    for Held { protection, holds } in &held {
        let verdict = if *holds { "holds   " } else { "MISSING " };
        writeln!(out, "{verdict} {}", words(*protection, limits))?;
    }
    let gaps = held.iter().filter(|held| !held.holds).count();
    anyhow::ensure!(
        gaps == 0,
        "{gaps} of {} protections don't hold: this kernel lacks Landlock or seccomp",
        held.len()
    );
    Ok(())
}

/// Checks in the background, and logs one warning if something does not hold.
pub(crate) fn warn_of_gaps(sandbox: Sandbox, folder: PathBuf) {
    tokio::task::spawn_blocking(move || match sandbox.check(&folder) {
        Ok(held) => {
            let gaps = held.iter().filter(|held| !held.holds);
            let gaps: Vec<&str> = gaps.map(|held| gap(held.protection)).collect();
            if !gaps.is_empty() {
                let gaps = gaps.join(", ");
                tracing::warn!("on this machine a video that takes over its decoder can {gaps}: see SECURITY.md");
            }
        }
        Err(error) => tracing::warn!("it can't be checked how videos are kept apart: {}", chain(&error)),
    });
}

fn words(protection: Protection, limits: Limits) -> String {
    match protection {
        Protection::Memory => {
            let limit = limits.memory_bytes.map_or_else(|| "unlimited".to_owned(), size);
            format!("memory: at most {limit}")
        }
        Protection::Limits => format!(
            "limits: {} open files, {} s of processor time without getting on, no core files",
            limits.open_files, limits.processor_secs
        ),
        Protection::Network => "network: no sockets".into(),
        Protection::Reading => "reading: only the given files".into(),
        Protection::Writing => "writing: only one folder".into(),
        Protection::Programs => "programs: none can be executed".into(),
        Protection::Processes => "processes: no signals to others".into(),
    }
}

/// What is possible without a protection.
fn gap(protection: Protection) -> &'static str {
    match protection {
        Protection::Memory => "take any amount of memory",
        Protection::Limits => "open any number of files and compute without end",
        Protection::Network => "use the network",
        Protection::Reading => "read other files",
        Protection::Writing => "write other files",
        Protection::Programs => "execute programs",
        Protection::Processes => "end other processes",
    }
}
