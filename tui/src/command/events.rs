//! `events`: the latest events of all jobs and workers.

use stereospot_api::Client;
use stereospot_domain::{Event, JobId, Timestamp};

use super::error::Result;
use super::patience::answered;
use super::print::{UNKNOWN, age, json, known, line, table};
use super::session::server_time;
use crate::cli::Events;

pub(super) async fn run(client: &Client, options: Events) -> Result {
    let events = answered(client, client.events(options.limit)).await?;
    if options.json.json { json(&events) } else { list(&events, server_time(client).await?) }
}

/// Prints events, oldest first.
pub(super) fn list(events: &[Event], now: Timestamp) -> Result {
    if events.is_empty() {
        return line("no event was heard");
    }
    let data = |event: &Event| {
        let facts: Vec<String> = event.data().iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.join(" ")
    };
    table(events)
        .right("AGO", |event| age(Some(event.time), now))
        .left(" ", |event| if event.kind().is_error() { "✗" } else { "" }.into())
        .left("EVENT", |event| event.payload.name().to_owned())
        .left("JOB", |event| event.job_id.map_or_else(|| UNKNOWN.into(), JobId::short))
        .right("SEGMENT", |event| known(event.segment_index))
        .right("ATTEMPT", |event| known(event.attempt))
        .left("FROM", |event| event.source.clone())
        .cut("DATA", data)
        .print()
}
