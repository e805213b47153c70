//! Purge: take messages off a queue, all or chosen ones, keeping copies.
//!
//! Invariant: a message is removed only under a lease of ours and after its copy is on the disk. A copy is dropped only if the
//! message is known to be still on the queue. Exception: if reading would harm the messages, the whole queue is purged without
//! copies ([`whole`]), and the plan says so. Chosen messages are never purged like that.

use std::collections::{BTreeSet, HashSet};

use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, message};
use stereospot_ports::ErrorCode;
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::Message;

use super::draft::{self, Draft, Error, MAX_ITEMS, count_of, refused, result, results};
use super::replay;
use super::taking::Taking;
use crate::app::App;

mod chosen;
mod whole;

pub(super) async fn draft(app: &App, name: QueueName, ids: Option<&[String]>) -> Result<Draft, Error> {
    let queue = draft::queue(app, name)?;
    let stats = queue.stats().await?;
    let messages = match queue.peek(MAX_ITEMS).await {
        Ok(messages) => messages,
        // Peeking would count as a receive, and a few receives dead-letter a message.
        Err(error) if error.code() == ErrorCode::Invalid => {
            return Ok(match ids {
                None => whole::draft(app, name, stats),
                Some(_) => chosen::refused(name),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let items: Vec<PlanItem> = messages
        .iter()
        .filter(|peeked| ids.is_none_or(|ids| ids.contains(&peeked.id)))
        .map(|peeked| {
            let about = message::job_of(name.role, &peeked.body);
            let what = format!("copy, then remove (received {} times)", peeked.receive_count);
            PlanItem::message(name, &peeked.id, about, what).with(peeked.envelope.clone())
        })
        .collect();
    let mut assumptions = vec!["each message still is on the queue and ready".to_owned()];
    if ids.is_none() && stats.in_flight + stats.delayed > 0 {
        assumptions.push(format!(
            "{} in flight and {} delayed are left alone if they still are when this is applied",
            stats.in_flight, stats.delayed
        ));
    }
    let needed = Needed { jobs: still_needed(app, name, &items), why_not_resent: why_not_resent(app, name.role) };
    assumptions.extend(needed.assumption());
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
    let is_missing = |id: &&String| !messages.iter().any(|peeked| peeked.id == **id);
    let skip = |id: &String| PlanItem::message(name, id, None, chosen::unseen(stats));
    let skips: Vec<PlanItem> = ids.unwrap_or_default().iter().filter(is_missing).map(skip).collect();
    let refused = match ids {
        _ if !items.is_empty() => None,
        None => Some(replay::nothing_left(name, &**queue).await?),
        Some([]) => refused(RefusalCode::Nothing, "no message is named"),
        Some(_) => {
            let why = format!("nothing to remove: {} {}", count_of(skips.len(), "message"), chosen::unseen(stats));
            refused(RefusalCode::Nothing, why)
        }
    };
    Ok(Draft {
        scope,
        effect: format!(
            "{left}{}; copies are kept for {} hours and can be restored",
            needed.effect(),
            crate::store::KEPT.as_secs() / 3600
        ),
        assumptions,
        confirm: Some(format!("purge {}", items.len())),
        refused,
        items,
        skips,
        ..Draft::default()
    })
}

/// Unfinished jobs that, by the last readings, need one of these messages.
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
                // What these queues do can be redone from stored objects.
                _ => false,
            })
        };
        items.iter().filter(needs).filter_map(|item| item.job_id).collect()
    })
}

/// Unfinished jobs that need the removed messages to go on.
struct Needed {
    jobs: BTreeSet<JobId>,
    /// Why no automatic repair applies; none when the reconciler asks for them again.
    why_not_resent: Option<&'static str>,
}

impl Needed {
    /// What becomes of the jobs, as a part of the plan's effect.
    fn effect(&self) -> String {
        match (self.jobs.len(), self.why_not_resent) {
            (0, _) => String::new(),
            (count, None) => format!("; {} asked for again by the reconciler", count_of(count, "job")),
            (count, Some(_)) => format!("; {} stuck until repaired", count_of(count, "job")),
        }
    }

    /// What becomes of the jobs, and which they are; none when there are none.
    fn assumption(&self) -> Option<String> {
        /// Named one by one.
        const NAMED: usize = 5;
        let jobs = &self.jobs;
        if jobs.is_empty() {
            return None;
        }
        let mut named = jobs.iter().take(NAMED).map(JobId::to_string).collect::<Vec<_>>().join(", ");
        if jobs.len() > NAMED {
            named.push_str(&format!(" and {} more", jobs.len() - NAMED));
        }
        let (count, s) = (count_of(jobs.len(), "unfinished job"), if jobs.len() == 1 { "s" } else { "" });
        Some(match self.why_not_resent {
            None => {
                format!("{count} still need{s} what is removed: the reconciler (on) sends it again by itself: {named}")
            }
            Some(why) => format!("{count} still need{s} what is removed and stay{s} stuck: {why}: {named}"),
        })
    }
}

/// Why no automatic repair applies to jobs whose messages are removed.
fn why_not_resent(app: &App, role: QueueRole) -> Option<&'static str> {
    match (role, app.config.reconciles()) {
        // Only this message holds the address of a source that was not fetched yet.
        (QueueRole::Ingest, _) => Some("nothing else says where its source is"),
        (_, false) => Some("the reconciler is off"),
        (_, true) => None,
    }
}

pub(super) async fn apply(app: &App, name: QueueName, plan: &Plan) -> Vec<ItemResult> {
    let is_chosen = matches!(plan.action, Action::Purge { message_ids: Some(_), .. });
    let ended = match draft::queue(app, name) {
        Err(error) => results(&plan.items, Outcome::Failed, &error.to_string()),
        Ok(queue) if !plan.keeps_copies() => whole::apply(name, &**queue).await,
        Ok(queue) => {
            let ids = plan.items.iter().filter_map(|item| Some(item.target.message_id()?.to_owned()));
            let mut taking = Taking::new(&**queue, ids, app.finds_by_id(name));
            let mut ended = Vec::with_capacity(plan.items.len());
            let broken = loop {
                match taking.next().await {
                    Ok(taken) if taken.is_empty() => break None,
                    Ok(taken) => match batch(app, name, plan, &mut taking, &taken).await {
                        Ok(done) => ended.extend(done),
                        Err(error) => {
                            let why = chain(&error);
                            let failed =
                                |one: &Message| result(&message_of(name, &one.id), Outcome::Failed, why.clone());
                            ended.extend(taken.iter().map(failed));
                        }
                    },
                    Err(error) => break Some(chain(&error)),
                }
            };
            let unmet = taking.end().await;
            ended.extend(match broken {
                None if is_chosen => chosen::unmet(name, &**queue, unmet).await,
                broken => {
                    let (outcome, why) = match broken {
                        Some(why) => (Outcome::Failed, why),
                        None => (Outcome::Skipped, "in flight, delayed or gone".to_owned()),
                    };
                    unmet.iter().map(|id| result(&message_of(name, id), outcome, why.clone())).collect()
                }
            });
            replay::in_order(&plan.items, ended)
        }
    };
    if ended.iter().any(|result| result.outcome == Outcome::Done) {
        let now = app.now();
        app.live.with(|world| {
            if let Some(flow) = world.queues.get_mut(&name).filter(|_| !is_chosen) {
                flow.purged(now);
            }
        });
        if name == QueueName::main(QueueRole::Reassembly) {
            let done = ended.iter().filter(|result| result.outcome == Outcome::Done).map(|result| &result.target);
            let done: HashSet<&Target> = done.collect();
            let jobs = plan.items.iter().filter(|item| done.contains(&item.target)).filter_map(|item| item.job_id);
            app.note_purged(jobs, true);
        }
    }
    ended
}

fn message_of(queue: QueueName, id: &str) -> Target {
    Target::Message { queue, id: id.to_owned() }
}

async fn batch(
    app: &App,
    name: QueueName,
    plan: &Plan,
    taking: &mut Taking<'_>,
    taken: &[Message],
) -> Result<Vec<ItemResult>, Error> {
    let queue = draft::queue(app, name)?;
    if let Err(error) = app.store.copy_messages(plan.id, name, taken, app.now()).await {
        taken.iter().for_each(|message| taking.keep(message));
        return Err(error.into());
    }
    let (mut results, mut stayed) = (Vec::new(), Vec::new());
    for message in taken {
        let target = &message_of(name, &message.id);
        match queue.delete(&message.receipt).await {
            Ok(()) => results.push(result(target, Outcome::Done, "copied and removed")),
            Err(error) if error.code() == ErrorCode::LeaseLost => {
                stayed.push(message.id.clone());
                results.push(result(target, Outcome::Failed, chain(&error)));
            }
            Err(error) => {
                let why = chain(&error);
                results.push(result(target, Outcome::Failed, format!("perhaps removed, its copy is kept: {why}")));
            }
        }
    }
    // If this fails, a restore would offer a message that is still on the queue. That does no harm.
    if let Err(error) = app.store.drop_copies(plan.id, &stayed).await {
        tracing::error!(plan = %plan.id, error = %chain(&error), "copies of messages that stayed were not dropped");
    }
    Ok(results)
}
