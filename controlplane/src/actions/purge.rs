//! Purge: take every message off a queue, keeping copies.
//!
//! Invariant: a message is removed only under a lease of ours and after its copy is on the disk; the copy is dropped only when the
//! message surely stayed. Where a queue's messages can't be looked at without harm, nothing can be copied, and the plan says so
//! before: see [`whole`].

use std::collections::{BTreeSet, HashSet};

use stereospot_domain::plan::{ItemResult, Outcome, Plan, PlanItem};
use stereospot_domain::{JobId, QueueName, QueueRole, message};
use stereospot_ports::Code;
use stereospot_ports::work_queue::Message;

use super::taking::Taking;
use super::{Draft, Error, KEPT, MAX_ITEMS, count_of, replay, result};
use crate::shared::Shared;

mod whole;

pub(super) async fn draft(shared: &Shared, name: QueueName) -> Result<Draft, Error> {
    let queue = super::queue(shared, name)?;
    let stats = queue.stats().await?;
    let messages = match queue.peek(MAX_ITEMS).await {
        Ok(messages) => messages,
        // Looking would count as a receiving, and after a few of these a message is dead-lettered.
        Err(error) if error.code() == Code::Invalid => return Ok(whole::draft(shared, name, stats)),
        Err(error) => return Err(error.into()),
    };
    let items: Vec<PlanItem> = messages
        .iter()
        .map(|peeked| {
            let about = message::job_of(name.role, &peeked.body);
            PlanItem {
                id: peeked.id.clone(),
                what: format!("copy, then remove (received {} times)", peeked.receive_count),
                job_id: about.map(|(job_id, _)| job_id),
                segment_index: about.and_then(|(_, index)| index),
            }
        })
        .collect();
    let mut assumptions = vec!["each message still is on the queue and ready".to_owned()];
    if stats.in_flight + stats.delayed > 0 {
        assumptions.push(format!(
            "{} in flight and {} delayed are left alone if they still are when this is applied",
            stats.in_flight, stats.delayed
        ));
    }
    let needed = still_needed(shared, name, &items);
    let after = match (needed.len(), shared.config.reconciles()) {
        (0, _) => String::new(),
        (count, true) => format!("; {} asked for again by the reconciler", count_of(count, "job")),
        (count, false) => format!("; {} stuck until repaired", count_of(count, "job")),
    };
    if !needed.is_empty() {
        assumptions.push(needed_line(&needed, shared.config.reconciles()));
    }
    let unseen = stats.ready.saturating_sub(items.len() as u64);
    let is_all = unseen == 0 || stats.is_exact;
    if !is_all {
        assumptions.push(format!("about {unseen} more are left for the next plan"));
    }
    let left = if is_all { format!("{name} is empty") } else { format!("{name} holds about {unseen}") };
    Ok(Draft {
        scope: format!("all of {name}, {}", count_of(items.len(), "message")),
        effect: format!("{left}{after}; copies are kept for {} hours and can be restored", KEPT.as_secs() / 3600),
        assumptions,
        confirm: Some(format!("purge {}", items.len())),
        refused: match items.is_empty() {
            true => Some(replay::nothing_left(name, &**queue).await?),
            false => None,
        },
        command: format!("stereospot queues purge {name}"),
        items,
        ..Draft::default()
    })
}

/// Unfinished jobs that need one of the messages to go on, by what was last read of them.
fn still_needed(shared: &Shared, name: QueueName, items: &[PlanItem]) -> BTreeSet<JobId> {
    shared.live.at_revision(|world, _| {
        let needs = |item: &&PlanItem| {
            let entry = item.job_id.and_then(|job_id| world.jobs.get(&job_id));
            entry.filter(|entry| !entry.job.status.is_final()).is_some_and(|entry| match name.role {
                QueueRole::Chunking => entry.job.total_segments.is_none(),
                QueueRole::Inference => item.segment_index.is_none_or(|index| {
                    entry.truth.completed.as_ref().is_none_or(|done| done.value.binary_search(&index).is_err())
                }),
                QueueRole::Reassembly => true,
                // Their work is done again from what is stored.
                _ => false,
            })
        };
        items.iter().filter(needs).filter_map(|item| item.job_id).collect()
    })
}

/// What becomes of the jobs whose messages are removed, and which they are.
fn needed_line(jobs: &BTreeSet<JobId>, reconciles: bool) -> String {
    /// Named one by one.
    const NAMED: usize = 5;
    let mut named = jobs.iter().take(NAMED).map(JobId::to_string).collect::<Vec<_>>().join(", ");
    if jobs.len() > NAMED {
        named.push_str(&format!(" and {} more", jobs.len() - NAMED));
    }
    let (count, s) = (count_of(jobs.len(), "unfinished job"), if jobs.len() == 1 { "s" } else { "" });
    match reconciles {
        true => format!("{count} still need{s} what is removed: the reconciler (on) sends it again by itself: {named}"),
        false => format!("{count} still need{s} what is removed and stay{s} stuck: the reconciler is off: {named}"),
    }
}

pub(super) async fn apply(shared: &Shared, name: QueueName, plan: &Plan) -> Vec<ItemResult> {
    let results = match super::queue(shared, name) {
        Err(error) => plan.items.iter().map(|item| result(&item.id, Outcome::Failed, error.to_string())).collect(),
        Ok(queue) if !keeps_copies(name, plan) => whole::apply(name, &**queue).await,
        Ok(queue) => {
            let ids = plan.items.iter().map(|item| item.id.clone());
            let mut taking = Taking::new(&**queue, ids, shared.finds_by_id(name));
            let mut results = Vec::with_capacity(plan.items.len());
            let broken = loop {
                match taking.next().await {
                    Ok(taken) if taken.is_empty() => break None,
                    Ok(taken) => match batch(shared, name, plan, &mut taking, &taken).await {
                        Ok(done) => results.extend(done),
                        Err(error) => {
                            let why = crate::ingest::chain(&error);
                            results.extend(taken.iter().map(|one| result(&one.id, Outcome::Failed, why.clone())));
                        }
                    },
                    Err(error) => break Some(crate::ingest::chain(&error)),
                }
            };
            results.extend(taking.end().await.into_iter().map(|id| match &broken {
                Some(why) => result(id, Outcome::Failed, why.clone()),
                None => result(id, Outcome::Skipped, "in flight, delayed or gone"),
            }));
            replay::in_order(&plan.items, results)
        }
    };
    if results.iter().any(|result| result.outcome == Outcome::Done) {
        let now = shared.now();
        shared.live.with(|world| {
            if let Some(flow) = world.queues.get_mut(&name) {
                flow.purged(now);
            }
        });
        if name == QueueName::main(QueueRole::Reassembly) {
            let done = results.iter().filter(|result| result.outcome == Outcome::Done).map(|result| result.id.as_str());
            let done: HashSet<&str> = done.collect();
            let jobs = plan.items.iter().filter(|item| done.contains(item.id.as_str())).filter_map(|item| item.job_id);
            shared.note_purged(jobs, true);
        }
    }
    results
}

/// False for a plan that can't be undone: its only item is the queue.
pub(super) fn keeps_copies(name: QueueName, plan: &Plan) -> bool {
    !matches!(&plan.items[..], [item] if item.id == name.to_string())
}

async fn batch(
    shared: &Shared,
    name: QueueName,
    plan: &Plan,
    taking: &mut Taking<'_>,
    taken: &[Message],
) -> Result<Vec<ItemResult>, Error> {
    let queue = super::queue(shared, name)?;
    if let Err(error) = shared.store.copy_messages(plan.id, name, taken, shared.now()).await {
        taken.iter().for_each(|message| taking.keep(message));
        return Err(error.into());
    }
    let (mut results, mut stayed) = (Vec::new(), Vec::new());
    for message in taken {
        let id = &message.id;
        match queue.delete(&message.receipt).await {
            Ok(()) => results.push(result(id, Outcome::Done, "copied and removed")),
            Err(error) if error.code() == Code::LeaseLost => {
                stayed.push(id.clone());
                results.push(result(id, Outcome::Failed, crate::ingest::chain(&error)));
            }
            Err(error) => {
                let why = crate::ingest::chain(&error);
                results.push(result(id, Outcome::Failed, format!("perhaps removed, its copy is kept: {why}")));
            }
        }
    }
    // What was removed is removed, whether or not this is kept: at worst a restore offers a message that stayed.
    if let Err(error) = shared.store.drop_copies(plan.id, &stayed).await {
        tracing::error!(plan = %plan.id, error = %crate::ingest::chain(&error), "copies of messages that stayed were not dropped");
    }
    Ok(results)
}
