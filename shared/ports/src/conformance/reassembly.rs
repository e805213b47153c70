//! Cases: the trigger check, from every state that a crash can leave.

use std::time::Duration;

use stereospot_domain::trigger::{Decision, Why};
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, keys, message};

use super::case::{LEASE, Outcome, Stop, World, bodies, cases, holds, same, take_one};
use super::jobs::{completion, get, new_id, new_job, now, winners};
use crate::job_store::{Acquired, Transition};
use crate::objects;
use crate::reassembly::{Checked, RESEND_AFTER, RESEND_ANYWAY_AFTER, ResendAfter, check, check_with};
use crate::work_queue::{MAX_DELAY, Outgoing};

cases!(
    a_missing_job_is_none,
    a_job_not_yet_chunked_waits,
    missing_segments_are_waited_for,
    the_last_completion_triggers,
    chunking_done_last_triggers_too,
    more_completions_than_segments_trigger,
    a_completion_of_no_segment_does_not_count,
    checking_again_changes_nothing,
    of_many_checks_one_triggers,
    a_crash_after_the_lock_is_recovered,
    a_crash_after_the_sending_is_recovered,
    a_crash_after_each_retrigger_is_recovered,
    a_started_reassembly_is_left_alone,
    a_dead_reassembly_is_sent_again,
    a_message_that_waits_is_not_sent_again,
    a_message_in_flight_or_delayed_is_not_sent_again,
    a_queue_that_is_never_empty_hides_no_lost_message,
    an_existing_result_completes,
    an_ended_job_is_left_alone,
);

const TOTAL: u32 = 3;

/// A job whose segments are all converted.
async fn converted(world: &World) -> Result<JobId, Stop> {
    let job = Job { status: JobStatus::ChunkingComplete, total_segments: Some(TOTAL), ..new_job(world) };
    world.backend.jobs.create(&job).await?;
    for index in 0..TOTAL {
        world.backend.jobs.put_completion(&completion(world, job.job_id, index)).await?;
    }
    Ok(job.job_id)
}

async fn decided(world: &World, job_id: JobId) -> Result<Checked, Stop> {
    check(&world.backend, job_id).await?.ok_or_else(|| Stop::Failed("the job is gone".into()))
}

async fn requests(world: &World, job_id: JobId) -> Result<usize, Stop> {
    let queue = world.backend.queue(QueueRole::Reassembly)?;
    Ok(bodies(&**queue).await?.iter().filter(|body| **body == message::reassemble(job_id)).count())
}

async fn is_triggered(world: &World, job_id: JobId, sent: usize) -> Outcome {
    same("status", get(world, job_id).await?.status, JobStatus::Reassembling)?;
    same("messages", requests(world, job_id).await?, sent)?;
    holds("a lock", world.backend.jobs.lock(job_id).await?.is_some())
}

async fn a_missing_job_is_none(world: &World) -> Outcome {
    same("check", check(&world.backend, new_id()).await?, None)
}

async fn a_job_not_yet_chunked_waits(world: &World) -> Outcome {
    for status in [JobStatus::Created, JobStatus::Ingesting, JobStatus::ChunkingInProgress] {
        let job = Job { status, ..new_job(world) };
        world.backend.jobs.create(&job).await?;
        let checked = decided(world, job.job_id).await?;
        same(
            "check",
            checked,
            Checked { decision: Decision::Wait(Why::NotChunked), has_acted: false, removed: vec![] },
        )?;
        same("row", get(world, job.job_id).await?, job)?;
    }
    Ok(())
}

async fn missing_segments_are_waited_for(world: &World) -> Outcome {
    let job = Job { status: JobStatus::ChunkingComplete, total_segments: Some(TOTAL), ..new_job(world) };
    world.backend.jobs.create(&job).await?;
    for index in 0..TOTAL {
        let checked = decided(world, job.job_id).await?;
        same("missing", checked.decision, Decision::Wait(Why::Missing(TOTAL - index)))?;
        same("messages", requests(world, job.job_id).await?, 0)?;
        world.backend.jobs.put_completion(&completion(world, job.job_id, index)).await?;
    }
    holds("now it acts", decided(world, job.job_id).await?.has_acted)?;
    is_triggered(world, job.job_id, 1).await
}

async fn the_last_completion_triggers(world: &World) -> Outcome {
    let id = converted(world).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::CreateLockAndSend, has_acted: true, removed: vec![] })?;
    is_triggered(world, id, 1).await
}

async fn chunking_done_last_triggers_too(world: &World) -> Outcome {
    let job = Job { status: JobStatus::ChunkingInProgress, ..new_job(world) };
    world.backend.jobs.create(&job).await?;
    for index in 0..TOTAL {
        world.backend.jobs.put_completion(&completion(world, job.job_id, index)).await?;
    }
    same("before", decided(world, job.job_id).await?.decision, Decision::Wait(Why::NotChunked))?;
    let done = Transition { total_segments: Some(TOTAL), ..Transition::to(JobStatus::ChunkingComplete) };
    world.backend.jobs.transition(job.job_id, &done).await?;
    decided(world, job.job_id).await?;
    is_triggered(world, job.job_id, 1).await
}

async fn more_completions_than_segments_trigger(world: &World) -> Outcome {
    let id = converted(world).await?;
    world.backend.jobs.put_completion(&completion(world, id, TOTAL + 5)).await?;
    let removed = decided(world, id).await?.removed;
    // Who joins decides whether it may stay.
    let left = if world.backend.refuses_surplus() { TOTAL } else { TOTAL + 1 };
    same("removed", removed.len(), (TOTAL + 1 - left) as usize)?;
    same("completions", world.backend.jobs.count_completions(id).await?, left)?;
    is_triggered(world, id, 1).await
}

async fn a_completion_of_no_segment_does_not_count(world: &World) -> Outcome {
    let job = Job { status: JobStatus::ChunkingComplete, total_segments: Some(TOTAL), ..new_job(world) };
    world.backend.jobs.create(&job).await?;
    for index in [0, 1, TOTAL + 5] {
        world.backend.jobs.put_completion(&completion(world, job.job_id, index)).await?;
    }
    let surplus = world.backend.jobs.surplus_completions(job.job_id, TOTAL).await?;
    same("surplus", surplus, vec![(TOTAL + 5).to_string()])?;
    same("check", decided(world, job.job_id).await?.decision, Decision::Wait(Why::Missing(1)))
}

async fn checking_again_changes_nothing(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    for _ in 0..5 {
        let checked = decided(world, id).await?;
        same(
            "check",
            checked,
            Checked { decision: Decision::Wait(Why::MessageUnderWay), has_acted: false, removed: vec![] },
        )?;
    }
    is_triggered(world, id, 1).await
}

async fn of_many_checks_one_triggers(world: &World) -> Outcome {
    let id = converted(world).await?;
    let tries = (0..16).map(|number| {
        let backend = world.side(number).clone();
        tokio::spawn(async move {
            let checked = check(&backend, id).await;
            matches!(checked, Ok(Some(Checked { decision: Decision::CreateLockAndSend, has_acted: true, .. })))
        })
    });
    same("triggered by", winners(tries).await?, 1)?;
    is_triggered(world, id, 1).await
}

async fn a_crash_after_the_lock_is_recovered(world: &World) -> Outcome {
    let id = converted(world).await?;
    world.backend.jobs.create_lock(id, world.backend.clock.now()).await?;
    let soon = decided(world, id).await?;
    same("at first it may still come", soon.decision, Decision::Wait(Why::MessageUnderWay))?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::SendAgain, has_acted: true, removed: vec![] })?;
    is_triggered(world, id, 1).await
}

async fn a_crash_after_the_sending_is_recovered(world: &World) -> Outcome {
    let id = converted(world).await?;
    world.backend.jobs.create_lock(id, world.backend.clock.now()).await?;
    let queue = world.backend.queue(QueueRole::Reassembly)?;
    queue.send(&[Outgoing::now(message::reassemble(id))]).await?;
    // A worker may take the message before the status is set.
    world.backend.jobs.acquire_lock(id, "worker", world.backend.clock.now(), Duration::from_secs(600)).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::MarkReassembling, has_acted: true, removed: vec![] })?;
    is_triggered(world, id, 1).await
}

async fn a_crash_after_each_retrigger_is_recovered(world: &World) -> Outcome {
    let id = converted(world).await?;
    world.backend.jobs.create_lock(id, world.backend.clock.now()).await?;
    for _ in 0..3 {
        // Each time the sender crashes between changing `triggered_at` and sending.
        world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
        let observed = world.backend.jobs.lock(id).await?.map(|lock| lock.triggered_at);
        let observed = observed.ok_or_else(|| Stop::Failed("the lock is gone".into()))?;
        let now = world.backend.clock.now();
        holds("retriggered", world.backend.jobs.retrigger_lock(id, observed, now).await?)?;
        same("at first it may still come", decided(world, id).await?.has_acted, false)?;
    }
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    decided(world, id).await?;
    is_triggered(world, id, 1).await?;
    // An operator may have it sent again at once: the lock makes the extra message harmless.
    let again = check_with(&world.backend, id, ResendAfter::NONE).await?.map(|checked| checked.decision);
    same("again", again, Some(Decision::SendAgain))?;
    is_triggered(world, id, 2).await?;
    let at = world.backend.clock.now();
    let first = world.backend.jobs.acquire_lock(id, "first", at, RESEND_AFTER).await?;
    same("the first message's worker", first, Acquired::Yes)?;
    let second = world.backend.jobs.acquire_lock(id, "second", at, RESEND_AFTER).await?;
    holds("the second message's worker", matches!(second, Acquired::Held(Some(_))))
}

async fn a_started_reassembly_is_left_alone(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    world.backend.jobs.acquire_lock(id, "worker", world.backend.clock.now(), Duration::from_secs(600)).await?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::Wait(Why::Running), has_acted: false, removed: vec![] })?;
    is_triggered(world, id, 1).await
}

async fn a_dead_reassembly_is_sent_again(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    world.backend.jobs.acquire_lock(id, "dead", world.backend.clock.now(), Duration::from_secs(10)).await?;
    // Another worker saw the held lock and deleted the message.
    let queue = world.backend.queue(QueueRole::Reassembly)?;
    queue.delete(&take_one(&**queue).await?.receipt).await?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::SendAgain, has_acted: true, removed: vec![] })?;
    is_triggered(world, id, 1).await?;
    let at = world.backend.clock.now();
    same("next", world.backend.jobs.acquire_lock(id, "next", at, RESEND_AFTER).await?, Acquired::Yes)
}

/// Checks about once a minute for ten minutes, less than [`RESEND_ANYWAY_AFTER`], and expects that nothing is sent.
async fn nothing_is_sent_for_long(world: &World, id: JobId, sent: usize) -> Outcome {
    for _ in 0..10 {
        world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
        let checked = decided(world, id).await?;
        same(
            "check",
            checked,
            Checked { decision: Decision::Wait(Why::MessageUnderWay), has_acted: false, removed: vec![] },
        )?;
    }
    is_triggered(world, id, sent).await
}

async fn a_message_that_waits_is_not_sent_again(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    nothing_is_sent_for_long(world, id, 1).await
}

async fn a_message_in_flight_or_delayed_is_not_sent_again(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    let queue = world.backend.queue(QueueRole::Reassembly)?;
    let held = take_one(&**queue).await?;
    queue.extend(&held.receipt, RESEND_ANYWAY_AFTER + LEASE).await?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    same("in flight", decided(world, id).await?.has_acted, false)?;
    queue.release(&held.receipt, MAX_DELAY).await?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    same("delayed", decided(world, id).await?.has_acted, false)?;
    is_triggered(world, id, 1).await
}

async fn a_queue_that_is_never_empty_hides_no_lost_message(world: &World) -> Outcome {
    let id = converted(world).await?;
    // The sender crashed between creating the lock and sending; another job's message keeps the queue from being empty.
    world.backend.jobs.create_lock(id, world.backend.clock.now()).await?;
    let other = Outgoing::now(message::reassemble(new_id()));
    world.backend.queue(QueueRole::Reassembly)?.send(&[other]).await?;
    world.pass(RESEND_AFTER + Duration::from_secs(1)).await?;
    same("soon", decided(world, id).await?.has_acted, false)?;
    world.pass(RESEND_ANYWAY_AFTER).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::SendAgain, has_acted: true, removed: vec![] })?;
    is_triggered(world, id, 1).await?;
    same("and not again", decided(world, id).await?.has_acted, false)
}

async fn an_existing_result_completes(world: &World) -> Outcome {
    let id = converted(world).await?;
    decided(world, id).await?;
    let path = objects::path(&keys::result(id))?;
    world.backend.output.store.put_opts(&path, "result".into(), object_store::PutOptions::default()).await?;
    let checked = decided(world, id).await?;
    same("check", checked, Checked { decision: Decision::MarkCompleted, has_acted: true, removed: vec![] })?;
    let job = get(world, id).await?;
    same("status", job.status, JobStatus::Completed)?;
    holds("completed at", job.completed_at.is_some_and(|at| at >= now(world).minus(Duration::from_secs(60))))
}

async fn an_ended_job_is_left_alone(world: &World) -> Outcome {
    for status in [JobStatus::Completed, JobStatus::Failed, JobStatus::Deleted] {
        let job = Job { status, total_segments: Some(1), ..new_job(world) };
        world.backend.jobs.create(&job).await?;
        world.backend.jobs.put_completion(&completion(world, job.job_id, 0)).await?;
        let checked = decided(world, job.job_id).await?;
        same("check", checked, Checked { decision: Decision::Wait(Why::Ended), has_acted: false, removed: vec![] })?;
        same("row", get(world, job.job_id).await?, job.clone())?;
        same("messages", requests(world, job.job_id).await?, 0)?;
    }
    Ok(())
}
