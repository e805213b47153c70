//! Deletes what a job leaves behind.
//!
//! Invariant: only a job that has ended is deleted. Its row stays, with the status `deleted`.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use stereospot_domain::{JobId, JobStatus, keys};

use crate::error::{Error, ErrorCode, Result};
use crate::job_store::{Transition, Transitioned};
use crate::{Backend, Bucket, objects};

/// What a job has, or what was deleted of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remains {
    /// Source, segments, outputs and result.
    pub objects: usize,
    pub bytes: u64,
    pub completions: u32,
}

/// Counts what deleting a job would delete.
///
/// # Errors
/// If the backend can't be reached.
pub async fn remains(backend: &Backend, job_id: JobId) -> Result<Remains> {
    let mut remains = Remains { completions: backend.jobs.count_completions(job_id).await?, ..Remains::default() };
    for (bucket, prefix) in places(backend, job_id)? {
        let mut found = bucket.store.list(Some(&prefix));
        while let Some(meta) = found.try_next().await? {
            remains.objects += 1;
            remains.bytes += meta.size;
        }
    }
    Ok(remains)
}

/// Deletes a job's source, segments, outputs, completions and lock. Doing it again changes nothing.
///
/// # Errors
/// [`ErrorCode::Conflict`] when the job has not ended; otherwise if the backend can't be reached.
pub async fn delete(backend: &Backend, job_id: JobId) -> Result<Remains> {
    // Before the objects: a job whose result is half gone must not claim to be completed.
    match backend.jobs.transition(job_id, &Transition::to(JobStatus::Deleted)).await? {
        Transitioned::Refused(status) if !status.is_final() => {
            let why = format!("job_id={job_id} is {status}: it can be deleted once it is completed or failed");
            return Err(Error::new(ErrorCode::Conflict, why));
        }
        Transitioned::Changed(_) | Transitioned::Refused(_) | Transitioned::Missing => {}
    }
    let mut deleted = Remains::default();
    for (bucket, prefix) in places(backend, job_id)? {
        let (objects, bytes) = remove_below(bucket, &prefix).await?;
        deleted.objects += objects;
        deleted.bytes += bytes;
    }
    // After the outputs: while one exists, its completion could be recorded again.
    deleted.completions = backend.jobs.delete_completions(job_id).await?;
    backend.jobs.delete_lock(job_id).await?;
    Ok(deleted)
}

/// Where a job's objects are.
fn places(backend: &Backend, job_id: JobId) -> Result<[(&Bucket, Path); 3]> {
    let source = keys::source(job_id);
    let (folder, _) = source.rsplit_once('/').expect("a source's key has a folder");
    Ok([
        (&backend.input, objects::path(folder)?),
        (&backend.input, objects::path(&format!("segments/{job_id}"))?),
        (&backend.output, objects::path(&format!("jobs/{job_id}"))?),
    ])
}

/// Removes everything below a prefix, in batches where the store can. Returns the number of objects and their bytes.
async fn remove_below(bucket: &Bucket, prefix: &Path) -> Result<(usize, u64)> {
    let found: Vec<_> = bucket.store.list(Some(prefix)).try_collect().await?;
    let bytes = found.iter().map(|meta| meta.size).sum();
    let (mut removed, mut count) = {
        let locations = futures::stream::iter(found.into_iter().map(|meta| Ok(meta.location))).boxed();
        (bucket.store.delete_stream(locations), 0)
    };
    while let Some(removed) = removed.next().await {
        match removed {
            // A missing object needs no removal.
            Ok(_) | Err(object_store::Error::NotFound { .. }) => count += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((count, bytes))
}
