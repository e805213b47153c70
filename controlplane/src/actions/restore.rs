//! Restore: put back what a purge took away and jobs still need. A job may have been asked for again meanwhile, and be done.

use std::collections::{HashMap, HashSet};

use futures::future;
use stereospot_api::view::Change;
use stereospot_domain::plan::{Action, AppliedPlan, ItemResult, Outcome, PlanItem, RefusalCode};
use stereospot_domain::{QueueName, message};
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::{MAX_BATCH, Outgoing};
use uuid::Uuid;

use super::draft::{self, Draft, Error, MAX_ITEMS, count_of, refused, result, results, until};
use super::replay::{AT_ONCE, Judge};
use crate::app::App;
use crate::store::{self, Copied};

pub(super) async fn draft(app: &App, purge_id: Uuid) -> Result<Draft, Error> {
    let Some((plan, applied)) = app.store.plan(purge_id).await? else {
        return Err(Error::NotFound(format!("there is no plan {purge_id}")));
    };
    let (Action::Purge { queue, .. }, Some(applied)) = (&plan.action, applied) else {
        return Err(Error::NotFound(format!("plan {purge_id} is no purge that was applied")));
    };
    let now = app.now();
    let copies = copies(app, purge_id, &*app.put_back.lock().await).await?;
    let stayed = stayed(app, *queue, &applied, &copies).await?;
    let needless = needless(app, *queue, &copies.iter().collect::<Vec<_>>()).await;
    let (mut items, mut skips) = (Vec::new(), Vec::new());
    for (copy, needless) in copies.iter().zip(needless) {
        let about = message::job_of(copy.queue.role, &copy.body);
        let of_copy =
            |what: String| PlanItem::message(copy.queue, &copy.message_id, about, what).with(copy.envelope.clone());
        match needless {
            _ if stayed.contains(&copy.message_id) => {
                skips.push(of_copy(format!("still on {queue}: it was not removed")));
            }
            None => items.push(of_copy(format!("send to {}", copy.queue))),
            Some(why) => skips.push(of_copy(why)),
        }
    }
    let refused = match applied.undo_until {
        Some(end) if end < now => refused(RefusalCode::TooLate, "the copies were kept for a day and are gone"),
        _ if copies.is_empty() => refused(RefusalCode::Nothing, "there is nothing left to put back"),
        _ if items.is_empty() => {
            let why = if stayed.is_empty() { "no longer needed" } else { "left alone" };
            let count = count_of(skips.len(), "message");
            refused(RefusalCode::Nothing, format!("nothing to put back: {count} {why}"))
        }
        _ => None,
    };
    let left = applied.undo_until.map_or(String::new(), |end| format!(", possible for {} more", until(end, now)));
    Ok(Draft {
        scope: format!("{} purged from {queue}{left}", count_of(items.len(), "message")),
        effect: format!("they are on {queue} again, with new ids and receive counts from zero"),
        assumptions: vec![
            "they were not put back meanwhile".into(),
            "each job and segment still needs its message when this is applied".into(),
        ],
        confirm: None,
        refused,
        items,
        skips,
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, purge_id: Uuid, items: &[PlanItem]) -> Vec<ItemResult> {
    // One restore at a time: two of the same purge would both find its copies, and send them twice.
    let mut put_back = app.put_back.lock().await;
    let copies = match copies(app, purge_id, &put_back).await {
        Ok(copies) => copies.into_iter().map(|copy| (copy.message_id.clone(), copy)).collect(),
        Err(error) => {
            let why = chain(&error);
            return results(items, Outcome::Failed, &why);
        }
    };
    let mut ended = Vec::with_capacity(items.len());
    app.note_purged(items.iter().filter_map(|item| item.job_id), false);
    for items in items.chunks(MAX_BATCH) {
        let (done, sent) = batch(app, &copies, items).await;
        ended.extend(done);
        // They are sent, whether or not that is kept on the disk; this process at least must not send them again.
        if let Err(error) = app.store.copies_restored(purge_id, &sent, app.now()).await {
            tracing::error!(purge = %purge_id, error = %chain(&error), "messages were put back, but that was not recorded");
            put_back.extend(sent.into_iter().map(|id| (purge_id, id)));
        }
    }
    ended
}

/// True when a purge left copies that can be put back. True, too, when the copies can't be read.
pub(super) async fn is_possible(app: &App, purge_id: Uuid) -> bool {
    app.store.copies(purge_id).await.map_or(true, |copies| !copies.is_empty())
}

/// Ends the undo of a purge when all its copies are put back. A failure is only logged: the next undo finds nothing to do.
pub(super) async fn end_undo(app: &App, purge_id: Uuid) {
    let put_back = app.put_back.lock().await;
    let ended: store::Result<_> = async {
        let Some((_, Some(mut purge))) = app.store.plan(purge_id).await? else { return Ok(None) };
        if purge.undo_until.is_none() || !copies(app, purge_id, &put_back).await?.is_empty() {
            return Ok(None);
        }
        purge.undo_until = None;
        app.store.finish_plan(&purge).await?;
        Ok(Some(purge))
    }
    .await;
    match ended {
        Ok(Some(purge)) => app.live.publish(&Change::Action(Box::new(purge))),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(purge = %purge_id, error = %chain(&error), "a used undo is still offered");
        }
    }
}

/// Messages that were copied and are still on their queue: the purge broke off before it could remove them.
async fn stayed(app: &App, queue: QueueName, purge: &AppliedPlan, copies: &[Copied]) -> Result<HashSet<String>, Error> {
    let removed = purge.results.iter().filter(|result| result.outcome == Outcome::Done);
    let removed: HashSet<&str> = removed.filter_map(|result| result.target.message_id()).collect();
    let copied = copies.iter().map(|copy| copy.message_id.as_str());
    let in_doubt: HashSet<&str> = copied.filter(|id| !removed.contains(id)).collect();
    if in_doubt.is_empty() {
        return Ok(HashSet::new());
    }
    let there = draft::queue(app, queue)?.peek(MAX_ITEMS).await?;
    Ok(there.into_iter().map(|peeked| peeked.id).filter(|id| in_doubt.contains(id.as_str())).collect())
}

/// What a purge took away and was not put back.
async fn copies(app: &App, purge_id: Uuid, put_back: &HashSet<(Uuid, String)>) -> store::Result<Vec<Copied>> {
    let mut copies = app.store.copies(purge_id).await?;
    copies.retain(|copy| !put_back.contains(&(purge_id, copy.message_id.clone())));
    Ok(copies)
}

/// For each copy, why it need not be put back; none where it may be needed, or that can't be read now.
async fn needless(app: &App, queue: QueueName, copies: &[&Copied]) -> Vec<Option<String>> {
    // The operator chose them all: those that can't be parsed are put back too.
    let judge = Judge::new(app, queue.role, true);
    let mut found = Vec::with_capacity(copies.len());
    for copies in copies.chunks(AT_ONCE) {
        let judged = copies.iter().map(|copy| judge.needless(&copy.body, queue.is_dead_letter));
        found.extend(future::join_all(judged).await.into_iter().map(|judged| {
            judged.unwrap_or_else(|error| {
                tracing::warn!(error = %chain(&error), "perhaps a needless message is put back");
                None
            })
        }));
    }
    found
}

/// Sends some. Returns the result of each, and the ids of those that were sent.
async fn batch(app: &App, copies: &HashMap<String, Copied>, items: &[PlanItem]) -> (Vec<ItemResult>, Vec<String>) {
    let (mut results, mut sent) = (Vec::new(), Vec::new());
    let found: Vec<&Copied> = items.iter().filter_map(|item| copies.get(item.target.message_id()?)).collect();
    // All are of the one queue that was purged.
    let needless = match found.first() {
        Some(copy) => needless(app, copy.queue, &found).await,
        None => Vec::new(),
    };
    let needless: HashMap<&str, String> =
        found.iter().zip(needless).filter_map(|(copy, why)| Some((copy.message_id.as_str(), why?))).collect();
    for PlanItem { target, .. } in items {
        let Some(copy) = target.message_id().and_then(|id| copies.get(id)) else {
            results.push(result(target, Outcome::Skipped, "put back already"));
            continue;
        };
        if let Some(why) = needless.get(copy.message_id.as_str()) {
            results.push(result(target, Outcome::Skipped, why.clone()));
            continue;
        }
        let tried = match app.backend.queue_named(copy.queue) {
            Ok(queue) => queue.send(&[Outgoing::now(copy.body.clone()).with(copy.envelope.clone())]).await,
            Err(error) => Err(error),
        };
        match tried {
            Ok(_) => {
                sent.push(copy.message_id.clone());
                results.push(result(target, Outcome::Done, format!("sent to {}", copy.queue)));
            }
            Err(error) => results.push(result(target, Outcome::Failed, chain(&error))),
        }
    }
    (results, sent)
}
