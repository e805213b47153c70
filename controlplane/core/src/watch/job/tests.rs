use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{Job, JobId, JobOptions, QueueName};
use uuid::Uuid;

use super::*;
use crate::World;

#[test]
fn an_old_job_is_read_seldom_only_where_its_source_never_came() {
    let mut world = World::new(QueueName::all());
    let job_id = JobId(Uuid::from_u128(1));
    let at = |secs: i64| Timestamp(secs * 1000);
    world.set_job(Job::new(job_id, JobOptions::default(), None, at(0)), at(10_000));
    assert_eq!(world.jobs[&job_id].watching(at(10_000)), Watching::Idle);
    assert_eq!(world.jobs[&job_id].watching(at(60)), Watching::Active, "it may be uploaded");
    world.set_truth(job_id, |truth| truth.source = Some(Fact::exact(None, at(10_000))));
    assert_eq!(world.jobs[&job_id].watching(at(10_000)), Watching::Idle);
    world.set_truth(job_id, |truth| truth.source = Some(Fact::exact(Some(1), at(10_000))));
    assert_eq!(world.jobs[&job_id].watching(at(10_000)), Watching::Active, "its message is lost");
}
