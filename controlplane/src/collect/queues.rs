//! Reads message counts and settings of the queues, and the messages on the dead-letter queues.

use stereospot_core::flow::total;
use stereospot_core::watch::schedule::Target;
use stereospot_domain::QueueName;
use stereospot_ports::{Error, Result};

use super::summary::Summary;
use crate::app::App;

/// The most dead letters to read, where calls are free.
const MAX_DEAD: usize = 1_000;
/// The same where calls are charged: ten messages cost two calls. This fills one screen.
const MAX_DEAD_METERED: usize = 100;

/// Reads a queue's message counts and settings.
pub(super) async fn numbers(app: &App, name: QueueName) -> Result<Summary> {
    let queue = app.backend.queue_named(name)?;
    let read = async { Ok::<_, Error>((queue.stats().await?, queue.settings().await?)) };
    match read.await {
        Ok((stats, settings)) => {
            let at = app.now();
            let (is_changed, count_differs) = app.live.with(|world| {
                let before = world.queues.get(&name).and_then(|flow| flow.stats()).map(|(stats, _)| total(stats));
                (world.set_queue(name, stats, settings, at), before != Some(total(stats)))
            });
            crate::measure::queue(name, stats);
            if count_differs && name.is_dead_letter {
                app.polls.hurry(Target::DeadLetters(name));
            }
            // A main queue with messages counts as changing, even if its counts stay equal.
            Ok(Summary::new(is_changed || (total(stats) > 0 && !name.is_dead_letter), 1))
        }
        Err(error) => {
            let at = app.now();
            app.live.with(|world| {
                if world.queue_failed(name, error.code(), &error.to_string(), at) {
                    world.diagnose_flagged(at, app.config.patience);
                }
            });
            Err(error)
        }
    }
}

/// Reads the messages on a dead-letter queue. Makes no call for a queue that its count shows to be empty, or whose count is
/// unknown.
pub(super) async fn dead_letters(app: &App, name: QueueName) -> Result<Summary> {
    let queue = app.backend.queue_named(name)?;
    let (count, is_known_empty) = app.live.with(|world| {
        let count = world.queues.get(&name).and_then(|flow| flow.stats()).map(|(stats, _)| total(stats));
        (count, world.dead.get(&name).is_none_or(Vec::is_empty))
    });
    match count {
        None => return Ok(Summary::new(false, 0)),
        Some(0) if is_known_empty => {
            let at = app.now();
            app.live.with(|world| world.set_dead(name, &[], at));
            return Ok(Summary::new(false, 0));
        }
        Some(_) => {}
    }
    let messages = queue.peek(most(app)).await?;
    let at = app.now();
    let is_changed = app.live.with(|world| {
        let before = world.dead_jobs(name);
        let is_changed = world.set_dead(name, &messages, at);
        // Jobs that are read seldom too: a finding must not outlive its dead letter by a minute.
        if is_changed {
            for job_id in before.into_iter().chain(world.dead_jobs(name)) {
                world.diagnose(job_id, at, app.config.patience);
            }
        }
        is_changed
    });
    Ok(Summary::new(is_changed, calls(app, messages.len())))
}

/// The most calls that [`dead_letters`] may take.
pub(super) fn cost(app: &App, name: QueueName) -> u32 {
    let (count, is_known_empty) = app.live.at_revision(|world, _| {
        let count = world.queues.get(&name).and_then(|flow| flow.stats()).map_or(0, |(stats, _)| total(stats));
        (count, world.dead.get(&name).is_none_or(Vec::is_empty))
    });
    if count == 0 && is_known_empty {
        return 0;
    }
    calls(app, most(app).min(usize::try_from(count).unwrap_or(usize::MAX)))
}

/// SQS receives and releases ten messages at a time; one receive more finds nothing left, and one call reads the counts.
fn calls(app: &App, messages: usize) -> u32 {
    if !app.polls.is_metered() {
        return 1;
    }
    2 + 2 * u32::try_from(messages.div_ceil(10)).unwrap_or(u32::MAX / 4)
}

/// Dead letters to look at: no more than the budget's burst allows.
fn most(app: &App) -> usize {
    if !app.polls.is_metered() {
        return MAX_DEAD;
    }
    let batches = app.polls.burst().saturating_sub(2) / 2;
    (batches as usize * 10).clamp(10, MAX_DEAD_METERED)
}
