//! Assemble again: have the result of a completed job made once more, because it is gone or damaged.

use stereospot_domain::plan::{PlanItem, RefusalCode, Target};
use stereospot_domain::{Job, JobStatus, QueueRole, Topology, keys};
use stereospot_ports::checksum::Checksum;
use stereospot_ports::error::chain;
use stereospot_ports::job_store::Transition;
use stereospot_ports::{Error, ErrorCode, Result as PortResult, objects, reassembly};

use super::draft::{Draft, count_of, refused};
use super::repair_steps::{self, Lost, put_completion, resend_segment, split_again};
use crate::app::App;
use crate::truth;

/// What is left of a job.
struct Left {
    /// Segments without an output.
    unconverted: Vec<u32>,
    /// Those of them whose own object is gone, too.
    gone: Vec<u32>,
}

/// Fills the draft of a plan.
pub(super) async fn draft(app: &App, job: &Job, mut draft: Draft) -> PortResult<Draft> {
    let job_id = job.job_id;
    draft.needs = Some(QueueRole::Reassembly);
    match left(app, job).await? {
        Err(why) => draft.refused = refused(RefusalCode::SourceGone, why),
        Ok(Left { unconverted, gone }) => {
            let what = match (unconverted.len(), gone.len()) {
                (0, _) => "join its segments again".to_owned(),
                (count, 0) => format!("convert {} again, then join all", count_of(count, "segment")),
                (count, _) => {
                    draft.needs = Some(QueueRole::Chunking);
                    format!("split the source again, convert {}, then join all", count_of(count, "segment"))
                }
            };
            draft.items = vec![PlanItem::new(Target::Job { job_id }, what)];
            draft.effect = "the job is taken back from completed, and has its result again when it is done".into();
        }
    }
    Ok(draft)
}

/// Takes the job back, and has its result made again.
pub(super) async fn carry_out(app: &App, job: &Job) -> PortResult<String> {
    let (backend, job_id) = (&app.backend, job.job_id);
    let Left { unconverted, .. } = left(app, job).await?.map_err(|why| Error::new(ErrorCode::NotFound, why))?;
    // While a result exists, the trigger check would complete the job with it.
    let (output, key) = (&backend.output, keys::result(job_id));
    if objects::exists(&*output.store, &key).await? {
        let written = Checksum::load(output, &keys::result_checksum(job_id)).await?;
        if written.is_some() && written == Checksum::of_object(output, &key).await? {
            return Err(Error::new(ErrorCode::Conflict, "the result is there, as it was written"));
        }
        object_store::ObjectStoreExt::delete(&*output.store, &objects::path(&key)?).await?;
    }
    Checksum::forget(output, &keys::result_checksum(job_id)).await?;
    let from = vec![JobStatus::Completed];
    let transition = Transition { from, ..Transition::to(JobStatus::ChunkingComplete) };
    repair_steps::changed(backend, job_id, &transition).await?;
    // The old lock belongs to the reassembly that ended.
    backend.jobs.delete_lock(job_id).await?;
    if unconverted.is_empty() {
        if !is_the_job_workers(app) {
            put_completions(app, job, &unconverted).await?;
        }
        reassembly::check_with(backend, job_id, reassembly::ResendAfter::NONE).await?;
        return Ok("its segments are joined again".into());
    }
    put_completions(app, job, &unconverted).await?;
    let mut are_gone = false;
    for index in &unconverted {
        backend.jobs.delete_completion(job_id, *index).await?;
        match resend_segment(backend, job, *index).await {
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => are_gone = true,
            Err(error) => return Err(error),
        }
    }
    if are_gone {
        // This asks for every segment that is not converted.
        let job = Job { status: JobStatus::ChunkingComplete, ..job.clone() };
        split_again(backend, &job, Lost::Gone).await?;
    }
    Ok(format!("{} converted again, then all are joined", count_of(unconverted.len(), "segment")))
}

/// Records the completions of all segments that are converted.
async fn put_completions(app: &App, job: &Job, unconverted: &[u32]) -> PortResult<()> {
    let done = truth::completions(&app.backend, job.job_id).await?;
    let is_done = |index: u32| done.binary_search_by_key(&index, |(index, _)| *index).is_ok();
    for index in (0..job.total_segments.unwrap_or(0)).filter(|index| !unconverted.contains(index) && !is_done(*index)) {
        put_completion(app, job.job_id, index).await?;
    }
    Ok(())
}

/// What is left of a job, or why its result can't be made again.
async fn left(app: &App, job: &Job) -> PortResult<Result<Left, String>> {
    let backend = &app.backend;
    let Some(total) = job.total_segments.filter(|total| *total > 0) else {
        return Ok(Err("the result can't be made again: the number of the job's segments isn't known".into()));
    };
    let outputs = truth::outputs(backend, job.job_id).await?;
    let unconverted: Vec<u32> = (0..total).filter(|index| outputs.binary_search(index).is_err()).collect();
    if is_the_job_workers(app) {
        // Other services join the sound of the segments, and convert no segment of an ended job.
        return Ok(match unconverted.len() {
            0 => Ok(Left { unconverted, gone: Vec::new() }),
            count => Err(format!(
                "the result can't be made again: {} of {total} converted segments are gone; submit the video again",
                count
            )),
        });
    }
    if !objects::exists(&*backend.input.store, &keys::source(job.job_id)).await? {
        return Ok(Err(
            "the result can't be made again, because the source is gone, too: submit the video again".into()
        ));
    }
    let gone = truth::gone_segments(backend, job, &unconverted).await?;
    if !gone.is_empty()
        && let Some(why) = repair_steps::why_not_split(backend, job.job_id, Lost::Gone).await?
    {
        return Ok(Err(why));
    }
    Ok(Ok(Left { unconverted, gone }))
}

fn is_the_job_workers(app: &App) -> bool {
    app.platform.facts.topology == Some(Topology::JobWorker)
}

/// Writes the row of a completed job again, as it was last read.
pub(super) async fn put_row(app: &App, job: &Job) -> PortResult<String> {
    match app.backend.jobs.create(job).await {
        Ok(()) => Ok("its row is written again, as it was last read".into()),
        Err(error) if error.code() == ErrorCode::Conflict => Ok("its row is there again".into()),
        Err(error) => Err(Error::new(error.code(), chain(&error))),
    }
}
