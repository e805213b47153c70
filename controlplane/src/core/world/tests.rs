use stereospot_domain::{JobOptions, QueueRole};
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
fn only_changes_are_told() {
    let mut world = world();
    world.set_job(job(1, 0), Timestamp(10));
    assert_eq!(std::mem::take(&mut world.dirty).jobs.len(), 1);
    world.jobs.get_mut(&job(1, 0).job_id).unwrap().shown = Some((0, Timestamp(10)));
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
fn a_dead_message_is_there_since_it_was_first_seen() {
    let mut world = world();
    let name = QueueName::dead_letter(QueueRole::Reassembly);
    let message = Peeked {
        id: "m".into(),
        body: message::reassemble(JobId(Uuid::nil())),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: None,
        expires_at: None,
    };
    world.set_dead(name, std::slice::from_ref(&message), Timestamp(10));
    world.set_dead(name, &[message], Timestamp(20));
    assert_eq!(world.dead[&name][0].since, Timestamp(10));
    world.set_dead(name, &[], Timestamp(30));
    assert!(world.dead[&name].is_empty());
}

#[test]
fn our_own_events_make_no_worker() {
    assert!(is_own("controlplane") && is_own("controlplane/reconciler"));
    assert!(!is_own("controlplane-2") && !is_own("inference-1"));
}

#[test]
fn dead_letters_beyond_those_looked_at_are_known_of() {
    let mut world = world();
    let name = QueueName::dead_letter(QueueRole::Inference);
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: None };
    let holds = |ready| Stats { ready, is_exact: true, ..Stats::default() };
    let lost = job(1, 0).job_id;
    world.set_queue(name, holds(0), settings, Timestamp(10));
    assert!(!world.may_be_dead_lettered(lost, QueueRole::Inference));
    world.set_queue(name, holds(2), settings, Timestamp(20));
    let peeked = |id: &str| Peeked {
        id: id.into(),
        body: "unreadable".into(),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: None,
        expires_at: None,
    };
    world.set_dead(name, &[peeked("a")], Timestamp(20));
    assert!(
        world.has_unseen_dead_letters(QueueRole::Inference) && world.may_be_dead_lettered(lost, QueueRole::Inference)
    );
    world.set_dead(name, &[peeked("a"), peeked("b")], Timestamp(30));
    assert!(!world.has_unseen_dead_letters(QueueRole::Inference));
    assert!(!world.may_be_dead_lettered(lost, QueueRole::Inference));
}

#[test]
fn what_left_a_queue_may_be_dead_until_the_dead_letter_queue_is_read() {
    let mut world = world();
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };
    let (main, dead) = (QueueName::main(QueueRole::Chunking), QueueName::dead_letter(QueueRole::Chunking));
    for is_exact in [true, false] {
        let base = if is_exact { 0 } else { 1_000_000 };
        let at = |secs: i64| Timestamp(base + secs * 1000);
        let holds = |ready| Stats { ready, is_exact, ..Stats::default() };
        let lags = if is_exact { 0 } else { 60 };
        world.set_queue(main, holds(1), settings, at(0));
        world.set_queue(dead, holds(0), settings, at(5));
        assert!(!world.has_unseen_dead_letters(QueueRole::Chunking), "nothing left it");
        world.set_queue(main, holds(0), settings, at(10));
        assert!(world.has_unseen_dead_letters(QueueRole::Chunking));
        world.set_queue(dead, holds(0), settings, at(9 + lags));
        assert!(world.has_unseen_dead_letters(QueueRole::Chunking));
        world.set_queue(dead, holds(0), settings, at(10 + lags));
        assert!(!world.has_unseen_dead_letters(QueueRole::Chunking));
        world.queue_failed(dead, &Error::new(Code::Denied, "no right"), at(20 + lags));
        assert!(world.has_unseen_dead_letters(QueueRole::Chunking), "it can't be read");
        world.queue_failed(dead, &Error::new(Code::NotFound, "no such queue"), at(20 + lags));
        assert!(!world.has_unseen_dead_letters(QueueRole::Chunking), "there is none");
    }
}

#[test]
fn a_dead_message_that_could_not_be_given_back_at_once_is_still_there() {
    let mut world = world();
    let name = QueueName::dead_letter(QueueRole::Inference);
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: None };
    let peeked = |id: &str| Peeked {
        id: id.into(),
        body: "unreadable".into(),
        receive_count: 5,
        enqueued_at: Timestamp(0),
        dead_lettered_at: None,
        expires_at: None,
    };
    let known = |world: &World| -> Vec<(String, Timestamp)> {
        world.dead[&name].iter().map(|seen| (seen.message_id.clone(), seen.since)).collect()
    };
    world.set_queue(name, Stats { ready: 2, ..Stats::default() }, settings, Timestamp(10));
    world.set_dead(name, &[peeked("a"), peeked("b")], Timestamp(10));
    world.set_queue(name, Stats { ready: 1, in_flight: 1, ..Stats::default() }, settings, Timestamp(20));
    assert!(!world.set_dead(name, &[peeked("a")], Timestamp(20)), "the other is in somebody's hand");
    assert!(!world.set_dead(name, &[peeked("a"), peeked("b")], Timestamp(30)));
    assert_eq!(known(&world), [("a".to_owned(), Timestamp(10)), ("b".to_owned(), Timestamp(10))]);
    world.set_queue(name, Stats { ready: 1, ..Stats::default() }, settings, Timestamp(40));
    assert!(world.set_dead(name, &[peeked("b")], Timestamp(40)));
    assert_eq!(known(&world), [("b".to_owned(), Timestamp(10))]);
}
