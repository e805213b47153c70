use super::*;
use crate::options::JobOptions;

const NOW: Timestamp = Timestamp(1_000_000);
const RESEND: Duration = Duration::from_secs(30);

fn facts(status: JobStatus, total: Option<u32>, completions: u32, lock: Option<Lock>) -> Facts {
    let mut job = Job::new(crate::JobId(uuid::Uuid::nil()), JobOptions::default(), None, Timestamp(0));
    (job.status, job.total_segments) = (status, total);
    Facts { job, completions, surplus: Vec::new(), lock, result_exists: false }
}

fn lock(triggered_ago: i64, started: bool, lease_in: Option<i64>) -> Option<Lock> {
    Some(Lock {
        job_id: crate::JobId(uuid::Uuid::nil()),
        triggered_at: Timestamp(NOW.0 - triggered_ago),
        reassembly_started_at: started.then_some(Timestamp(NOW.0 - triggered_ago)),
        lease_until: lease_in.map(|ms| Timestamp(NOW.0 + ms)),
        owner: None,
    })
}

fn check(facts: Facts, expected: Decision) {
    assert_eq!(decide(&facts, NOW, RESEND), expected, "{facts:?}");
}

#[test]
fn reassembly_waits_for_every_segment() {
    check(facts(JobStatus::Created, None, 0, None), Decision::Wait(Why::NotChunked));
    check(facts(JobStatus::ChunkingInProgress, None, 7, None), Decision::Wait(Why::NotChunked));
    check(facts(JobStatus::ChunkingComplete, Some(4), 3, None), Decision::Wait(Why::Missing(1)));
    check(facts(JobStatus::ChunkingComplete, Some(4), 4, None), Decision::CreateLockAndSend);
    // More completions than segments count as complete.
    check(facts(JobStatus::ChunkingComplete, Some(4), 5, None), Decision::CreateLockAndSend);
}

#[test]
fn every_crash_point_is_recovered() {
    let complete = |lock| facts(JobStatus::ChunkingComplete, Some(1), 1, lock);
    let reassembling = |lock| facts(JobStatus::Reassembling, Some(1), 1, lock);
    // Crashed after creating the lock, before or after sending: the two look the same, so wait for `RESEND`.
    check(complete(lock(29_999, false, None)), Decision::Wait(Why::MessageUnderWay));
    check(complete(lock(30_000, false, None)), Decision::SendAgain);
    // Crashed after sending, before setting the status.
    check(complete(lock(5, true, Some(10))), Decision::MarkReassembling);
    // Crashed while reassembling.
    check(reassembling(lock(90_000, true, Some(10))), Decision::Wait(Why::Running));
    check(reassembling(lock(90_000, true, Some(-1))), Decision::SendAgain);
    check(reassembling(lock(10, true, Some(-1))), Decision::Wait(Why::MessageUnderWay));
    check(reassembling(None), Decision::CreateLockAndSend);
    // A holder without a lease may be alive or dead.
    check(reassembling(lock(900_000, true, None)), Decision::Wait(Why::HeldWithoutLease));
}

#[test]
fn an_existing_result_completes_the_job() {
    for status in JobStatus::ALL {
        let mut facts = facts(*status, Some(1), 1, None);
        facts.result_exists = true;
        let decision = decide(&facts, NOW, RESEND);
        assert_eq!(decision == Decision::MarkCompleted, JobStatus::Completed.may_follow().contains(status), "{status}");
    }
}
