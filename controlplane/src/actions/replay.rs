//! Replay: send dead-lettered messages to their main queue, then take them off the dead-letter queue.
//!
//! Invariant: a message is sent and removed only under a lease of ours, and judged again under it. A crash between sending and
//! removing leaves it on both queues, which is harmless because of the workers' own checks; it is never on neither. When a job is
//! taken back from `failed`, all its open segments are asked for: see [`dropped`]. A message whose segment is gone or damaged is
//! removed once the source is sent to be split again.

use std::collections::{BTreeSet, HashMap};

use futures::future;
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, Refusal, RefusalCode, Target};
use stereospot_domain::{JobId, QueueName, QueueRole, message};
use stereospot_ports::error::chain;
use stereospot_ports::work_queue::{Message, Outgoing, Peeked, Stats};
use stereospot_ports::{ErrorCode, Result as PortResult, WorkQueue};

use super::draft::{self, Draft, Error, MAX_ITEMS, count_of, refused, result, results};
use super::taking::Taking;
use super::{dropped, repair_steps};
use crate::app::App;

mod verdict;
mod whole;

pub(super) use verdict::Judge;
use verdict::{Step, Verdict};

/// A plan with more messages asks for a typed confirmation.
const UNASKED: usize = 10;
/// Messages judged at the same time: on AWS each takes several calls, one after the other.
pub(super) const AT_ONCE: usize = 16;

pub(super) async fn draft(app: &App, name: QueueName, ids: Option<&[String]>) -> Result<Draft, Error> {
    let queue = draft::queue(app, name)?;
    let refusal =
        |code, why: String| Draft { scope: name.to_string(), refused: refused(code, why), ..Draft::default() };
    if !name.is_dead_letter {
        let why = format!("{name} is no dead-letter queue: name {}", QueueName::dead_letter(name.role));
        return Ok(refusal(RefusalCode::NotDeadLetters, why));
    }
    // A reassembly message needs its lock reset before, so this queue is never moved as a whole.
    let moves = app.platform.redrives.get(&name).filter(|_| ids.is_none() && name.role != QueueRole::Reassembly);
    let ready = if moves.is_some() { queue.stats().await?.ready } else { 0 };
    let long = moves.filter(|_| ready > whole::LONG as u64);
    if let Some(moves) = long
        && let Some(why) = whole::running(&**moves, name).await
    {
        return Ok(refusal(RefusalCode::MoveRuns, why));
    }
    let messages = queue.peek(if long.is_some() { whole::LONG } else { MAX_ITEMS }).await?;
    let judged = judge(app, name, &messages, ids).await?;
    if long.is_some() && judged.is_movable() {
        return Ok(whole::draft(app, name, ready, messages.len(), judged.skips.len()).await?);
    }
    let Judged { mut items, mut skips, steps, taken_back, split, removed } = judged;
    let gone = |id: &&String| !messages.iter().any(|peeked| peeked.id == **id);
    let skip = |id| PlanItem::message(name, id, None, "no longer on the queue");
    skips.extend(ids.unwrap_or_default().iter().filter(gone).map(skip));
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
    let effect = effect(app, name, items.len() - removed, steps, split.len()).await?;
    let refused = match (items.len(), skips.len()) {
        (0, 0) => Some(nothing_left(name, &**queue).await?),
        (0, skipped) => {
            refused(RefusalCode::Nothing, format!("nothing to send: {} left alone", count_of(skipped, "message")))
        }
        _ => None,
    };
    let mut assumptions = vec![
        "each message is still on the dead-letter queue, and no other receiver holds it".to_owned(),
        "each job and segment still needs it".to_owned(),
    ];
    if ids.is_none() && ready > messages.len() as u64 {
        assumptions.push(format!("about {} more are left for the next plan", ready - messages.len() as u64));
    }
    Ok(Draft {
        scope: format!("{} on {name}", count_of(named, "message")),
        effect,
        assumptions,
        confirm: (items.len() > UNASKED).then(|| format!("replay {}", items.len())),
        refused,
        needs: Some(if removed == items.len() { QueueRole::Chunking } else { name.role }),
        items,
        skips,
    })
}

/// What a replay of so many messages changes.
async fn effect(app: &App, name: QueueName, sent: usize, steps: usize, split: usize) -> Result<String, Error> {
    let main = QueueName::main(name.role);
    let stats = draft::queue(app, main)?.stats().await?;
    let about = if stats.is_exact { "" } else { "≈ " };
    let mut also =
        if steps > 0 { format!("; {} made right first", count_of(steps, "job state")) } else { String::new() };
    if split > 0 {
        also.push_str(&format!("; {} split again", count_of(split, "source")));
    }
    Ok(format!("{main} ready {about}{} → {about}{}{also}", stats.ready, stats.ready + sent as u64))
}

/// Why no message can be taken off a queue: there is none, or others hold those that are there.
pub(super) async fn nothing_left(name: QueueName, queue: &dyn WorkQueue) -> PortResult<Refusal> {
    let Stats { in_flight, delayed, .. } = queue.stats().await?;
    let held = in_flight + delayed;
    if held == 0 {
        return Ok(Refusal::new(RefusalCode::Empty, format!("{name} is empty")));
    }
    let within = queue.settings().await?.visibility.as_secs();
    let (are, them) = if held == 1 { ("is", "it") } else { ("are", "them") };
    let messages = count_of(usize::try_from(held).unwrap_or(usize::MAX), "message");
    let why = format!(
        "{messages} of {name} {are} held by somebody who looks at {them}, for up to {within} s: try again then"
    );
    Ok(Refusal::new(RefusalCode::Held, why))
}

/// What a replay of a queue's messages takes.
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
    /// Messages that become needless when the source is split again.
    removed: usize,
}

impl Judged {
    /// True when all may be moved unchanged.
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
            let of_message =
                |what: String| PlanItem::message(name, &peeked.id, about, what).with(peeked.envelope.clone());
            match verdict {
                Verdict::Send(before) => {
                    judged.steps += before.len();
                    judged.taken_back.extend(before.iter().filter_map(|step| match step {
                        Step::TakeBack(job_id, _) => Some(*job_id),
                        _ => None,
                    }));
                    let words: Vec<String> = before.iter().map(Step::words).collect();
                    let first = if words.is_empty() { String::new() } else { format!("{}; then ", words.join(", ")) };
                    judged.items.push(of_message(format!("{first}send to {}", QueueName::main(name.role))));
                }
                Verdict::SplitAgain(job, lost) => {
                    judged.split.insert(job.job_id);
                    judged.removed += 1;
                    let then = "split the source again, which sends this segment again; then remove this message";
                    judged.items.push(of_message(format!("{lost}: {then}")));
                }
                Verdict::Skip(why) | Verdict::Needless(why) => judged.skips.push(of_message(why)),
            }
        }
    }
    Ok(judged)
}

/// Applies a plan of a whole dead-letter queue.
pub(super) async fn apply(app: &App, name: QueueName, items: &[PlanItem]) -> Vec<ItemResult> {
    match items {
        [PlanItem { target: target @ Target::Queue { .. }, .. }] => whole::apply(app, name, target).await,
        _ => send(app, name, items, false).await,
    }
}

/// Sends the messages that a plan lists. `is_chosen`: the plan names them by id, so one that no worker can read is sent too.
pub(super) async fn send(app: &App, name: QueueName, items: &[PlanItem], is_chosen: bool) -> Vec<ItemResult> {
    let is_dropped = |item: &PlanItem| matches!(item.target, Target::Segment { .. });
    let (dropped, messages): (Vec<PlanItem>, Vec<PlanItem>) = items.iter().cloned().partition(is_dropped);
    let message_of = |id: String| Target::Message { queue: name, id };
    let mut ended = match app.backend.queue_named(name) {
        Err(error) => results(&messages, Outcome::Failed, &error.to_string()),
        Ok(queue) => {
            let ids = messages.iter().filter_map(|item| Some(item.target.message_id()?.to_owned()));
            let mut taking = Taking::new(&**queue, ids, app.finds_by_id(name));
            let mut ended = Vec::with_capacity(items.len());
            let broken = loop {
                match taking.next().await {
                    Ok(taken) if taken.is_empty() => break None,
                    Ok(taken) => ended.extend(batch(app, name, &mut taking, &taken, is_chosen).await),
                    Err(error) => break Some(chain(&error)),
                }
            };
            ended.extend(taking.end().await.into_iter().map(|id| match &broken {
                Some(why) => result(&message_of(id), Outcome::Failed, why.clone()),
                None => result(&message_of(id), Outcome::Skipped, "somebody else holds it, or it is gone"),
            }));
            in_order(&messages, ended)
        }
    };
    // Sent last, once the messages above have taken their jobs back: workers drop the segments of a failed job.
    ended.extend(dropped::apply(app, &dropped).await);
    ended
}

/// Results in the order of their items.
pub(super) fn in_order(items: &[PlanItem], mut results: Vec<ItemResult>) -> Vec<ItemResult> {
    let places: HashMap<&Target, usize> = items.iter().map(|item| &item.target).zip(0..).collect();
    results.sort_by_key(|result| places.get(&result.target).copied());
    results
}

async fn batch(
    app: &App,
    name: QueueName,
    taking: &mut Taking<'_>,
    taken: &[Message],
    is_chosen: bool,
) -> Vec<ItemResult> {
    // A new judge for each batch: it remembers what it has read.
    let judge = Judge::new(app, name.role, is_chosen);
    let sent = if taken.iter().any(|message| message.envelope.group_id.is_some()) {
        // Messages of a group keep their order.
        let mut sent = Vec::with_capacity(taken.len());
        for message in taken {
            sent.push(one(app, name, message, &judge).await);
        }
        sent
    } else {
        future::join_all(taken.iter().map(|message| one(app, name, message, &judge))).await
    };
    let mut results = Vec::with_capacity(taken.len());
    for (message, sent) in taken.iter().zip(sent) {
        let sent = match sent {
            // Another message of the same batch has just taken the same job back.
            Err(error) if error.code() == ErrorCode::Conflict => one(app, name, message, &judge).await,
            sent => sent,
        };
        let target = &Target::Message { queue: name, id: message.id.clone() };
        results.push(match sent {
            Ok(Sent::Yes(note)) => result(target, Outcome::Done, note),
            Ok(Sent::No(why)) => {
                taking.keep(message);
                result(target, Outcome::Skipped, why)
            }
            Err(error) => {
                taking.keep(message);
                result(target, Outcome::Failed, chain(&error))
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
            let note = repair_steps::split_again(backend, &job, lost).await?;
            return Ok(Sent::Yes(match backend.queue_named(name)?.delete(&message.receipt).await {
                Ok(()) => format!("{note}; removed from {name}"),
                Err(error) => format!("{note}; still on {name}: {error}"),
            }));
        }
        Verdict::Skip(why) | Verdict::Needless(why) => return Ok(Sent::No(why)),
    };
    let mut note = Vec::new();
    for step in steps {
        match &step {
            Step::RemoveSurplus(job_id, keys) => backend.jobs.delete_surplus(*job_id, keys).await?,
            Step::TakeBack(job_id, status) => repair_steps::take_back(backend, *job_id, *status).await?,
            Step::CreateLock(job_id) => drop(backend.jobs.create_lock(*job_id, app.now()).await?),
            Step::ResetLock(job_id, observed) => {
                if !backend.jobs.reset_lock(*job_id, *observed).await? {
                    return Ok(Sent::No("somebody took the reassembly lock meanwhile".into()));
                }
            }
        }
        note.push(step.words());
    }
    let again = Outgoing::now(message.body.clone()).with(message.envelope.clone());
    backend.queue(name.role)?.send(&[again]).await?;
    note.push(match backend.queue_named(name)?.delete(&message.receipt).await {
        Ok(()) => format!("sent to {}", QueueName::main(name.role)),
        Err(error) => format!("sent, but still on {name}: {error}"),
    });
    Ok(Sent::Yes(note.join("; ")))
}
