//! The reconciler: looks at every unfinished job again and again and does what is safe to do for it.
//!
//! Invariant: it needs no memory. What it did is an event of the job and counts as a sign of life, so that it does the same again
//! only after another silence, even after a restart.
//!
//! It looks at what the collectors have read. Only where something seems to be due it asks the backend, with a consistent read.
//! In topology A it acts only after the job-worker, which writes completions and statuses, has had its time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use stereospot_core::world::Entry;
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::event::{JobFailed, JobRepaired, RepairedItem, Triggered};
use stereospot_domain::plan::{Action, ItemResult, Outcome, Target};
use stereospot_domain::trigger::{self, Decision};
use stereospot_domain::{ErrorCode, Job, JobId, JobStatus, Payload, QueueRole, Timestamp, Topology};
use stereospot_ports::error::chain;
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::{Result, objects, reassembly};
use stereospot_telemetry::record;
use tokio::task::JoinSet;

use crate::actions::{self, action_log, repair_steps};
use crate::app::App;
use crate::collect::details;
use crate::ingest::Source;

mod complaints;

use complaints::Complaints;

/// Act on a finding only after it was there in so many runs in a row: a single reading may mix two moments.
const SIGHTINGS: u32 = 2;

/// In topology A, wait this long for the job-worker, after the last sign of life and after our own start.
const JOB_WORKER_TAKES: Duration = Duration::from_secs(15 * 60);

/// Kept of a finding as long as it is there.
#[derive(Debug, Default)]
struct Sighting {
    /// Runs in a row in which it was there.
    runs: u32,
    /// When its repair last failed, and how often in a row: it is tried again after a pause that grows.
    failed: Option<(Timestamp, u32)>,
}

impl Sighting {
    /// Counts a run in which it is there; true when its repair is to be tried now.
    fn is_due(&mut self, now: Timestamp, step: Duration) -> bool {
        self.runs += 1;
        let is_soon = |(at, failures)| now.since(at) < rest(step, failures);
        self.runs >= SIGHTINGS && !self.failed.is_some_and(is_soon)
    }

    fn tried(&mut self, now: Timestamp, is_repaired: bool) {
        let failures = self.failed.map_or(0, |(_, failures)| failures) + 1;
        *self = Self { runs: 0, failed: (!is_repaired).then_some((now, failures)) };
    }
}

/// In events, the one who did it.
const NAME: &str = "reconciler";

type Sightings = HashMap<(JobId, FindingCode), Sighting>;
type Rests = HashMap<JobId, Rest>;

/// A job with which nothing could be done is left alone for a while.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    /// Looks in a row that led to nothing.
    looks: u32,
    /// A job that is heard of again is looked at again.
    heard_at: Timestamp,
}

/// Longest pause between two tries of what fails.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// A pause that doubles with each failure in a row.
fn rest(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_REST.max(first))
}

/// Where calls cost money, leave a job alone for so many poll intervals after nothing could be done for it.
const REST: u32 = 30;

/// About how many calls a trigger check makes.
const CHECK_CALLS: u32 = 6;

/// Starts the reconciler, where it may write.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    if app.config.reconciles() {
        // An alert fires when this time gets old. Where the reconciler is off it stays 0, and the alert does not fire.
        record::reconciler_ran(SystemTime::now());
        tasks.spawn(run(app.clone()));
    }
}

async fn run(app: Arc<App>) {
    let mut sightings = Sightings::new();
    let mut rests = Rests::new();
    let mut complaints = Complaints::default();
    let born_at = app.now();
    let mut next = app.config.reconcile;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(next) => {}
        }
        let began = Instant::now();
        let jobs = app.live.with(|world| {
            let unfinished = world.unfinished();
            unfinished
                .into_iter()
                .filter_map(|id| world.jobs.get(&id).map(|entry| entry.job.clone()))
                .collect::<Vec<_>>()
        });
        sightings.retain(|(job_id, _), _| jobs.iter().any(|job| job.job_id == *job_id));
        rests.retain(|job_id, _| jobs.iter().any(|job| job.job_id == *job_id));
        for job in &jobs {
            if app.stop.is_cancelled() {
                return;
            }
            let heard_at = heard_at(&app, job.job_id);
            let resting = rests.get(&job.job_id).copied().filter(|rest| rest.heard_at == heard_at);
            if resting.is_some_and(|rest| rest.until > Instant::now()) {
                continue;
            }
            let looked = look_at(&app, job, born_at, &mut sightings, &mut complaints).await;
            if let Err(error) = &looked {
                complaints.add("the reconciler can't look at a job now", job.job_id, &chain(error));
                record::backend_error(error.code().as_str());
            }
            if matches!(looked, Ok(true)) {
                rests.remove(&job.job_id);
                continue;
            }
            let looks = resting.map_or(0, |rest| rest.looks) + 1;
            let first = if app.polls.is_metered() { app.config.poll * REST } else { app.config.reconcile };
            rests.insert(job.job_id, Rest { until: Instant::now() + rest(first, looks), looks, heard_at });
        }
        complaints.forget();
        record::reconciler_ran(SystemTime::now());
        next = app.config.reconcile.max(began.elapsed() * 10);
    }
}

/// False when something seemed to be due and was not: to ask again at once is of no use.
async fn look_at(
    app: &App,
    job: &Job,
    born_at: Timestamp,
    sightings: &mut Sightings,
    complaints: &mut Complaints,
) -> Result<bool> {
    let job_id = job.job_id;
    if is_the_job_workers(app, job_id, born_at) {
        return Ok(true);
    }
    let mut is_as_it_seemed = true;
    match job.status {
        JobStatus::ChunkingComplete | JobStatus::Reassembling if seems_due(app, job_id) => {
            is_as_it_seemed = check(app, job_id).await?;
        }
        JobStatus::Created if job.uploaded_at.is_none() => look_for_source(app, job, born_at).await?,
        _ => {}
    }
    let findings = app.live.with(|world| world.jobs.get(&job_id).map(|entry| entry.findings.clone()));
    let findings = findings.unwrap_or_default();
    sightings.retain(|(id, code), _| *id != job_id || findings.iter().any(|finding| finding.code == *code));
    for finding in findings.iter().filter(|finding| finding.is_safe_unasked()) {
        let seen = sightings.entry((job_id, finding.code)).or_default();
        if seen.is_due(app.now(), app.config.patience.step) {
            let is_repaired = repair(app, job_id, finding.code, complaints).await?;
            seen.tried(app.now(), is_repaired);
        }
    }
    Ok(is_as_it_seemed)
}

fn heard_at(app: &App, job_id: JobId) -> Timestamp {
    let heard = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(Entry::last_activity_at));
    heard.unwrap_or_default()
}

/// True while the deployment's job-worker may still act.
fn is_the_job_workers(app: &App, job_id: JobId, born_at: Timestamp) -> bool {
    let is_owned = app.platform.facts.topology == Some(Topology::JobWorker);
    let since = heard_at(app, job_id).max(born_at);
    is_owned && app.now().since(since) < JOB_WORKER_TAKES
}

/// How long the trigger waits before it takes the job's message for lost.
fn resend_after(app: &App, job_id: JobId) -> reassembly::ResendAfter {
    app.live.at_revision(|world, _| {
        let usual = app.resend_limits();
        if world.may_be_dead_lettered(job_id, QueueRole::Reassembly) {
            // It is not lost: it waits for an operator. Another would fail as often.
            return reassembly::ResendAfter::ENDLESS;
        }
        // Where counts are exact, the queue itself says whether the message is there.
        let may_hold_it = world.depth(QueueRole::Reassembly).is_some_and(|depth| depth.value > 0 && !depth.is_exact);
        if may_hold_it && world.is_unserved(QueueRole::Reassembly, app.now()) == Some(true) {
            // Its message may wait there for a worker, as long as it takes.
            return reassembly::ResendAfter { when_busy: Duration::MAX, ..usual };
        }
        // An approximate 0 of one moment proves nothing.
        let is_empty = world.depth(QueueRole::Reassembly).is_some_and(|depth| depth.value == 0);
        let when_empty = if is_empty { usual.when_empty } else { usual.when_busy };
        reassembly::ResendAfter { when_empty, ..usual }
    })
}

/// Whether something is due by what was last read. It is read again before anything is done.
fn seems_due(app: &App, job_id: JobId) -> bool {
    let (now, patience) = (app.now(), resend_after(app, job_id));
    app.live.at_revision(|world, _| {
        let Some(entry) = world.jobs.get(&job_id) else { return false };
        let (Some(completed), Some(lock)) = (&entry.truth.completed, &entry.truth.lock) else { return false };
        let facts = trigger::Facts {
            job: entry.job.clone(),
            completions: trigger::within(entry.job.total_segments, &completed.value).0,
            surplus: Vec::new(),
            lock: lock.value.clone(),
            result_exists: entry.truth.result.as_ref().is_some_and(|result| result.value.is_some()),
        };
        !matches!(trigger::decide(&facts, now, patience.when_empty), Decision::Wait(_))
    })
}

/// The trigger check, with an event of what it did. False when there was nothing to do.
async fn check(app: &App, job_id: JobId) -> Result<bool> {
    app.polls.charge(CHECK_CALLS);
    let patience = resend_after(app, job_id);
    let Some(checked) = reassembly::check_with(&app.backend, job_id, patience).await? else {
        return Ok(false);
    };
    // The rule saw newer facts than the collectors have: they read again.
    app.nudge.jobs([job_id].into_iter());
    if !checked.has_acted {
        return Ok(false);
    }
    let (label, done) = match checked.decision {
        Decision::CreateLockAndSend => ("create_lock_and_send", "the lock was made and reassembly asked for"),
        Decision::SendAgain => ("send_again", "reassembly was asked for again"),
        Decision::MarkReassembling => ("mark_reassembling", "the job was set to reassembling"),
        Decision::MarkCompleted => ("mark_completed", "the job was set to completed"),
        Decision::Wait(_) => return Ok(false),
    };
    record::reconciler_act(label);
    let triggered = Triggered { by: Some(NAME.into()), decision: Some(checked.decision) };
    let payload = match checked.decision {
        Decision::MarkCompleted => Payload::JobCompleted(triggered),
        _ => Payload::ReassemblyTriggered(triggered),
    };
    app.ingest.emit(Source::Reconciler, payload, job_id, None).await;
    let removed = checked.removed.into_iter().map(|key| Target::Completion { job_id, key });
    let why = "removed: it belongs to none of the job's segments, and a media-worker would refuse the job";
    let mut results: Vec<ItemResult> = removed.map(|target| actions::result(&target, Outcome::Done, why)).collect();
    results.push(actions::result(&Target::Job { job_id }, Outcome::Done, done));
    action_log::keep_automatic(app, Action::Trigger { job_id }, format!("reassembly of job {job_id}"), results).await;
    Ok(true)
}

/// The error of a job that is failed because its source never came.
const NO_SOURCE: &str = "its source never arrived: submit the video again";

/// A server that dies between storing the source and updating the row leaves a row that does not know its source: it is updated. A
/// submitter that dies leaves a row without a source: it is failed after a long time, which also begins again with this process, so
/// that an upload which a restart cut off can be repeated.
async fn look_for_source(app: &App, job: &Job, born_at: Timestamp) -> Result<()> {
    let job_id = job.job_id;
    if app.is_uploading(job_id) {
        return Ok(());
    }
    let key = stereospot_domain::keys::source(job_id);
    let source = app.live.at_revision(|world, _| world.jobs.get(&job_id)?.truth.source.as_ref()?.value);
    if let Some(bytes) = source {
        let Some(written_at) = objects::written_at(&*app.backend.input.store, &key).await? else { return Ok(()) };
        app.backend.jobs.set_uploaded(job_id, written_at.min(app.now()), bytes).await?;
        tracing::info!(%job_id, bytes, "the source is there, the row did not say so");
        keep_source_repair(app, job_id, "the source is there: the row says so now").await;
        return Ok(());
    }
    let heard = app.live.with(|world| world.jobs.get(&job_id).map(|entry| entry.last_activity_at()));
    let since = heard.unwrap_or_default().max(job.created_at).max(born_at);
    // On AWS such rows belong to other programs: show them, and leave them as they are.
    if app.polls.is_metered() || app.now().since(since) < app.config.source_within {
        return Ok(());
    }
    // Held until the end: no upload may begin for a job that is being failed.
    let Some(_claim) = app.claim_upload(job_id) else { return Ok(()) };
    if objects::exists(&*app.backend.input.store, &key).await? {
        return Ok(());
    }
    let failed = Transition { from: vec![JobStatus::Created], ..Transition::failed(NO_SOURCE) };
    if let Transitioned::Changed(_) = app.backend.jobs.transition(job_id, &failed).await? {
        let failed = JobFailed {
            error: Some(NO_SOURCE.into()),
            code: Some(ErrorCode::NotFound),
            by: Some(NAME.into()),
            ..JobFailed::default()
        };
        app.ingest.emit(Source::Reconciler, Payload::JobFailed(failed), job_id, None).await;
        keep_source_repair(app, job_id, "the job was set to failed: its source never came").await;
    }
    Ok(())
}

async fn keep_source_repair(app: &App, job_id: JobId, done: &str) {
    let action = Action::Repair { job_id, code: FindingCode::SourceMissing };
    let results = vec![actions::result(&Target::Source { job_id }, Outcome::Done, done)];
    action_log::keep_automatic(app, action, format!("the source of job {job_id}"), results).await;
}

/// Carries out a finding's repair; false when all of it failed.
async fn repair(app: &App, job_id: JobId, code: FindingCode, complaints: &mut Complaints) -> Result<bool> {
    // The finding may have settled since it was seen: look again.
    let found = details::refresh_finding(app, job_id, code).await?;
    let Some((job, wanted)) = found.and_then(|(job, finding)| Some((job, finding?.repair?))) else { return Ok(true) };
    let results = repair_steps::carry_out(app, &job, &wanted).await;
    let is_repaired = results.iter().any(|(_, tried)| tried.is_ok());
    let failure = results.iter().find_map(|(_, tried)| tried.as_ref().err().map(|error| chain(error)));
    app.live.with(|world| world.tried(job_id, code, failure.filter(|_| !is_repaired)));
    let of_log = |(item, tried): &(RepairedItem, Result<String>)| match tried {
        Ok(done) => actions::result(&Target::of_repair(job_id, *item), Outcome::Done, done),
        Err(error) => actions::result(&Target::of_repair(job_id, *item), Outcome::Failed, chain(error)),
    };
    let kept: Vec<ItemResult> = results.iter().map(of_log).collect();
    if is_repaired {
        // A sign of life at once: the event follows.
        let at = app.now();
        app.live.with(|world| world.touch(job_id, at));
        let action = Action::Repair { job_id, code };
        action_log::keep_automatic(app, action, format!("{} (job {job_id})", code.title()), kept).await;
    }
    for (item, tried) in results {
        match tried {
            Ok(done) => {
                let (by, code) = (Some(NAME.into()), Some(code));
                let repaired = JobRepaired { by, code, item: Some(item), done: Some(done) };
                let payload = Payload::JobRepaired(repaired);
                app.ingest.emit(Source::Reconciler, payload, job_id, item.segment_index()).await;
            }
            Err(error) => {
                complaints.add(&format!("a repair of {} failed ({item})", code.as_str()), job_id, &chain(&error));
            }
        }
    }
    Ok(is_repaired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_hundred_jobs_that_cannot_be_repaired_cost_few_tries_and_few_lines() {
        let (step, mut complaints) = (Duration::from_secs(60), Complaints::default());
        let mut seen: Vec<Sighting> = (0..400).map(|_| Sighting::default()).collect();
        let (mut tries, mut lines) = (0, 0);
        // An hour of runs.
        for second in (0..3600).step_by(2) {
            let now = Timestamp::from_secs(second);
            for (number, seen) in seen.iter_mut().enumerate() {
                if seen.is_due(now, step) {
                    seen.tried(now, false);
                    tries += 1;
                    let job_id = JobId(uuid::Uuid::from_u128(number as u128));
                    let why = format!("the source input/{job_id}/source.mp4 is gone");
                    lines += usize::from(complaints.count("a repair failed", job_id, &why).is_some());
                }
            }
        }
        assert_eq!(tries, 400 * 9, "pauses of 1, 2, 4, 8 and then 10 minutes");
        assert_eq!(lines, 12, "of each doubling of their number");
        let repaired = &mut seen[0];
        repaired.tried(Timestamp::from_secs(3600), true);
        assert!(!repaired.is_due(Timestamp::from_secs(3601), step), "one reading may mix two moments");
        assert!(repaired.is_due(Timestamp::from_secs(3603), step), "what is new is tried at once");
    }

    #[test]
    fn what_fails_again_is_tried_less_and_less_often() {
        let step = Duration::from_secs(60);
        let pauses: Vec<u64> = [1, 2, 3, 4, 5, 40].map(|failures| rest(step, failures).as_secs()).into();
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600]);
        assert_eq!(rest(Duration::from_secs(900), 3).as_secs(), 900, "never sooner than the first");
    }
}
