//! `status`: what is wrong, the stages, and the totals.

use stereospot_api::Client;
use stereospot_api::view::{Observed, QueueView, ServiceView, Snapshot, WorkerState};
use stereospot_domain::{Collector, JobStatus, QueueName, Stage};

use super::error::{Error, Result};
use super::patience::answered;
use super::print::{UNKNOWN, age, json, line, mark, observed, rate, table};
use crate::cli::Json;
use crate::text::{duration, whereabouts};
use crate::words;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let snapshot = answered(client, client.snapshot()).await?;
    if how.json {
        return json(&with_words(&snapshot)?);
    }
    line(headline(&snapshot, client.server()))?;
    attention(&snapshot)?;
    stages(&snapshot)?;
    line(totals(&snapshot))
}

/// The snapshot, with the sentence and the command of each attention item beside its data.
fn with_words(snapshot: &Snapshot) -> Result<serde_json::Value> {
    // By way of text, where a rate of 0.3 is 0.3: a JSON value would widen it to 0.30000001192092896.
    let text = serde_json::to_string(snapshot).map_err(|error| Error::Print(error.into()))?;
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(|error| Error::Print(error.into()))?;
    let items = value["attention"].as_array_mut().into_iter().flatten();
    for (value, item) in items.zip(&snapshot.attention) {
        value["sentence"] = format!("{}: {}", item.title, item.evidence).into();
        value["command"] = words::command(&item.next).into();
    }
    Ok(value)
}

fn headline(snapshot: &Snapshot, server: &str) -> String {
    let environment = &snapshot.environment;
    let mut parts = vec![environment.name.clone(), format!("control plane {} at {server}", environment.version)];
    if let Some(place) = whereabouts(environment) {
        parts.insert(1, place);
    }
    if environment.is_production {
        parts.insert(0, "PRODUCTION".into());
    }
    if environment.is_read_only {
        parts.push("READ-ONLY".into());
    }
    for collector in &snapshot.collectors {
        let age = age(collector.last_success_at, snapshot.now);
        parts.push(match (&collector.error, &collector.lacks) {
            (None, None) => format!("{} {age}", collector.name),
            (Some(error), _) => format!("{} STALE {age}: {error}", collector.name),
            (None, Some(lacks)) => format!("{} {age}, {lacks}", collector.name),
        });
    }
    parts.join(" │ ")
}

fn attention(snapshot: &Snapshot) -> Result {
    if snapshot.attention.is_empty() {
        line("nothing needs attention")?;
        return line("");
    }
    let now = snapshot.now;
    table(&snapshot.attention)
        .left(" ", |item| mark(item.severity).into())
        .left("ATTENTION", |item| item.title.clone())
        .cut("EVIDENCE", |item| item.evidence.clone())
        .right("SINCE", |item| age(Some(item.since), now))
        .below("NEXT", |item| words::next(&item.next))
        .print()?;
    line("")
}

/// A stage, its queue, and how many dead letters it has.
struct StageRow<'a> {
    stage: Stage,
    queue: Option<&'a QueueView>,
    letters: Option<Observed<u64>>,
}

fn stages(snapshot: &Snapshot) -> Result {
    let now = snapshot.now;
    let find = |name: QueueName| snapshot.queues.iter().find(|queue| queue.name == name);
    let row = |stage: &Stage| StageRow {
        stage: *stage,
        queue: find(QueueName::main(stage.queue())),
        letters: find(QueueName::dead_letter(stage.queue())).and_then(|letters| letters.ready),
    };
    let rows: Vec<StageRow<'_>> = Stage::ALL.iter().map(row).collect();
    let of =
        |value: fn(&QueueView) -> String| move |row: &StageRow<'_>| row.queue.map_or_else(|| UNKNOWN.into(), value);
    table(&rows)
        .left("STAGE", |row| row.stage.to_string())
        .right("READY", of(|queue| observed(queue.ready)))
        .right("IN FLIGHT", of(|queue| observed(queue.in_flight)))
        .right("OLDEST", |row| age(row.queue.and_then(|queue| queue.oldest_enqueued_at), now))
        .right("IN/MIN", of(|queue| rate(queue.in_per_minute)))
        .right("OUT/MIN", of(|queue| rate(queue.out_per_minute)))
        .right("DRAINS IN", of(drain))
        .right("CONSUMERS", of(consumers))
        .right("DLQ", |row| observed(row.letters))
        .right("AGE", |row| age(row.queue.and_then(|queue| queue.ready).map(|ready| ready.at), now))
        .print()?;
    line("")
}

pub(super) fn consumers(queue: &QueueView) -> String {
    queue.consumers.map_or_else(|| UNKNOWN.into(), |count| count.to_string())
}

/// When a queue will be empty, in words.
pub(super) fn drain(queue: &QueueView) -> String {
    let is_empty = queue.ready.is_some_and(|ready| ready.value == 0);
    match queue.drains_in_secs {
        _ if is_empty => "empty".into(),
        Some(secs) if secs.is_finite() && secs >= 0.0 => duration(std::time::Duration::from_secs_f32(secs.min(1e9))),
        _ => UNKNOWN.into(),
    }
}

fn totals(snapshot: &Snapshot) -> String {
    let busy = snapshot.workers.iter().filter(|worker| worker.state == WorkerState::Busy).count();
    let there = snapshot.workers.iter().filter(|worker| worker.state != WorkerState::Stopped).count();
    let count = |is: fn(JobStatus) -> bool| snapshot.jobs.iter().filter(|view| is(view.job.status)).count();
    let unfinished = count(|status| !status.is_final());
    let failed = count(|status| status == JobStatus::Failed);
    let shown = snapshot.jobs.len() as u64;
    let of = if shown < snapshot.jobs_total { format!(" (of the newest {shown})") } else { String::new() };
    let jobs = snapshot.jobs_total;
    let frames: f32 = snapshot.jobs.iter().filter_map(|view| view.frames_per_second).sum();
    let speed = if frames > 0.0 { format!(", {} frames/s", rate(Some(frames))) } else { String::new() };
    let tasks = match snapshot.services.as_slice() {
        [] => String::new(),
        services => {
            let sum = |of: fn(&ServiceView) -> u32| services.iter().map(of).sum::<u32>();
            format!("tasks {}/{} running │ ", sum(|service| service.running), sum(|service| service.desired))
        }
    };
    // Workers of a deployment's services may not be ours; those send no events.
    let workers = match there {
        0 if !tasks.is_empty() => String::new(),
        _ => format!("workers {busy}/{there} busy{speed} │ "),
    };
    let is_read = |name| snapshot.collectors.iter().any(|one| one.name == name && one.last_success_at.is_some());
    if jobs == 0 && !is_read(Collector::Jobs) {
        return format!("{tasks}{workers}jobs {UNKNOWN}");
    }
    format!("{tasks}{workers}jobs {jobs}: {unfinished} unfinished, {failed} failed{of}")
}
