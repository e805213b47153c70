use stereospot_domain::ErrorCode;
use stereospot_domain::queue::{Envelope, Peeked, Settings, Stats};
use stereospot_domain::{Event, Job, JobOptions, JobStatus, Payload};
use uuid::Uuid;

use super::*;

#[test]
fn dead_letters_beyond_those_looked_at_are_known_of() {
    let mut world = World::new(QueueName::all());
    let name = QueueName::dead_letter(QueueRole::Inference);
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: None };
    let holds = |ready| Stats { ready, is_exact: true, ..Stats::default() };
    let lost = JobId(Uuid::from_u128(1));
    world.set_queue(name, holds(0), settings, Timestamp(10));
    assert!(!world.may_be_dead_lettered(lost, QueueRole::Inference));
    world.set_queue(name, holds(2), settings, Timestamp(20));
    let peeked = |id: &str| Peeked {
        id: id.into(),
        body: "unreadable".into(),
        envelope: Envelope::default(),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: None,
        expires_at: None,
    };
    world.set_dead(name, &[peeked("a")], Timestamp(20));
    assert!(
        world.unseen_dead_letters(QueueRole::Inference).is_some()
            && world.may_be_dead_lettered(lost, QueueRole::Inference)
    );
    world.set_dead(name, &[peeked("a"), peeked("b")], Timestamp(30));
    assert_eq!(world.unseen_dead_letters(QueueRole::Inference), None);
    assert!(!world.may_be_dead_lettered(lost, QueueRole::Inference));
}

#[test]
fn what_left_a_queue_may_be_dead_until_the_dead_letter_queue_is_read() {
    let mut world = World::new(QueueName::all());
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };
    let (main, dead) = (QueueName::main(QueueRole::Chunking), QueueName::dead_letter(QueueRole::Chunking));
    for is_exact in [true, false] {
        let base = if is_exact { 0 } else { 1_000_000 };
        let at = |secs: i64| Timestamp(base + secs * 1000);
        let holds = |ready| Stats { ready, is_exact, ..Stats::default() };
        let lags = if is_exact { 0 } else { 60 };
        world.set_queue(main, holds(1), settings, at(0));
        world.set_queue(dead, holds(0), settings, at(5));
        let unseen = |world: &World| world.unseen_dead_letters(QueueRole::Chunking);
        assert_eq!(unseen(&world), None, "nothing left it");
        world.set_queue(main, holds(0), settings, at(10));
        assert_eq!(unseen(&world), Some(Unseen::NotRead));
        world.set_queue(dead, holds(0), settings, at(9 + lags));
        assert_eq!(unseen(&world), Some(Unseen::NotRead));
        world.set_queue(dead, holds(0), settings, at(10 + lags));
        assert_eq!(unseen(&world), None);
        world.queue_failed(dead, ErrorCode::Unavailable, "no answer", at(20 + lags));
        assert_eq!(unseen(&world), Some(Unseen::NotRead), "a moment's failure");
        let fails = |world: &mut World, code| world.queue_failed(dead, code, "why", at(20 + lags));
        fails(&mut world, ErrorCode::Denied);
        assert_eq!(unseen(&world), Some(Unseen::Unreadable("why".into())));
        fails(&mut world, ErrorCode::NotFound);
        assert_eq!(unseen(&world), Some(Unseen::Unreadable("why".into())), "what it held is not known");
        world.set_queue(main, holds(0), Settings { max_receives: None, ..settings }, at(20 + lags));
        assert_eq!(unseen(&world), None, "there never was one");
    }
}

#[test]
fn a_finding_goes_with_the_numbers_that_it_rests_on() {
    let mut world = World::new(QueueName::all());
    let at = |secs: i64| Timestamp(secs * 1000);
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };
    for name in QueueName::all() {
        world.set_queue(name, Stats { is_exact: true, ..Stats::default() }, settings, at(1000));
    }
    let mut job = Job::new(JobId(Uuid::from_u128(1)), JobOptions::default(), None, at(0));
    job.status = JobStatus::Created;
    let job_id = job.job_id;
    world.set_job(job, at(1000));
    world.set_truth(job_id, |truth| truth.source = Some(Fact::exact(Some(1), at(1000))));
    world.diagnose(job_id, at(1000), Patience::default());
    assert!(world.flagged.contains(&job_id), "its message is lost");
    assert!(world.queue_failed(
        QueueName::main(QueueRole::Chunking),
        ErrorCode::NotFound,
        "the queue does not exist",
        at(1010)
    ));
    world.diagnose_flagged(at(1010), Patience::default());
    assert!(!world.flagged.contains(&job_id), "nobody knows");
    assert!(
        !world.queue_failed(
            QueueName::main(QueueRole::Chunking),
            ErrorCode::NotFound,
            "the queue does not exist",
            at(1020)
        ),
        "that is no news"
    );
}

#[test]
fn a_message_that_was_just_sent_is_not_lost_because_its_queue_was_read_before() {
    for is_exact in [true, false] {
        let mut world = World::new(QueueName::all());
        let at = |secs: i64| Timestamp(secs * 1000);
        let settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };
        let empty = |world: &mut World, secs| {
            for name in QueueName::all() {
                world.set_queue(name, Stats { is_exact, ..Stats::default() }, settings, at(secs));
            }
        };
        for secs in [1000, 1050, 1100] {
            empty(&mut world, secs);
        }
        let mut job = Job::new(JobId(Uuid::from_u128(1)), JobOptions::default(), None, at(0));
        job.status = JobStatus::Created;
        let job_id = job.job_id;
        world.set_job(job, at(1000));
        world.set_truth(job_id, |truth| truth.source = Some(Fact::exact(Some(1), at(1000))));
        let patience = Patience { step: Duration::from_secs(5), ..Patience::default() };
        let finds = |world: &mut World, secs| {
            world.diagnose(job_id, at(secs), patience);
            world.flagged.contains(&job_id)
        };
        assert!(finds(&mut world, 1100), "its message is lost");
        world.touch(job_id, at(1105));
        assert!(!finds(&mut world, 1120), "it was sent again, and nobody has looked since");
        empty(&mut world, 1110);
        assert_eq!(finds(&mut world, 1120), is_exact, "an approximate number may be older than that");
        empty(&mut world, 1170);
        assert!(finds(&mut world, 1170), "it is lost again");
    }
}

#[test]
fn facts_about_the_ingest_queue_include_what_is_unknown() {
    let at = |secs: i64| Timestamp(secs * 1000);
    let mut job = Job::new(JobId(Uuid::from_u128(1)), JobOptions::default(), None, at(0));
    job.status = JobStatus::Ingesting;
    let job_id = job.job_id;
    let of = |world: &World| world.facts(job_id, Patience::default()).unwrap();
    let hours = |facts: &JobFacts| (facts.fetch_presumed.as_secs(), facts.fetch_tries.as_secs());
    let mut world = World::new(QueueName::pipeline());
    world.set_job(job.clone(), at(0));
    let facts = of(&world);
    assert_eq!((facts.ingest_unknown.as_ref(), hours(&facts)), (Some(&Unknown::NotDeployed), (1200, 6000)));
    assert_eq!((facts.ingest_depth, facts.unseen_ingests), (None, None));

    let mut world = World::new(QueueName::all());
    world.set_job(job, at(0));
    let facts = of(&world);
    assert_eq!((facts.ingest_unknown, facts.unseen_ingests), (None, Some(Unseen::NotRead)), "it will be read");
    let (main, dead) = (QueueName::main(QueueRole::Ingest), QueueName::dead_letter(QueueRole::Ingest));
    let settings = Settings { visibility: Duration::from_secs(600), max_receives: Some(3) };
    let holds = |in_flight| Stats { in_flight, is_exact: false, ..Stats::default() };
    world.set_queue(main, holds(1), settings, at(10));
    world.set_queue(dead, holds(0), settings, at(10));
    let facts = of(&world);
    assert_eq!(
        (facts.ingest_depth.as_ref().map(|depth| depth.value), facts.ingest_tries),
        (None, Some(facts.fetch_tries))
    );
    assert_eq!(hours(&facts), (600, 1800));
    for secs in [100, 140, 180] {
        world.set_queue(main, holds(0), settings, at(secs));
    }
    let facts = of(&world);
    assert_eq!(facts.ingest_depth.as_ref().map(|depth| depth.value), Some(0));
    assert_eq!(facts.unseen_ingests, Some(Unseen::NotRead), "what left it may be dead");
    world.set_queue(dead, holds(0), settings, at(190));
    assert_eq!(of(&world).unseen_ingests, None);
    world.queue_failed(main, ErrorCode::Denied, "why", at(200));
    let facts = of(&world);
    assert_eq!(
        (facts.ingest_depth.as_ref(), facts.ingest_unknown.as_ref()),
        (None, Some(&Unknown::Unreadable("why".into())))
    );
    assert_eq!(hours(&facts), (600, 1800), "as last read");
}

#[test]
fn attempts_that_ended_without_a_report_are_the_cause_where_no_error_was_reported() {
    let job_id = JobId(Uuid::from_u128(1));
    let mut world = World::new(QueueName::all());
    let mut job = Job::new(job_id, JobOptions::default(), None, Timestamp(0));
    job.status = JobStatus::ChunkingComplete;
    world.set_job(job, Timestamp(0));
    assert!(world.begin_progress(job_id));
    let mut count: u128 = 0;
    let mut report = |world: &mut World, kind: &str, worker: &str, boot: u128, segment: Option<u32>, attempt: u32| {
        count += 1;
        let (kind, fields) = match kind.split_once(' ') {
            Some((kind, fields)) => (kind, serde_json::from_str(fields).unwrap()),
            None => (kind, serde_json::Map::new()),
        };
        let (payload, _) = Payload::read(kind, fields);
        let event = Event {
            v: 1,
            id: Uuid::from_u128(count),
            source: worker.into(),
            boot: Uuid::from_u128(boot),
            seq: 1,
            time: Timestamp(count as i64),
            job_id: Some(job_id),
            segment_index: segment,
            stage: None,
            attempt: Some(attempt),
            traceparent: None,
            payload,
            unread: stereospot_domain::event::Unread::default(),
        };
        match event.job_id.filter(|_| !matches!(event.payload, Payload::WorkerStarted(_))) {
            Some(_) => world.apply_to_job(&event),
            None => world.apply(&event, event.time),
        }
    };
    let cause = |world: &World, role, segment| world.last_error(&world.jobs[&job_id], role, segment);
    for attempt in 1..=3 {
        report(&mut world, "segment.started", "inference-1", u128::from(attempt), Some(0), attempt);
        report(&mut world, "chunking.started", "chunking-1", 90, None, attempt);
    }
    let ends = "its log may show a kill or a crash";
    let of_segment = format!("worker inference-1 ended without a report in 3 attempts: {ends}");
    assert_eq!(cause(&world, QueueRole::Inference, Some(0)), Some(of_segment));
    let of_source = format!("worker chunking-1 ended without a report in 3 attempts: {ends}");
    assert_eq!(cause(&world, QueueRole::Chunking, None), Some(of_source));
    assert_eq!(cause(&world, QueueRole::Inference, Some(1)), None);
    assert_eq!(cause(&world, QueueRole::Reassembly, None), None);

    report(&mut world, "worker.started {\"previous_signal\": 9}", "chunking-1", 91, None, 1);
    let killed = "worker chunking-1 ended without a report in 3 attempts: signal 9";
    assert_eq!(cause(&world, QueueRole::Chunking, None).as_deref(), Some(killed));
    report(&mut world, "worker.started {\"previous_exit_code\": 101}", "inference-1", 4, None, 1);
    report(&mut world, "segment.started", "inference-1", 4, Some(0), 4);
    report(&mut world, "worker.started {\"previous_signal\": 11}", "inference-1", 5, None, 1);
    let mixed =
        "worker inference-1 ended without a report in 4 attempts: signal 11 in 1 of them, exit code 101 in 3 of them";
    assert_eq!(cause(&world, QueueRole::Inference, Some(0)).as_deref(), Some(mixed));

    report(&mut world, "segment.started", "inference-2", 4, Some(0), 4);
    let both = "workers inference-1, inference-2 ended without a report in 5 attempts: signal 11 in 1 of them, exit code 101 in 3 of them";
    assert_eq!(cause(&world, QueueRole::Inference, Some(0)).as_deref(), Some(both));
    report(&mut world, "segment.failed", "inference-2", 4, Some(0), 4);
    assert_eq!(cause(&world, QueueRole::Inference, Some(0)), Some("no reason given".into()), "a report says more");
    report(&mut world, "chunking.completed", "chunking-1", 90, None, 3);
    let of_two = "worker chunking-1 ended without a report in 2 attempts: signal 9";
    assert_eq!(cause(&world, QueueRole::Chunking, None).as_deref(), Some(of_two));
}
