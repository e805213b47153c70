//! Cases: sending, receiving, peeking, counting, purging.

use std::time::Duration;

use stereospot_domain::{QueueName, QueueRole};
use tokio::time::Instant;

use super::case::{Outcome, Stop, World, bodies, cases, holds, refused, same, send_one, take, take_one};
use crate::work_queue::{Attribute, Envelope, MAX_BATCH, MAX_BODY_BYTES, MAX_DELAY, MAX_VISIBILITY, Outgoing, Receive};
use crate::{Backend, ErrorCode};

cases!(
    every_queue_is_there_with_its_settings,
    what_is_sent_is_received_once,
    ids_come_in_order_and_are_distinct,
    bodies_come_back_byte_for_byte,
    an_envelope_stays_with_its_message,
    the_largest_body_passes,
    a_send_out_of_bounds_sends_nothing,
    a_receive_out_of_bounds_is_refused,
    a_receive_takes_at_most_what_it_asked_for,
    queues_do_not_mix,
    another_opening_sees_the_same_queue,
    a_delayed_message_waits,
    peeking_changes_nothing,
    peeking_shows_the_oldest_first,
    counts_follow_a_message,
    purging_takes_all_of_this_queue_only,
    an_empty_receive_waits_as_long_as_asked,
    a_send_wakes_a_waiting_receive,
    a_send_through_another_opening_wakes_a_waiting_receive,
    a_waiting_receive_notices_that_a_delay_has_passed,
    many_receivers_get_each_message_once,
);

async fn every_queue_is_there_with_its_settings(world: &World) -> Outcome {
    for name in QueueName::pipeline() {
        let queue = world.backend.queue_named(name)?;
        same("its name", queue.name(), name)?;
        let settings = queue.settings().await?;
        holds("a visibility timeout above zero", settings.visibility > Duration::ZERO)?;
        same("only main queues dead-letter", settings.max_receives.is_none(), name.is_dead_letter)?;
    }
    Ok(())
}

async fn what_is_sent_is_received_once(world: &World) -> Outcome {
    let queue = world.queue()?;
    let before = world.backend.clock.now();
    let id = send_one(queue, "a").await?;
    let message = take_one(queue).await?;
    same("id", &message.id, &id)?;
    same("body", message.body.as_str(), "a")?;
    same("receive count", message.receive_count, 1)?;
    holds("enqueued about now", message.enqueued_at.since(before) < Duration::from_secs(60))?;
    same("received again while leased", take(queue, 10).await?, vec![])
}

async fn ids_come_in_order_and_are_distinct(world: &World) -> Outcome {
    let queue = world.queue()?;
    let batch: Vec<Outgoing> = (0..MAX_BATCH).map(|number| Outgoing::now(number.to_string())).collect();
    let ids = queue.send(&batch).await?;
    same("number of ids", ids.len(), MAX_BATCH)?;
    let peeked = queue.peek(100).await?;
    for (number, id) in ids.iter().enumerate() {
        let bodies: Vec<&str> =
            peeked.iter().filter(|message| message.id == *id).map(|message| message.body.as_str()).collect();
        same("the body of an id", bodies, vec![number.to_string().as_str()])?;
    }
    Ok(())
}

async fn an_envelope_stays_with_its_message(world: &World) -> Outcome {
    let (queue, dead_letters) = (world.queue()?, world.dead_letters()?);
    let attribute = |data_type: &str, value: &str| Attribute { data_type: data_type.into(), value: value.into() };
    let attributes = [
        ("kind", attribute("String", "ümlaut 🎬 \"quoted\"")),
        ("kind.of", attribute("String.film", "a\nb")),
        ("count", attribute("Number", "-1.50")),
        ("width", attribute("Number.int", "1920")),
        ("bytes", attribute("Binary", "AAECgP//")),
        ("picture", attribute("Binary.png", "iVBORw0KGgo=")),
    ];
    let attributes = attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into();
    let trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned());
    let envelope = Envelope { attributes, trace_header, group_id: None };
    queue.send(&[Outgoing::now("a").with(envelope.clone()), Outgoing::now("b")]).await?;
    let of = |body: &str| if body == "a" { envelope.clone() } else { Envelope::default() };
    for message in queue.peek(10).await? {
        same("the envelope seen", &message.envelope, &of(&message.body))?;
    }
    for message in take(queue, 10).await? {
        same("the envelope received", &message.envelope, &of(&message.body))?;
        queue.release(&message.receipt, Duration::ZERO).await?;
    }
    // It goes with the message to the dead-letter queue, and from there under a lease by id.
    let max_receives = queue.settings().await?.max_receives.unwrap_or(0);
    for _ in 1..max_receives {
        for message in take(queue, 10).await? {
            queue.release(&message.receipt, Duration::ZERO).await?;
        }
    }
    if max_receives > 0 {
        take(queue, 10).await?;
        let ids: Vec<String> = dead_letters.peek(10).await?.into_iter().map(|peeked| peeked.id).collect();
        let leased = dead_letters.lease(&ids, Duration::from_secs(60)).await?;
        same("dead letters", leased.len(), 2)?;
        for message in leased {
            same("the envelope of a dead letter", &message.envelope, &of(&message.body))?;
        }
    }
    Ok(())
}

async fn bodies_come_back_byte_for_byte(world: &World) -> Outcome {
    let queue = world.queue()?;
    let body = "{\"key\":\"a+b%20c\"} 'quoted' \\ ümlaut 3D 🎬\nsecond line\ttab";
    send_one(queue, body).await?;
    same("body", take_one(queue).await?.body.as_str(), body)
}

async fn the_largest_body_passes(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, &"x".repeat(MAX_BODY_BYTES)).await?;
    same("body's length", take_one(queue).await?.body.len(), MAX_BODY_BYTES)
}

async fn a_send_out_of_bounds_sends_nothing(world: &World) -> Outcome {
    let queue = world.queue()?;
    let good = Outgoing::now("good");
    let too_large = Outgoing::now("x".repeat(MAX_BODY_BYTES + 1));
    let too_late = Outgoing::after(MAX_DELAY + Duration::from_secs(1), "late");
    refused("an empty batch", queue.send(&[]).await, ErrorCode::Invalid)?;
    refused("eleven", queue.send(&vec![good.clone(); MAX_BATCH + 1]).await, ErrorCode::Invalid)?;
    refused("a body too large", queue.send(&[good.clone(), too_large]).await, ErrorCode::Invalid)?;
    refused("a delay too long", queue.send(&[good.clone(), too_late]).await, ErrorCode::Invalid)?;
    refused("an empty body", queue.send(&[good, Outgoing::now("")]).await, ErrorCode::Invalid)?;
    same("what is on the queue", bodies(queue).await?, vec![])
}

async fn a_receive_out_of_bounds_is_refused(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    let too_long = Some(MAX_VISIBILITY + Duration::from_secs(1));
    refused("none", queue.receive(Receive { max: 0, ..how }).await, ErrorCode::Invalid)?;
    refused("eleven", queue.receive(Receive { max: MAX_BATCH + 1, ..how }).await, ErrorCode::Invalid)?;
    refused("half a day and more", queue.receive(Receive { visibility: too_long, ..how }).await, ErrorCode::Invalid)?;
    same("receive count", take_one(queue).await?.receive_count, 1)
}

async fn a_receive_takes_at_most_what_it_asked_for(world: &World) -> Outcome {
    let queue = world.queue()?;
    for number in 0..7 {
        send_one(queue, &number.to_string()).await?;
    }
    let mut seen = Vec::new();
    for _ in 0..20 {
        let messages = take(queue, 3).await?;
        holds("at most three", messages.len() <= 3)?;
        seen.extend(messages.into_iter().map(|message| message.body));
    }
    seen.sort();
    same("all of them, once", seen, (0..7).map(|number: i32| number.to_string()).collect())
}

async fn queues_do_not_mix(world: &World) -> Outcome {
    for name in QueueName::pipeline() {
        send_one(&**world.backend.queue_named(name)?, &name.to_string()).await?;
    }
    for name in QueueName::pipeline() {
        let queue = world.backend.queue_named(name)?;
        let message = take_one(&**queue).await?;
        same("body", message.body, name.to_string())?;
        for other in QueueName::pipeline().filter(|other| *other != name) {
            let other = world.backend.queue_named(other)?;
            refused("another queue's receipt", other.delete(&message.receipt).await, ErrorCode::LeaseLost)?;
        }
        queue.delete(&message.receipt).await?;
    }
    Ok(())
}

async fn another_opening_sees_the_same_queue(world: &World) -> Outcome {
    let (here, there) = (world.queue()?, world.peer.queue(QueueRole::Inference)?);
    send_one(here, "a").await?;
    let message = take_one(&**there).await?;
    same("leased there, seen here", take(here, 1).await?, vec![])?;
    here.delete(&message.receipt).await?;
    same("deleted here, left there", bodies(&**there).await?, vec![])
}

async fn a_delayed_message_waits(world: &World) -> Outcome {
    let queue = world.queue()?;
    queue.send(&[Outgoing::after(Duration::from_secs(3), "later")]).await?;
    same("before its time", take(queue, 1).await?, vec![])?;
    let stats = queue.stats().await?;
    same("ready, in flight, delayed", (stats.ready, stats.in_flight, stats.delayed), (0, 0, 1))?;
    world.pass(Duration::from_secs(4)).await?;
    same("after it", take_one(queue).await?.receive_count, 1)
}

async fn peeking_changes_nothing(world: &World) -> Outcome {
    let queue = world.queue()?;
    let id = send_one(queue, "a").await?;
    for _ in 0..10 {
        let peeked = queue.peek(10).await?;
        same("number", peeked.len(), 1)?;
        same("id, body, count", (&peeked[0].id, peeked[0].body.as_str(), peeked[0].receive_count), (&id, "a", 0))?;
        same("not dead-lettered", peeked[0].dead_lettered_at, None)?;
    }
    let message = take_one(queue).await?;
    same("receive count", message.receive_count, 1)?;
    let peeked = queue.peek(10).await?;
    same("a leased one is shown", peeked.len(), 1)?;
    queue.delete(&message.receipt).await?;
    Ok(())
}

async fn peeking_shows_the_oldest_first(world: &World) -> Outcome {
    let queue = world.queue()?;
    for number in 0..5 {
        send_one(queue, &number.to_string()).await?;
        world.pass(Duration::from_secs(1)).await?;
    }
    let peeked: Vec<String> = queue.peek(3).await?.into_iter().map(|message| message.body).collect();
    same("the three oldest", peeked, vec!["0".into(), "1".into(), "2".into()])
}

async fn counts_follow_a_message(world: &World) -> Outcome {
    let queue = world.queue()?;
    let counts = async || -> Result<(u64, u64, u64), Stop> {
        let stats = queue.stats().await?;
        Ok((stats.ready, stats.in_flight, stats.delayed))
    };
    same("empty", counts().await?, (0, 0, 0))?;
    same("no oldest", queue.stats().await?.oldest_enqueued_at, None)?;
    send_one(queue, "a").await?;
    world.pass(Duration::from_secs(1)).await?;
    send_one(queue, "b").await?;
    same("sent", counts().await?, (2, 0, 0))?;
    let oldest = queue.peek(1).await?[0].enqueued_at;
    if let Some(shown) = queue.stats().await?.oldest_enqueued_at {
        same("the oldest", shown, oldest)?;
    }
    let message = take_one(queue).await?;
    same("one received", counts().await?, (1, 1, 0))?;
    queue.delete(&message.receipt).await?;
    same("it is deleted", counts().await?, (1, 0, 0))?;
    take_one(queue).await?;
    world.expire().await?;
    same("the other's lease ran out", counts().await?, (1, 0, 0))
}

async fn purging_takes_all_of_this_queue_only(world: &World) -> Outcome {
    let (queue, other) = (world.queue()?, world.dead_letters()?);
    for body in ["a", "b"] {
        send_one(queue, body).await?;
    }
    send_one(other, "c").await?;
    let leased = take_one(queue).await?;
    queue.send(&[Outgoing::after(Duration::from_secs(60), "delayed")]).await?;
    same("number", queue.purge().await?, 3)?;
    same("left", bodies(queue).await?, vec![])?;
    refused("the leased one", queue.delete(&leased.receipt).await, ErrorCode::LeaseLost)?;
    same("the other queue", bodies(other).await?, vec!["c".to_string()])
}

async fn an_empty_receive_waits_as_long_as_asked(world: &World) -> Outcome {
    let queue = world.queue()?;
    let began = Instant::now();
    let wait = Duration::from_secs(1);
    let messages = queue.receive(Receive { max: 1, wait, visibility: None }).await?;
    same("messages", messages, vec![])?;
    holds("waited", began.elapsed() >= wait)?;
    holds("not much longer", began.elapsed() < wait * 5)
}

async fn a_send_wakes_a_waiting_receive(world: &World) -> Outcome {
    ping_pong(&world.backend, &world.backend).await
}

async fn a_send_through_another_opening_wakes_a_waiting_receive(world: &World) -> Outcome {
    ping_pong(&world.backend, &world.peer).await
}

const ROUNDS: u32 = 10;

/// Two players, each answering the other's message, so that each receive waits for a send.
async fn ping_pong(left: &Backend, right: &Backend) -> Outcome {
    let (ping, pong) = (QueueRole::Inference, QueueRole::Reassembly);
    let began = Instant::now();
    send_one(&**left.queue(ping)?, "first").await?;
    let (left, right) = tokio::join!(play(left, pong, ping, ROUNDS - 1), play(right, ping, pong, ROUNDS));
    left?;
    right?;
    holds("each heard of within a second", began.elapsed() < Duration::from_secs(1) * 2 * ROUNDS)
}

/// Receives a message in each round, and answers the first `answers` of them.
async fn play(backend: &Backend, receives_from: QueueRole, answers_to: QueueRole, answers: u32) -> Outcome {
    for round in 0..ROUNDS {
        let queue = backend.queue(receives_from)?;
        let messages = queue.receive(Receive { max: 1, wait: Duration::from_secs(20), visibility: None }).await?;
        same("messages", messages.len(), 1)?;
        queue.delete(&messages[0].receipt).await?;
        if round < answers {
            send_one(&**backend.queue(answers_to)?, "answer").await?;
        }
    }
    Ok(())
}

async fn a_waiting_receive_notices_that_a_delay_has_passed(world: &World) -> Outcome {
    let queue = world.queue()?;
    queue.send(&[Outgoing::after(Duration::from_secs(2), "later")]).await?;
    let waiting = queue.receive(Receive { max: 1, wait: Duration::from_secs(20), visibility: None });
    let (messages, passed) = tokio::join!(waiting, world.pass(Duration::from_secs(3)));
    passed?;
    same("messages", messages?.len(), 1)
}

async fn many_receivers_get_each_message_once(world: &World) -> Outcome {
    const MESSAGES: usize = 60;
    let queue = world.queue()?;
    for number in 0..MESSAGES {
        send_one(queue, &format!("{number:03}")).await?;
    }
    let drain = |queue: std::sync::Arc<dyn crate::WorkQueue>| {
        tokio::spawn(async move {
            let mut bodies = Vec::new();
            loop {
                let how = Receive { max: 4, wait: Duration::from_millis(200), visibility: Some(MAX_VISIBILITY) };
                let messages = queue.receive(how).await?;
                if messages.is_empty() {
                    return Ok::<_, crate::Error>(bodies);
                }
                for message in messages {
                    queue.delete(&message.receipt).await?;
                    bodies.push(message.body);
                }
            }
        })
    };
    let role = QueueRole::Inference;
    let mut drains = Vec::new();
    for _ in 0..4 {
        drains.push(drain(world.backend.queue(role)?.clone()));
        drains.push(drain(world.peer.queue(role)?.clone()));
    }
    let mut seen = Vec::new();
    for drained in drains {
        seen.extend(drained.await.map_err(|error| Stop::Failed(error.to_string()))??);
    }
    seen.sort();
    same("each once", seen, (0..MESSAGES).map(|number| format!("{number:03}")).collect())
}
