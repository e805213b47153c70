//! Locks under wrong clocks, and locks that vanish: a job is joined twice at worst, and no worker touches another's lock.

use std::sync::Arc;
use std::time::Duration;

use stereospot_aws::AwsBackend;
use stereospot_domain::{JobId, Timestamp};
use stereospot_ports::SystemClock;
use stereospot_ports::job_store::{Acquired, JobStore};
use uuid::Uuid;

use crate::emulator::{Emulator, Shape};

const LEASE: Duration = Duration::from_secs(30);
const NOW: Timestamp = Timestamp(1_796_000_000_000);

async fn jobs(emulator: &Emulator) -> Arc<dyn JobStore> {
    let connections = emulator.deploy(Shape::Usual).await;
    AwsBackend::connect(connections, Arc::new(SystemClock)).await.unwrap().backend.jobs
}

#[tokio::test]
async fn a_lock_that_a_faster_clock_takes_over_is_lost_and_left_alone() {
    let emulator = Emulator::start();
    let jobs = jobs(&emulator).await;
    let job_id = JobId(Uuid::new_v4());
    let slow = NOW.minus(Duration::from_secs(600));
    assert!(jobs.create_lock(job_id, slow).await.unwrap());
    assert_eq!(jobs.acquire_lock(job_id, "slow", slow, LEASE).await.unwrap(), Acquired::Yes);
    assert_eq!(jobs.acquire_lock(job_id, "right", NOW, LEASE).await.unwrap(), Acquired::Yes, "its lease seems over");
    assert!(!jobs.renew_lock(job_id, "slow", slow, LEASE).await.unwrap(), "the slow one stops");
    assert!(!jobs.release_lock(job_id, "slow").await.unwrap(), "and lets go of nothing");
    let held = jobs.acquire_lock(job_id, "slow", slow, LEASE).await.unwrap();
    assert_eq!(held, Acquired::Held(Some(NOW.plus(LEASE))));
    assert!(jobs.renew_lock(job_id, "right", NOW, LEASE).await.unwrap());
}

#[tokio::test]
async fn a_lock_that_vanishes_is_not_made_again_by_its_holder() {
    let emulator = Emulator::start();
    let jobs = jobs(&emulator).await;
    let job_id = JobId(Uuid::new_v4());
    assert!(jobs.create_lock(job_id, NOW).await.unwrap());
    assert_eq!(jobs.acquire_lock(job_id, "a", NOW, LEASE).await.unwrap(), Acquired::Yes);
    assert!(jobs.delete_lock(job_id).await.unwrap());
    assert!(!jobs.renew_lock(job_id, "a", NOW, LEASE).await.unwrap(), "the holder stops");
    assert!(!jobs.release_lock(job_id, "a").await.unwrap());
    assert_eq!(jobs.lock(job_id).await.unwrap(), None);
    assert_eq!(jobs.acquire_lock(job_id, "b", NOW, LEASE).await.unwrap(), Acquired::Missing);
}
