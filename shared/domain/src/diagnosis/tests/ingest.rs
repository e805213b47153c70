use super::*;

/// A job whose source is not there and is to be fetched.
fn fetching() -> JobFacts {
    JobFacts { source_exists: Some(Fact::exact(false, NOW)), ..healthy(JobStatus::Ingesting) }
}

/// The only finding.
fn only(facts: &JobFacts) -> Finding {
    let mut found = diagnose(facts, NOW, Patience::default());
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn an_abandoned_source_is_found() {
    let mut facts = fetching();
    let finding = only(&facts);
    assert_eq!((finding.code, finding.severity, finding.repair), (FindingCode::IngestLost, Severity::Critical, None));
    let (id, address) = (JobId(uuid::Uuid::nil()), "its address stood only in the message: submit it again");
    let given_up = format!("`stereospot jobs fail {id}` gives this job up");
    assert_eq!(finding.evidence, ["no source object exists", "the ingest queue is empty", address, &given_up]);

    facts.source_exists = Some(Fact::exact(true, NOW));
    let finding = only(&facts);
    assert_eq!((finding.severity, finding.repair), (Severity::Critical, Some(Repair::ResendSource)));
    assert_eq!(finding.evidence, ["the source object exists", "the ingest queue is empty"]);
}

#[test]
fn a_source_that_may_still_be_fetched_is_not_lost() {
    for source in [true, false] {
        let facts = JobFacts { source_exists: Some(Fact::exact(source, NOW)), ..fetching() };
        check(&facts, &[(FindingCode::IngestLost, source)]);
        check(&JobFacts { fetch_presumed: Duration::from_secs(1001), ..facts.clone() }, &[]);
        check(&JobFacts { ingest_depth: Some(Fact::exact(1, NOW)), ..facts.clone() }, &[]);
        check(&JobFacts { ingest_depth: None, ..facts.clone() }, &[]);
        // Whether its message is dead matters only while it is needed.
        let is_found: &[_] = if source { &[(FindingCode::IngestLost, true)] } else { &[] };
        check(&JobFacts { unseen_ingests: Some(Unseen::NotRead), ..facts }, is_found);
    }
    check(&JobFacts { source_exists: None, ..fetching() }, &[]);
}

#[test]
fn a_dead_lettered_ingest_is_replayed_while_its_source_is_wanted() {
    let dead = || vec![letter(QueueRole::Ingest, None)];
    for status in [JobStatus::Ingesting, JobStatus::Created] {
        let facts = JobFacts { dead_letters: dead(), source_exists: Some(Fact::exact(false, NOW)), ..healthy(status) };
        let finding = only(&facts);
        assert_eq!(finding.code, FindingCode::IngestDeadLettered);
        assert_eq!(finding.evidence, ["1 message in ingest-dlq", "out of memory"]);
        let (queue, message_ids) = (QueueName::dead_letter(QueueRole::Ingest), vec!["m".to_owned()]);
        assert_eq!(finding.repair, Some(Repair::ReplayDeadLetters { queue, message_ids }));
    }
    // The source came all the same: only the status and the notification are missing, whatever waits on the queue.
    let mut facts = JobFacts { dead_letters: dead(), ..healthy(JobStatus::Ingesting) };
    facts.ingest_depth = Some(Fact::exact(3, NOW));
    let finding = only(&facts);
    assert_eq!((finding.code, finding.repair), (FindingCode::IngestLost, Some(Repair::ResendSource)));
    assert_eq!(finding.evidence[1], "its message, needed no more, is in ingest-dlq");
    let mut split = healthy(JobStatus::ChunkingInProgress);
    (split.dead_letters, split.chunking_depth) = (dead(), Some(Fact::exact(1, NOW)));
    check(&split, &[]);
}

#[test]
fn an_ingest_queue_that_cannot_be_asked_is_said_and_nothing_acts_on_it() {
    let unreadable = |why: &str| Some(Unknown::Unreadable(why.into()));
    let unseen = Some(Unseen::Unreadable("no right to read it".into()));
    let tried = Some(Duration::from_secs(900));
    let cases = [
        (JobFacts { ingest_unknown: Some(Unknown::NotDeployed), ..fetching() }, "this deployment has no ingest queue"),
        (
            JobFacts { ingest_unknown: unreadable("denied"), ..fetching() },
            "the ingest queue, where it may wait, can't be read: denied",
        ),
        (
            JobFacts { unseen_ingests: unseen, ..fetching() },
            "ingest-dlq, where it may lie, can't be read: no right to read it",
        ),
        (
            JobFacts { ingest_depth: Some(Fact::exact(1, NOW)), ingest_tries: tried, ..fetching() },
            "the ingest queue holds others' messages, but one of its own was done or dead after 15 min of tries",
        ),
    ];
    for (facts, said) in cases {
        let finding = only(&facts);
        assert_eq!((finding.code, finding.severity), (FindingCode::IngestLost, Severity::Warning), "{finding:#?}");
        assert!(finding.evidence.iter().any(|evidence| evidence == said), "{finding:#?}");
    }
    for unknown in [Some(Unknown::NotDeployed), unreadable("denied")] {
        let facts = JobFacts { ingest_unknown: unknown, ingest_depth: None, ..fetching() };
        check(&JobFacts { fetch_tries: Duration::from_secs(1001), ..facts }, &[]);
    }
}
