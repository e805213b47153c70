//! Restore: put back what a purge took away.

use std::collections::{HashMap, HashSet};

use stereospot_api::view::Change;
use stereospot_domain::message;
use stereospot_domain::plan::{Action, ItemResult, Outcome, PlanItem};
use stereospot_ports::work_queue::{MAX_BATCH, Outgoing};
use uuid::Uuid;

use super::{Draft, Error, count_of, result, until};
use crate::shared::Shared;
use crate::store::{self, Copied};

pub(super) async fn draft(shared: &Shared, purge_id: Uuid) -> Result<Draft, Error> {
    let Some((plan, applied)) = shared.store.plan(purge_id).await? else {
        return Err(Error::NotFound(format!("there is no plan {purge_id}")));
    };
    let command = format!("stereospot queues restore {purge_id}");
    let (Action::Purge { queue }, Some(applied)) = (&plan.action, applied) else {
        return Err(Error::NotFound(format!("plan {purge_id} is no purge that was applied")));
    };
    let now = shared.now();
    let copies = copies(shared, purge_id, &*shared.put_back.lock().await).await?;
    let refused = match applied.undo_until {
        Some(end) if end < now => Some("the copies were kept for a day and are gone".to_owned()),
        _ if copies.is_empty() => Some("there is nothing left to put back".to_owned()),
        _ => None,
    };
    let items: Vec<PlanItem> = copies
        .iter()
        .map(|copy| {
            let about = message::job_of(copy.queue.role, &copy.body);
            PlanItem {
                id: copy.message_id.clone(),
                what: format!("send to {}", copy.queue),
                job_id: about.map(|(job_id, _)| job_id),
                segment_index: about.and_then(|(_, index)| index),
            }
        })
        .collect();
    let left = applied.undo_until.map_or(String::new(), |end| format!(", possible for {} more", until(end, now)));
    Ok(Draft {
        scope: format!("{} purged from {queue}{left}", count_of(items.len(), "message")),
        effect: format!("they are on {queue} again, with new ids and receive counts from zero"),
        assumptions: vec!["nobody has put them back meanwhile".into()],
        confirm: None,
        refused,
        command,
        items,
        ..Draft::default()
    })
}

pub(super) async fn apply(shared: &Shared, purge_id: Uuid, items: &[PlanItem]) -> Vec<ItemResult> {
    // One restore at a time: two of the same purge would both find its copies, and send them twice.
    let mut put_back = shared.put_back.lock().await;
    let copies = match copies(shared, purge_id, &put_back).await {
        Ok(copies) => copies.into_iter().map(|copy| (copy.message_id.clone(), copy)).collect(),
        Err(error) => {
            let why = crate::ingest::chain(&error);
            return items.iter().map(|item| result(&item.id, Outcome::Failed, why.clone())).collect();
        }
    };
    let mut results = Vec::with_capacity(items.len());
    shared.note_purged(items.iter().filter_map(|item| item.job_id), false);
    for items in items.chunks(MAX_BATCH) {
        let (done, sent) = batch(shared, &copies, items).await;
        results.extend(done);
        // They are sent, whether or not that is kept on the disk; this process at least must not send them again.
        if let Err(error) = shared.store.copies_restored(purge_id, &sent, shared.now()).await {
            tracing::error!(purge = %purge_id, error = %crate::ingest::chain(&error), "messages were put back, but that was not recorded");
            put_back.extend(sent.into_iter().map(|id| (purge_id, id)));
        }
    }
    results
}

/// Takes the undo off a purge of which nothing is left to put back. A failure is logged: the undo then finds nothing.
pub(super) async fn end_undo(shared: &Shared, purge_id: Uuid) {
    let put_back = shared.put_back.lock().await;
    let ended: store::Result<_> = async {
        let Some((_, Some(mut purge))) = shared.store.plan(purge_id).await? else { return Ok(None) };
        if purge.undo_until.is_none() || !copies(shared, purge_id, &put_back).await?.is_empty() {
            return Ok(None);
        }
        purge.undo_until = None;
        shared.store.finish_plan(&purge).await?;
        Ok(Some(purge))
    }
    .await;
    match ended {
        Ok(Some(purge)) => shared.live.publish(&Change::Action(Box::new(purge))),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(purge = %purge_id, error = %crate::ingest::chain(&error), "a used undo is still offered");
        }
    }
}

/// What a purge took away and nobody has put back.
async fn copies(shared: &Shared, purge_id: Uuid, put_back: &HashSet<(Uuid, String)>) -> store::Result<Vec<Copied>> {
    let mut copies = shared.store.copies(purge_id).await?;
    copies.retain(|copy| !put_back.contains(&(purge_id, copy.message_id.clone())));
    Ok(copies)
}

/// Sends some; says for each what became of it, and which were sent.
async fn batch(
    shared: &Shared,
    copies: &HashMap<String, Copied>,
    items: &[PlanItem],
) -> (Vec<ItemResult>, Vec<String>) {
    let (mut results, mut sent) = (Vec::new(), Vec::new());
    for item in items {
        let Some(copy) = copies.get(&item.id) else {
            results.push(result(&item.id, Outcome::Skipped, "put back already"));
            continue;
        };
        let tried = match shared.backend.queue_named(copy.queue) {
            Ok(queue) => queue.send(&[Outgoing::now(copy.body.clone())]).await,
            Err(error) => Err(error),
        };
        match tried {
            Ok(_) => {
                sent.push(item.id.clone());
                results.push(result(&item.id, Outcome::Done, format!("sent to {}", copy.queue)));
            }
            Err(error) => results.push(result(&item.id, Outcome::Failed, crate::ingest::chain(&error))),
        }
    }
    (results, sent)
}
