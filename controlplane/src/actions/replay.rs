//! Replay: send dead-lettered messages to their main queue, then take them off the dead-letter queue.
//!
//! Invariant: a message is sent and removed only under a lease of ours, and judged anew under it. A crash between sending and
//! removing leaves it on both queues, which the workers' own checks make harmless; it is never on neither. A job that is taken back
//! from `failed` is asked for whole: see [`dropped`].

use std::collections::BTreeSet;

use stereospot_domain::keys::OutputKey;
use stereospot_domain::message::{self, Request};
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem};
use stereospot_domain::{Job, JobId, JobStatus, QueueName, QueueRole, keys};
use stereospot_ports::work_queue::{MAX_BATCH, Message, Outgoing};
use stereospot_ports::{Backend, Result as PortResult, job_store, objects};

use super::{Draft, Error, LEASE, MAX_ITEMS, count_of, dropped, mend, result};
use crate::shared::Shared;

/// Above so many messages the plan asks for a typed confirmation.
const UNASKED: usize = 10;

/// What is right for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Send it, after these steps.
    Send(Vec<Step>),
    /// Leave it, for this reason.
    Skip(String),
}

/// Something without which a replayed message would do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Take the job back from `failed` to this status.
    TakeBack(JobId, JobStatus),
    /// Make the reassembly lock.
    CreateLock(JobId),
    /// Take a dead holder's mark off the lock, observed so.
    ResetLock(JobId, stereospot_domain::Timestamp),
}

impl Step {
    fn words(self) -> String {
        match self {
            Step::TakeBack(_, status) => format!("the job is taken back from failed to {status}"),
            Step::CreateLock(_) => "the missing reassembly lock is made".into(),
            Step::ResetLock(..) => "the dead holder's mark is taken off the reassembly lock".into(),
        }
    }
}

pub(super) async fn draft(shared: &Shared, name: QueueName, ids: Option<&[String]>) -> Result<Draft, Error> {
    let queue = super::queue(shared, name)?;
    let select = ids.map_or(String::new(), |ids| ids.iter().map(|id| format!(" --id {id}")).collect());
    let command = format!("stereospot queues replay {name}{select}");
    if !name.is_dead_letter {
        let refused = format!("{name} is no dead-letter queue: name {}", QueueName::dead_letter(name.role));
        return Ok(Draft { scope: name.to_string(), refused: Some(refused), command, ..Draft::default() });
    }
    let messages = queue.peek(MAX_ITEMS).await?;
    let (mut items, mut skips, mut steps) = (Vec::new(), Vec::new(), 0);
    let mut taken_back = BTreeSet::new();
    for peeked in messages.iter().filter(|peeked| ids.is_none_or(|ids| ids.contains(&peeked.id))) {
        let about = message::job_of(name.role, &peeked.body);
        let of_message = |what: String| PlanItem {
            id: peeked.id.clone(),
            what,
            job_id: about.map(|(job_id, _)| job_id),
            segment_index: about.and_then(|(_, index)| index),
        };
        match judge(shared, name.role, &peeked.body, ids.is_some()).await? {
            Verdict::Send(before) => {
                steps += before.len();
                taken_back.extend(before.iter().filter_map(|step| match step {
                    Step::TakeBack(job_id, _) => Some(*job_id),
                    _ => None,
                }));
                let words: Vec<String> = before.into_iter().map(Step::words).collect();
                let first = if words.is_empty() { String::new() } else { format!("{}; then ", words.join(", ")) };
                items.push(of_message(format!("{first}send to {}", QueueName::main(name.role))));
            }
            Verdict::Skip(why) => skips.push(of_message(why)),
        }
    }
    let gone = |id: &&String| !messages.iter().any(|peeked| peeked.id == **id);
    skips.extend(ids.unwrap_or_default().iter().filter(gone).map(|id| super::item(id, "no longer on the queue")));
    let named = items.len() + skips.len();
    let dead = messages.iter().filter_map(|peeked| {
        let (job_id, index) = message::job_of(name.role, &peeked.body)?;
        Some((job_id, index?))
    });
    let room = MAX_ITEMS.saturating_sub(items.len());
    let (dropped, lacking) = dropped::items(shared, &taken_back, &dead.collect(), room).await?;
    items.extend(dropped);
    skips.extend(lacking);
    let main = super::queue(shared, QueueName::main(name.role))?.stats().await?;
    let also = if steps > 0 { format!("; {} made right first", count_of(steps, "job state")) } else { String::new() };
    let refused = match (items.len(), skips.len()) {
        (0, 0) => Some(format!("{name} is empty")),
        (0, skipped) => Some(format!("nothing to send: {} left alone", count_of(skipped, "message"))),
        _ => None,
    };
    Ok(Draft {
        scope: format!("{} on {name}", count_of(named, "message")),
        effect: format!(
            "{} ready {} → {}{also}",
            QueueName::main(name.role),
            main.ready,
            main.ready + items.len() as u64
        ),
        assumptions: vec![
            "each message still is on the dead-letter queue and nobody else holds it".into(),
            "each job and segment still needs it".into(),
        ],
        confirm: (items.len() > UNASKED).then(|| format!("replay {}", items.len())),
        refused,
        command,
        items,
        skips,
    })
}

pub(super) async fn apply(shared: &Shared, name: QueueName, items: &[PlanItem], is_chosen: bool) -> Vec<ItemResult> {
    let (dropped, messages): (Vec<PlanItem>, Vec<PlanItem>) = items.iter().cloned().partition(dropped::is_one);
    let mut results = Vec::with_capacity(items.len());
    for items in messages.chunks(MAX_BATCH) {
        match batch(shared, name, items, is_chosen).await {
            Ok(done) => results.extend(done),
            Err(error) => {
                let why = crate::ingest::chain(&error);
                results.extend(items.iter().map(|item| result(&item.id, Outcome::Failed, why.clone())));
            }
        }
    }
    // Last: the messages take the jobs back, and for a failed job a worker would drop these once more.
    results.extend(dropped::apply(shared, &dropped).await);
    results
}

async fn batch(
    shared: &Shared,
    name: QueueName,
    items: &[PlanItem],
    is_chosen: bool,
) -> Result<Vec<ItemResult>, Error> {
    let queue = super::queue(shared, name)?;
    let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let leased = queue.lease(&ids, LEASE).await?;
    let mut results = Vec::with_capacity(items.len());
    for id in &ids {
        let Some(message) = leased.iter().find(|message| message.id == *id) else {
            results.push(result(id, Outcome::Skipped, "somebody else holds it, or it is gone"));
            continue;
        };
        results.push(match one(shared, name, message, is_chosen).await {
            Ok(Sent::Yes(note)) => result(id, Outcome::Done, note),
            Ok(Sent::No(why)) => {
                mend::give_back(&**queue, &message.receipt).await;
                result(id, Outcome::Skipped, why)
            }
            Err(error) => {
                mend::give_back(&**queue, &message.receipt).await;
                result(id, Outcome::Failed, crate::ingest::chain(&error))
            }
        });
    }
    Ok(results)
}

enum Sent {
    Yes(String),
    No(String),
}

async fn one(shared: &Shared, name: QueueName, message: &Message, is_chosen: bool) -> PortResult<Sent> {
    let backend = &shared.backend;
    let steps = match judge(shared, name.role, &message.body, is_chosen).await? {
        Verdict::Send(steps) => steps,
        Verdict::Skip(why) => return Ok(Sent::No(why)),
    };
    let mut note = Vec::new();
    for step in steps {
        match step {
            Step::TakeBack(job_id, status) => mend::take_back(backend, job_id, status).await?,
            Step::CreateLock(job_id) => drop(backend.jobs.create_lock(job_id, shared.now()).await?),
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

/// What is right for a message with this body, by what the backend says now.
async fn judge(shared: &Shared, role: QueueRole, body: &str, is_chosen: bool) -> PortResult<Verdict> {
    let backend = &shared.backend;
    let skip = |why: &str| Ok(Verdict::Skip(why.to_owned()));
    let requests = match message::parse(role, body) {
        Ok(requests) => requests,
        Err(_) if is_chosen => return Ok(Verdict::Send(Vec::new())),
        Err(error) => return Ok(Verdict::Skip(format!("no worker can read it: {error}"))),
    };
    let [request] = requests[..] else {
        // Several records in one notification: each worker checks them for itself.
        return Ok(Verdict::Send(Vec::new()));
    };
    let job_id = match request {
        Request::Chunk(job_id) | Request::Reassemble(job_id) => job_id,
        Request::Convert(segment) => segment.job_id,
        Request::Output(OutputKey::Segment(job_id, _) | OutputKey::Final(job_id) | OutputKey::Done(job_id)) => job_id,
        Request::Test => return skip("S3's test notice: nothing to do"),
    };
    let Some(job) = backend.jobs.get(job_id).await? else { return skip("its job does not exist") };
    match job.status {
        JobStatus::Deleted => return skip("job deleted"),
        JobStatus::Completed => return skip("job completed already"),
        _ => {}
    }
    match request {
        Request::Chunk(_) => chunk(backend, &job).await,
        Request::Convert(segment) => convert(backend, &job, segment).await,
        Request::Reassemble(_) => reassemble(shared, &job).await,
        Request::Output(OutputKey::Segment(_, index)) if is_recorded(backend, job_id, index).await? => {
            skip("its completion is recorded already")
        }
        Request::Output(_) | Request::Test => Ok(Verdict::Send(Vec::new())),
    }
}

async fn chunk(backend: &Backend, job: &Job) -> PortResult<Verdict> {
    if !objects::exists(&*backend.input.store, &keys::source(job.job_id)).await? {
        return Ok(Verdict::Skip("its source is gone".into()));
    }
    Ok(match job.status {
        JobStatus::Created | JobStatus::Ingesting | JobStatus::ChunkingInProgress => Verdict::Send(Vec::new()),
        JobStatus::Failed if job.total_segments.is_none() => {
            Verdict::Send(vec![Step::TakeBack(job.job_id, JobStatus::Created)])
        }
        _ => Verdict::Skip("its source is split already".into()),
    })
}

async fn convert(backend: &Backend, job: &Job, segment: keys::SegmentKey) -> PortResult<Verdict> {
    if is_recorded(backend, job.job_id, segment.index).await? {
        return Ok(Verdict::Skip("segment already complete".into()));
    }
    if !objects::exists(&*backend.input.store, &keys::segment(segment)).await? {
        return Ok(Verdict::Skip("its segment is gone".into()));
    }
    let back_to = match job.total_segments {
        Some(_) => JobStatus::ChunkingComplete,
        None => JobStatus::ChunkingInProgress,
    };
    let is_failed = job.status == JobStatus::Failed;
    Ok(Verdict::Send(if is_failed { vec![Step::TakeBack(job.job_id, back_to)] } else { Vec::new() }))
}

async fn reassemble(shared: &Shared, job: &Job) -> PortResult<Verdict> {
    let (backend, job_id) = (&shared.backend, job.job_id);
    let skip = |why: String| Ok(Verdict::Skip(why));
    let Some(total) = job.total_segments else { return skip("its source is not split".into()) };
    let done = backend.jobs.count_completions(job_id).await?;
    if done < total {
        return skip(format!("{} of {total} segments missing", total - done));
    }
    if objects::exists(&*backend.output.store, &keys::result(job_id)).await? {
        return skip("its result exists: trigger the job to set it to completed".into());
    }
    let mut steps = Vec::new();
    if job.status == JobStatus::Failed {
        steps.push(Step::TakeBack(job_id, JobStatus::ChunkingComplete));
    }
    match backend.jobs.lock(job_id).await? {
        None => steps.push(Step::CreateLock(job_id)),
        Some(lock) => match (lock.reassembly_started_at, lock.lease_until) {
            (Some(_), Some(until)) if until >= shared.now() => {
                return skip("a worker is joining the segments now".into());
            }
            (Some(observed), _) => steps.push(Step::ResetLock(job_id, observed)),
            (None, _) => {}
        },
    }
    Ok(Verdict::Send(steps))
}

async fn is_recorded(backend: &Backend, job_id: JobId, index: u32) -> PortResult<bool> {
    let completions = job_store::all_completions(&*backend.jobs, job_id).await?;
    Ok(completions.iter().any(|completion| completion.segment_index == index))
}
