//! Replay: send dead-lettered messages to their main queue, then take them off the dead-letter queue.
//!
//! Invariant: a message is sent and removed only under a lease of ours, and judged anew under it. A crash between sending and
//! removing leaves it on both queues, which the workers' own checks make harmless; it is never on neither. A job that is taken back
//! from `failed` is asked for whole: see [`dropped`]. One whose segment is gone or damaged is removed once its source is sent to be split again.

use std::collections::{BTreeSet, HashMap};

use futures::future;
use stereospot_domain::plan::{ItemResult, Outcome, Plan, PlanItem};
use stereospot_domain::{JobId, QueueName, QueueRole, message};
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::{Message, Outgoing, Peeked, Stats};
use stereospot_ports::{ErrorCode, Result as PortResult, WorkQueue};

use super::taking::Taking;
use super::{Draft, Error, MAX_ITEMS, count_of, dropped, mend, named, result};
use crate::app::App;

mod verdict;
mod whole;

pub(super) use verdict::Judge;
use verdict::{Step, Verdict};
pub(crate) use whole::progress;

/// Above so many messages the plan asks for a typed confirmation.
const UNASKED: usize = 10;
/// Messages judged at once: on AWS each takes several calls, one after the other.
pub(super) const AT_ONCE: usize = 16;

pub(super) async fn draft(app: &App, name: QueueName, ids: Option<&[String]>) -> Result<Draft, Error> {
    let queue = super::queue(app, name)?;
    let command = format!("stereospot queues replay {name}{}", named(ids));
    let refused = |why: String| Draft {
        scope: name.to_string(),
        refused: Some(why),
        command: command.clone(),
        ..Draft::default()
    };
    if !name.is_dead_letter {
        return Ok(refused(format!("{name} is no dead-letter queue: name {}", QueueName::dead_letter(name.role))));
    }
    // Only a reassembly message needs its lock to be reset before: it is never moved unseen.
    let moves = app.platform.moves.get(&name).filter(|_| ids.is_none() && name.role != QueueRole::Reassembly);
    let ready = if moves.is_some() { queue.stats().await?.ready } else { 0 };
    let long = moves.filter(|_| ready > whole::LONG as u64);
    if let Some(moves) = long
        && let Some(why) = whole::running(&**moves, name).await
    {
        return Ok(refused(why));
    }
    let messages = queue.peek(if long.is_some() { whole::LONG } else { MAX_ITEMS }).await?;
    let judged = judge(app, name, &messages, ids).await?;
    if long.is_some() && judged.is_movable() {
        return Ok(whole::draft(app, name, ready, messages.len(), judged.skips.len()).await?);
    }
    let Judged { mut items, mut skips, steps, taken_back, split, removed } = judged;
    let gone = |id: &&String| !messages.iter().any(|peeked| peeked.id == **id);
    skips.extend(ids.unwrap_or_default().iter().filter(gone).map(|id| super::item(id, "no longer on the queue")));
    let named = items.len() + skips.len();
    let dead = messages.iter().filter_map(|peeked| {
        let (job_id, index) = message::job_of(name.role, &peeked.body)?;
        Some((job_id, index?))
    });
    let room = MAX_ITEMS.saturating_sub(items.len());
    // Splitting again asks for every segment that is not converted.
    let taken_back = taken_back.difference(&split).copied().collect();
    let (dropped, lacking) = dropped::items(app, &taken_back, &dead.collect(), room).await?;
    items.extend(dropped);
    skips.extend(lacking);
    let main = super::queue(app, QueueName::main(name.role))?.stats().await?;
    let about = if main.is_exact { "" } else { "≈ " };
    let mut also =
        if steps > 0 { format!("; {} made right first", count_of(steps, "job state")) } else { String::new() };
    if !split.is_empty() {
        also.push_str(&format!("; {} split again", count_of(split.len(), "source")));
    }
    let refused = match (items.len(), skips.len()) {
        (0, 0) => Some(nothing_left(name, &**queue).await?),
        (0, skipped) => Some(format!("nothing to send: {} left alone", count_of(skipped, "message"))),
        _ => None,
    };
    let mut assumptions = vec![
        "each message still is on the dead-letter queue and nobody else holds it".to_owned(),
        "each job and segment still needs it".to_owned(),
    ];
    if ids.is_none() && ready > messages.len() as u64 {
        assumptions.push(format!("about {} more are left for the next plan", ready - messages.len() as u64));
    }
    Ok(Draft {
        scope: format!("{} on {name}", count_of(named, "message")),
        effect: format!(
            "{} ready {about}{} → {about}{}{also}",
            QueueName::main(name.role),
            main.ready,
            main.ready + (items.len() - removed) as u64
        ),
        assumptions,
        confirm: (items.len() > UNASKED).then(|| format!("replay {}", items.len())),
        refused,
        command,
        needs: Some(if removed == items.len() { QueueRole::Chunking } else { name.role }),
        items,
        skips,
    })
}

/// Why no message can be taken off a queue: there is none, or others hold those that are there.
pub(super) async fn nothing_left(name: QueueName, queue: &dyn WorkQueue) -> PortResult<String> {
    let Stats { in_flight, delayed, .. } = queue.stats().await?;
    let held = in_flight + delayed;
    if held == 0 {
        return Ok(format!("{name} is empty"));
    }
    let within = queue.settings().await?.visibility.as_secs();
    let (are, them) = if held == 1 { ("is", "it") } else { ("are", "them") };
    let messages = count_of(usize::try_from(held).unwrap_or(usize::MAX), "message");
    Ok(format!("{messages} of {name} {are} held by somebody who looks at {them}, for up to {within} s: try again then"))
}

/// What is right for the messages of a queue.
#[derive(Default)]
struct Judged {
    items: Vec<PlanItem>,
    skips: Vec<PlanItem>,
    /// Steps before sending, in all.
    steps: usize,
    /// Jobs that are taken back from `failed`.
    taken_back: BTreeSet<JobId>,
    /// Jobs whose source is split again.
    split: BTreeSet<JobId>,
    /// Messages that this makes needless.
    removed: usize,
}

impl Judged {
    /// True when all may be moved as they are.
    fn is_movable(&self) -> bool {
        self.taken_back.is_empty() && self.split.is_empty() && !self.items.is_empty()
    }
}

async fn judge(app: &App, name: QueueName, messages: &[Peeked], ids: Option<&[String]>) -> Result<Judged, Error> {
    let chosen: Vec<&Peeked> =
        messages.iter().filter(|peeked| ids.is_none_or(|ids| ids.contains(&peeked.id))).collect();
    let judge = Judge::new(app, name.role, ids.is_some() && chosen.len() == 1);
    let mut judged = Judged::default();
    for chosen in chosen.chunks(AT_ONCE) {
        let verdicts = future::try_join_all(chosen.iter().map(|peeked| judge.judge(&peeked.body))).await?;
        for (peeked, verdict) in chosen.iter().zip(verdicts) {
            let about = message::job_of(name.role, &peeked.body);
            let of_message = |what: String| PlanItem {
                id: peeked.id.clone(),
                what,
                job_id: about.map(|(job_id, _)| job_id),
                segment_index: about.and_then(|(_, index)| index),
            };
            match verdict {
                Verdict::Send(before) => {
                    judged.steps += before.len();
                    judged.taken_back.extend(before.iter().filter_map(|step| match step {
                        Step::TakeBack(job_id, _) => Some(*job_id),
                        _ => None,
                    }));
                    let words: Vec<String> = before.into_iter().map(Step::words).collect();
                    let first = if words.is_empty() { String::new() } else { format!("{}; then ", words.join(", ")) };
                    judged.items.push(of_message(format!("{first}send to {}", QueueName::main(name.role))));
                }
                Verdict::SplitAgain(job, lost) => {
                    judged.split.insert(job.job_id);
                    judged.removed += 1;
                    let then = "split the source again, which writes and asks for it anew; then remove this";
                    judged.items.push(of_message(format!("{lost}: {then}")));
                }
                Verdict::Skip(why) | Verdict::Needless(why) => judged.skips.push(of_message(why)),
            }
        }
    }
    Ok(judged)
}

/// Applies a plan of a whole dead-letter queue.
pub(super) async fn apply(app: &App, name: QueueName, plan: &Plan, items: &[PlanItem]) -> Vec<ItemResult> {
    if whole::is_one(name, plan) {
        return whole::apply(app, name).await;
    }
    send(app, name, items, false).await
}

/// Sends the messages that a plan lists, `is_chosen` when an operator named them.
pub(super) async fn send(app: &App, name: QueueName, items: &[PlanItem], is_chosen: bool) -> Vec<ItemResult> {
    let (dropped, messages): (Vec<PlanItem>, Vec<PlanItem>) = items.iter().cloned().partition(dropped::is_one);
    let mut results = match app.backend.queue_named(name) {
        Err(error) => {
            let why = error.to_string();
            messages.iter().map(|item| result(&item.id, Outcome::Failed, why.clone())).collect()
        }
        Ok(queue) => {
            let ids = messages.iter().map(|item| item.id.clone());
            let mut taking = Taking::new(&**queue, ids, app.finds_by_id(name));
            let mut results = Vec::with_capacity(items.len());
            let broken = loop {
                match taking.next().await {
                    Ok(taken) if taken.is_empty() => break None,
                    Ok(taken) => results.extend(batch(app, name, &mut taking, &taken, is_chosen).await),
                    Err(error) => break Some(chain(&error)),
                }
            };
            results.extend(taking.end().await.into_iter().map(|id| match &broken {
                Some(why) => result(id, Outcome::Failed, why.clone()),
                None => result(id, Outcome::Skipped, "somebody else holds it, or it is gone"),
            }));
            in_order(&messages, results)
        }
    };
    // Last: the messages take the jobs back, and for a failed job a worker would drop these once more.
    results.extend(dropped::apply(app, &dropped).await);
    results
}

/// Results in the order of the items that they are of.
pub(super) fn in_order(items: &[PlanItem], mut results: Vec<ItemResult>) -> Vec<ItemResult> {
    let places: HashMap<&str, usize> = items.iter().map(|item| item.id.as_str()).zip(0..).collect();
    results.sort_by_key(|result| places.get(result.id.as_str()).copied());
    results
}

async fn batch(
    app: &App,
    name: QueueName,
    taking: &mut Taking<'_>,
    taken: &[Message],
    is_chosen: bool,
) -> Vec<ItemResult> {
    // Anew for each batch: it is judged by what is true now.
    let judge = Judge::new(app, name.role, is_chosen);
    let sent = future::join_all(taken.iter().map(|message| one(app, name, message, &judge))).await;
    let mut results = Vec::with_capacity(taken.len());
    for (message, sent) in taken.iter().zip(sent) {
        let sent = match sent {
            // Another message of the same batch has just taken the same job back.
            Err(error) if error.code() == ErrorCode::Conflict => one(app, name, message, &judge).await,
            sent => sent,
        };
        results.push(match sent {
            Ok(Sent::Yes(note)) => result(&message.id, Outcome::Done, note),
            Ok(Sent::No(why)) => {
                taking.keep(message);
                result(&message.id, Outcome::Skipped, why)
            }
            Err(error) => {
                taking.keep(message);
                result(&message.id, Outcome::Failed, chain(&error))
            }
        });
    }
    results
}

enum Sent {
    Yes(String),
    No(String),
}

async fn one(app: &App, name: QueueName, message: &Message, judge: &Judge<'_>) -> PortResult<Sent> {
    let backend = &app.backend;
    let steps = match judge.judge(&message.body).await? {
        Verdict::Send(steps) => steps,
        Verdict::SplitAgain(job, lost) => {
            let note = mend::split_again(backend, &job, lost).await?;
            return Ok(Sent::Yes(match backend.queue_named(name)?.delete(&message.receipt).await {
                Ok(()) => format!("{note}; removed from {name}"),
                Err(error) => format!("{note}; still on {name}: {error}"),
            }));
        }
        Verdict::Skip(why) | Verdict::Needless(why) => return Ok(Sent::No(why)),
    };
    let mut note = Vec::new();
    for step in steps {
        match step {
            Step::TakeBack(job_id, status) => mend::take_back(backend, job_id, status).await?,
            Step::CreateLock(job_id) => drop(backend.jobs.create_lock(job_id, app.now()).await?),
            Step::ResetLock(job_id, observed) => {
                if !backend.jobs.reset_lock(job_id, observed).await? {
                    return Ok(Sent::No("somebody took the reassembly lock meanwhile".into()));
                }
            }
        }
        note.push(step.words());
    }
    backend.queue(name.role)?.send(&[Outgoing::now(message.body.clone())]).await?;
    note.push(match backend.queue_named(name)?.delete(&message.receipt).await {
        Ok(()) => format!("sent to {}", QueueName::main(name.role)),
        Err(error) => format!("sent, but still on {name}: {error}"),
    });
    Ok(Sent::Yes(note.join("; ")))
}
