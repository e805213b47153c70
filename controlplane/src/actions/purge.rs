//! Purge: take every message off a queue, keeping copies.
//!
//! Invariant: a message is removed only under a lease of ours and after its copy is on the disk; the copy is dropped only when the
//! message surely stayed.

use stereospot_domain::plan::{ItemResult, Outcome, Plan, PlanItem};
use stereospot_domain::{QueueName, message};
use stereospot_ports::Code;
use stereospot_ports::work_queue::MAX_BATCH;

use super::{Draft, Error, KEPT, LEASE, MAX_ITEMS, count_of, result};
use crate::shared::Shared;

pub(super) async fn draft(shared: &Shared, name: QueueName) -> Result<Draft, Error> {
    let queue = super::queue(shared, name)?;
    let stats = queue.stats().await?;
    let messages = queue.peek(MAX_ITEMS).await?;
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
    Ok(Draft {
        scope: format!("all of {name}, {}", count_of(items.len(), "message")),
        effect: format!("{name} is empty; copies are kept for {} hours and can be restored", KEPT.as_secs() / 3600),
        assumptions,
        confirm: Some(format!("purge {}", items.len())),
        refused: items.is_empty().then(|| format!("{name} is empty")),
        command: format!("stereospot queues purge {name}"),
        items,
        skips: Vec::new(),
    })
}

pub(super) async fn apply(shared: &Shared, name: QueueName, plan: &Plan) -> Vec<ItemResult> {
    let mut results = Vec::with_capacity(plan.items.len());
    for items in plan.items.chunks(MAX_BATCH) {
        match batch(shared, name, plan, items).await {
            Ok(done) => results.extend(done),
            Err(error) => {
                let why = crate::ingest::chain(&error);
                results.extend(items.iter().map(|item| result(&item.id, Outcome::Failed, why.clone())));
            }
        }
    }
    let now = shared.now();
    shared.live.with(|world| {
        if let Some(flow) = world.queues.get_mut(&name) {
            flow.purged(now);
        }
    });
    results
}

async fn batch(shared: &Shared, name: QueueName, plan: &Plan, items: &[PlanItem]) -> Result<Vec<ItemResult>, Error> {
    let queue = super::queue(shared, name)?;
    let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let leased = queue.lease(&ids, LEASE).await?;
    if !leased.is_empty()
        && let Err(error) = shared.store.copy_messages(plan.id, name, &leased, shared.now()).await
    {
        for message in &leased {
            super::mend::give_back(&**queue, &message.receipt).await;
        }
        return Err(error.into());
    }
    let (mut results, mut stayed) = (Vec::new(), Vec::new());
    for id in &ids {
        let Some(message) = leased.iter().find(|message| message.id == *id) else {
            results.push(result(id, Outcome::Skipped, "in flight, delayed or gone"));
            continue;
        };
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
