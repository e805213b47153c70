use stereospot_domain::JobOptions;
use uuid::Uuid;

use super::*;

fn job(n: u128, created_at: i64) -> Job {
    Job::new(JobId(Uuid::from_u128(n)), JobOptions::default(), None, Timestamp(created_at))
}

fn world() -> World {
    World::new(QueueName::all())
}

#[test]
fn an_older_reading_does_not_undo_a_newer_one() {
    let mut world = world();
    let (old, mut new) = (job(1, 0), job(1, 0));
    new.status = JobStatus::ChunkingInProgress;
    world.set_job(new.clone(), Timestamp(20));
    world.set_job(old, Timestamp(10));
    assert_eq!(world.jobs[&new.job_id].job.status, JobStatus::ChunkingInProgress);
}

#[test]
fn a_clock_that_is_set_back_freezes_no_job() {
    let mut world = world();
    let (created, mut done) = (job(1, 0), job(1, 0));
    done.status = JobStatus::Completed;
    world.set_job(created, Timestamp(2 * 24 * 3600 * 1000));
    world.set_job(done.clone(), Timestamp(10));
    assert_eq!(world.jobs[&done.job_id].job.status, JobStatus::Completed);
}

#[test]
fn only_changes_are_published() {
    let mut world = world();
    world.set_job(job(1, 0), Timestamp(10));
    assert_eq!(std::mem::take(&mut world.dirty).jobs.len(), 1);
    let view = world.job_view(job(1, 0).job_id, Timestamp(10)).unwrap();
    world.jobs.get_mut(&job(1, 0).job_id).unwrap().shown = Some((view.into(), Timestamp(10)));
    world.set_job(job(1, 0), Timestamp(20));
    assert!(world.dirty.jobs.is_empty());
    world.set_job(job(1, 0), Timestamp(10 + 5_000));
    assert_eq!(world.dirty.jobs.len(), 1, "its age is told now and then");
}

#[test]
fn a_job_that_ends_is_counted_once() {
    let mut world = world();
    let mut done = job(1, 0);
    world.set_job(done.clone(), Timestamp(10));
    (done.status, done.completed_at) = (JobStatus::Completed, Some(Timestamp(2_000)));
    world.set_job(done.clone(), Timestamp(2_010));
    world.set_job(done, Timestamp(2_020));
    assert_eq!(world.ended, [(JobStatus::Completed, Duration::from_secs(2))]);
}

#[test]
fn pages_go_on_where_the_last_one_ended_whatever_comes_meanwhile() {
    let mut world = world();
    for n in 0..10 {
        world.set_job(job(n, n as i64 / 2), Timestamp(100));
    }
    let (first, next) = world.page(None, None, 4);
    world.set_job(job(99, 99), Timestamp(100));
    let (second, next) = world.page(None, next, 4);
    let (third, end) = world.page(None, next, 4);
    let all: Vec<JobId> = first.into_iter().chain(second).chain(third).collect();
    assert_eq!(all.len(), 10);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 10);
    assert_eq!(end, None);
}

#[test]
fn our_own_events_make_no_worker() {
    assert!(is_own("controlplane") && is_own("controlplane/reconciler"));
    assert!(!is_own("controlplane-2") && !is_own("inference-1"));
}
