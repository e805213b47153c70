use stereospot_domain::trigger::Facts;
use stereospot_domain::{JobOptions, Lock};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const LONG_AGO: Timestamp = Timestamp(0);
const WAITS: Waits = Waits { resend_after: Duration::from_secs(60), holder_presumed: Duration::from_secs(600) };

fn facts(status: JobStatus, completions: u32) -> Facts {
    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, LONG_AGO);
    (job.status, job.total_segments) = (status, Some(3));
    Facts { job, completions, lock: None, result_exists: false }
}

fn lock(started: Option<Timestamp>, lease_until: Option<Timestamp>) -> Option<Lock> {
    let job_id = JobId(Uuid::nil());
    Some(Lock { job_id, triggered_at: LONG_AGO, reassembly_started_at: started, lease_until, owner: None })
}

fn check(facts: &Facts, may: bool, words: &str) {
    let completed: Vec<u32> = (0..facts.completions).collect();
    let (says, why) = trigger_verdict(facts, &completed, WAITS, NOW);
    assert_eq!(says, may, "{why}");
    assert!(why.contains(words), "{why}");
}

#[test]
fn each_answer_to_a_trigger_has_its_reason() {
    use JobStatus::*;
    check(&facts(ChunkingComplete, 3), true, "the lock is made");
    check(&facts(ChunkingComplete, 1), false, "2 of 3 segments missing: 1, 2");
    check(&facts(Completed, 3), false, "the job is completed");
    check(&facts(Failed, 3), true, "taken back from failed");
    check(&facts(Failed, 2), false, "1 of 3 segments missing: 2");
    check(&Facts { result_exists: true, ..facts(Failed, 3) }, true, "set to completed");
    check(&Facts { lock: lock(None, None), ..facts(Reassembling, 3) }, true, "sent again");
    check(
        &Facts { lock: lock(Some(LONG_AGO), Some(NOW)), ..facts(Reassembling, 3) },
        false,
        "joining the segments now",
    );
    check(&Facts { lock: lock(Some(LONG_AGO), None), ..facts(Reassembling, 3) }, true, "gave no lease and is old");
    // Younger than its message is hidden: it may be joining, however long ago the message was sent.
    let held = Some(NOW.minus(Duration::from_secs(70)));
    check(&Facts { lock: lock(held, None), ..facts(Reassembling, 3) }, false, "possible in 8m50s");
    let mut unsplit = facts(ChunkingInProgress, 0);
    unsplit.job.total_segments = None;
    check(&unsplit, false, "not split yet");
    unsplit.job.status = Failed;
    check(&unsplit, false, "before its segments were known");
}

#[test]
fn many_missing_segments_are_named_in_part() {
    assert_eq!(missing(100, &[]), "100 of 100 segments missing: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more");
}
