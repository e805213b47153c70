//! Cases: leases, receive counts, dead-lettering.

use std::time::Duration;

use super::case::{LEASE, Outcome, Stop, World, bodies, cases, holds, refused, same, send_one, take, take_one};
use crate::ErrorCode;
use crate::work_queue::{MAX_VISIBILITY, Message, Receipt, Receive};

cases!(
    a_lease_that_ran_out_is_received_again,
    an_extended_lease_lasts,
    extending_may_shorten,
    a_released_message_comes_back_at_once,
    a_message_released_with_delay_waits,
    a_deleted_message_never_comes_back,
    a_void_receipt_deletes_nothing,
    a_void_receipt_extends_and_releases_nothing,
    an_unknown_receipt_is_void,
    the_queue_s_own_visibility_holds_by_default,
    too_many_receivings_dead_letter_at_the_next,
    a_dead_letter_keeps_id_body_and_time,
    a_dead_letter_queue_keeps_what_it_has,
    poison_does_not_hold_up_the_others,
    leasing_by_id_takes_exactly_those,
    leasing_by_id_does_not_raise_the_count,
    leasing_by_id_leaves_out_what_is_not_ready,
    a_lease_by_id_is_a_real_lease,
    a_dropped_receive_loses_nothing,
);

async fn a_lease_that_ran_out_is_received_again(world: &World) -> Outcome {
    let queue = world.queue()?;
    let id = send_one(queue, "a").await?;
    let first = take_one(queue).await?;
    same("while leased", take(queue, 1).await?, vec![])?;
    world.expire().await?;
    let second = take_one(queue).await?;
    same("the same message", &second.id, &id)?;
    same("enqueued at", second.enqueued_at, first.enqueued_at)?;
    same("receive count", second.receive_count, 2)?;
    holds("another receipt", second.receipt != first.receipt)
}

async fn an_extended_lease_lasts(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let message = take_one(queue).await?;
    for _ in 0..3 {
        queue.extend(&message.receipt, Duration::from_secs(20)).await?;
        world.expire().await?;
        same("beyond the first lease", take(queue, 1).await?, vec![])?;
    }
    queue.delete(&message.receipt).await?;
    same("left", bodies(queue).await?, vec![])
}

async fn extending_may_shorten(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(600)) };
    let message = queue.receive(how).await?.pop().ok_or_else(|| Stop::Failed("no message".into()))?;
    queue.extend(&message.receipt, LEASE).await?;
    world.expire().await?;
    same("receive count", take_one(queue).await?.receive_count, 2)?;
    let too_long = MAX_VISIBILITY + Duration::from_secs(1);
    refused("half a day and more", queue.extend(&message.receipt, too_long).await, ErrorCode::Invalid)
}

async fn a_released_message_comes_back_at_once(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let message = take_one(queue).await?;
    queue.release(&message.receipt, Duration::ZERO).await?;
    same("ready", queue.stats().await?.ready, 1)?;
    same("receive count", take_one(queue).await?.receive_count, 2)
}

async fn a_message_released_with_delay_waits(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let message = take_one(queue).await?;
    queue.release(&message.receipt, Duration::from_secs(5)).await?;
    world.pass(Duration::from_secs(3)).await?;
    same("before its time", take(queue, 1).await?, vec![])?;
    world.pass(Duration::from_secs(3)).await?;
    same("receive count", take_one(queue).await?.receive_count, 2)
}

async fn a_deleted_message_never_comes_back(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let message = take_one(queue).await?;
    queue.delete(&message.receipt).await?;
    world.expire().await?;
    same("received", take(queue, 1).await?, vec![])?;
    same("left", bodies(queue).await?, vec![])
}

/// A message whose first lease ran out and that was then received again: the first message with the void receipt, and the second.
async fn overtaken(world: &World) -> Result<(Message, Message), Stop> {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    let void = take_one(queue).await?;
    world.expire().await?;
    Ok((void, take_one(queue).await?))
}

async fn a_void_receipt_deletes_nothing(world: &World) -> Outcome {
    let queue = world.queue()?;
    let (void, valid) = overtaken(world).await?;
    refused("deleting", queue.delete(&void.receipt).await, ErrorCode::LeaseLost)?;
    same("still there", bodies(queue).await?, vec!["a".to_string()])?;
    queue.delete(&valid.receipt).await?;
    same("left", bodies(queue).await?, vec![])
}

async fn a_void_receipt_extends_and_releases_nothing(world: &World) -> Outcome {
    let queue = world.queue()?;
    let (void, valid) = overtaken(world).await?;
    refused("extending", queue.extend(&void.receipt, Duration::from_secs(600)).await, ErrorCode::LeaseLost)?;
    refused("releasing", queue.release(&void.receipt, Duration::ZERO).await, ErrorCode::LeaseLost)?;
    same("still leased", take(queue, 1).await?, vec![])?;
    queue.extend(&valid.receipt, LEASE).await?;
    Ok(())
}

async fn an_unknown_receipt_is_void(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    for made_up in ["", "nonsense", "00000000-0000-0000-0000-000000000000/1", "/", "1/x"] {
        let receipt = Receipt(made_up.into());
        refused("deleting", queue.delete(&receipt).await, ErrorCode::LeaseLost)?;
        refused("extending", queue.extend(&receipt, LEASE).await, ErrorCode::LeaseLost)?;
    }
    same("still there", bodies(queue).await?, vec!["a".to_string()])
}

async fn the_queue_s_own_visibility_holds_by_default(world: &World) -> Outcome {
    let queue = world.queue()?;
    let visibility = queue.settings().await?.visibility;
    send_one(queue, "a").await?;
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    same("received", queue.receive(how).await?.len(), 1)?;
    world.pass(visibility.saturating_sub(Duration::from_secs(2))).await?;
    same("before it ran out", queue.receive(how).await?, vec![])?;
    world.pass(Duration::from_secs(4)).await?;
    same("after it", queue.receive(how).await?.len(), 1)
}

/// Receives all messages of the queue `max_receives` times without deleting them.
async fn wear_out(world: &World) -> Result<u32, Stop> {
    let queue = world.queue()?;
    let max = queue.settings().await?.max_receives.ok_or_else(|| Stop::Failed("no limit".into()))?;
    for count in 1..=max {
        for message in take(queue, 10).await? {
            same("receive count", message.receive_count, count)?;
        }
        world.expire().await?;
    }
    Ok(max)
}

async fn too_many_receivings_dead_letter_at_the_next(world: &World) -> Outcome {
    let (queue, dead) = (world.queue()?, world.dead_letters()?);
    send_one(queue, "a").await?;
    wear_out(world).await?;
    same("not before the next receive", bodies(dead).await?, vec![])?;
    same("still on its queue", bodies(queue).await?, vec!["a".to_string()])?;
    same("the next receive", take(queue, 10).await?, vec![])?;
    same("on the dead-letter queue", bodies(dead).await?, vec!["a".to_string()])?;
    same("left on its queue", bodies(queue).await?, vec![])?;
    same("it is ready there", dead.stats().await?.ready, 1)
}

async fn a_dead_letter_keeps_id_body_and_time(world: &World) -> Outcome {
    let (queue, dead) = (world.queue()?, world.dead_letters()?);
    let id = send_one(queue, "a").await?;
    let enqueued_at = queue.peek(1).await?[0].enqueued_at;
    let max = wear_out(world).await?;
    take(queue, 1).await?;
    let peeked = dead.peek(1).await?;
    same("id and body", (&peeked[0].id, peeked[0].body.as_str()), (&id, "a"))?;
    same("first sent", peeked[0].enqueued_at, enqueued_at)?;
    same("receive count", peeked[0].receive_count, max)?;
    if let Some(at) = peeked[0].dead_lettered_at {
        holds("dead-lettered after it was sent", at > enqueued_at)?;
    }
    let message = take_one(dead).await?;
    same("leased there", &message.id, &id)?;
    dead.delete(&message.receipt).await?;
    Ok(())
}

async fn a_dead_letter_queue_keeps_what_it_has(world: &World) -> Outcome {
    let dead = world.dead_letters()?;
    send_one(dead, "a").await?;
    for count in 1..=8 {
        same("receive count", take_one(dead).await?.receive_count, count)?;
        world.expire().await?;
    }
    same("still there", bodies(dead).await?, vec!["a".to_string()])
}

async fn poison_does_not_hold_up_the_others(world: &World) -> Outcome {
    let (queue, dead) = (world.queue()?, world.dead_letters()?);
    for number in 0..10 {
        send_one(queue, &format!("poison {number}")).await?;
    }
    wear_out(world).await?;
    send_one(queue, "good").await?;
    let received: Vec<String> = take(queue, 10).await?.into_iter().map(|message| message.body).collect();
    same("received", received, vec!["good".to_string()])?;
    same("dead-lettered", dead.stats().await?.ready, 10)
}

async fn leasing_by_id_takes_exactly_those(world: &World) -> Outcome {
    let queue = world.queue()?;
    let mut ids = Vec::new();
    for body in ["a", "b", "c", "d"] {
        ids.push(send_one(queue, body).await?);
    }
    let wanted = [ids[1].clone(), ids[3].clone()];
    let leased = queue.lease(&wanted, Duration::from_secs(600)).await?;
    let mut got: Vec<(String, String)> = leased.into_iter().map(|message| (message.body, message.id)).collect();
    got.sort();
    same("leased", got, vec![("b".into(), ids[1].clone()), ("d".into(), ids[3].clone())])?;
    let mut rest: Vec<String> = take(queue, 10).await?.into_iter().map(|message| message.body).collect();
    rest.sort();
    same("the others", rest, vec!["a".to_string(), "c".into()])
}

async fn leasing_by_id_does_not_raise_the_count(world: &World) -> Outcome {
    let queue = world.queue()?;
    let id = send_one(queue, "a").await?;
    for _ in 0..8 {
        let leased = queue.lease(std::slice::from_ref(&id), LEASE).await?;
        same("leased", leased.len(), 1)?;
        same("receive count", leased[0].receive_count, 0)?;
        world.expire().await?;
    }
    same("a real receiving", take_one(queue).await?.receive_count, 1)
}

async fn leasing_by_id_leaves_out_what_is_not_ready(world: &World) -> Outcome {
    let (queue, other) = (world.queue()?, world.dead_letters()?);
    let leased = send_one(queue, "leased").await?;
    let held = take_one(queue).await?;
    let elsewhere = send_one(other, "elsewhere").await?;
    let gone = send_one(queue, "gone").await?;
    let going = take_one(queue).await?;
    queue.delete(&going.receipt).await?;
    let ids = [leased, elsewhere, gone, "no id".into()];
    same("none", queue.lease(&ids, LEASE).await?, vec![])?;
    same("of none", queue.lease(&[], LEASE).await?, vec![])?;
    queue.delete(&held.receipt).await?;
    same("untouched", bodies(other).await?, vec!["elsewhere".to_string()])
}

async fn a_lease_by_id_is_a_real_lease(world: &World) -> Outcome {
    let queue = world.queue()?;
    let id = send_one(queue, "a").await?;
    let first = queue.lease(std::slice::from_ref(&id), LEASE).await?;
    same("again while leased", queue.lease(std::slice::from_ref(&id), LEASE).await?, vec![])?;
    same("received while leased", take(queue, 1).await?, vec![])?;
    world.expire().await?;
    let second = take_one(queue).await?;
    refused("the first receipt", queue.delete(&first[0].receipt).await, ErrorCode::LeaseLost)?;
    queue.delete(&second.receipt).await?;
    Ok(())
}

async fn a_dropped_receive_loses_nothing(world: &World) -> Outcome {
    let queue = world.queue()?;
    send_one(queue, "a").await?;
    for cut in 0..40_u64 {
        let receiving = queue.receive(Receive { max: 1, wait: Duration::ZERO, visibility: Some(LEASE) });
        // The receive may succeed before it is dropped; its lease then runs out unused.
        drop(tokio::time::timeout(Duration::from_micros(cut * 50), receiving).await);
        // The backend may still work on the dropped receive and move the message between the two reads: then both see it.
        let seen = bodies(queue).await?.len() + bodies(world.dead_letters()?).await?.len();
        holds("still there, here or as a dead letter", seen >= 1)?;
        world.expire().await?;
    }
    // This receive ends after all the dropped ones, so the message no longer moves.
    take(queue, 1).await?;
    same("once", bodies(queue).await?.len() + bodies(world.dead_letters()?).await?.len(), 1)
}
