//! Events that nobody sent: made here of what was seen to have happened, and of what workers wrote into their logs.
//!
//! Invariant: where a worker tells, nothing is told for it. What is seen is told only after it had time to tell, and its id is made
//! of what is told, so that the next life of this process does not tell it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::{Event, EventKind, JobId, event};
use stereospot_ports::log_source::derive::{Derived, stable_id};
use stereospot_ports::log_source::{Line, line};
use stereospot_ports::{Code, Error, Result};

use crate::core::observed::Implied;
use crate::core::world::OBSERVED_SOURCE;
use crate::ingest::chain;
use crate::shared::Shared;

/// Time between two looks at what is due to be told.
const LOOK: Duration = Duration::from_secs(1);
/// Longest name of a log that is kept in a source.
const LONGEST_NAME: usize = 64;

/// Tells what is due, until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.config.poll.min(LOOK)) => {}
        }
        let now = shared.now();
        let due = shared.live.at_revision(|world, _| world.take_untold(now));
        let events: Vec<Event> = due.into_iter().map(|(job_id, implied)| of_state(&shared, job_id, implied)).collect();
        if let Err(error) = tell(&shared, events).await {
            tracing::warn!(error = %chain(&error), "what was seen of jobs is told later");
        }
    }
}

/// Makes events of what log lines tell, unless it was told already.
pub(super) async fn from_lines(shared: &Shared, derived: Vec<(Derived, &Line)>) -> Result<()> {
    let jobs: BTreeSet<JobId> = derived.iter().map(|(derived, _)| derived.job_id).collect();
    for job_id in &jobs {
        super::details::load_events(shared, *job_id).await?;
    }
    let now = shared.now();
    let events = derived
        .into_iter()
        .filter(|(derived, line)| {
            let is_ours = is_ours(line);
            shared.live.at_revision(|world, _| !world.is_told_of(derived, is_ours, now))
        })
        .map(|(derived, line)| of_line(shared, derived, &line.source))
        .collect();
    tell(shared, events).await
}

/// Our own workers write an event's name first.
fn is_ours(line: &Line) -> bool {
    let parsed = line::parse(&line.text);
    parsed.text.split_whitespace().next().is_some_and(|word| word.parse::<EventKind>().is_ok())
}

async fn tell(shared: &Shared, events: Vec<Event>) -> Result<()> {
    for batch in events.chunks(stereospot_api::wire::MAX_EVENTS) {
        let accepted = shared.ingest.accept(batch.to_vec()).await;
        accepted.map_err(|error| Error::with(Code::Internal, "observed events can't be kept", error))?;
    }
    Ok(())
}

fn of_state(shared: &Shared, job_id: JobId, implied: Implied) -> Event {
    let segment = implied.segment_index.map_or(String::new(), |index| index.to_string());
    let id = stable_id(&[
        OBSERVED_SOURCE.as_bytes(),
        job_id.0.as_bytes(),
        implied.kind.as_str().as_bytes(),
        segment.as_bytes(),
        implied.which.as_bytes(),
    ]);
    let (boot, seq) = shared.polls.number(OBSERVED_SOURCE);
    Event {
        v: event::VERSION,
        id,
        source: OBSERVED_SOURCE.into(),
        boot,
        seq,
        kind: implied.kind,
        time: implied.time,
        job_id: Some(job_id),
        segment_index: implied.segment_index,
        stage: implied.stage,
        attempt: None,
        traceparent: None,
        data: implied.data,
    }
}

fn of_line(shared: &Shared, derived: Derived, log: &str) -> Event {
    let name = log.rsplit('/').next().unwrap_or(log).trim_end_matches(".log");
    let source = format!("{OBSERVED_SOURCE}/{}", name.chars().take(LONGEST_NAME).collect::<String>());
    let (boot, seq) = shared.polls.number(&source);
    let Derived { id, kind, time, job_id, segment_index, stage, data } = derived;
    Event {
        v: event::VERSION,
        id,
        source,
        boot,
        seq,
        kind,
        time,
        job_id: Some(job_id),
        segment_index,
        stage,
        attempt: None,
        traceparent: None,
        data,
    }
}
