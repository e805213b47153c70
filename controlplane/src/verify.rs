//! Compares the objects of a job with the checksums that their writers recorded.
//!
//! An operator asks for it by job. Where objects are files of this machine, the results of completed jobs are also compared slowly
//! in the background.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use serde::Deserialize;
use stereospot_core::world::Entry;
use stereospot_domain::check::{CheckedObject, JobCheck, Verdict};
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::keys::{self, InputKey, OutputKey};
use stereospot_domain::{BackendKind, Job, JobId, JobStatus, Timestamp};
use stereospot_ports::checksum::{Checksum, Sum};
use stereospot_ports::error::chain;
use stereospot_ports::{Bucket, Result, objects};
use tokio::task::JoinSet;

use crate::app::App;
use crate::truth;

/// A result is not compared again in the background before this.
const AGAIN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Pause between two rounds through all jobs.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(600);
/// Jobs looked up at once.
const PAGE: usize = 100;

/// The parts of a job's manifest that say what was written. Another service's job has none.
#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    written: Vec<Checksum>,
    source: Option<Checksum>,
}

/// Reads every object of a job, and keeps how that ended.
pub(crate) async fn check(app: &App, job: &Job) -> Result<JobCheck> {
    let job_id = job.job_id;
    let (input, output) = (&app.backend.input, &app.backend.output);
    let result_key = keys::result(job_id);
    let mut listed = below(input, &format!("input/{job_id}")).await?;
    listed.extend(below(input, &format!("segments/{job_id}")).await?);
    let outputs = below(output, &format!("jobs/{job_id}")).await?;
    let (written, manifest) = manifest(input, job_id).await?;
    let mut found: Vec<CheckedObject> = manifest.into_iter().collect();
    for (key, bytes) in &listed {
        let expected = match keys::parse_input(key) {
            Some(InputKey::Source(_)) => match &written.source {
                Some(split) => Some(split.clone()),
                None => Checksum::load(input, &keys::source_checksum(job_id)).await?,
            },
            Some(InputKey::Segment(segment)) => written.written.get(segment.index as usize).cloned(),
            None => continue,
        };
        found.extend(compared(input, key, *bytes, expected).await?);
    }
    for (key, bytes) in &outputs {
        let checksum = match keys::parse_output(key) {
            Some(OutputKey::Segment(_, index)) => keys::output_checksum(job_id, index),
            Some(OutputKey::Final(_)) => keys::result_checksum(job_id),
            Some(OutputKey::Done(_)) | None => continue,
        };
        let expected = Checksum::load(output, &checksum).await?;
        found.extend(compared(output, key, *bytes, expected).await?);
    }
    let needed = needed(app, job, &outputs).await?;
    let missing = needed.into_iter().filter(|key| !found.iter().any(|object| object.key == *key));
    let missing: Vec<String> = missing.collect();
    found.extend(missing.into_iter().map(|key| CheckedObject { key, verdict: Verdict::Missing, bytes: None }));
    found.sort_by(|one, other| one.key.cmp(&other.key));
    let check = JobCheck { job_id, status: job.status, checked_at: app.now(), objects: found };
    keep(app, &check, &result_key).await;
    Ok(check)
}

/// Objects below a prefix, by key, with their sizes.
async fn below(bucket: &Bucket, prefix: &str) -> Result<HashMap<String, u64>> {
    let listed = bucket.store.list(Some(&objects::path(prefix)?));
    Ok(listed.map_ok(|meta| (meta.location.to_string(), meta.size)).try_collect().await?)
}

/// Reads a job's manifest, and says whether it is what was written. Absent without one, as other services' jobs have none.
async fn manifest(input: &Bucket, job_id: JobId) -> Result<(Written, Option<CheckedObject>)> {
    #[derive(Deserialize)]
    struct Copied {
        sha256: String,
        manifest: String,
    }
    let key = keys::manifest(job_id);
    let stored = objects::content(&*input.store, &key).await?;
    let copied = objects::content(&*input.store, &keys::manifest_copy(job_id)).await?;
    let copied = copied.and_then(|text| serde_json::from_slice::<Copied>(&text).ok());
    let copied = copied.filter(|copied| Checksum::of(copied.manifest.as_bytes()).sha256 == copied.sha256);
    let verdict = match (&stored, &copied) {
        (None, None) => return Ok((Written::default(), None)),
        (None, Some(_)) => Verdict::Missing,
        (Some(_), None) => Verdict::Unverified,
        (Some(stored), Some(copied)) if Checksum::of(stored).sha256 == copied.sha256 => Verdict::Ok,
        (Some(_), Some(_)) => Verdict::Damaged,
    };
    let bytes = stored.as_ref().map(|stored| stored.len() as u64);
    // Workers use the copy where the two differ, and so does this.
    let content = copied.map(|copied| copied.manifest.into_bytes()).or(stored).unwrap_or_default();
    let written = serde_json::from_slice(&content).unwrap_or_default();
    Ok((written, Some(CheckedObject { key, verdict, bytes })))
}

/// Reads an object and compares it; none if it was deleted meanwhile.
async fn compared(bucket: &Bucket, key: &str, bytes: u64, expected: Option<Checksum>) -> Result<Option<CheckedObject>> {
    let verdict = match expected {
        None => Verdict::Unverified,
        Some(expected) if expected.bytes != bytes => Verdict::Damaged,
        Some(expected) => match Checksum::of_object(bucket, key).await? {
            None => return Ok(None),
            Some(stored) if stored == expected => Verdict::Ok,
            Some(_) => Verdict::Damaged,
        },
    };
    Ok(Some(CheckedObject { key: key.to_owned(), verdict, bytes: Some(bytes) }))
}

/// The keys that a job needs in its status: an ended one its result only, an unfinished one what its next stages read.
async fn needed(app: &App, job: &Job, outputs: &HashMap<String, u64>) -> Result<Vec<String>> {
    let Job { job_id, status, mode, .. } = *job;
    match status {
        JobStatus::Completed => return Ok(vec![keys::result(job_id)]),
        JobStatus::Failed | JobStatus::Deleted | JobStatus::Ingesting => return Ok(Vec::new()),
        JobStatus::Created if job.uploaded_at.is_none() => return Ok(Vec::new()),
        JobStatus::Created | JobStatus::ChunkingInProgress => return Ok(vec![keys::source(job_id)]),
        JobStatus::ChunkingComplete | JobStatus::Reassembling => {}
    }
    let total = job.total_segments.unwrap_or(0);
    let done = truth::completions(&app.backend, job_id).await?;
    let is_done = |index: u32| done.binary_search_by_key(&index, |(index, _)| *index).is_ok();
    let mut needed = vec![keys::source(job_id)];
    needed.extend((0..total).filter_map(|index| {
        let output = keys::output_segment(job_id, index);
        match (outputs.contains_key(&output), is_done(index)) {
            (true, _) => None,
            (false, true) => Some(output),
            (false, false) => Some(keys::segment(keys::SegmentKey { job_id, index, total, mode })),
        }
    }));
    Ok(needed)
}

/// Keeps a check, and shows what it found of the result.
async fn keep(app: &App, check: &JobCheck, result_key: &str) {
    let (job_id, at) = (check.job_id, check.checked_at);
    let result = check.objects.iter().find(|object| object.key == result_key);
    let damage = result.filter(|result| result.verdict == Verdict::Damaged && check.status == JobStatus::Completed);
    let damage = damage.map(|result| {
        let bytes = result.bytes.unwrap_or(0);
        format!("the SHA-256 of final.mp4 ({bytes} bytes) is not the one that its worker recorded")
    });
    if let Err(error) = app.store.put_check(job_id, &check.summary(result_key), damage.as_deref()).await {
        tracing::warn!(%job_id, error = %chain(&error), "how a check ended is not kept");
    }
    app.live.with(|world| {
        world.set_truth(job_id, |truth| {
            if check.status == JobStatus::Completed {
                truth.result = Some(Fact::exact(result.and_then(|result| result.bytes), at));
            }
            truth.damage = damage.map(|damage| Fact::exact(damage, at));
        });
        world.diagnose(job_id, at, app.config.patience);
    });
}

/// Starts the comparison in the background.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    if app.backend.kind != BackendKind::Aws && app.config.verify_bytes_per_sec > 0 {
        tasks.spawn(slowly(app.clone()));
    }
}

async fn slowly(app: Arc<App>) {
    loop {
        let round = async {
            while app.live.at_revision(|world, _| world.completed_listed_at) == Timestamp(0) {
                tokio::time::sleep(app.config.poll).await;
            }
            let mut after = None;
            loop {
                let (jobs, next) = app.live.at_revision(|world, _| world.page(Some(JobStatus::Completed), after, PAGE));
                for job_id in jobs {
                    if let Err(error) = compare_result(&app, job_id).await {
                        tracing::debug!(%job_id, error = %chain(&error), "a result can't be compared now");
                    }
                }
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = round => {}
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(BETWEEN_ROUNDS) => {}
        }
    }
}

/// Compares a result with its checksum, slowly, unless that was done lately.
async fn compare_result(app: &App, job_id: JobId) -> Result<()> {
    let (now, key) = (app.now(), keys::result(job_id));
    let last = app.store.check(job_id).await.ok().flatten().map(|summary| summary.checked_at);
    let ended_at = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(Entry::last_activity_at));
    let is_new = |last: Timestamp| ended_at.is_some_and(|ended_at| last < ended_at);
    if last.is_some_and(|last| now.since(last) < AGAIN_AFTER && !is_new(last)) {
        return Ok(());
    }
    let output = &app.backend.output;
    let Some(written) = Checksum::load(output, &keys::result_checksum(job_id)).await? else { return Ok(()) };
    let found = match output.store.get(&objects::path(&key)?).await {
        Ok(found) => found,
        // The pass through the listing finds that.
        Err(object_store::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let (mut parts, mut sum) = (found.into_stream(), Sum::default());
    while let Some(part) = parts.next().await {
        let part = part?;
        sum.add(&part);
        let pause = Duration::from_secs_f64(part.len() as f64 / app.config.verify_bytes_per_sec as f64);
        tokio::time::sleep(pause).await;
    }
    let stored = sum.finish();
    // A result that is being made again meanwhile has another checksum by now.
    if Checksum::load(output, &keys::result_checksum(job_id)).await?.as_ref() != Some(&written) {
        return Ok(());
    }
    let verdict = if stored == written { Verdict::Ok } else { Verdict::Damaged };
    let Some(job) = app.backend.jobs.get(job_id).await?.filter(|job| job.status == JobStatus::Completed) else {
        return Ok(());
    };
    let object = CheckedObject { key: key.clone(), verdict, bytes: Some(stored.bytes) };
    let check = JobCheck { job_id, status: job.status, checked_at: app.now(), objects: vec![object] };
    keep(app, &check, &key).await;
    Ok(())
}
