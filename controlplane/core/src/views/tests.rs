use stereospot_domain::trigger::{Facts, Queued};
use stereospot_domain::{JobOptions, Lock};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const LONG_AGO: Timestamp = Timestamp(0);
const WAITS: Waits = Waits {
    resend_after: Duration::from_secs(60),
    resend_anyway_after: Duration::from_secs(900),
    queued: Queued::No,
    is_unserved: Some(false),
    holder_presumed: Duration::from_secs(600),
};

fn facts(status: JobStatus, completions: u32) -> Facts {
    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, LONG_AGO);
    (job.status, job.total_segments) = (status, Some(3));
    Facts { job, completions, surplus: Vec::new(), lock: None, result_exists: false }
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
fn a_message_that_waits_is_not_called_lost() {
    let facts = |sent_ago: u64| {
        let mut facts = Facts { lock: lock(None, None), ..facts(JobStatus::Reassembling, 3) };
        let lock = facts.lock.as_mut().unwrap();
        lock.triggered_at = NOW.minus(Duration::from_secs(sent_ago));
        facts
    };
    let check = |queued, is_unserved, sent_ago, may: bool, words: &str| {
        let waits = Waits { queued, is_unserved, ..WAITS };
        let verdict = trigger_verdict(&facts(sent_ago), &[0, 1, 2], waits, NOW);
        assert_eq!(verdict, (may, words.to_owned()), "{queued:?} {is_unserved:?} {sent_ago}");
    };
    let lost = "the reassembly message seems lost: it is sent again";
    check(Queued::No, Some(true), 61, true, lost);
    check(Queued::Yes, Some(true), 5, false, "its message waits in reassembly; there is no worker");
    check(Queued::No, Some(true), 5, false, "a reassembly message was sent a moment ago and is under way");
    check(Queued::Yes, Some(true), 9000, false, "its message waits in reassembly; there is no worker");
    check(Queued::Yes, Some(false), 9000, false, "its message waits in reassembly");
    // Where messages can't be read without taking them, counts decide, and time where the queue is served.
    let perhaps = "its message may be among the 3 messages in reassembly";
    check(Queued::Perhaps(3), Some(true), 9000, false, &format!("{perhaps}; there is no worker"));
    check(Queued::Perhaps(3), Some(false), 800, false, perhaps);
    check(Queued::Perhaps(3), None, 901, true, lost);
}

#[test]
fn many_missing_segments_are_named_in_part() {
    assert_eq!(missing(100, &[]), "100 of 100 segments missing: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more");
}
