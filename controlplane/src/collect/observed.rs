//! Makes events that no one sent, from jobs' states and from workers' log lines.
//!
//! Invariant: where a worker reports, no event is made for it. Events are inferred only after workers had time to report, and their
//! ids are derived from their contents, so that the next run of this process does not make them twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stereospot_core::observed::Inferred;
use stereospot_core::world::OBSERVED_SOURCE;
use stereospot_domain::event::Unread;
use stereospot_domain::{Event, EventKind, JobId, event};
use stereospot_ports::error::chain;
use stereospot_ports::log_source::derive::{Derived, stable_id};
use stereospot_ports::log_source::{Line, line};
use stereospot_ports::{Error, ErrorCode, Result};
use uuid::Uuid;

use super::job_events;
use crate::app::App;

/// Time between two looks for events to make.
const LOOK: Duration = Duration::from_secs(1);
/// Longest log name in a source, in characters.
const LONGEST_NAME: usize = 64;

/// Makes inferred events when they are due, until the server stops.
pub(super) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(app.config.poll.min(LOOK)) => {}
        }
        let now = app.now();
        let due = app.live.at_revision(|world, _| world.take_unreported(now));
        let events: Vec<Event> = due.into_iter().map(|(job_id, inferred)| of_state(&app, job_id, inferred)).collect();
        if let Err(error) = accept(&app, events).await {
            tracing::warn!(error = %chain(&error), "inferred events are stored later");
        }
    }
}

/// Makes the events inferred from log lines, except those that were reported already.
pub(super) async fn from_lines(app: &App, derived: Vec<(Derived, &Line)>) -> Result<()> {
    let jobs: BTreeSet<JobId> = derived.iter().map(|(derived, _)| derived.job_id).collect();
    for job_id in &jobs {
        job_events::load(app, *job_id).await?;
    }
    let now = app.now();
    let events = derived
        .into_iter()
        .map(|(derived, line)| {
            let Derived { id, payload, time, job_id, segment_index, stage } = derived;
            (id, job_id, Inferred { payload, segment_index, stage, time, which: String::new() }, line)
        })
        .filter(|(_, job_id, inferred, line)| {
            let is_ours = is_ours(line);
            app.live.at_revision(|world, _| !world.is_log_event_reported(*job_id, inferred, is_ours, now))
        })
        .map(|(id, job_id, inferred, line)| of_line(app, id, job_id, inferred, &line.source))
        .collect();
    accept(app, events).await
}

/// True for lines of our own workers, which begin with an event's name.
fn is_ours(line: &Line) -> bool {
    let parsed = line::parse(&line.text);
    parsed.text.split_whitespace().next().is_some_and(|word| word.parse::<EventKind>().is_ok())
}

async fn accept(app: &App, events: Vec<Event>) -> Result<()> {
    for batch in events.chunks(stereospot_api::wire::MAX_EVENTS) {
        let accepted = app.ingest.accept(batch.to_vec()).await;
        accepted.map_err(|error| Error::with(ErrorCode::Internal, "observed events can't be kept", error))?;
    }
    Ok(())
}

fn of_state(app: &App, job_id: JobId, inferred: Inferred) -> Event {
    let segment = inferred.segment_index.map_or(String::new(), |index| index.to_string());
    let id = stable_id(&[
        OBSERVED_SOURCE.as_bytes(),
        job_id.0.as_bytes(),
        inferred.payload.kind().as_str().as_bytes(),
        segment.as_bytes(),
        inferred.which.as_bytes(),
    ]);
    event(app, OBSERVED_SOURCE.into(), id, job_id, inferred)
}

fn of_line(app: &App, id: Uuid, job_id: JobId, inferred: Inferred, log: &str) -> Event {
    let name = log.rsplit('/').next().unwrap_or(log).trim_end_matches(".log");
    let source = format!("{OBSERVED_SOURCE}/{}", name.chars().take(LONGEST_NAME).collect::<String>());
    event(app, source, id, job_id, inferred)
}

fn event(app: &App, source: String, id: Uuid, job_id: JobId, inferred: Inferred) -> Event {
    let (boot, seq) = app.polls.number(&source);
    Event {
        v: event::VERSION,
        id,
        source,
        boot,
        seq,
        time: inferred.time,
        job_id: Some(job_id),
        segment_index: inferred.segment_index,
        stage: inferred.stage,
        attempt: None,
        traceparent: None,
        payload: inferred.payload,
        unread: Unread::default(),
    }
}
