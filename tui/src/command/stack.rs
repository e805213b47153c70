//! `up`: runs the local stack until it is told to stop, with the dashboard in front of it or with lines.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::print::{line, note};
use super::{Error, Result};
use crate::cli::{Look, Up};
use crate::up::{Notice, Options, Stack};

pub(super) async fn run(options: Up, data_dir: &Path, look: &Look) -> Result {
    if let Some(model) = options.model.as_ref().filter(|model| !model.is_file()) {
        return Err(Error::Usage(format!("there is no model file {}: check --model", model.display())));
    }
    let is_headless = options.headless || !(look.linear || super::is_at_terminal());
    let stack_options = Options {
        data_dir: data_dir.to_owned(),
        listen: options.listen,
        fleet: options.workers,
        // A child may be started elsewhere: full paths stay right.
        model: options.model.map(|model| std::path::absolute(&model).unwrap_or(model)),
        provider: options.provider,
        segment_secs: options.segment_secs,
        bin_dir: options.bin_dir,
    };
    let stop = CancellationToken::new();
    let asked = on_signals(&stop)?;
    let end = if is_headless {
        headless(&stack_options, data_dir, &stop).await
    } else {
        with_dashboard(&stack_options, look, &stop).await
    };
    asked.abort();
    end
}

async fn headless(options: &Options, data_dir: &Path, stop: &CancellationToken) -> Result {
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    // A script that read the first line and closed the pipe still wants the stack.
    let _ = tell(&stack, options, data_dir);
    loop {
        tokio::select! {
            notice = stack.notice() => note(notice.to_string()),
            () = stop.cancelled() => break,
        }
    }
    note("stopping: workers first, then the control plane");
    stack.stop().await;
    note("stopped");
    Ok(())
}

/// The line that says it is ready, and what to try. Whoever waits for it reads the first line of stdout.
fn tell(stack: &Stack, options: &Options, data_dir: &Path) -> Result {
    let server = stack.server();
    line(format!("ready: control plane at {server}, workers {}, logs in {}", options.fleet, stack.logs().display()))?;
    // The commands find the stack by themselves where the data directory is the default one.
    let named = if data_dir == Path::new("./stereospot-data") { String::new() } else { format!(" --server {server}") };
    line(format!("  stereospot{named}                                        the dashboard"))?;
    line(format!("  stereospot submit clip.mp4 --output clip-3d.mp4{named}   convert a file"))?;
    line(format!("  stereospot status{named}                                 what is going on"))?;
    line("Ctrl-C stops it.")
}

async fn with_dashboard(options: &Options, look: &Look, stop: &CancellationToken) -> Result {
    note("starting the local stack …");
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    let journal = stack.logs().join("up.log");
    let client = stereospot_api::Client::new(stack.server())?;
    let mut deaths = Vec::new();
    let end = {
        let dashboard = super::show_dashboard(client, look);
        tokio::pin!(dashboard);
        loop {
            tokio::select! {
                end = &mut dashboard => break end,
                // The screen is the dashboard's: what happens is kept, and told at the end.
                notice = stack.notice() => {
                    keep(&journal, &notice);
                    deaths.push(notice);
                }
                () = stop.cancelled() => break Ok(()),
            }
        }
    };
    note("stopping: workers first, then the control plane");
    stack.stop().await;
    if let Some(last) = deaths.last() {
        note(format!("children died {} times, last: {last}; all of them: {}", deaths.len(), journal.display()));
    }
    end
}

fn keep(journal: &PathBuf, notice: &Notice) {
    if let Ok(mut journal) = OpenOptions::new().create(true).append(true).open(journal) {
        let _ = writeln!(journal, "{notice}");
    }
}

/// Cancels `stop` on the first Ctrl-C, SIGTERM or SIGHUP. A second one ends the program at once; its children then end by themselves.
fn on_signals(stop: &CancellationToken) -> Result<tokio::task::JoinHandle<()>> {
    let listen = |kind| signal(kind).map_err(|error| Error::Failed(format!("could not listen for signals: {error}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let stop = stop.clone();
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            if stop.is_cancelled() {
                note("stopped at once: what still runs ends by itself");
                std::process::exit(1);
            }
            stop.cancel();
        }
    }))
}
