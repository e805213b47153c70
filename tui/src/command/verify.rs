//! `jobs verify`: whether the objects of jobs are as their writers wrote them.

use stereospot_api::Client;
use stereospot_api::client;
use stereospot_domain::check::{CheckSummary, JobCheck, Verdict};
use stereospot_domain::{JobId, JobStatus, Timestamp};

use super::error::{Error, Result};
use super::patience::answered;
use super::print::{age, json, json_line, line, note};
use crate::cli::Json;
use crate::text::{plural, size};

/// Jobs asked for at once.
const PAGE: u32 = 200;

/// Verifies a job, and prints each of its objects.
pub(super) async fn one(client: &Client, job_id: JobId, how: Json) -> Result {
    let check = answered(client, client.verify_job(job_id)).await?;
    if how.json {
        json(&check)?;
    } else {
        for object in &check.objects {
            let bytes = object.bytes.map_or_else(String::new, size);
            line(format!("{:<10}  {bytes:>9}  {}", object.verdict.as_str(), object.key))?;
        }
        line(format!("job {}: {}", job_id.short(), words(&check)))?;
    }
    failure(check.count(Verdict::Missing), check.count(Verdict::Damaged), 0)
}

/// Verifies all jobs, newest first, and prints a line for each.
pub(super) async fn all(client: &Client, how: Json) -> Result {
    let (mut cursor, mut jobs) = (None::<String>, 0);
    let (mut missing, mut damaged, mut failed) = (0, 0, 0);
    loop {
        let page = answered(client, client.jobs(None, PAGE, cursor.as_deref())).await?;
        for view in page.jobs.iter().filter(|view| view.job.status != JobStatus::Deleted) {
            let job_id = view.job.job_id;
            let check = match client.verify_job(job_id).await {
                Ok(check) => check,
                // It was deleted meanwhile.
                Err(client::Error::Refused(problem)) if problem.status == 404 => continue,
                Err(error @ client::Error::Refused(_)) => {
                    failed += 1;
                    note(format!("job {} can't be verified: {error}", job_id.short()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            jobs += 1;
            missing += check.count(Verdict::Missing);
            damaged += check.count(Verdict::Damaged);
            match how.json {
                true => json_line(&check)?,
                false => line(format!("{}  {:<10}  {}", job_id.short(), worst(&check), words(&check)))?,
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    note(format!("{} verified", plural(jobs, "job")));
    failure(missing, damaged, failed)
}

/// The last check of a job, in words.
pub(super) fn last(check: Option<&CheckSummary>, now: Timestamp) -> String {
    let Some(check) = check else { return "not yet".into() };
    let counts = [check.ok, check.unverified, check.missing, check.damaged];
    format!("{} ago: {}", age(Some(check.checked_at), now), counted(counts.map(|count| count as usize)))
}

fn words(check: &JobCheck) -> String {
    counted(Verdict::ALL.map(|verdict| check.count(verdict)))
}

/// `12 ok, 1 unverified`, in the order of [`Verdict::ALL`].
fn counted(counts: [usize; 4]) -> String {
    let named = Verdict::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
    let named: Vec<String> = named.map(|(verdict, count)| format!("{count} {}", verdict.as_str())).collect();
    if named.is_empty() { "no object".into() } else { named.join(", ") }
}

fn worst(check: &JobCheck) -> &'static str {
    check.objects.iter().map(|object| object.verdict).max().map_or("·", Verdict::as_str)
}

fn failure(missing: usize, damaged: usize, failed: usize) -> Result {
    let parts = [(missing, "missing"), (damaged, "damaged")];
    let mut parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", plural(count, "object")))
        .collect();
    parts.extend((failed > 0).then(|| format!("{} could not be verified", plural(failed, "job"))));
    if parts.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!("{}: `stereospot jobs show JOB` says what repairs it", parts.join(", "))))
}
