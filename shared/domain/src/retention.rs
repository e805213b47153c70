//! Which ended jobs are deleted, by age and by size. Pure.
//!
//! Invariant: a job that has not ended is never among them, and the oldest go first.

use std::time::Duration;

use crate::job::JobId;
use crate::time::Timestamp;

/// How long, and how much of, ended jobs is kept. Nothing set: all of it, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Delete a job this long after its end.
    pub age: Option<Duration>,
    /// Delete the oldest ended jobs while all objects together take more.
    pub bytes: Option<u64>,
}

impl Keep {
    /// True when nothing is ever deleted.
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::default()
    }
}

/// A job that has ended and still has something that can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub job_id: JobId,
    pub ended_at: Timestamp,
    /// All its objects together; 0 where sizes don't matter.
    pub bytes: u64,
}

/// Why a job is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It ended too long ago.
    Age,
    /// All objects together take too much, and it is one of the oldest.
    Size,
}

/// The jobs to delete, oldest first. `bytes_in_all` counts every object, those of unfinished jobs included.
#[must_use]
pub fn chosen(mut ended: Vec<Ended>, bytes_in_all: u64, keep: Keep, now: Timestamp) -> Vec<(Ended, Why)> {
    ended.sort_unstable_by_key(|job| (job.ended_at, job.job_id));
    let mut left = bytes_in_all;
    let mut chosen = Vec::new();
    for job in ended {
        let why = if keep.age.is_some_and(|age| now.since(job.ended_at) >= age) {
            Why::Age
        } else if keep.bytes.is_some_and(|most| left > most) && job.bytes > 0 {
            Why::Size
        } else {
            continue;
        };
        left = left.saturating_sub(job.bytes);
        chosen.push((job, why));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn job(number: u128, ended_secs: i64, bytes: u64) -> Ended {
        Ended { job_id: JobId(Uuid::from_u128(number)), ended_at: Timestamp::from_secs(ended_secs), bytes }
    }

    fn check(keep: Keep, bytes_in_all: u64, expected: &[(u128, Why)]) {
        let jobs = vec![job(3, 900, 10), job(1, 100, 30), job(2, 500, 0), job(4, 950, 5)];
        let found: Vec<(u128, Why)> = chosen(jobs, bytes_in_all, keep, Timestamp::from_secs(1000))
            .into_iter()
            .map(|(job, why)| (job.job_id.0.as_u128(), why))
            .collect();
        assert_eq!(found, expected, "{keep:?}");
    }

    #[test]
    fn the_oldest_go_first_and_only_as_many_as_needed() {
        let age = |secs| Some(Duration::from_secs(secs));
        check(Keep::default(), 45, &[]);
        check(Keep { age: age(500), bytes: None }, 45, &[(1, Why::Age), (2, Why::Age)]);
        check(Keep { age: age(901), bytes: None }, 45, &[]);
        check(Keep { age: None, bytes: Some(45) }, 45, &[]);
        check(Keep { age: None, bytes: Some(44) }, 45, &[(1, Why::Size)]);
        check(Keep { age: None, bytes: Some(10) }, 45, &[(1, Why::Size), (3, Why::Size)]);
        check(Keep { age: age(900), bytes: Some(10) }, 45, &[(1, Why::Age), (3, Why::Size)]);
        // Unfinished jobs take 1000, and are not touched.
        check(Keep { age: None, bytes: Some(10) }, 1045, &[(1, Why::Size), (3, Why::Size), (4, Why::Size)]);
    }
}
