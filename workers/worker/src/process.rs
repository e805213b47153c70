//! The process around the stages: start, heartbeat, stop.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use stereospot_api::Client;
use stereospot_domain::event::{SpoolDropped, WorkerHeartbeat, WorkerStarted, WorkerStopped};
use stereospot_domain::{Payload, QueueRole, Stage};
use stereospot_media::budget::RESIDENT;
use stereospot_runtime::events::{About, Events, SPOOL_LIMIT_BYTES};
use stereospot_runtime::protection::Protection;
use stereospot_runtime::stage::{self, Context, Handler, chain};
use stereospot_telemetry::{Process, Server, Target, record};
use stereospot_worker::chunking::Chunking;
use stereospot_worker::deletion;
use stereospot_worker::inference::Inference;
use stereospot_worker::machine;
use stereospot_worker::outputs::Outputs;
use stereospot_worker::reassembly::Reassembly;
use stereospot_worker::sandbox::{Limits, Sandbox};
use stereospot_worker::scratch::Scratch;
use stereospot_worker::stub::Stub;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::identity::{self, Identity};
use crate::platform::{self, Platform, Time};
use crate::space::given_space;
use crate::{BackendKind, InferenceKind, Lasting, Options, open_model, sandbox_report};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// How long a stop waits for the last events to be sent; they are on disk anyway.
const LAST_EVENTS: Duration = Duration::from_secs(3);

/// Runs stages until the process is asked to stop.
///
/// # Errors
/// When it can't start, with one sentence that says what to do.
pub(crate) fn run(stages: &'static [Stage], options: Options) -> anyhow::Result<()> {
    stereospot_telemetry::init_logging("stereospot-worker")?;
    stereospot_local::keep_private(&options.data_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work(stages, options))
}

async fn work(stages: &'static [Stage], options: Options) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    stop_when_told(&stop, options.stop_on_stdin_eof)?;
    let what = if stages.len() == 1 { stages[0].as_str() } else { "all" };
    let identity =
        given_space(&stop, async || Identity::claim(&options.data_dir, options.name.as_deref(), what)).await?;
    let name = identity.name.clone();
    let _metrics = serve_metrics(&options, &name, &stop).await?;
    let spool = options.data_dir.join("spool").join(&name);
    let source = match (options.backend, &options.name) {
        // Other machines have workers of this name too.
        (BackendKind::Aws, None) => identity::with_host(&name),
        _ if options.add_host => identity::with_host(&name),
        _ => name.clone(),
    };
    let time = Time::of(&options);
    let events = given_space(&stop, async || {
        Events::open(&source, &spool, time.clock())
            .with_context(|| format!("the event spool {} can't be used", spool.display()))
    })
    .await
    .map_err(lasting)?;
    let events_done = CancellationToken::new();
    let server = options.server.clone().or_else(|| server_on(&options.data_dir));
    match &server {
        Some(server) => tracing::info!("events go to the control plane at {server}"),
        None => tracing::warn!(
            "no --server, and no control plane runs on {}: events wait in {}, and no dashboard shows this worker",
            options.data_dir.display(),
            spool.display()
        ),
    }
    let sending = server.as_deref().map(Client::new).transpose()?.map(|client| {
        let (events, done) = (events.clone(), events_done.clone());
        tokio::spawn(async move { events.send_to(client, done).await })
    });
    let about = About { stage: if stages.len() == 1 { Some(stages[0]) } else { None }, ..About::default() };
    let ended = serve(stages, &options, &name, time, &events, &about, &stop).await;

    // Operators don't see this terminal: a worker that can't start or go on reports why.
    let error = ended.as_ref().err().map(|error| chain(error.as_ref()));
    events.emit(Payload::WorkerStopped(WorkerStopped { error }), &about);
    events_done.cancel();
    if let Some(sending) = sending {
        let _ = tokio::time::timeout(LAST_EVENTS, sending).await;
    }
    ended
}

fn lasting(error: anyhow::Error) -> anyhow::Error {
    Lasting(error).into()
}

/// The address that the control plane on this data directory wrote down; none when none runs. A killed one leaves its address
/// behind: then events wait, as they do without one.
fn server_on(data_dir: &Path) -> Option<String> {
    let said = std::fs::read(data_dir.join("run").join("controlplane.json")).ok()?;
    let said: serde_json::Value = serde_json::from_slice(&said).ok()?;
    said["server"].as_str().map(str::to_owned)
}

/// Opens everything and runs the stages until the process is asked to stop.
async fn serve(
    stages: &'static [Stage],
    options: &Options,
    name: &str,
    time: Time,
    events: &Events,
    about: &About,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Platform {
        backend,
        topology,
        protection,
        segment_secs,
        with_sound,
        inference,
        mut managed,
        results,
        record_calls,
    } = given_space(stop, async || platform::open(options, stages, time.clone()).await)
        .await
        // What AWS answers may pass.
        .map_err(|error| if options.backend == BackendKind::Local { lasting(error) } else { error })?;
    let scratch_dir = options.data_dir.join("scratch").join(name);
    let scratch = given_space(stop, async || {
        Scratch::open(&scratch_dir)
            .with_context(|| format!("the scratch folder {} can't be used", scratch_dir.display()))
    })
    .await
    .map_err(lasting)?;
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let terms = options.bounds.terms(threads);
    tracing::info!("this worker may use {} MiB of memory (--memory)", terms.budget.bytes >> 20);
    let sandbox = Sandbox::new(Limits { memory_bytes: Some(terms.budget.bytes), ..Limits::default() });
    sandbox_report::warn_of_gaps(sandbox.clone(), scratch_dir);

    let mut handlers: Vec<Box<dyn Handler>> = Vec::new();
    let (mut provider, mut model_name) = (None, None);
    for stage in stages {
        match stage {
            Stage::Chunking => {
                anyhow::ensure!(
                    (0.1..=3600.0).contains(&segment_secs),
                    "--segment-secs is {segment_secs}, but must be from 0.1 to 3600 seconds"
                );
                handlers.push(Box::new(Chunking {
                    scratch: scratch.clone(),
                    sandbox: sandbox.clone(),
                    segment_secs,
                    with_sound,
                    terms,
                }));
            }
            Stage::Inference => {
                match inference {
                    InferenceKind::Onnx => {
                        let model = given_space(stop, async || open_model(options, threads)).await.map_err(lasting)?;
                        (provider, model_name) = (Some(model.provider), Some(model.name.clone()));
                        // A model of the operator's may take more than the one that ships.
                        let resident = machine::resident().max(RESIDENT);
                        handlers.push(Box::new(Inference {
                            scratch: scratch.clone(),
                            sandbox: sandbox.clone(),
                            budget: terms.budget,
                            resident,
                            model,
                        }));
                    }
                    InferenceKind::Stub => {
                        tracing::warn!("segments are copied, not converted: --inference stub");
                        handlers.push(Box::new(Stub { scratch: scratch.clone() }));
                    }
                    InferenceKind::Sagemaker | InferenceKind::Http => {
                        handlers.extend(managed.take());
                        model_name = Some(inference.to_string());
                    }
                }
                // Optional: inference itself records completions too.
                if backend.queue(QueueRole::OutputEvents).is_ok() {
                    handlers.push(Box::new(Outputs { results: results.clone() }));
                }
            }
            Stage::Reassembly => {
                let owner = format!("{name}/{}", events.boot());
                handlers.push(Box::new(Reassembly { scratch: scratch.clone(), sandbox: sandbox.clone(), owner }));
            }
        }
    }
    let begun = WorkerStarted {
        version: Some(env!("CARGO_PKG_VERSION").into()),
        provider: provider.map(str::to_owned),
        model: model_name,
        pid: Some(std::process::id()),
        previous_signal: options.previous_signal,
        previous_exit_code: options.previous_exit_code,
    };
    events.emit(Payload::WorkerStarted(begun), about);
    if let Some(provider) = provider {
        for known in stereospot_telemetry::catalogue::Provider::ALL {
            if known.as_str() == provider {
                record::execution_provider(*known);
            }
        }
    }

    let protection = protection.map(Protection::start);
    let context = Context { topology, protection, ..Context::new(backend, events.clone(), stop.clone()) };
    // In existing deployments the media-worker deletes, so it belongs to the chunking worker.
    let deletions = context.backend.queue(QueueRole::Deletion).ok().filter(|_| stages.contains(&Stage::Chunking));
    let deleting = deletions.cloned().map(|queue| {
        tracing::info!("jobs are deleted when the deletion queue says so");
        let context = context.clone();
        tokio::spawn(async move { deletion::run(&context, queue).await })
    });
    let ended = run_stages(&context, handlers, about, record_calls).await;
    if let Some(deleting) = deleting {
        deleting.await.context("the deletion of jobs broke off")?;
    }
    ended
}

/// Runs every stage's loop and the heartbeat until they end.
async fn run_stages(
    context: &Context,
    handlers: Vec<Box<dyn Handler>>,
    about: &About,
    mut record_calls: Option<Box<dyn FnMut() + Send>>,
) -> anyhow::Result<()> {
    let mut loops = JoinSet::new();
    let mut busy = Vec::new();
    for handler in handlers {
        let flag = Arc::new(AtomicBool::new(false));
        busy.push(Arc::clone(&flag));
        let context = context.clone();
        loops.spawn(async move { stage::run(&context, &*handler, &flag).await });
    }
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    let mut is_draining = false;
    let mut outcome = Ok(());
    loop {
        tokio::select! {
            ended = loops.join_next() => match ended {
                None => return outcome,
                Some(ended) => {
                    if let Err(error) = ended.context("a stage broke off").and_then(|ended| Ok(ended?)) {
                        outcome = Err(error);
                        context.stop.cancel();
                    }
                }
            },
            _ = beat.tick() => {
                heartbeat(context, about, &busy);
                if let Some(record) = &mut record_calls {
                    record();
                }
            }
            () = context.stop.cancelled(), if !is_draining => {
                is_draining = true;
                context.events.emit(Payload::WorkerDraining, about);
            }
        }
    }
}

fn heartbeat(context: &Context, about: &About, busy: &[Arc<AtomicBool>]) {
    let dropped = context.events.take_dropped();
    if dropped > 0 {
        record::spool_dropped(dropped);
        context.events.emit(Payload::SpoolDropped(SpoolDropped { dropped: Some(dropped) }), about);
    }
    let waiting = context.events.spooled();
    record::spool(waiting.events, waiting.bytes, SPOOL_LIMIT_BYTES);
    let is_busy = busy.iter().any(|busy| busy.load(Ordering::Relaxed));
    let beat = WorkerHeartbeat { busy: Some(is_busy), spooled: Some(waiting.events) };
    context.events.emit(Payload::WorkerHeartbeat(beat), about);
}

async fn serve_metrics(
    options: &Options,
    name: &str,
    stop: &CancellationToken,
) -> anyhow::Result<Option<(Server, Target)>> {
    let recorder = stereospot_telemetry::install(Process::Worker)?;
    record::started(env!("CARGO_PKG_VERSION"));
    let Some(addr) = options.metrics_listen else { return Ok(None) };
    anyhow::ensure!(
        addr.ip().is_loopback(),
        "--metrics-listen {addr} is not on loopback: metrics have no authentication, so use 127.0.0.1:{}",
        addr.port()
    );
    let server = stereospot_telemetry::serve(addr, recorder)
        .await
        .with_context(|| format!("metrics can't be served at {addr}: choose a free port, or 0"))?;
    let targets = options.data_dir.join("run").join("targets");
    let target = given_space(stop, async || {
        Target::publish(&targets, name, server.addr())
            .with_context(|| format!("the address of its metrics can't be written into {}", targets.display()))
    })
    .await?;
    Ok(Some((server, target)))
}

/// Cancels `stop` on SIGTERM, SIGINT, SIGHUP and, if wanted, at the end of standard input.
fn stop_when_told(stop: &CancellationToken, on_stdin_eof: bool) -> anyhow::Result<()> {
    for (kind, name) in
        [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT"), (SignalKind::hangup(), "SIGHUP")]
    {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            tracing::info!("stopping: {name}");
            stop.cancel();
        });
    }
    if on_stdin_eof {
        let stop = stop.clone();
        // A plain thread: a blocked read must not keep the runtime from ending.
        std::thread::spawn(move || {
            let mut buffer = [0; 256];
            while std::io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
            tracing::info!("stopping: end of standard input");
            stop.cancel();
        });
    }
    Ok(())
}
