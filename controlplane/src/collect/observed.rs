//! Events that nobody sent: made here of what was seen to have happened, and of what workers wrote into their logs.
//!
//! Invariant: where a worker tells, nothing is told for it. What is seen is told only after it had time to tell, and its id is made
//! of what is told, so that the next life of this process does not tell it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::event::Unread;
use stereospot_domain::{Event, EventKind, JobId, event};
use stereospot_ports::error::chain;
use stereospot_ports::log_source::derive::{Derived, stable_id};
use stereospot_ports::log_source::{Line, line};
use stereospot_ports::{Error, ErrorCode, Result};
use uuid::Uuid;

use crate::app::App;
use stereospot_core::observed::Implied;
use stereospot_core::world::OBSERVED_SOURCE;

/// Time between two looks at what is due to be told.
const LOOK: Duration = Duration::from_secs(1);
/// Longest name of a log that is kept in a source.
const LONGEST_NAME: usize = 64;

/// Tells what is due, until the server stops.
pub(super) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(app.config.poll.min(LOOK)) => {}
        }
        let now = app.now();
        let due = app.live.at_revision(|world, _| world.take_untold(now));
        let events: Vec<Event> = due.into_iter().map(|(job_id, implied)| of_state(&app, job_id, implied)).collect();
        if let Err(error) = tell(&app, events).await {
            tracing::warn!(error = %chain(&error), "what was seen of jobs is told later");
        }
    }
}

/// Makes events of what log lines tell, unless it was told already.
pub(super) async fn from_lines(app: &App, derived: Vec<(Derived, &Line)>) -> Result<()> {
    let jobs: BTreeSet<JobId> = derived.iter().map(|(derived, _)| derived.job_id).collect();
    for job_id in &jobs {
        super::job_events::load(app, *job_id).await?;
    }
    let now = app.now();
    let events = derived
        .into_iter()
        .map(|(derived, line)| {
            let Derived { id, payload, time, job_id, segment_index, stage } = derived;
            (id, job_id, Implied { payload, segment_index, stage, time, which: String::new() }, line)
        })
        .filter(|(_, job_id, implied, line)| {
            let is_ours = is_ours(line);
            app.live.at_revision(|world, _| !world.is_told_of(*job_id, implied, is_ours, now))
        })
        .map(|(id, job_id, implied, line)| of_line(app, id, job_id, implied, &line.source))
        .collect();
    tell(app, events).await
}

/// Our own workers write an event's name first.
fn is_ours(line: &Line) -> bool {
    let parsed = line::parse(&line.text);
    parsed.text.split_whitespace().next().is_some_and(|word| word.parse::<EventKind>().is_ok())
}

async fn tell(app: &App, events: Vec<Event>) -> Result<()> {
    for batch in events.chunks(stereospot_api::wire::MAX_EVENTS) {
        let accepted = app.ingest.accept(batch.to_vec()).await;
        accepted.map_err(|error| Error::with(ErrorCode::Internal, "observed events can't be kept", error))?;
    }
    Ok(())
}

fn of_state(app: &App, job_id: JobId, implied: Implied) -> Event {
    let segment = implied.segment_index.map_or(String::new(), |index| index.to_string());
    let id = stable_id(&[
        OBSERVED_SOURCE.as_bytes(),
        job_id.0.as_bytes(),
        implied.payload.kind().as_str().as_bytes(),
        segment.as_bytes(),
        implied.which.as_bytes(),
    ]);
    event(app, OBSERVED_SOURCE.into(), id, job_id, implied)
}

fn of_line(app: &App, id: Uuid, job_id: JobId, implied: Implied, log: &str) -> Event {
    let name = log.rsplit('/').next().unwrap_or(log).trim_end_matches(".log");
    let source = format!("{OBSERVED_SOURCE}/{}", name.chars().take(LONGEST_NAME).collect::<String>());
    event(app, source, id, job_id, implied)
}

fn event(app: &App, source: String, id: Uuid, job_id: JobId, implied: Implied) -> Event {
    let (boot, seq) = app.polls.number(&source);
    Event {
        v: event::VERSION,
        id,
        source,
        boot,
        seq,
        time: implied.time,
        job_id: Some(job_id),
        segment_index: implied.segment_index,
        stage: implied.stage,
        attempt: None,
        traceparent: None,
        payload: implied.payload,
        unread: Unread::default(),
    }
}
