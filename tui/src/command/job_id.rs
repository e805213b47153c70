//! Finds a job by the first characters of its id.

use stereospot_api::Client;
use stereospot_domain::JobId;

use super::error::{Error, Result};
use super::patience::answered;

/// The fewest characters accepted.
const FEWEST: usize = 4;

/// The job whose id is, or begins with, `text`.
///
/// # Errors
/// [`Error::Usage`] when the text can't start an id or is too short; [`Error::Failed`] when no job or several match.
pub(super) async fn resolve(client: &Client, text: &str) -> Result<JobId> {
    if let Ok(job_id) = text.parse() {
        return Ok(job_id);
    }
    let prefix = Prefix::parse(text)?;
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = answered(client, client.jobs(None, 1000, cursor.as_deref())).await?;
        found.extend(page.jobs.iter().map(|view| view.job.job_id).filter(|job_id| prefix.matches(*job_id)));
        cursor = page.next;
        if cursor.is_none() || found.len() > 9 {
            break;
        }
    }
    match found.as_slice() {
        [job_id] => Ok(*job_id),
        [] => Err(Error::Failed(format!("no job's id begins with `{text}`: `stereospot jobs` lists them"))),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::Failed(format!("several jobs' ids begin with `{text}`, give more of it: {}", ids.join(", "))))
        }
    }
}

struct Prefix(String);

impl Prefix {
    fn parse(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
        if digits.is_empty() || digits.len() > 32 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Error::Usage(format!("`{text}` is no job's id nor the beginning of one, such as 7f3a2c1e")));
        }
        if digits.len() < FEWEST {
            return Err(Error::Usage(format!(
                "`{text}` is too short: give at least {FEWEST} characters of the job's id"
            )));
        }
        Ok(Self(digits))
    }

    fn matches(&self, job_id: JobId) -> bool {
        job_id.0.simple().to_string().starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests;
