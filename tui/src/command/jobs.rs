//! `jobs`: list, show, events, trigger, repair, fail, download.

use stereospot_api::Client;
use stereospot_api::view::{JobDetail, JobView, SegmentState};
use stereospot_domain::plan::Action;
use stereospot_domain::{JobStatus, Timestamp};

use super::error::{Error, Result};
use super::fetch::Destination;
use super::patience::answered;
use super::print::{UNKNOWN, age, json, known, line, mark, named, note, rate, table};
use super::session::{server_time, unless_interrupted};
use super::{events, fetch, job_id, verify, write};
use crate::cli::{Jobs, JobsCommand, JobsList};
use crate::text::{duration, size, title};

pub(super) async fn run(client: &Client, options: Jobs) -> Result {
    let given = &options.list;
    if options.command.is_some() && (given.status.is_some() || given.limit.is_some() || given.cursor.is_some()) {
        return Err(Error::Usage("--status, --limit and --cursor are for `jobs list`: put them after it".into()));
    }
    match options.command.unwrap_or(JobsCommand::List(options.list)) {
        JobsCommand::List(how) => list(client, how).await,
        JobsCommand::Show { id, json: how } => {
            let detail = answered(client, client.job(job_id::resolve(client, &id).await?)).await?;
            if how.json { json(&detail) } else { show(&detail, server_time(client).await?) }
        }
        JobsCommand::Events { id, limit, json: how } => {
            let events = answered(client, client.job_events(job_id::resolve(client, &id).await?, limit)).await?;
            if how.json { json(&events) } else { events::list(&events, server_time(client).await?) }
        }
        JobsCommand::Trigger { id, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Trigger { job_id }, how).await
        }
        JobsCommand::Verify { id: Some(id), json: how, .. } => {
            verify::one(client, job_id::resolve(client, &id).await?, how).await
        }
        JobsCommand::Verify { id: None, json: how, .. } => verify::all(client, how).await,
        JobsCommand::Repair { id, code, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Repair { job_id, code }, how).await
        }
        JobsCommand::Fail { id, reason, discard, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Fail { job_id, reason, discard }, how).await
        }
        JobsCommand::Delete { id, write: how } => {
            let job_id = job_id::resolve(client, &id).await?;
            write::carry_out(client, Action::Delete { job_id }, how).await
        }
        JobsCommand::Prune { older_than, keep_size, write: how } => {
            let older_than_secs = older_than.map(|age| age.0.as_secs());
            let action = Action::Prune { older_than_secs, keep_bytes: keep_size.map(|size| size.0) };
            write::carry_out(client, action, how).await
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
    let now = server_time(client).await?;
    let left_for =
        |view: &JobView| view.eta.filter(|_| !view.job.status.is_final()).map(|eta| duration(eta.since(now)));
    table(&page.jobs)
        .left("JOB", |view| view.job.job_id.short())
        .left("STATUS", |view| view.job.status.to_string())
        .right("SEGMENTS", segments)
        .right("DONE", |view| known(view.progress.map(|share| format!("{:.0} %", share * 100.0))))
        .right("FRAMES/S", |view| rate(view.frames_per_second))
        .right("LEFT", |view| known(left_for(view)))
        .left("MODE", |view| view.job.options.format.to_string())
        .right("AGE", |view| age(Some(view.job.created_at), now))
        .right("HEARD", |view| age(Some(view.last_activity_at), now))
        .cut("TITLE", |view| title(view.job.title.as_deref()).into_owned())
        .cut("WRONG", wrong)
        .print()?;
    if let Some(next) = page.next {
        note(format!("more: stereospot jobs --cursor {next}"));
    }
    Ok(())
}

fn segments(view: &JobView) -> String {
    format!("{}/{}", view.segments_done, known(view.job.total_segments))
}

/// A job's most severe finding in a few words.
fn wrong(view: &JobView) -> String {
    let finding = view.findings.first().map(|finding| format!("{} {}", mark(finding.severity), finding.code.title()));
    view.job.error.clone().or(finding).unwrap_or_default()
}

fn show(detail: &JobDetail, now: Timestamp) -> Result {
    let view = &detail.view;
    let job = &view.job;
    line(format!("job       {}", job.job_id))?;
    line(format!("title     {}", title(job.title.as_deref())))?;
    line(format!("status    {} (read {} ago)", job.status, age(Some(view.observed_at), now)))?;
    if let Some(error) = &job.error {
        line(format!("reason    {error}"))?;
    }
    line(format!("mode      {}", job.options.format))?;
    line(format!("source    {}", known(job.source_file_size_bytes.map(size))))?;
    line(format!("result    {}", known(detail.result_bytes.map(size))))?;
    if job.status == JobStatus::Completed {
        line(format!(
            "sha256    {}",
            detail.result_sha256.as_deref().unwrap_or("unverified: its worker reported none")
        ))?;
    }
    line(format!("verified  {}", verify::last(detail.check.as_ref(), now)))?;
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
    for warning in &detail.warnings {
        line(format!("warning   {}", warning.text))?;
    }
    for finding in &view.findings {
        line("")?;
        line(format!(
            "{} {} ({}), for {}",
            mark(finding.severity),
            finding.code.title(),
            finding.code,
            age(Some(finding.since), now)
        ))?;
        for evidence in &finding.evidence {
            line(format!("    {evidence}"))?;
        }
        if finding.repair.is_some() {
            line(format!("    repair: stereospot jobs repair {} {}", job.job_id.short(), finding.code))?;
        }
    }
    shown_segments(detail, now)?;
    shown_timeline(detail, now)
}

fn shown_segments(detail: &JobDetail, now: Timestamp) -> Result {
    if detail.segments.is_empty() {
        return Ok(());
    }
    line("")?;
    table(&detail.segments)
        .right("SEGMENT", |segment| segment.index.to_string())
        .left("STATE", |segment| state(segment.state).into())
        .right("FRAMES", |segment| format!("{}/{}", known(segment.frames_done), known(segment.frames)))
        .right("ATTEMPTS", |segment| segment.attempts.to_string())
        .left("WORKER", |segment| known(segment.worker.as_ref()))
        .right("HEARD", |segment| age(segment.last_seen_at, now))
        .cut("ERROR", |segment| segment.error.clone().unwrap_or_default())
        .print()
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Done => "done",
        SegmentState::Running => "running",
        SegmentState::Queued => "queued",
        SegmentState::Missing => "! missing",
        SegmentState::DeadLettered => "✗ dead-lettered",
    }
}

fn shown_timeline(detail: &JobDetail, now: Timestamp) -> Result {
    if detail.timeline.is_empty() {
        return Ok(());
    }
    line("")?;
    table(&detail.timeline)
        .left("STAGE", |entry| entry.stage.to_string())
        .right("ATTEMPT", |entry| entry.attempt.to_string())
        .right("BEGAN", |entry| format!("{} ago", age(Some(entry.started_at), now)))
        .right("TOOK", |entry| {
            entry.ended_at.map_or_else(|| "running".into(), |at| duration(at.since(entry.started_at)))
        })
        .left("WORKER", |entry| known(entry.worker.as_ref()))
        .cut("ERROR", |entry| entry.error.clone().unwrap_or_default())
        .print()
}
