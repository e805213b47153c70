//! Cases: job rows and completions.

use std::time::Duration;

use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, SegmentCompletion, Timestamp};
use uuid::Uuid;

use super::case::{Outcome, Stop, World, cases, holds, refused, same};
use crate::ErrorCode;
use crate::job_store::{Transition, Transitioned, all_completions};

cases!(
    a_job_comes_back_as_it_was_created,
    a_job_is_created_once,
    of_many_creators_one_wins,
    a_missing_job_has_no_data,
    every_pair_of_statuses_is_guarded,
    a_transition_sets_all_in_one_write,
    a_transition_keeps_what_it_does_not_name,
    a_transition_from_failed_clears_the_error,
    a_transition_may_pass_its_own_guard,
    of_many_transitions_one_wins,
    an_upload_is_recorded_whatever_the_status,
    only_the_row_of_a_deleted_job_is_removed,
    jobs_are_listed_newest_first,
    a_list_is_paged_without_gaps_or_repeats,
    an_invalid_cursor_is_refused,
    a_completion_is_replaced,
    completions_are_counted_by_job,
    completions_are_paged_by_index,
    completions_are_deleted_by_job_however_many,
    a_single_completion_is_deleted,
    a_second_opening_reads_what_was_written,
);

pub(super) fn new_id() -> JobId {
    JobId(Uuid::new_v4())
}

/// Now, in whole seconds: existing tables store no fractions.
pub(super) fn now(world: &World) -> Timestamp {
    Timestamp::from_secs(world.backend.clock.now().as_secs())
}

pub(super) fn new_job(world: &World) -> Job {
    Job::new(new_id(), JobOptions::default(), Some("clip".into()), now(world))
}

/// Creates a job in a status, with four segments.
async fn job_in(world: &World, status: JobStatus) -> Result<Job, Stop> {
    let job = Job { status, total_segments: Some(4), ..new_job(world) };
    world.backend.jobs.create(&job).await?;
    Ok(job)
}

pub(super) async fn get(world: &World, job_id: JobId) -> Result<Job, Stop> {
    world.backend.jobs.get(job_id).await?.ok_or_else(|| Stop::Failed(format!("the job {job_id} is gone")))
}

async fn a_job_comes_back_as_it_was_created(world: &World) -> Outcome {
    let at = now(world);
    let whole = Job {
        status: JobStatus::Failed,
        total_segments: Some(u32::MAX),
        completed_at: Some(at.plus(Duration::from_secs(9))),
        uploaded_at: Some(at.plus(Duration::from_secs(1))),
        source_file_size_bytes: Some(1 << 40),
        error: Some("it's \"broken\" – 🎬".into()),
        title: Some("Ünder the 'sea' %20.mp4".into()),
        options: JobOptions {
            divergence: Some(2.5),
            preset: Some("fast".into()),
            segment_secs: Some(2.0),
            ..JobOptions::of(Format::AnaglyphGray)
        },
        ..Job::new(new_id(), JobOptions::of(Format::AnaglyphGray), None, at)
    };
    for job in [whole, Job { title: None, ..new_job(world) }] {
        world.backend.jobs.create(&job).await?;
        same("the job", get(world, job.job_id).await?, job)?;
    }
    Ok(())
}

async fn a_job_is_created_once(world: &World) -> Outcome {
    let job = new_job(world);
    world.backend.jobs.create(&job).await?;
    let other = Job { title: Some("other".into()), ..job.clone() };
    refused("again", world.backend.jobs.create(&other).await, ErrorCode::Conflict)?;
    same("the first stays", get(world, job.job_id).await?, job)
}

async fn of_many_creators_one_wins(world: &World) -> Outcome {
    let job = new_job(world);
    let tries = (0..16).map(|number| {
        let (jobs, job) = (world.side(number).jobs.clone(), job.clone());
        tokio::spawn(async move { jobs.create(&job).await.is_ok() })
    });
    same("winners", winners(tries).await?, 1)
}

/// The number of tasks that returned true.
pub(super) async fn winners(tasks: impl Iterator<Item = tokio::task::JoinHandle<bool>>) -> Result<usize, Stop> {
    let mut wins = 0;
    for task in tasks.collect::<Vec<_>>() {
        wins += usize::from(task.await.map_err(|error| Stop::Failed(error.to_string()))?);
    }
    Ok(wins)
}

async fn a_missing_job_has_no_data(world: &World) -> Outcome {
    let (jobs, id) = (&world.backend.jobs, new_id());
    same("job", jobs.get(id).await?, None)?;
    same("transition", jobs.transition(id, &Transition::failed("x")).await?, Transitioned::Missing)?;
    same("made by the attempt", jobs.get(id).await?, None)?;
    same("count", jobs.count_completions(id).await?, 0)?;
    same("completions", jobs.list_completions(id, None, 10).await?.items, vec![])?;
    refused("upload", jobs.set_uploaded(id, now(world), 1).await, ErrorCode::NotFound)
}

async fn every_pair_of_statuses_is_guarded(world: &World) -> Outcome {
    for from in JobStatus::ALL {
        for to in JobStatus::ALL {
            let job = job_in(world, *from).await?;
            let outcome = world.backend.jobs.transition(job.job_id, &Transition::to(*to)).await?;
            let after = get(world, job.job_id).await?;
            let pair = format!("{from} to {to}");
            if to.may_follow().contains(from) {
                same(&pair, outcome, Transitioned::Changed(after.clone()))?;
                same(&pair, after.status, *to)?;
            } else {
                same(&pair, outcome, Transitioned::Refused(*from))?;
                same(&pair, after, job)?;
            }
        }
    }
    Ok(())
}

async fn a_transition_sets_all_in_one_write(world: &World) -> Outcome {
    let job = job_in(world, JobStatus::ChunkingInProgress).await?;
    let at = now(world);
    let transition = Transition {
        total_segments: Some(7),
        completed_at: Some(at),
        uploaded_at: Some(at.plus(Duration::from_secs(1))),
        source_file_size_bytes: Some(12_345),
        ..Transition::to(JobStatus::ChunkingComplete)
    };
    let wanted = Job {
        status: JobStatus::ChunkingComplete,
        total_segments: Some(7),
        completed_at: Some(at),
        uploaded_at: Some(at.plus(Duration::from_secs(1))),
        source_file_size_bytes: Some(12_345),
        ..job.clone()
    };
    let outcome = world.backend.jobs.transition(job.job_id, &transition).await?;
    same("answer", outcome, Transitioned::Changed(wanted.clone()))?;
    same("row", get(world, job.job_id).await?, wanted)
}

async fn a_transition_keeps_what_it_does_not_name(world: &World) -> Outcome {
    let job = Job {
        status: JobStatus::ChunkingComplete,
        total_segments: Some(3),
        uploaded_at: Some(now(world)),
        source_file_size_bytes: Some(99),
        ..new_job(world)
    };
    world.backend.jobs.create(&job).await?;
    world.backend.jobs.transition(job.job_id, &Transition::to(JobStatus::Reassembling)).await?;
    same("row", get(world, job.job_id).await?, Job { status: JobStatus::Reassembling, ..job })
}

async fn a_transition_from_failed_clears_the_error(world: &World) -> Outcome {
    let job = job_in(world, JobStatus::ChunkingComplete).await?;
    let jobs = &world.backend.jobs;
    jobs.transition(job.job_id, &Transition::failed("no such codec")).await?;
    same("failed", get(world, job.job_id).await?.error.as_deref(), Some("no such codec"))?;
    let repair = Transition { from: vec![JobStatus::Failed], ..Transition::to(JobStatus::ChunkingComplete) };
    jobs.transition(job.job_id, &repair).await?;
    same("repaired", get(world, job.job_id).await?.error, None)
}

async fn a_transition_may_pass_its_own_guard(world: &World) -> Outcome {
    let job = job_in(world, JobStatus::Completed).await?;
    let jobs = &world.backend.jobs;
    let none = Transition { from: vec![], ..Transition::to(JobStatus::Reassembling) };
    same("no guard at all", jobs.transition(job.job_id, &none).await?, Transitioned::Refused(JobStatus::Completed))?;
    let wide = Transition { from: JobStatus::ALL.to_vec(), ..Transition::to(JobStatus::Reassembling) };
    holds("every status", matches!(jobs.transition(job.job_id, &wide).await?, Transitioned::Changed(_)))
}

async fn of_many_transitions_one_wins(world: &World) -> Outcome {
    let job = job_in(world, JobStatus::Created).await?;
    let tries = (0..16).map(|number| {
        let jobs = world.side(number).jobs.clone();
        tokio::spawn(async move {
            let outcome = jobs.transition(job.job_id, &Transition::to(JobStatus::Ingesting)).await;
            matches!(outcome, Ok(Transitioned::Changed(_)))
        })
    });
    same("winners", winners(tries).await?, 1)
}

async fn an_upload_is_recorded_whatever_the_status(world: &World) -> Outcome {
    for status in JobStatus::ALL {
        let job = job_in(world, *status).await?;
        let at = now(world).plus(Duration::from_secs(5));
        world.backend.jobs.set_uploaded(job.job_id, at, 4096).await?;
        let wanted = Job { uploaded_at: Some(at), source_file_size_bytes: Some(4096), ..job.clone() };
        same(status.as_str(), get(world, job.job_id).await?, wanted)?;
    }
    Ok(())
}

async fn only_the_row_of_a_deleted_job_is_removed(world: &World) -> Outcome {
    for status in JobStatus::ALL {
        let (jobs, job) = (&world.backend.jobs, job_in(world, *status).await?);
        let is_deleted = *status == JobStatus::Deleted;
        same(status.as_str(), jobs.delete_row(job.job_id).await?, is_deleted)?;
        same("row", jobs.get(job.job_id).await?, (!is_deleted).then_some(job.clone()))?;
        same("again", jobs.delete_row(job.job_id).await?, false)?;
    }
    Ok(())
}

async fn jobs_are_listed_newest_first(world: &World) -> Outcome {
    let mut wanted = Vec::new();
    for number in 0..5_u64 {
        let at = now(world).plus(Duration::from_secs((number * 7) % 5));
        let job = Job { created_at: at, ..new_job(world) };
        world.backend.jobs.create(&job).await?;
        wanted.push(job);
    }
    job_in(world, JobStatus::Completed).await?;
    wanted.sort_by_key(|job| std::cmp::Reverse(job.created_at));
    let page = world.backend.jobs.list(JobStatus::Created, None, 100).await?;
    same("jobs", page.items, wanted)?;
    same("no further page", page.next, None)?;
    let none = world.backend.jobs.list(JobStatus::Deleted, None, 100).await?;
    same("of another status", none.items, vec![])
}

async fn a_list_is_paged_without_gaps_or_repeats(world: &World) -> Outcome {
    let mut wanted = Vec::new();
    for number in 0..11_u64 {
        // Several jobs of the same second, so that some pages end between them.
        let job = Job { created_at: now(world).plus(Duration::from_secs(number / 4)), ..new_job(world) };
        world.backend.jobs.create(&job).await?;
        wanted.push(job.job_id);
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = world.backend.jobs.list(JobStatus::Created, cursor.as_deref(), 3).await?;
        holds("at most three", page.items.len() <= 3)?;
        seen.extend(page.items);
        pages += 1;
        holds("it ends", pages < 20)?;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    holds("newest first", seen.is_sorted_by(|a, b| a.created_at >= b.created_at))?;
    let mut ids: Vec<JobId> = seen.into_iter().map(|job| job.job_id).collect();
    ids.sort();
    wanted.sort();
    same("each once", ids, wanted)
}

async fn an_invalid_cursor_is_refused(world: &World) -> Outcome {
    let (jobs, job) = (&world.backend.jobs, new_job(world));
    jobs.create(&job).await?;
    for made_up in ["", "nonsense", "1.2", "."] {
        refused("jobs", jobs.list(JobStatus::Created, Some(made_up), 3).await, ErrorCode::Invalid)?;
    }
    refused("completions", jobs.list_completions(job.job_id, Some("nonsense"), 3).await, ErrorCode::Invalid)
}

pub(super) fn completion(world: &World, job_id: JobId, segment_index: u32) -> SegmentCompletion {
    let output_uri = world.backend.output.uri(&stereospot_domain::keys::output_segment(job_id, segment_index));
    SegmentCompletion { job_id, segment_index, output_uri, completed_at: now(world) }
}

async fn a_completion_is_replaced(world: &World) -> Outcome {
    let (jobs, id) = (&world.backend.jobs, new_id());
    let first = completion(world, id, 0);
    jobs.put_completion(&first).await?;
    jobs.put_completion(&first).await?;
    let second = SegmentCompletion { output_uri: "elsewhere".into(), ..first };
    jobs.put_completion(&second).await?;
    same("count", jobs.count_completions(id).await?, 1)?;
    same("the last", jobs.list_completions(id, None, 10).await?.items, vec![second])
}

async fn completions_are_counted_by_job(world: &World) -> Outcome {
    let (jobs, id, other) = (&world.backend.jobs, new_id(), new_id());
    for index in 0..12 {
        jobs.put_completion(&completion(world, id, index)).await?;
        same("at once", jobs.count_completions(id).await?, index + 1)?;
    }
    jobs.put_completion(&completion(world, other, 3)).await?;
    same("this job's", jobs.count_completions(id).await?, 12)?;
    same("the other's", jobs.count_completions(other).await?, 1)
}

async fn completions_are_paged_by_index(world: &World) -> Outcome {
    let (jobs, id) = (&world.backend.jobs, new_id());
    for index in [9, 2, 11, 0, 10, 1, 100] {
        jobs.put_completion(&completion(world, id, index)).await?;
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = jobs.list_completions(id, cursor.as_deref(), 2).await?;
        holds("at most two", page.items.len() <= 2)?;
        seen.extend(page.items.into_iter().map(|completion| completion.segment_index));
        pages += 1;
        holds("it ends", pages < 20)?;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    same("by number, not by name", seen, vec![0, 1, 2, 9, 10, 11, 100])?;
    same("all at once", all_completions(&**jobs, id).await?.len(), 7)
}

async fn completions_are_deleted_by_job_however_many(world: &World) -> Outcome {
    // Several batches on every backend, the last one not full.
    const MANY: u32 = 130;
    let (jobs, id, other) = (&world.backend.jobs, new_id(), new_id());
    let rows: Vec<SegmentCompletion> = (0..MANY).map(|index| completion(world, id, index)).collect();
    for rows in rows.chunks(16) {
        futures::future::try_join_all(rows.iter().map(|row| jobs.put_completion(row))).await?;
    }
    jobs.put_completion(&completion(world, other, 3)).await?;
    same("before", jobs.count_completions(id).await?, MANY)?;
    same("deleted", world.peer.jobs.delete_completions(id).await?, MANY)?;
    same("left", jobs.count_completions(id).await?, 0)?;
    same("the other's", jobs.count_completions(other).await?, 1)?;
    same("again", jobs.delete_completions(id).await?, 0)?;
    same("of a job that is not there", jobs.delete_completions(new_id()).await?, 0)?;
    jobs.put_completion(&rows[0]).await?;
    same("recorded again", jobs.count_completions(id).await?, 1)
}

async fn a_single_completion_is_deleted(world: &World) -> Outcome {
    let (jobs, id, other) = (&world.backend.jobs, new_id(), new_id());
    for (job_id, index) in [(id, 0), (id, 1), (id, 10), (other, 1)] {
        jobs.put_completion(&completion(world, job_id, index)).await?;
    }
    world.peer.jobs.delete_completion(id, 1).await?;
    // One that is already deleted, and one that never existed.
    jobs.delete_completion(id, 1).await?;
    jobs.delete_completion(id, 2).await?;
    let left = all_completions(&**jobs, id).await?.into_iter().map(|completion| completion.segment_index).collect();
    same("left", left, vec![0, 10])?;
    same("the other's", jobs.count_completions(other).await?, 1)?;
    jobs.put_completion(&completion(world, id, 1)).await?;
    same("recorded again", jobs.count_completions(id).await?, 3)
}

async fn a_second_opening_reads_what_was_written(world: &World) -> Outcome {
    let job = new_job(world);
    world.backend.jobs.create(&job).await?;
    same("the job", world.peer.jobs.get(job.job_id).await?, Some(job.clone()))?;
    world.peer.jobs.put_completion(&completion(world, job.job_id, 0)).await?;
    same("the completion", world.backend.jobs.count_completions(job.job_id).await?, 1)
}
