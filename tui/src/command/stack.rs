//! `up`: runs a stack until stopped, behind the dashboard or headless.

use std::io::Write;
use std::path::{Path, PathBuf};

use stereospot_telemetry::{LogFile, LogKeep};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Result};
use super::print::{line, note};
use super::{dashboard, target};
use crate::cli::{BackendName, Look, Up};
use crate::dashboard::{Closed, OwnStack};
use crate::up::{Backend, Fleet, Notice, Options, Stack};

mod attached;
mod env_file;
mod leash;

use attached::Attached;
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
    let workers = u32::try_from(fleet.workers().count()).unwrap_or(u32::MAX);
    let bounds = options.bounds.args(workers).map_err(|error| Error::Usage(format!("{error}: raise --memory")))?;
    let stack_options = Options {
        backend,
        data_dir,
        listen: options.listen,
        watch: options.watch.args(),
        fleet,
        // A child may start in another folder, so paths must be absolute.
        model: options.model.map(|model| std::path::absolute(&model).unwrap_or(model)),
        provider: options.provider,
        segment_secs: options.segment_secs,
        logs: LogKeep {
            bytes: options.keep_log_size.map_or(LogKeep::default().bytes, |size| size.0),
            age: options.keep_logs.map_or(LogKeep::default().age, |age| age.0),
        },
        bounds,
        bin_dir: options.bin_dir,
    };
    let stop = CancellationToken::new();
    let asked = on_signals(&stop)?;
    let end = if options.attached {
        attached(&stack_options, &stop).await
    } else if is_headless {
        headless(&stack_options, is_repairing, &stop).await
    } else {
        with_dashboard(&stack_options, look, &stop).await
    };
    asked.abort();
    end
}

/// Repairs run automatically only where this stack does all the work; elsewhere, changes are left to the operator.
fn usual_reconcile(backend: &Backend, fleet: Fleet) -> &'static str {
    if matches!(backend, Backend::Local) || fleet.is_whole() { "on" } else { "off" }
}

async fn headless(options: &Options, is_repairing: bool, stop: &CancellationToken) -> Result {
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    // A script that reads one line and closes the pipe still wants the stack.
    let _ = announce(&stack, options, is_repairing);
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

/// Prints that the stack is ready, and what to try. Scripts wait for the first line on stdout.
fn announce(stack: &Stack, options: &Options, is_repairing: bool) -> Result {
    let server = stack.server();
    let workers = if options.fleet.is_empty() { "none".to_owned() } else { options.fleet.to_string() };
    line(format!("ready: control plane at {server}, workers {workers}, logs in {}", stack.logs().display()))?;
    if let Some(why) = why_no_workers(options) {
        line(format!("  {why}"))?;
    }
    if !is_repairing {
        line("  lost jobs are shown and left as they are: repair them by plans, or start with --reconcile on")?;
    }
    // In the default place the commands find the stack without options.
    let is_found = options.data_dir == Path::new(target::USUAL_DATA_DIR);
    let named = if is_found { String::new() } else { format!(" --server {server}") };
    line(format!("  stereospot{named}                                        the dashboard"))?;
    line(format!("  stereospot submit clip.mp4 --output clip-3d.mp4{named}   convert a file"))?;
    line(format!("  stereospot status{named}                                 what is going on"))?;
    line("Ctrl-C stops it.")
}

/// What to know where no worker starts.
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
    let mut stack = Attached::start()?;
    let server = tokio::select! {
        server = stack.next() => server,
        () = stop.cancelled() => {
            stack.stop().await?;
            return Ok(());
        }
    };
    let Some(server) = server else { return stack.stop().await };
    let client = stereospot_api::Client::new(&server)?;
    let own = OwnStack { workers: options.fleet.workers().count() };
    let mut deaths = Vec::new();
    let end = {
        let shown = dashboard::show(client, look, Some(own));
        tokio::pin!(shown);
        loop {
            tokio::select! {
                end = &mut shown => break Some(end),
                // The dashboard owns the screen, so notices are collected and printed at the end.
                notice = stack.next() => match notice {
                    Some(notice) => deaths.push(notice),
                    None => break None,
                },
                () = stop.cancelled() => break Some(Ok(Closed::Left)),
            }
        }
    };
    if let Some(last) = deaths.last() {
        let journal = journal(&options.data_dir);
        note(format!("children died {} times, last: {last}; all of them: {}", deaths.len(), journal.display()));
    }
    let at = if options.data_dir == Path::new(target::USUAL_DATA_DIR) {
        String::new()
    } else {
        format!(" --data-dir {}", options.data_dir.display())
    };
    match end {
        Some(Ok(Closed::Detached)) if stack.detach().await => {
            note(format!(
                "the stack goes on, control plane at {server}: `stereospot{at}` opens its dashboard, `stereospot down{at}` stops it"
            ));
            Ok(())
        }
        Some(Ok(_)) => {
            note("stopping: workers first, then the control plane");
            stack.stop().await
        }
        Some(Err(error)) => stack.stop().await.and(Err(error)),
        None => {
            note("the stack was stopped");
            stack.stop().await
        }
    }
}

/// Runs the stack for a dashboard in another process, which holds our standard input open. Standard output carries the control
/// plane's address, then a line for each notice.
async fn attached(options: &Options, stop: &CancellationToken) -> Result {
    leash::stop_with_dashboard(&options.data_dir, stop);
    let mut stack = match Stack::start(options, stop).await {
        Err(crate::up::Error::Stopped) => return Ok(()),
        started => started?,
    };
    let _ = line(stack.server());
    loop {
        tokio::select! {
            notice = stack.notice() => {
                keep(journal(&options.data_dir), options.logs, &notice);
                let _ = line(notice.to_string());
            }
            () = stop.cancelled() => break,
        }
    }
    stack.stop().await;
    Ok(())
}

/// The log of deaths while no terminal shows them.
fn journal(data_dir: &Path) -> PathBuf {
    data_dir.join("logs").join("up.log")
}

fn keep(journal: PathBuf, keep: LogKeep, notice: &Notice) {
    if let Ok(mut journal) = (LogFile { path: journal, keep }).open() {
        let _ = writeln!(journal, "{notice}");
    }
}

/// Cancels `stop` on the first Ctrl-C, SIGTERM or SIGHUP. A second one exits at once; the children then notice and exit too.
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
