//! `workers`.

use stereospot_api::Client;
use stereospot_api::view::WorkerState;
use stereospot_domain::JobId;

use super::error::Result;
use super::patience::answered;
use super::print::{UNKNOWN, age, json, known, line, rate, table};
use super::session::server_time;
use crate::cli::Json;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let workers = answered(client, client.workers()).await?;
    if how.json {
        return json(&workers);
    }
    if workers.is_empty() {
        return line(
            "no worker has reported in the last hour: `stereospot up` starts some; a worker that you start by hand needs \
             --server, or the control plane's data directory",
        );
    }
    let now = server_time(client).await?;
    table(&workers)
        .left("WORKER", |worker| worker.name.clone())
        .left("STAGE", |worker| worker.stage.map_or_else(|| "all".into(), |stage| stage.to_string()))
        .left("STATE", |worker| state(worker.state).into())
        .left("JOB", |worker| worker.job_id.map_or_else(|| UNKNOWN.into(), JobId::short))
        .right("SEGMENT", |worker| known(worker.segment_index))
        // An idle worker still reports the speed of its last segment.
        .right("FRAMES/S", |worker| rate(worker.frames_per_second.filter(|_| worker.state == WorkerState::Busy)))
        .right("HEARD", |worker| age(Some(worker.last_seen_at), now))
        .right("DONE", |worker| worker.done.to_string())
        .right("FAILED", |worker| worker.failed.to_string())
        .right("LOST", |worker| worker.events_lost.to_string())
        .right("SPOOLED", |worker| worker.spooled.to_string())
        .cut("PROVIDER", |worker| known(worker.provider.as_ref()))
        .cut("VERSION", |worker| known(worker.version.as_ref()))
        .print()
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
