//! `workers`.

use stereospot_api::Client;
use stereospot_api::view::WorkerState;

use super::patience::answered;
use super::print::{Column, Table, UNKNOWN, age, json, known, line, rate};
use super::{Result, now};
use crate::cli::Json;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let workers = answered(client, client.workers()).await?;
    if how.json {
        return json(&workers);
    }
    if workers.is_empty() {
        return line(
            "no worker of ours was heard of in the last hour: `stereospot up` starts some; one that is started by hand is heard \
             of with --server, or on the control plane's own data directory",
        );
    }
    let mut table = Table::new(&[
        Column::Left("WORKER"),
        Column::Left("STAGE"),
        Column::Left("STATE"),
        Column::Left("JOB"),
        Column::Right("SEGMENT"),
        Column::Right("FRAMES/S"),
        Column::Right("HEARD"),
        Column::Right("DONE"),
        Column::Right("FAILED"),
        Column::Right("LOST"),
        Column::Right("SPOOLED"),
        Column::Cut("PROVIDER"),
        Column::Cut("VERSION"),
    ]);
    let now = now();
    for worker in workers {
        table.row([
            worker.name,
            worker.stage.map_or_else(|| "all".into(), |stage| stage.to_string()),
            state(worker.state).into(),
            worker.job_id.map_or_else(|| UNKNOWN.into(), |job_id| job_id.to_string()[..8].to_owned()),
            known(worker.segment_index),
            // Of one that waits it would be its last segment's.
            rate(worker.frames_per_second.filter(|_| worker.state == WorkerState::Busy)),
            age(Some(worker.last_seen_at), now),
            worker.done.to_string(),
            worker.failed.to_string(),
            worker.events_lost.to_string(),
            worker.spooled.to_string(),
            known(worker.provider),
            known(worker.version),
        ]);
    }
    table.print()
}

fn state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Idle => "idle",
        WorkerState::Busy => "busy",
        WorkerState::Draining => "draining",
        WorkerState::Stopped => "stopped",
        WorkerState::Silent => "! silent",
    }
}
