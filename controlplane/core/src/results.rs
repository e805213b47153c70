//! Compares a listing of the objects with the completed jobs.

use std::cmp::Reverse;
use std::ops::Bound;

use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{JobId, JobStatus, Timestamp};

use super::World;

/// What a listing showed of a job's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenResult {
    /// Its size was not known.
    First,
    /// It has the size that it had before, or its job is not completed.
    Same,
    /// It has another size than before.
    Resized,
}

impl World {
    /// Takes in a result that a listing showed.
    pub fn saw_result(&mut self, job_id: JobId, bytes: u64, at: Timestamp) -> SeenResult {
        let completed = self.jobs.get_mut(&job_id).filter(|entry| entry.job.status == JobStatus::Completed);
        let Some(entry) = completed else { return SeenResult::Same };
        let before = entry.truth.result.as_ref().map(|result| result.value);
        // A result that was missing, or has another size: the caller looks closer before anything is concluded.
        let seen = match before {
            None => SeenResult::First,
            Some(Some(before)) if before == bytes => SeenResult::Same,
            Some(_) => return SeenResult::Resized,
        };
        entry.truth.result = Some(Fact::exact(Some(bytes), at));
        seen
    }

    /// Completed jobs whose result a listing that began then did not show, or whose row no list showed since `rows_since`. Looks at
    /// so many jobs only, newest first; returns where to go on.
    pub fn unseen_results(
        &self,
        began: Timestamp,
        rows_since: Timestamp,
        after: Option<(Timestamp, JobId)>,
        limit: usize,
    ) -> (Vec<JobId>, Option<(Timestamp, JobId)>) {
        let from = after.map_or(Bound::Unbounded, |(at, id)| Bound::Excluded((Reverse(at), id)));
        let (mut unseen, mut looked_at, mut last) = (Vec::new(), 0, None);
        for (Reverse(at), job_id) in self.order.range((from, Bound::Unbounded)).take(limit) {
            (looked_at, last) = (looked_at + 1, Some((*at, *job_id)));
            let Some(entry) = self.jobs.get(job_id) else { continue };
            let ended_at = entry.job.completed_at.unwrap_or(entry.job.created_at).max(entry.touched_at);
            // What was completed meanwhile may come before the place that the listing had reached.
            if entry.job.status != JobStatus::Completed || ended_at >= began {
                continue;
            }
            let is_listed =
                entry.truth.result.as_ref().is_some_and(|result| result.value.is_some() && result.observed_at >= began);
            if !is_listed || entry.observed_at < rows_since {
                unseen.push(*job_id);
            }
        }
        (unseen, last.filter(|_| looked_at == limit))
    }

    /// Takes in that a job has no row. One that was completed is kept: its objects may be all that is left of it. True for such a job.
    pub fn row_is_gone(&mut self, job_id: JobId, at: Timestamp) -> bool {
        let Some(entry) = self.jobs.get_mut(&job_id).filter(|entry| entry.job.status == JobStatus::Completed) else {
            self.forget_job(job_id);
            return false;
        };
        if entry.row_gone_since.is_none() {
            entry.row_gone_since = Some(at);
            self.dirty.jobs.insert(job_id);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stereospot_domain::{Job, JobOptions};

    fn world(count: u128) -> World {
        let mut world = World::new([]);
        for number in 0..count {
            let mut job = Job::new(JobId(uuid::Uuid::from_u128(number)), JobOptions::default(), None, Timestamp(1));
            (job.status, job.completed_at) = (JobStatus::Completed, Some(Timestamp(2)));
            world.set_job(job, Timestamp(3));
        }
        world
    }

    fn id(number: u128) -> JobId {
        JobId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn what_a_listing_does_not_show_is_doubtful_and_nothing_else() {
        let mut world = world(4);
        assert_eq!(world.saw_result(id(0), 7, Timestamp(11)), SeenResult::First);
        assert_eq!(world.saw_result(id(0), 7, Timestamp(12)), SeenResult::Same);
        assert_eq!(world.saw_result(id(1), 7, Timestamp(5)), SeenResult::First);
        assert_eq!(world.saw_result(id(0), 8, Timestamp(13)), SeenResult::Resized);
        let began = Timestamp(10);
        assert_eq!(world.unseen_results(began, Timestamp(0), None, 9), (vec![id(1), id(2), id(3)], None));
        let (first, next) = world.unseen_results(began, Timestamp(0), None, 3);
        assert_eq!(first, [id(1), id(2)]);
        assert_eq!(world.unseen_results(began, Timestamp(0), next, 3), (vec![id(3)], None));
        assert_eq!(world.unseen_results(Timestamp(2), Timestamp(0), None, 9).0, [], "completed since it began");
        assert_eq!(world.unseen_results(Timestamp(4), Timestamp(4), None, 9).0.len(), 4, "rows not listed since");
    }

    #[test]
    fn the_row_of_a_completed_job_is_missed_and_any_other_forgotten() {
        let mut world = world(1);
        assert!(world.row_is_gone(id(0), Timestamp(9)));
        assert_eq!(world.jobs[&id(0)].row_gone_since, Some(Timestamp(9)));
        let job = world.jobs[&id(0)].job.clone();
        world.set_job(job, Timestamp(10));
        assert_eq!(world.jobs[&id(0)].row_gone_since, None, "it is back");
        let other = Job::new(id(7), JobOptions::default(), None, Timestamp(1));
        world.set_job(other, Timestamp(3));
        assert!(!world.row_is_gone(id(7), Timestamp(9)));
        assert!(!world.jobs.contains_key(&id(7)));
    }
}
