use super::*;
use crate::error_code::ErrorCode;
use crate::job::{Job, Lock};
use crate::options::JobOptions;
use crate::queue::QueueRole;
use crate::stage::Stage;
use crate::{JobId, JobStatus};

mod ingest;

const NOW: Timestamp = Timestamp(10_000_000);
const LONG_AGO: Timestamp = Timestamp(9_000_000);

fn healthy(status: JobStatus) -> JobFacts {
    let mut job = Job::new(JobId(uuid::Uuid::nil()), JobOptions::default(), None, LONG_AGO);
    (job.status, job.total_segments) = (status, Some(3));
    JobFacts {
        job: Fact::exact(job, NOW),
        completed: Some(Fact::exact(vec![0, 1, 2], NOW)),
        lock: Some(Fact::exact(None, NOW)),
        gone: None,
        source_exists: Some(Fact::exact(true, NOW)),
        result_exists: Some(Fact::exact(false, NOW)),
        result_damage: None,
        row_gone_since: None,
        deleted_before: None,
        outputs: Some(Fact::exact(vec![0, 1, 2], NOW)),
        dead_letters: vec![],
        unseen_sources: None,
        unseen_segments: None,
        unseen_ingests: None,
        running: vec![],
        failing: vec![],
        join_error: None,
        chunking_depth: Some(Fact::exact(0, NOW)),
        inference_depth: Some(Fact::exact(0, NOW)),
        reassembly_depth: Some(Fact::exact(0, NOW)),
        ingest_depth: Some(Fact::exact(0, NOW)),
        ingest_unknown: None,
        chunking_tries: None,
        inference_tries: None,
        reassembly_tries: None,
        ingest_tries: None,
        fetch_presumed: Duration::from_secs(600),
        fetch_tries: Duration::from_secs(900),
        holder_presumed: Duration::from_secs(600),
        last_activity_at: LONG_AGO,
    }
}

fn lock(started: Option<Timestamp>, lease_until: Option<Timestamp>) -> Option<Fact<Option<Lock>>> {
    let (job_id, owner) = (JobId(uuid::Uuid::nil()), None);
    let lock = Lock { job_id, triggered_at: LONG_AGO, reassembly_started_at: started, lease_until, owner };
    Some(Fact::exact(Some(lock), NOW))
}

fn letter(role: QueueRole, segment_index: Option<u32>) -> DeadLetter {
    let (queue, message_id) = (QueueName::dead_letter(role), "m".into());
    DeadLetter {
        queue,
        message_id,
        segment_index,
        since: LONG_AGO,
        error: Some("out of memory".into()),
        code: None,
        is_damaged: false,
    }
}

fn check(facts: &JobFacts, expected: &[(FindingCode, bool)]) {
    let findings = diagnose(facts, NOW, Patience::default());
    for finding in &findings {
        let remedy = match &finding.repair {
            None if finding.code == FindingCode::IngestLost => Remedy::GiveUp,
            None => Remedy::Look,
            Some(Repair::ReplayDeadLetters { .. }) => Remedy::Replay,
            Some(
                Repair::ResendSource
                | Repair::ResendSegments { .. }
                | Repair::PutCompletions { .. }
                | Repair::AssembleAgain
                | Repair::PutRow
                | Repair::DeleteAgain,
            ) => Remedy::Repair,
            Some(_) => Remedy::Trigger,
        };
        assert_eq!(finding.remedy(), remedy, "the table of codes: {finding:?}");
        assert!(finding.severity <= finding.code.severity(), "doubt only makes it less grave: {finding:?}");
    }
    let found: Vec<(FindingCode, bool)> =
        findings.into_iter().map(|finding| (finding.code, finding.repair.is_some())).collect();
    assert_eq!(found, expected, "{facts:#?}");
}

#[test]
fn each_known_way_of_losing_a_job_is_found() {
    // The numbers are those of the list of failures that existing deployments show.
    let mut one = healthy(JobStatus::ChunkingComplete);
    one.lock = lock(None, None);
    check(&one, &[(FindingCode::ReassemblyMessageLost, true)]);

    let mut two = healthy(JobStatus::ChunkingComplete);
    two.completed = Some(Fact::exact(vec![0, 2], NOW));
    check(&two, &[(FindingCode::CompletionLost, true)]);

    check(&healthy(JobStatus::ChunkingComplete), &[(FindingCode::TriggerMissed, true)]); // and 12

    let mut four = healthy(JobStatus::Reassembling);
    four.lock = lock(Some(LONG_AGO), None);
    check(&four, &[(FindingCode::ReassemblyDied, true)]);

    check(&healthy(JobStatus::Created), &[(FindingCode::SourceIgnored, true)]);
    check(&healthy(JobStatus::ChunkingInProgress), &[(FindingCode::SourceIgnored, true)]);

    let mut six = healthy(JobStatus::Reassembling);
    six.result_exists = Some(Fact::exact(true, NOW));
    check(&six, &[(FindingCode::CompletedStatusLost, true)]);

    let mut seven = healthy(JobStatus::ChunkingComplete);
    (seven.completed, seven.outputs) = (Some(Fact::exact(vec![0], NOW)), Some(Fact::exact(vec![0], NOW)));
    check(&seven, &[(FindingCode::SegmentLost, true)]);

    let mut eight = healthy(JobStatus::Failed);
    eight.result_exists = Some(Fact::exact(true, NOW));
    check(&eight, &[(FindingCode::StatusContradictsResult, true)]);

    check(&healthy(JobStatus::Failed), &[(FindingCode::FailedButComplete, true)]); // 9

    let mut ten = healthy(JobStatus::ChunkingInProgress);
    ten.dead_letters = vec![letter(QueueRole::Chunking, None)];
    check(&ten, &[(FindingCode::SourceDeadLettered, true)]);

    let mut eleven = healthy(JobStatus::Completed);
    eleven.result_exists = Some(Fact::exact(true, NOW));
    eleven.completed = Some(Fact::exact(vec![0, 1, 2, 3], NOW));
    check(&eleven, &[(FindingCode::TooManyCompletions, false)]);
    eleven.job.value.status = JobStatus::Deleted;
    check(&eleven, &[]);
    // As many as segments, and yet one is missing.
    let mut beyond = healthy(JobStatus::ChunkingComplete);
    (beyond.completed, beyond.outputs) = (Some(Fact::exact(vec![0, 1, 7], NOW)), Some(Fact::exact(vec![0, 1], NOW)));
    check(&beyond, &[(FindingCode::SegmentLost, true), (FindingCode::TooManyCompletions, false)]);
}

#[test]
fn what_goes_on_is_not_stuck() {
    let mut busy = healthy(JobStatus::ChunkingComplete);
    (busy.completed, busy.outputs) = (Some(Fact::exact(vec![0], NOW)), Some(Fact::exact(vec![0], NOW)));
    busy.inference_depth = Some(Fact::exact(1, NOW));
    check(&busy, &[]);
    busy.inference_depth = Some(Fact::exact(0, NOW));
    let running = |index| RunningSegment { segment_index: index, worker: "w".into(), last_seen_at: NOW };
    busy.running = vec![running(1), running(2)];
    check(&busy, &[]);
    busy.running[0].last_seen_at = LONG_AGO;
    check(&busy, &[(FindingCode::SegmentSilent, false)]);

    let mut leased = healthy(JobStatus::Reassembling);
    leased.lock = lock(Some(LONG_AGO), Some(NOW.plus(Duration::from_secs(1))));
    check(&leased, &[]);
    leased.lock = lock(Some(LONG_AGO), Some(NOW.minus(Duration::from_secs(1))));
    check(&leased, &[(FindingCode::ReassemblyDied, true)]);

    let mut young = healthy(JobStatus::ChunkingComplete);
    young.last_activity_at = NOW;
    check(&young, &[]);
}

#[test]
fn what_is_not_known_yields_no_finding() {
    let mut facts = healthy(JobStatus::ChunkingComplete);
    facts.lock = None;
    check(&facts, &[]);
    let mut facts = healthy(JobStatus::Created);
    facts.chunking_depth = None;
    check(&facts, &[]);
}

#[test]
fn dead_letters_are_listed_with_their_segments_and_error() {
    let mut facts = healthy(JobStatus::ChunkingComplete);
    (facts.completed, facts.outputs) = (Some(Fact::exact(vec![0], NOW)), Some(Fact::exact(vec![0], NOW)));
    facts.dead_letters = vec![letter(QueueRole::Inference, Some(1)), letter(QueueRole::Inference, Some(2))];
    let findings = diagnose(&facts, NOW, Patience::default());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].evidence, ["in inference-dlq: segments 1, 2", "out of memory"]);
}

fn failing(stage: Stage, segment_index: Option<u32>, attempts: u32) -> FailingStep {
    let (since, error) = (LONG_AGO, "out of memory".into());
    FailingStep { stage, segment_index, attempts, since, last_failed_at: since, error, is_out_of_space: false }
}

/// A job with segment 0 done and the others on the queue.
fn converting() -> JobFacts {
    let mut facts = healthy(JobStatus::ChunkingComplete);
    (facts.completed, facts.outputs) = (Some(Fact::exact(vec![0], NOW)), Some(Fact::exact(vec![0], NOW)));
    facts.inference_depth = Some(Fact::exact(2, NOW));
    facts
}

#[test]
fn a_step_that_keeps_failing_is_found_with_its_last_error() {
    let mut facts = converting();
    facts.failing = vec![failing(Stage::Inference, Some(1), 1)];
    check(&facts, &[]);
    facts.failing[0].attempts = 2;
    check(&facts, &[(FindingCode::StepFailing, false)]);
    let finding = diagnose(&facts, NOW, Patience::default()).remove(0);
    assert_eq!(finding.evidence, ["segment 1 failed 2 times: out of memory"]);
    assert_eq!((finding.severity, finding.since), (Severity::Warning, LONG_AGO));

    // The first look at a full disk is enough: it won't pass by itself.
    facts.failing = vec![FailingStep { is_out_of_space: true, ..failing(Stage::Inference, Some(2), 1) }];
    let finding = diagnose(&facts, NOW, Patience::default()).remove(0);
    assert_eq!(finding.evidence, ["segment 2 failed once, and its worker waits for space: out of memory"]);

    facts.failing = (1..9).map(|index| failing(Stage::Inference, Some(index), 3)).collect();
    let finding = diagnose(&facts, NOW, Patience::default()).remove(0);
    assert_eq!((finding.evidence.len(), finding.evidence[5].as_str()), (6, "and 3 more"));
}

#[test]
fn a_step_that_is_over_or_dead_is_not_failing() {
    let mut facts = converting();
    facts.failing = vec![failing(Stage::Chunking, None, 4), failing(Stage::Inference, Some(0), 4)];
    check(&facts, &[]);
    // Its work is recorded, but its worker can't get on.
    facts.failing[0].last_failed_at = NOW.minus(Duration::from_secs(30));
    check(&facts, &[(FindingCode::StepFailing, false)]);
    facts.failing = vec![failing(Stage::Inference, Some(1), 4)];
    facts.dead_letters = vec![letter(QueueRole::Inference, Some(1))];
    check(&facts, &[(FindingCode::SegmentDeadLettered, true)]);
    facts.dead_letters.clear();
    facts.job.value.status = JobStatus::Failed;
    check(&facts, &[]);

    let mut splitting = healthy(JobStatus::ChunkingInProgress);
    splitting.chunking_depth = Some(Fact::exact(1, NOW));
    splitting.failing = vec![failing(Stage::Chunking, None, 2)];
    check(&splitting, &[(FindingCode::StepFailing, false)]);
    let mut joining = healthy(JobStatus::Reassembling);
    joining.lock = lock(Some(LONG_AGO), Some(NOW.plus(Duration::from_secs(1))));
    joining.failing = vec![failing(Stage::Reassembly, None, 2)];
    check(&joining, &[(FindingCode::StepFailing, false)]);
}

#[test]
fn no_segment_is_lost_while_dead_letters_are_unseen() {
    let mut facts = converting();
    facts.inference_depth = Some(Fact::exact(0, NOW));
    check(&facts, &[(FindingCode::SegmentLost, true)]);
    facts.unseen_segments = Some(Unseen::NotRead);
    check(&facts, &[]);
}

#[test]
fn what_may_lie_on_a_queue_that_cannot_be_read_is_a_warning_that_says_so() {
    let unreadable = Some(Unseen::Unreadable("no right to read it".into()));
    let mut lost = converting();
    (lost.inference_depth, lost.unseen_segments) = (Some(Fact::exact(0, NOW)), unreadable.clone());
    let mut ignored = healthy(JobStatus::Created);
    ignored.unseen_sources = unreadable.clone();
    let said = |queue: &str| format!("{queue}-dlq, where it may lie, can't be read: no right to read it");
    let segments = ["neither completed nor running: segments 1, 2", "the inference queue is empty", &said("inference")];
    let source = ["the source object exists", "the chunking queue is empty", &said("chunking")];
    for (facts, code, evidence) in
        [(&lost, FindingCode::SegmentLost, segments), (&ignored, FindingCode::SourceIgnored, source)]
    {
        let found = diagnose(facts, NOW, Patience::default());
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].code, found[0].severity), (code, Severity::Warning), "{found:#?}");
        assert_eq!(found[0].evidence, evidence);
    }
    // What was seen there is known, whatever else may lie there.
    lost.dead_letters = vec![letter(QueueRole::Inference, Some(1)), letter(QueueRole::Inference, Some(2))];
    check(&lost, &[(FindingCode::SegmentDeadLettered, true)]);
    let mut waiting = converting();
    waiting.unseen_segments = unreadable;
    check(&waiting, &[]);
}

#[test]
fn no_source_is_ignored_while_its_dead_letter_queue_is_unseen() {
    for status in [JobStatus::Created, JobStatus::ChunkingInProgress] {
        let mut facts = healthy(status);
        check(&facts, &[(FindingCode::SourceIgnored, true)]);
        facts.unseen_sources = Some(Unseen::NotRead);
        check(&facts, &[]);
    }
}

#[test]
fn a_holder_without_a_lease_is_presumed_to_work_as_long_as_its_message_is_hidden() {
    let mut facts = healthy(JobStatus::Reassembling);
    let of = |facts: &JobFacts| {
        diagnose(facts, NOW, Patience::default()).into_iter().map(|found| (found.code, found.severity)).next()
    };
    facts.lock = lock(Some(NOW.minus(Duration::from_secs(599))), None);
    assert_eq!(of(&facts), None);
    facts.lock = lock(Some(NOW.minus(Duration::from_secs(601))), None);
    assert_eq!(of(&facts), Some((FindingCode::ReassemblyDied, Severity::Critical)));
    // The queue holds messages of other jobs, so age is the only evidence.
    facts.reassembly_depth = Some(Fact::exact(1, NOW));
    assert_eq!(of(&facts), None);
    facts.lock = lock(Some(NOW.minus(Duration::from_secs(1201))), None);
    assert_eq!(of(&facts), Some((FindingCode::ReassemblyDied, Severity::Warning)));
    facts.reassembly_depth = None;
    assert_eq!(of(&facts), Some((FindingCode::ReassemblyDied, Severity::Warning)));
}

#[test]
fn a_job_older_than_all_attempts_is_found_though_the_queue_is_never_empty() {
    let tries = Some(Duration::from_secs(900));
    let one_in_flight = Some(Fact { is_exact: false, ..Fact::exact(1, NOW) });
    let mut ignored = healthy(JobStatus::Created);
    (ignored.chunking_depth, ignored.chunking_tries) = (one_in_flight.clone(), tries);
    let mut lost = converting();
    (lost.inference_depth, lost.inference_tries) = (one_in_flight.clone(), tries);
    let mut unsent = healthy(JobStatus::ChunkingComplete);
    unsent.lock = lock(None, None);
    (unsent.reassembly_depth, unsent.reassembly_tries) = (one_in_flight, tries);
    let cases = [
        (ignored, FindingCode::SourceIgnored),
        (lost, FindingCode::SegmentLost),
        (unsent, FindingCode::ReassemblyMessageLost),
    ];
    for (mut facts, code) in cases {
        let found = diagnose(&facts, NOW, Patience::default());
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].code, found[0].severity, found[0].repair.is_some()), (code, Severity::Warning, true));
        let too_short = Some(Duration::from_secs(1100));
        (facts.chunking_tries, facts.inference_tries, facts.reassembly_tries) = (too_short, too_short, too_short);
        check(&facts, &[]);
    }
}

#[test]
fn a_dead_letter_is_offered_for_replay_only_where_something_is_left_to_work_on() {
    let mut facts = healthy(JobStatus::Failed);
    facts.completed = Some(Fact::exact(vec![0], NOW));
    facts.dead_letters = vec![letter(QueueRole::Inference, Some(1)), letter(QueueRole::Inference, Some(2))];
    let of = |facts: &JobFacts| {
        let finding = diagnose(facts, NOW, Patience::default()).remove(0);
        let messages = finding.repair.map(|repair| match repair {
            Repair::ReplayDeadLetters { message_ids, .. } => message_ids.len(),
            other => panic!("{other:?}"),
        });
        (messages, finding.evidence.join("; "))
    };
    facts.gone = Some(Fact::exact(vec![1], NOW));
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, Some(2), "{evidence}");
    assert!(evidence.ends_with("a segment is gone: the source can be split again"), "{evidence}");
    facts.source_exists = Some(Fact::exact(false, NOW));
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, Some(1), "the other segment is there: {evidence}");
    facts.gone = Some(Fact::exact(vec![1, 2], NOW));
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, None);
    assert!(evidence.ends_with("segments and the source are gone: submit the video again"), "{evidence}");
    facts.gone = Some(Fact::exact(vec![], NOW));
    facts.dead_letters = vec![DeadLetter { is_damaged: true, ..letter(QueueRole::Inference, Some(1)) }];
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, None);
    assert!(
        evidence.ends_with("a stored segment is damaged and the source is gone: submit the video again"),
        "{evidence}"
    );
    facts.source_exists = Some(Fact::exact(true, NOW));
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, Some(1));
    assert!(evidence.ends_with("a stored segment is damaged: the source can be split again"), "{evidence}");
    facts.source_exists = Some(Fact::exact(false, NOW));
    facts.dead_letters = vec![letter(QueueRole::Chunking, None)];
    let (messages, evidence) = of(&facts);
    assert_eq!(messages, None);
    assert!(evidence.ends_with("the source is gone: submit the video again"), "{evidence}");
}

#[test]
fn a_join_that_failed_is_one_finding_which_says_whether_trying_again_can_help() {
    let failed = |code| {
        let mut facts = healthy(JobStatus::Failed);
        facts.join_error = Some(("the muxer refuses the stream".into(), Some(code)));
        facts
    };
    let dead = |code| {
        let letter = DeadLetter { code: Some(code), ..letter(QueueRole::Reassembly, None) };
        JobFacts { dead_letters: vec![letter], ..failed(code) }
    };
    let check = |facts: &JobFacts, code, helps, words: &str| {
        let findings = diagnose(facts, NOW, Patience::default());
        let [finding] = &findings[..] else { panic!("{findings:#?}") };
        assert_eq!((finding.code, finding.retry_helps), (code, Some(helps)));
        assert!(finding.evidence.last().is_some_and(|last| last.starts_with(words)), "{finding:#?}");
    };
    let (lost, kept) = (FindingCode::FailedButComplete, FindingCode::ReassemblyDeadLettered);
    check(&dead(ErrorCode::Internal), kept, false, "trying again fails the same way");
    check(&dead(ErrorCode::Full), kept, true, "trying again can help");
    // Its dead letter was discarded.
    check(&failed(ErrorCode::Internal), lost, false, "trying again fails the same way");
    check(&failed(ErrorCode::Unavailable), lost, true, "trying again can help");
    let segment = DeadLetter { code: Some(ErrorCode::Internal), ..letter(QueueRole::Inference, Some(1)) };
    let facts = JobFacts {
        dead_letters: vec![segment],
        completed: Some(Fact::exact(vec![0, 2], NOW)),
        ..failed(ErrorCode::Internal)
    };
    check(&facts, FindingCode::SegmentDeadLettered, true, "trying again can help");
}

#[test]
fn what_changes_after_a_jobs_end_is_found() {
    let mut one = healthy(JobStatus::Completed);
    check(&one, &[(FindingCode::ResultMissing, true)]);
    one.result_exists = None;
    check(&one, &[]);
    one.result_exists = Some(Fact::exact(true, NOW));
    check(&one, &[]);
    one.result_damage = Some(Fact::exact("it differs".into(), NOW));
    check(&one, &[(FindingCode::ResultDamaged, true)]);
    one.result_damage = None;
    one.row_gone_since = Some(NOW);
    check(&one, &[(FindingCode::RowMissing, true)]);
    // A late write by another program took the job out of `deleted`.
    for (status, can_repair) in [(JobStatus::Failed, true), (JobStatus::ChunkingComplete, false)] {
        let mut one = healthy(status);
        (one.deleted_before, one.completed) = (Some(NOW), None);
        check(&one, &[(FindingCode::DeletedCameBack, can_repair)]);
    }
    let mut one = healthy(JobStatus::Deleted);
    one.deleted_before = Some(NOW);
    check(&one, &[]);
}
