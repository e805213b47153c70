//! What fails again and again, logged a few times only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stereospot_domain::JobId;

/// A failure that has not occurred for so long is news when it occurs again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The failures of a while.
#[derive(Debug, Default)]
pub(super) struct Complaints(HashMap<String, Complaint>);

#[derive(Debug)]
struct Complaint {
    times: u64,
    last: Instant,
}

impl Complaints {
    /// Counts a failure, and logs it the first, second, fourth, eighth … time, whichever job it is of.
    pub(super) fn add(&mut self, what: &str, job_id: JobId, error: &str) {
        if let Some(times) = self.count(what, job_id, error) {
            tracing::warn!(%job_id, error, times, "{what}");
        }
    }

    /// How often it has occurred, where that is to be logged.
    pub(super) fn count(&mut self, what: &str, job_id: JobId, error: &str) -> Option<u64> {
        let kind = format!("{what}: {error}").replace(&job_id.to_string(), "");
        let complaint = self.0.entry(kind).or_insert(Complaint { times: 0, last: Instant::now() });
        complaint.times += 1;
        complaint.last = Instant::now();
        complaint.times.is_power_of_two().then_some(complaint.times)
    }

    /// Forgets what no longer occurs.
    pub(super) fn forget(&mut self) {
        self.0.retain(|_, complaint| complaint.last.elapsed() < FORGOTTEN_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_of_many_jobs_is_a_few_lines() {
        let mut complaints = Complaints::default();
        let logged: Vec<u64> = (0..400)
            .filter_map(|number| {
                let job_id = JobId(uuid::Uuid::from_u128(number));
                complaints.count("a repair failed", job_id, &format!("input/{job_id}/source.mp4 is gone"))
            })
            .collect();
        assert_eq!(logged, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(complaints.count("a repair failed", JobId(uuid::Uuid::nil()), "denied"), Some(1));
    }
}
