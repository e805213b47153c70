//! `events`: what happened last, of all jobs and workers.

use stereospot_api::Client;
use stereospot_domain::Event;

use super::patience::answered;
use super::print::{Column, Table, UNKNOWN, age, json, known, line};
use super::{Result, now};
use crate::cli::Events;

pub(super) async fn run(client: &Client, options: Events) -> Result {
    let events = answered(client, client.events(options.limit)).await?;
    if options.json.json { json(&events) } else { list(&events) }
}

/// Prints events, oldest first.
pub(super) fn list(events: &[Event]) -> Result {
    if events.is_empty() {
        return line("no event was heard");
    }
    let mut table = Table::new(&[
        Column::Right("AGO"),
        Column::Left(" "),
        Column::Left("EVENT"),
        Column::Left("JOB"),
        Column::Right("SEGMENT"),
        Column::Right("ATTEMPT"),
        Column::Left("FROM"),
        Column::Cut("DATA"),
    ]);
    let now = now();
    for event in events {
        let data: Vec<String> = event.data.iter().map(|(name, value)| format!("{name}={value}")).collect();
        table.row([
            age(Some(event.time), now),
            if event.kind.is_error() { "✗" } else { "" }.into(),
            event.kind.to_string(),
            event.job_id.map_or_else(|| UNKNOWN.into(), |job_id| job_id.to_string()[..8].to_owned()),
            known(event.segment_index),
            known(event.attempt),
            event.source.clone(),
            data.join(" "),
        ]);
    }
    table.print()
}
