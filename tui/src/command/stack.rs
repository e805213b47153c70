//! `up`: runs a stack until it is told to stop, with the dashboard in front of it or with lines.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Result};
use super::print::{line, note};
use super::{dashboard, target};
use crate::cli::{BackendName, Look, Up};
use crate::up::{Backend, Fleet, Notice, Options, Stack};

mod env_file;

use env_file::EnvFile;

pub(super) async fn run(mut options: Up, data_dir: Option<&Path>, look: &Look) -> Result {
    let (backend, usual_fleet, usual_dir) = match options.backend {
        BackendName::Local if options.env_file.is_some() => {
            return Err(Error::Usage("--env-file is for a deployment: add --backend aws".into()));
        }
        BackendName::Local => (Backend::Local, Fleet::LOCAL, PathBuf::from(target::USUAL_DATA_DIR)),
        BackendName::Aws => {
            let file = EnvFile::check(options.env_file.as_deref())?;
            let data_dir = file.data_dir();
            (Backend::Aws { env_file: file.path }, Fleet::NONE, data_dir)
        }
    };
    let data_dir = data_dir.map_or(usual_dir, Path::to_owned);
    if let Some(model) = options.model.as_ref().filter(|model| !model.is_file()) {
        return Err(Error::Usage(format!("there is no model file {}: check --model", model.display())));
    }
    let is_headless = options.headless || !(look.linear || dashboard::is_at_terminal());
    let fleet = options.workers.map_or(usual_fleet, |wanted| wanted.or(usual_fleet));
    let reconcile = options.watch.reconcile.get_or_insert_with(|| usual_reconcile(&backend, fleet).to_owned());
    let is_repairing = reconcile == "on" && !options.watch.read_only;
    let stack_options = Options {
        backend,
        data_dir,
        listen: options.listen,
        watch: options.watch.args(),
        fleet,
        // A child may be started elsewhere: full paths stay right.
        model: options.model.map(|model| std::path::absolute(&model).unwrap_or(model)),
        provider: options.provider,
        segment_secs: options.segment_secs,
        bin_dir: options.bin_dir,
    };
    let stop = CancellationToken::new();
    let asked = on_signals(&stop)?;
    let end = if is_headless {
        headless(&stack_options, is_repairing, &stop).await
    } else {
        with_dashboard(&stack_options, look, &stop).await
    };
    asked.abort();
    end
}

/// A deployment whose work is done by others is changed by nobody but its operator.
fn usual_reconcile(backend: &Backend, fleet: Fleet) -> &'static str {
    if matches!(backend, Backend::Local) || fleet.is_whole() { "on" } else { "off" }
}

async fn headless(options: &Options, is_repairing: bool, stop: &CancellationToken) -> Result {
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    // A script that read the first line and closed the pipe still wants the stack.
    let _ = tell(&stack, options, is_repairing);
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
fn tell(stack: &Stack, options: &Options, is_repairing: bool) -> Result {
    let server = stack.server();
    let workers = if options.fleet.is_empty() { "none".to_owned() } else { options.fleet.to_string() };
    line(format!("ready: control plane at {server}, workers {workers}, logs in {}", stack.logs().display()))?;
    if let Some(why) = why_no_workers(options) {
        line(format!("  {why}"))?;
    }
    if !is_repairing {
        line("  lost jobs are shown and left as they are: repair them by plans, or start with --reconcile on")?;
    }
    // The commands find the stack by themselves where it is in the usual place.
    let is_found = options.data_dir == Path::new(target::USUAL_DATA_DIR);
    let named = if is_found { String::new() } else { format!(" --server {server}") };
    line(format!("  stereospot{named}                                        the dashboard"))?;
    line(format!("  stereospot submit clip.mp4 --output clip-3d.mp4{named}   convert a file"))?;
    line(format!("  stereospot status{named}                                 what is going on"))?;
    line("Ctrl-C stops it.")
}

/// What to know where no worker is started.
fn why_no_workers(options: &Options) -> Option<&'static str> {
    let is_aws = matches!(options.backend, Backend::Aws { .. });
    options.fleet.is_empty().then_some(if is_aws {
        "no worker is started here: the deployment's own do the work, this watches them; --workers inference=1 starts one"
    } else {
        "no worker is started: jobs wait until some are; --workers inference=2 starts two"
    })
}

async fn with_dashboard(options: &Options, look: &Look, stop: &CancellationToken) -> Result {
    note(match &options.backend {
        Backend::Local => "starting the local stack …".to_owned(),
        Backend::Aws { env_file } => format!("looking at the deployment of {} …", env_file.display()),
    });
    if let Some(why) = why_no_workers(options) {
        note(why);
    }
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    let journal = stack.logs().join("up.log");
    let client = stereospot_api::Client::new(stack.server())?;
    let mut deaths = Vec::new();
    let end = {
        let shown = dashboard::show(client, look);
        tokio::pin!(shown);
        loop {
            tokio::select! {
                end = &mut shown => break end,
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
    // A journal that can't be put aside grows on.
    let _ = crate::up::put_aside(journal);
    if let Ok(mut journal) = OpenOptions::new().create(true).append(true).mode(0o600).open(journal) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deployment_whose_work_is_ours_is_repaired_without_asking() {
        let aws = Backend::Aws { env_file: "d.env".into() };
        let part: crate::up::Wanted = "chunking=1,reassembly=2".parse().unwrap();
        assert_eq!(usual_reconcile(&Backend::Local, Fleet::NONE), "on");
        assert_eq!(usual_reconcile(&aws, Fleet::NONE), "off");
        assert_eq!(usual_reconcile(&aws, part.or(Fleet::NONE)), "off");
        assert_eq!(usual_reconcile(&aws, Fleet::LOCAL), "on");
    }
}
