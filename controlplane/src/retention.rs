//! Which ended jobs are due to be deleted, by age and by size.
//!
//! Invariant: only a job that has ended is due, and none of which a message may still be replayed or restored.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use stereospot_core::world::Entry;
use stereospot_domain::retention::{self, Ended, Keep, Why};
use stereospot_domain::text::{age, plural, size};
use stereospot_domain::{Collector, JobId, JobStatus, QueueRole, Timestamp, keys};
use stereospot_ports::deletion::{self, Remains};

use crate::app::App;
use crate::store;

/// A job to delete.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) job_id: JobId,
    pub(crate) title: Option<String>,
    pub(crate) status: JobStatus,
    pub(crate) ended_at: Timestamp,
    pub(crate) remains: Remains,
    pub(crate) why: Why,
}

/// What a policy asks for now.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Oldest first.
    pub(crate) chosen: Vec<Chosen>,
    /// Jobs that are due and left alone, and why.
    pub(crate) held: Vec<(JobId, String)>,
    /// Jobs that are due beyond the limit.
    pub(crate) more: usize,
    /// The bytes of all objects, where they were added up.
    pub(crate) bytes_in_all: Option<u64>,
}

/// Why it is not known which jobs are due.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not all jobs have been read yet since the start: try again in a moment")]
    Unread,
    #[error(transparent)]
    Backend(#[from] stereospot_ports::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Finds the jobs that are due, at most `limit`. Changes nothing.
pub(crate) async fn find(app: &App, keep: Keep, limit: usize) -> Result<Found, Error> {
    let now = app.now();
    // The row alone makes a job seem older than it is, so it only says which jobs need a closer look.
    let may_be_due =
        |entry: &Entry| keep.bytes.is_some() || keep.age.is_some_and(|age| now.since(entry.last_activity_at()) >= age);
    let candidates: Vec<(JobId, JobStatus, Timestamp, Option<String>)> = app
        .live
        .at_revision(|world, _| {
            let is_whole = world.collectors.contains_key(&Collector::SettledJobs);
            is_whole.then(|| {
                let ended = world.jobs.iter().filter(|(_, entry)| entry.job.status.is_final() && may_be_due(entry));
                let facts = |(job_id, entry): (&JobId, &Entry)| {
                    let ended_at = entry.job.completed_at.unwrap_or_else(|| entry.last_activity_at());
                    (*job_id, entry.job.status, ended_at, entry.job.title.clone())
                };
                ended.map(facts).collect()
            })
        })
        .ok_or(Error::Unread)?;
    let scanned = match keep.bytes {
        Some(_) => Some(scan(app).await?),
        None => None,
    };
    let mut ended = Vec::new();
    let mut about: HashMap<JobId, (JobStatus, Option<String>)> = HashMap::new();
    for (job_id, status, mut ended_at, title) in candidates {
        let bytes = scanned.as_ref().map_or(0, |scan| scan.by_job.get(&job_id).copied().unwrap_or(0));
        // A deleted job is due only for what a late write left behind, which only a scan shows.
        if status == JobStatus::Deleted && bytes == 0 {
            continue;
        }
        if status == JobStatus::Failed {
            // Its row does not say when it failed.
            ended_at = ended_at.max(app.store.newest_event_of(job_id).await?.unwrap_or_default());
        }
        ended.push(Ended { job_id, ended_at, bytes });
        about.insert(job_id, (status, title));
    }
    let bytes_in_all = scanned.as_ref().map(|scan| scan.bytes);
    let mut found = Found { bytes_in_all, ..Found::default() };
    let restorable = app.store.jobs_with_copies(now.minus(store::KEPT)).await?;
    // What is held stays, so others go in its place.
    let wanted = retention::chosen(ended.clone(), bytes_in_all.unwrap_or(0), keep, now);
    let wanted: HashSet<JobId> = wanted.into_iter().map(|(job, _)| job.job_id).collect();
    ended.retain(|job| {
        let why = held(app, job.job_id, about[&job.job_id].0, &restorable);
        found.held.extend(why.clone().filter(|_| wanted.contains(&job.job_id)).map(|why| (job.job_id, why)));
        why.is_none()
    });
    let due = retention::chosen(ended, bytes_in_all.unwrap_or(0), keep, now);
    for (job, why) in due {
        if found.chosen.len() == limit {
            found.more += 1;
            continue;
        }
        let remains = deletion::remains(&app.backend, job.job_id).await?;
        let Some((status, title)) = about.remove(&job.job_id) else { continue };
        found.chosen.push(Chosen { job_id: job.job_id, title, status, ended_at: job.ended_at, remains, why });
    }
    Ok(found)
}

/// Why a job that is due must stay: a message of it could still be sent again.
pub(crate) fn held(app: &App, job_id: JobId, status: JobStatus, restorable: &HashSet<JobId>) -> Option<String> {
    if restorable.contains(&job_id) {
        return Some("purged messages of it can still be restored".into());
    }
    app.live.at_revision(|world, _| {
        let letters = world.jobs.get(&job_id).map_or(0, |entry| world.dead_letters(entry).len());
        if letters > 0 {
            let letters = plural(letters, "message");
            return Some(format!(
                "{letters} of it can still be replayed: discard them first, or delete the job with them"
            ));
        }
        let is_unread = |role: &QueueRole| world.has_more_dead_letters(*role) != Some(false);
        (status == JobStatus::Failed && QueueRole::PIPELINE.iter().any(is_unread))
            .then(|| "not every message on the dead-letter queues could be read: one of them may be its".into())
    })
}

/// The sizes of all objects.
struct Scan {
    bytes: u64,
    by_job: HashMap<JobId, u64>,
}

async fn scan(app: &App) -> stereospot_ports::Result<Scan> {
    let mut scan = Scan { bytes: 0, by_job: HashMap::new() };
    for bucket in [&app.backend.input, &app.backend.output] {
        let mut objects = bucket.store.list(None);
        while let Some(meta) = objects.try_next().await? {
            scan.bytes += meta.size;
            if let Some(job_id) = keys::job_of(meta.location.as_ref()) {
                *scan.by_job.entry(job_id).or_default() += meta.size;
            }
        }
    }
    Ok(scan)
}

/// `4 objects (16 B), 0 completions`.
pub(crate) fn named(remains: &Remains) -> String {
    let objects = plural(remains.objects, "object");
    format!("{objects} ({}), {}", size(remains.bytes), plural(remains.completions as usize, "completion"))
}

/// Why a job goes, in words.
pub(crate) fn reason(chosen: &Chosen, now: Timestamp) -> String {
    let ended = age(now.since(chosen.ended_at));
    match chosen.why {
        Why::Age => format!("it ended {ended} ago"),
        Why::Size => format!("it is one of the oldest, ended {ended} ago"),
    }
}
