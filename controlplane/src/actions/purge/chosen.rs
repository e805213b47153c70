//! Purge of chosen messages: what to answer when one of them can't be taken.

use std::collections::HashSet;

use stereospot_domain::QueueName;
use stereospot_domain::plan::{ItemResult, Outcome, RefusalCode};
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::Stats;
use stereospot_ports::{Result as PortResult, WorkQueue};

use super::message_of;
use crate::actions::draft::{Draft, MAX_ITEMS, refused as refusal, result};

/// A queue whose messages can't be read one by one: to look for one would count as a receive of each, so none is taken.
pub(super) fn refused(name: QueueName) -> Draft {
    let dead = QueueName::dead_letter(name.role);
    let instead = match name.is_dead_letter {
        true => String::new(),
        false => format!("wait until it is on {dead}, and take it off there, or "),
    };
    let why = format!(
        "no single message can be taken off {name}: to find it, SQS would count a receive of every message there, and too many \
         receives dead-letter a message; {instead}purge the whole queue"
    );
    Draft { scope: name.to_string(), refused: refusal(RefusalCode::WholeQueueOnly, why), ..Draft::default() }
}

/// Why a plan leaves out a chosen message that was not seen on the queue.
pub(super) fn unseen(stats: Stats) -> &'static str {
    // Where numbers are approximate (SQS), reading doesn't show what others hold.
    match stats.is_exact || stats.in_flight + stats.delayed == 0 {
        true => "no longer on the queue",
        false => "no longer on the queue, or held by somebody who looks at it",
    }
}

/// What the queue holds without the chosen messages.
pub(super) fn left(name: QueueName, stats: Stats, chosen: usize) -> String {
    let others = (stats.ready + stats.in_flight + stats.delayed).saturating_sub(chosen as u64);
    match (others, stats.is_exact) {
        (0, true) => format!("{name} is empty"),
        (others, true) => format!("{name} holds {others}"),
        (others, false) => format!("{name} holds about {others}"),
    }
}

/// The results of chosen messages that did not come when the plan was applied.
pub(super) async fn unmet(name: QueueName, queue: &dyn WorkQueue, ids: HashSet<String>) -> Vec<ItemResult> {
    if ids.is_empty() {
        return Vec::new();
    }
    match look(queue).await {
        Ok(look) => ids.iter().map(|id| look.end(name, id)).collect(),
        Err(error) => {
            let why = chain(&error);
            ids.iter().map(|id| result(&message_of(name, id), Outcome::Failed, why.clone())).collect()
        }
    }
}

/// What the queue shows of messages that could not be received. The numbers are the visibility timeout in seconds.
enum Look {
    /// The ids of all messages on the queue.
    All(HashSet<String>, u64),
    /// Other receivers hold some messages; the queue doesn't show which.
    SomeHeld(u64),
    /// No receiver holds a message.
    NoneHeld,
}

async fn look(queue: &dyn WorkQueue) -> PortResult<Look> {
    let stats = queue.stats().await?;
    let within = queue.settings().await?.visibility.as_secs();
    Ok(match (stats.is_exact, stats.in_flight + stats.delayed) {
        (true, _) => Look::All(queue.peek(MAX_ITEMS).await?.into_iter().map(|peeked| peeked.id).collect(), within),
        (false, 0) => Look::NoneHeld,
        (false, _) => Look::SomeHeld(within),
    })
}

impl Look {
    fn end(&self, name: QueueName, id: &str) -> ItemResult {
        let target = &message_of(name, id);
        match self {
            Look::All(there, within) if there.contains(id) => {
                let why = format!("somebody else holds it, so it stays: try again in {within} s");
                result(target, Outcome::Failed, why)
            }
            Look::All(..) | Look::NoneHeld => result(target, Outcome::Skipped, "gone already"),
            Look::SomeHeld(within) => {
                let why = format!("somebody else holds it, or it is gone: look again in {within} s");
                result(target, Outcome::Failed, why)
            }
        }
    }
}
