//! Purge: take messages off a queue, all or chosen ones, keeping copies.
//!
//! Invariant: a message is removed only under a lease of ours and after its copy is on the disk; the copy is dropped only when the
//! message surely stayed. Where a queue's messages can't be looked at without harm, nothing can be copied, and the plan says so
//! before: see [`whole`]. Chosen messages are never taken so.

use std::collections::{BTreeSet, HashSet};

use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, message};
use stereospot_ports::ErrorCode;
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::Message;

use super::taking::Taking;
use super::{Draft, Error, MAX_ITEMS, count_of, named, replay, result};
use crate::app::App;

mod chosen;
mod whole;

pub(super) async fn draft(app: &App, name: QueueName, ids: Option<&[String]>) -> Result<Draft, Error> {
    let queue = super::queue(app, name)?;
    let stats = queue.stats().await?;
    let messages = match queue.peek(MAX_ITEMS).await {
        Ok(messages) => messages,
        // Looking would count as a receiving, and after a few of these a message is dead-lettered.
        Err(error) if error.code() == ErrorCode::Invalid => {
            return Ok(match ids {
                None => whole::draft(app, name, stats),
                Some(ids) => chosen::refused(name, ids),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let items: Vec<PlanItem> = messages
        .iter()
        .filter(|peeked| ids.is_none_or(|ids| ids.contains(&peeked.id)))
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
    if ids.is_none() && stats.in_flight + stats.delayed > 0 {
        assumptions.push(format!(
            "{} in flight and {} delayed are left alone if they still are when this is applied",
            stats.in_flight, stats.delayed
        ));
    }
    let needed = still_needed(app, name, &items);
    // A source that is yet to be fetched is nowhere: only its message says where to look.
    let left_by = match (name.role, app.config.reconciles()) {
        (QueueRole::Ingest, _) => Some("nothing else says where its source is"),
        (_, false) => Some("the reconciler is off"),
        (_, true) => None,
    };
    let after = match (needed.len(), left_by) {
        (0, _) => String::new(),
        (count, None) => format!("; {} asked for again by the reconciler", count_of(count, "job")),
        (count, Some(_)) => format!("; {} stuck until repaired", count_of(count, "job")),
    };
    if !needed.is_empty() {
        assumptions.push(needed_line(&needed, left_by));
    }
    let count = count_of(items.len(), "message");
    let unseen = stats.ready.saturating_sub(items.len() as u64);
    let (scope, left) = match ids {
        Some(_) => (format!("{count} of {name}"), chosen::left(name, stats, items.len())),
        None if unseen == 0 || stats.is_exact => (format!("all of {name}, {count}"), format!("{name} is empty")),
        None => {
            assumptions.push(format!("about {unseen} more are left for the next plan"));
            (format!("all of {name}, {count}"), format!("{name} holds about {unseen}"))
        }
    };
    let is_missing = |id: &&String| !items.iter().any(|item| item.id == **id);
    let skips: Vec<PlanItem> =
        ids.unwrap_or_default().iter().filter(is_missing).map(|id| super::item(id, chosen::unseen(stats))).collect();
    let refused = match ids {
        _ if !items.is_empty() => None,
        None => Some(replay::nothing_left(name, &**queue).await?),
        Some([]) => Some("no message is named".to_owned()),
        Some(_) => Some(format!("nothing to remove: {} {}", count_of(skips.len(), "message"), chosen::unseen(stats))),
    };
    Ok(Draft {
        scope,
        effect: format!(
            "{left}{after}; copies are kept for {} hours and can be restored",
            crate::store::KEPT.as_secs() / 3600
        ),
        assumptions,
        confirm: Some(format!("purge {}", items.len())),
        refused,
        command: format!("stereospot queues purge {name}{}", named(ids)),
        items,
        skips,
        ..Draft::default()
    })
}

/// Unfinished jobs that need one of the messages to go on, by what was last read of them.
fn still_needed(app: &App, name: QueueName, items: &[PlanItem]) -> BTreeSet<JobId> {
    app.live.at_revision(|world, _| {
        let needs = |item: &&PlanItem| {
            let entry = item.job_id.and_then(|job_id| world.jobs.get(&job_id));
            entry.filter(|entry| !entry.job.status.is_final()).is_some_and(|entry| match name.role {
                QueueRole::Chunking => entry.job.total_segments.is_none(),
                QueueRole::Inference => item.segment_index.is_none_or(|index| {
                    entry.truth.completed.as_ref().is_none_or(|done| done.value.binary_search(&index).is_err())
                }),
                QueueRole::Reassembly => true,
                QueueRole::Ingest => {
                    matches!(entry.job.status, JobStatus::Created | JobStatus::Ingesting)
                        && entry.job.uploaded_at.is_none()
                }
                // Their work is done again from what is stored.
                _ => false,
            })
        };
        items.iter().filter(needs).filter_map(|item| item.job_id).collect()
    })
}

/// What becomes of the jobs whose messages are removed, and which they are. `left_by`: why nobody helps them by himself.
fn needed_line(jobs: &BTreeSet<JobId>, left_by: Option<&str>) -> String {
    /// Named one by one.
    const NAMED: usize = 5;
    let mut named = jobs.iter().take(NAMED).map(JobId::to_string).collect::<Vec<_>>().join(", ");
    if jobs.len() > NAMED {
        named.push_str(&format!(" and {} more", jobs.len() - NAMED));
    }
    let (count, s) = (count_of(jobs.len(), "unfinished job"), if jobs.len() == 1 { "s" } else { "" });
    match left_by {
        None => format!("{count} still need{s} what is removed: the reconciler (on) sends it again by itself: {named}"),
        Some(why) => format!("{count} still need{s} what is removed and stay{s} stuck: {why}: {named}"),
    }
}

pub(super) async fn apply(app: &App, name: QueueName, plan: &Plan) -> Vec<ItemResult> {
    let is_chosen = matches!(plan.action, Action::Purge { message_ids: Some(_), .. });
    let results = match super::queue(app, name) {
        Err(error) => plan.items.iter().map(|item| result(&item.id, Outcome::Failed, error.to_string())).collect(),
        Ok(queue) if !plan.keeps_copies() => whole::apply(name, &**queue).await,
        Ok(queue) => {
            let ids = plan.items.iter().map(|item| item.id.clone());
            let mut taking = Taking::new(&**queue, ids, app.finds_by_id(name));
            let mut results = Vec::with_capacity(plan.items.len());
            let broken = loop {
                match taking.next().await {
                    Ok(taken) if taken.is_empty() => break None,
                    Ok(taken) => match batch(app, name, plan, &mut taking, &taken).await {
                        Ok(done) => results.extend(done),
                        Err(error) => {
                            let why = chain(&error);
                            results.extend(taken.iter().map(|one| result(&one.id, Outcome::Failed, why.clone())));
                        }
                    },
                    Err(error) => break Some(chain(&error)),
                }
            };
            let unmet = taking.end().await;
            results.extend(match broken {
                None if is_chosen => chosen::unmet(&**queue, unmet).await,
                broken => {
                    let (outcome, why) = match broken {
                        Some(why) => (Outcome::Failed, why),
                        None => (Outcome::Skipped, "in flight, delayed or gone".to_owned()),
                    };
                    unmet.into_iter().map(|id| result(id, outcome, why.clone())).collect()
                }
            });
            replay::in_order(&plan.items, results)
        }
    };
    if results.iter().any(|result| result.outcome == Outcome::Done) {
        let now = app.now();
        app.live.with(|world| {
            if let Some(flow) = world.queues.get_mut(&name).filter(|_| !is_chosen) {
                flow.purged(now);
            }
        });
        if name == QueueName::main(QueueRole::Reassembly) {
            let done = results.iter().filter(|result| result.outcome == Outcome::Done).map(|result| result.id.as_str());
            let done: HashSet<&str> = done.collect();
            let jobs = plan.items.iter().filter(|item| done.contains(item.id.as_str())).filter_map(|item| item.job_id);
            app.note_purged(jobs, true);
        }
    }
    results
}

async fn batch(
    app: &App,
    name: QueueName,
    plan: &Plan,
    taking: &mut Taking<'_>,
    taken: &[Message],
) -> Result<Vec<ItemResult>, Error> {
    let queue = super::queue(app, name)?;
    if let Err(error) = app.store.copy_messages(plan.id, name, taken, app.now()).await {
        taken.iter().for_each(|message| taking.keep(message));
        return Err(error.into());
    }
    let (mut results, mut stayed) = (Vec::new(), Vec::new());
    for message in taken {
        let id = &message.id;
        match queue.delete(&message.receipt).await {
            Ok(()) => results.push(result(id, Outcome::Done, "copied and removed")),
            Err(error) if error.code() == ErrorCode::LeaseLost => {
                stayed.push(id.clone());
                results.push(result(id, Outcome::Failed, chain(&error)));
            }
            Err(error) => {
                let why = chain(&error);
                results.push(result(id, Outcome::Failed, format!("perhaps removed, its copy is kept: {why}")));
            }
        }
    }
    // What was removed is removed, whether or not this is kept: at worst a restore offers a message that stayed.
    if let Err(error) = app.store.drop_copies(plan.id, &stayed).await {
        tracing::error!(plan = %plan.id, error = %chain(&error), "copies of messages that stayed were not dropped");
    }
    Ok(results)
}
