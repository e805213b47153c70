use stereospot_domain::queue::Envelope;
use stereospot_domain::{JobId, QueueRole, message};
use uuid::Uuid;

use super::*;

#[test]
fn a_dead_message_is_there_since_it_was_first_seen() {
    let mut world = World::new(QueueName::all());
    let name = QueueName::dead_letter(QueueRole::Reassembly);
    let message = Peeked {
        id: "m".into(),
        body: message::reassemble(JobId(Uuid::nil())),
        envelope: Envelope::default(),
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
fn a_dead_message_that_could_not_be_given_back_at_once_is_still_there() {
    let mut world = World::new(QueueName::all());
    let name = QueueName::dead_letter(QueueRole::Inference);
    let settings = Settings { visibility: Duration::from_secs(30), max_receives: None };
    let peeked = |id: &str| Peeked {
        id: id.into(),
        body: "unreadable".into(),
        envelope: Envelope::default(),
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
