use stereospot_domain::Timestamp;

use super::*;
use crate::dashboard::fixture::{job, job_id, stuck_job};

fn jobs(count: u32) -> Jobs {
    let mut jobs = Jobs::default();
    for number in 0..count {
        jobs.upsert(job(number, &format!("clip {number}.mp4"), JobStatus::ChunkingComplete));
    }
    jobs.rearrange();
    jobs
}

fn shown(jobs: &Jobs) -> Vec<JobId> {
    (0..jobs.shown_len()).map(|at| jobs.shown(at).id).collect()
}

#[test]
fn newest_first_and_new_ones_wait_for_their_turn() {
    let mut jobs = jobs(3);
    assert_eq!(shown(&jobs), [job_id(0), job_id(1), job_id(2)]);
    let mut newest = job(9, "new", JobStatus::Created);
    newest.job.created_at = crate::dashboard::fixture::NOW;
    jobs.upsert(newest);
    assert_eq!(jobs.shown_len(), 3, "rows don't move by themselves");
    assert!(jobs.needs_rearranging());
    jobs.rearrange();
    assert_eq!(shown(&jobs)[0], job_id(9));
    assert!(!jobs.needs_rearranging());
}

#[test]
fn a_change_that_moves_no_row_asks_for_nothing() {
    let mut jobs = jobs(3);
    let mut view = job(1, "clip 1.mp4", JobStatus::ChunkingComplete);
    view.segments_done = 5;
    jobs.upsert(view);
    assert!(!jobs.needs_rearranging());
    assert_eq!(jobs.get(job_id(1)).unwrap().done, 5);
}

#[test]
fn filters_narrow_widen_and_follow_changes() {
    let mut jobs = jobs(30);
    jobs.set_filter("CLIP 1");
    assert_eq!(jobs.shown_len(), 11);
    jobs.set_filter("clip 12");
    assert_eq!(shown(&jobs), [job_id(12)]);
    jobs.set_filter("clip");
    assert_eq!(jobs.shown_len(), 30);
    jobs.set_filter("failed");
    assert_eq!(jobs.shown_len(), 0);
    jobs.upsert(job(7, "clip 7.mp4", JobStatus::Failed));
    jobs.rearrange();
    assert_eq!(shown(&jobs), [job_id(7)]);
    jobs.set_filter(&job_id(3).to_string()[..8]);
    assert_eq!(shown(&jobs), [job_id(3)]);
}

#[test]
fn an_inverted_filter_lets_the_others_through() {
    let mut jobs = jobs(12);
    jobs.upsert(job(7, "clip 7.mp4", JobStatus::Failed));
    jobs.rearrange();
    for (typed, left) in [("!", 12), ("!fai", 11), ("!failed", 11), ("!clip 1", 9), ("!clip 11", 11), ("!no such", 12)]
    {
        jobs.set_filter(typed);
        assert_eq!(jobs.shown_len(), left, "{typed}");
    }
    jobs.set_filter("failed");
    assert_eq!(shown(&jobs), [job_id(7)]);
}

#[test]
fn a_job_that_ended_is_not_stuck() {
    let mut jobs = jobs(1);
    let mut view = stuck_job();
    view.job.status = JobStatus::Failed;
    jobs.upsert(view);
    jobs.rearrange();
    assert_eq!((jobs.tally().stuck, jobs.tally().failed), (0, 1));
    jobs.set_filter("stuck");
    assert_eq!(jobs.shown_len(), 0);
}

#[test]
fn a_filter_gives_what_a_plain_search_gives() {
    let mut jobs = jobs(200);
    for needle in ["", "c", "cl", "clip 1", "clip 19", "1", "19", "converting", "x", "sbs", "9e37"] {
        jobs.set_filter(needle);
        let expected = (0..200).filter(|number| {
            let title = format!("clip {number}.mp4");
            let words =
                [title.as_str(), "converting", "chunking_complete", "sbs", &job_id(*number).to_string()].join("|");
            words.contains(needle)
        });
        assert_eq!(shown(&jobs), expected.map(job_id).collect::<Vec<_>>(), "{needle}");
    }
}

#[test]
fn what_needs_somebody_comes_first_in_that_order() {
    let mut jobs = jobs(5);
    jobs.upsert(stuck_job());
    jobs.upsert(job(2, "done", JobStatus::Completed));
    jobs.set_order(jobs.order().next());
    let order = shown(&jobs);
    assert_eq!((order[0], order[4]), (job_id(1), job_id(2)));
    assert_eq!(jobs.active(2), [job_id(1), job_id(0)]);
    let tally = jobs.tally();
    assert_eq!((tally.running, tally.stuck, tally.completed), (3, 1, 1));
}

#[test]
fn a_page_that_is_older_than_the_stream_changes_nothing() {
    let mut jobs = jobs(1);
    let mut old = job(0, "old name", JobStatus::Created);
    old.last_activity_at = Timestamp(0);
    jobs.upsert_older(old);
    assert_eq!(jobs.get(job_id(0)).unwrap().status, JobStatus::ChunkingComplete);
}

#[test]
fn why_there_is_no_trigger() {
    let why = |view: JobView| JobRow::from(view).why_no_trigger();
    assert_eq!(why(stuck_job()).unwrap(), "3 of 64 segments missing");
    assert_eq!(why(job(0, "", JobStatus::Completed)).unwrap(), "the result exists");
    assert_eq!(why(job(0, "", JobStatus::Created)).unwrap(), "its segments are not known yet");
    let mut ready = stuck_job();
    ready.segments_done = 64;
    assert_eq!(why(ready), None);
}

#[test]
fn stuck_jobs_are_found_by_that_word_as_it_is_typed() {
    let mut jobs = jobs(5);
    jobs.upsert(stuck_job());
    jobs.rearrange();
    for typed in ["s", "st", "stu", "stuc", "stuck"] {
        jobs.set_filter(typed);
    }
    assert_eq!(shown(&jobs), [job_id(1)]);
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_are_counted() {
    let mut jobs = Jobs::default();
    let mut view = job(0, "clip", JobStatus::Completed);
    for number in 0..MAX_JOBS as u32 + 3 {
        (view.job.job_id, view.job.created_at) = (job_id(number), Timestamp(i64::from(number)));
        jobs.upsert(view.clone());
    }
    jobs.rearrange();
    assert_eq!((jobs.len(), jobs.shown_len(), jobs.dropped()), (MAX_JOBS, MAX_JOBS, 3));
    assert_eq!(jobs.tally().completed, MAX_JOBS as u64);
    assert!(jobs.get(job_id(2)).is_none());
    assert_eq!(jobs.get(job_id(3)).unwrap().created_at, Timestamp(3));
}
