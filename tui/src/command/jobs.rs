//! `jobs`: list, show, events, trigger, repair, fail, download.

use stereospot_api::Client;
use stereospot_api::view::{JobDetail, JobView, SegmentState};
use stereospot_domain::plan::Action;

use super::fetch::Destination;
use super::patience::answered;
use super::print::{Column, Table, UNKNOWN, age, duration, json, known, line, mark, named, note, rate, size};
use super::{Error, Result, events, fetch, job_id, now, unless_interrupted, write};
use crate::cli::{Jobs, JobsCommand, JobsList};

pub(super) async fn run(client: &Client, options: Jobs) -> Result {
    let given = &options.list;
    if options.command.is_some() && (given.status.is_some() || given.limit.is_some() || given.cursor.is_some()) {
        return Err(Error::Usage("--status, --limit and --cursor are for `jobs list`: put them after it".into()));
    }
    match options.command.unwrap_or(JobsCommand::List(options.list)) {
        JobsCommand::List(how) => list(client, how).await,
        JobsCommand::Show { id, json: how } => {
            let detail = answered(client, client.job(job_id::resolve(client, &id).await?)).await?;
            if how.json { json(&detail) } else { show(&detail) }
        }
        JobsCommand::Events { id, limit, json: how } => {
            let events = answered(client, client.job_events(job_id::resolve(client, &id).await?, limit)).await?;
            if how.json { json(&events) } else { events::list(&events) }
        }
        JobsCommand::Trigger { id, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Trigger { job_id }, how).await
        }
        JobsCommand::Repair { id, code, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Repair { job_id, code }, how).await
        }
        JobsCommand::Fail { id, reason, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Fail { job_id, reason }, how).await
        }
        JobsCommand::Download { id, out, force, json: how } => {
            let destination = Destination::check(&out, force)?;
            let job_id = job_id::resolve(client, &id).await?;
            let fetching = fetch::result(client, job_id, &destination);
            let bytes = unless_interrupted(fetching, "interrupted: nothing was written").await?;
            if how.json {
                return json(&serde_json::json!({ "job_id": job_id, "output": destination.path(), "bytes": bytes }));
            }
            line(format!("{} ({})", named(destination.path()), size(bytes)))
        }
    }
}

async fn list(client: &Client, how: JobsList) -> Result {
    let page = answered(client, client.jobs(how.status, how.limit.unwrap_or(50), how.cursor.as_deref())).await?;
    if how.json.json {
        return json(&page);
    }
    if page.jobs.is_empty() {
        return line(match how.status {
            Some(status) => format!("no job is {status}"),
            None => "no jobs yet: `stereospot submit FILE` makes one".into(),
        });
    }
    let mut table = Table::new(&[
        Column::Left("JOB"),
        Column::Left("STATUS"),
        Column::Right("SEGMENTS"),
        Column::Right("DONE"),
        Column::Right("FRAMES/S"),
        Column::Right("LEFT"),
        Column::Left("MODE"),
        Column::Right("AGE"),
        Column::Right("HEARD"),
        Column::Cut("TITLE"),
        Column::Cut("WRONG"),
    ]);
    let now = now();
    for view in &page.jobs {
        let job = &view.job;
        table.row([
            job.job_id.to_string()[..8].to_owned(),
            job.status.to_string(),
            segments(view),
            known(view.progress.map(|share| format!("{:.0} %", share * 100.0))),
            rate(view.frames_per_second),
            view.eta.filter(|_| !job.status.is_final()).map_or_else(|| UNKNOWN.into(), |eta| duration(eta.since(now))),
            job.options.format.to_string(),
            age(Some(job.created_at), now),
            age(Some(view.last_activity_at), now),
            known(job.title.clone()),
            wrong(view),
        ]);
    }
    table.print()?;
    if let Some(next) = page.next {
        note(format!("more: stereospot jobs --cursor {next}"));
    }
    Ok(())
}

fn segments(view: &JobView) -> String {
    format!("{}/{}", view.segments_done, known(view.job.total_segments))
}

/// The gravest thing that is wrong with a job, in a few words.
fn wrong(view: &JobView) -> String {
    let finding = view.findings.first().map(|finding| format!("{} {}", mark(finding.severity), finding.code.title()));
    view.job.error.clone().or(finding).unwrap_or_default()
}

fn show(detail: &JobDetail) -> Result {
    let (view, now) = (&detail.view, now());
    let job = &view.job;
    line(format!("job       {}", job.job_id))?;
    line(format!("title     {}", known(job.title.clone())))?;
    line(format!("status    {} (read {} ago)", job.status, age(Some(view.observed_at), now)))?;
    if let Some(error) = &job.error {
        line(format!("reason    {error}"))?;
    }
    line(format!("mode      {}", job.options.format))?;
    line(format!("source    {}", known(job.source_file_size_bytes.map(size))))?;
    line(format!("result    {}", known(detail.result_bytes.map(size))))?;
    line(format!("created   {} ago", age(Some(job.created_at), now)))?;
    if let Some(at) = job.completed_at {
        line(format!("completed {} ago, after {}", age(Some(at), now), duration(at.since(job.created_at))))?;
    }
    let event = view.last_event.clone().unwrap_or_else(|| UNKNOWN.into());
    line(format!("heard     {} ago: {event}", age(Some(view.last_activity_at), now)))?;
    line(format!(
        "segments  {} done, {} running, {} dead-lettered",
        segments(view),
        view.segments_running,
        known(view.segments_dead)
    ))?;
    line(format!(
        "trigger   {}",
        if detail.can_trigger { "possible: " } else { "blocked: " }.to_owned() + &detail.trigger_note
    ))?;
    for finding in &view.findings {
        line(format!(
            "\n{} {} ({}), for {}",
            mark(finding.severity),
            finding.code.title(),
            finding.code,
            age(Some(finding.since), now)
        ))?;
        for evidence in &finding.evidence {
            line(format!("    {evidence}"))?;
        }
        if finding.repair.is_some() {
            line(format!("    repair: stereospot jobs repair {} {}", &job.job_id.to_string()[..8], finding.code))?;
        }
    }
    shown_segments(detail)?;
    shown_timeline(detail)
}

fn shown_segments(detail: &JobDetail) -> Result {
    if detail.segments.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::Right("SEGMENT"),
        Column::Left("STATE"),
        Column::Right("FRAMES"),
        Column::Right("ATTEMPTS"),
        Column::Left("WORKER"),
        Column::Right("HEARD"),
        Column::Cut("ERROR"),
    ]);
    let now = now();
    for segment in &detail.segments {
        let state = match segment.state {
            SegmentState::Done => "done",
            SegmentState::Running => "running",
            SegmentState::Queued => "queued",
            SegmentState::Missing => "! missing",
            SegmentState::DeadLettered => "✗ dead-lettered",
        };
        table.row([
            segment.index.to_string(),
            state.into(),
            format!("{}/{}", known(segment.frames_done), known(segment.frames)),
            segment.attempts.to_string(),
            known(segment.worker.clone()),
            age(segment.last_seen_at, now),
            segment.error.clone().unwrap_or_default(),
        ]);
    }
    line("")?;
    table.print()
}

fn shown_timeline(detail: &JobDetail) -> Result {
    if detail.timeline.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::Left("STAGE"),
        Column::Right("ATTEMPT"),
        Column::Right("BEGAN"),
        Column::Right("TOOK"),
        Column::Left("WORKER"),
        Column::Cut("ERROR"),
    ]);
    let now = now();
    for entry in &detail.timeline {
        table.row([
            entry.stage.to_string(),
            entry.attempt.to_string(),
            format!("{} ago", age(Some(entry.started_at), now)),
            entry.ended_at.map_or_else(|| "running".into(), |at| duration(at.since(entry.started_at))),
            known(entry.worker.clone()),
            entry.error.clone().unwrap_or_default(),
        ]);
    }
    line("")?;
    table.print()
}
