//! `status`: what is wrong, the stages, and the numbers as a whole.

use stereospot_api::Client;
use stereospot_api::view::{QueueView, ServiceView, Snapshot, WorkerState};
use stereospot_domain::{JobStatus, QueueName, Stage};

use super::Result;
use super::patience::answered;
use super::print::{self, Column, Table, UNKNOWN, age, duration, json, line, mark, observed, rate};
use crate::cli::Json;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let snapshot = answered(client, client.snapshot()).await?;
    if how.json {
        return json(&snapshot);
    }
    line(headline(&snapshot, client.server()))?;
    attention(&snapshot)?;
    stages(&snapshot)?;
    line(totals(&snapshot))
}

fn headline(snapshot: &Snapshot, server: &str) -> String {
    let environment = &snapshot.environment;
    let mut parts = vec![environment.name.clone(), format!("control plane {} at {server}", environment.version)];
    if let Some(place) = print::whereabouts(environment) {
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
        return line("nothing needs attention\n");
    }
    let mut table = Table::new(&[
        Column::Left(" "),
        Column::Left("ATTENTION"),
        Column::Cut("EVIDENCE"),
        Column::Right("SINCE"),
        Column::Cut("NEXT"),
    ]);
    for item in &snapshot.attention {
        table.row([
            mark(item.severity).into(),
            item.subject.clone(),
            item.evidence.clone(),
            age(Some(item.since), snapshot.now),
            item.command.as_ref().unwrap_or(&item.next).clone(),
        ]);
    }
    table.print()?;
    line("")
}

fn stages(snapshot: &Snapshot) -> Result {
    let mut table = Table::new(&[
        Column::Left("STAGE"),
        Column::Right("READY"),
        Column::Right("IN FLIGHT"),
        Column::Right("OLDEST"),
        Column::Right("IN/MIN"),
        Column::Right("OUT/MIN"),
        Column::Right("DRAINS IN"),
        Column::Right("CONSUMERS"),
        Column::Right("DLQ"),
        Column::Right("AGE"),
    ]);
    let find = |name: QueueName| snapshot.queues.iter().find(|queue| queue.name == name);
    for stage in Stage::ALL {
        let queue = find(QueueName::main(stage.queue()));
        let dead = find(QueueName::dead_letter(stage.queue())).and_then(|dead| dead.ready);
        let of = |value: fn(&QueueView) -> String| queue.map_or_else(|| UNKNOWN.into(), value);
        table.row([
            stage.to_string(),
            of(|queue| observed(queue.ready)),
            of(|queue| observed(queue.in_flight)),
            age(queue.and_then(|queue| queue.oldest_enqueued_at), snapshot.now),
            of(|queue| rate(queue.in_per_minute)),
            of(|queue| rate(queue.out_per_minute)),
            of(drain),
            of(consumers),
            observed(dead),
            age(queue.and_then(|queue| queue.ready).map(|ready| ready.at), snapshot.now),
        ]);
    }
    table.print()?;
    line("")
}

/// How many are heard of at a queue.
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
    let speed = if frames > 0.0 { format!(", {} frames/s", print::rate(Some(frames))) } else { String::new() };
    let tasks = match snapshot.services.as_slice() {
        [] => String::new(),
        services => {
            let sum = |of: fn(&ServiceView) -> u32| services.iter().map(of).sum::<u32>();
            format!("tasks {}/{} running │ ", sum(|service| service.running), sum(|service| service.desired))
        }
    };
    // Where there are services, their workers may be others than ours, of which nothing is heard.
    let workers = match there {
        0 if !tasks.is_empty() => String::new(),
        _ => format!("workers {busy}/{there} busy{speed} │ "),
    };
    let is_read = |name| snapshot.collectors.iter().any(|one| one.name == name && one.last_success_at.is_some());
    if jobs == 0 && !is_read("jobs") {
        return format!("{tasks}{workers}jobs {UNKNOWN}");
    }
    format!("{tasks}{workers}jobs {jobs}: {unfinished} unfinished, {failed} failed{of}")
}
