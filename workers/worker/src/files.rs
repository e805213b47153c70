//! Copies objects to files and back: libav works on files.

use std::error::Error;
use std::path::Path;

use futures::StreamExt;
use object_store::buffered::BufWriter;
use object_store::{ObjectStoreExt, PutPayload};
use stereospot_ports::error::io_code;
use stereospot_ports::{Bucket, ErrorCode, objects};
use stereospot_runtime::stage::Failure;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// Size of an upload's parts; S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Writes an object into a file.
///
/// # Errors
/// The bucket's error when the object can't be read, [`io_failure`] when the file can't be written, [`Failure::Cancelled`].
pub async fn download(bucket: &Bucket, key: &str, file: &Path, cancel: &CancellationToken) -> Result<(), Failure> {
    let mut parts = bucket.store.get(&objects::path(key)?).await?.into_stream();
    let mut out = tokio::fs::File::create(file).await.map_err(|error| io_failure(file, &error))?;
    while let Some(part) = parts.next().await {
        if cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        out.write_all(&part?).await.map_err(|error| io_failure(file, &error))?;
    }
    out.flush().await.map_err(|error| io_failure(file, &error))
}

/// Writes a file into an object, in parts if it is large. The object appears whole or not at all.
///
/// # Errors
/// As [`download`].
pub async fn upload(file: &Path, bucket: &Bucket, key: &str, cancel: &CancellationToken) -> Result<u64, Failure> {
    let from = tokio::fs::File::open(file).await.map_err(|error| io_failure(file, &error))?;
    let mut from = tokio::io::BufReader::with_capacity(1 << 20, from);
    let mut to = BufWriter::with_capacity(bucket.store.clone(), objects::path(key)?, PART_BYTES);
    let copied = tokio::select! {
        copied = tokio::io::copy_buf(&mut from, &mut to) => copied,
        () = cancel.cancelled() => {
            // An unfinished upload leaves no object; aborting it only frees its parts sooner.
            let _ = to.abort().await;
            return Err(Failure::Cancelled);
        }
    };
    match copied {
        Ok(bytes) => {
            to.shutdown().await.map_err(|error| object_failure(key, error))?;
            Ok(bytes)
        }
        Err(error) => {
            let _ = to.abort().await;
            Err(object_failure(key, error))
        }
    }
}

/// Writes a few bytes into an object.
///
/// # Errors
/// When the object can't be written.
pub async fn put(bucket: &Bucket, key: &str, content: Vec<u8>) -> Result<(), Failure> {
    bucket.store.put(&objects::path(key)?, PutPayload::from(content)).await?;
    Ok(())
}

/// Reads a small object; none when it does not exist.
///
/// # Errors
/// When the object can't be read.
pub async fn get(bucket: &Bucket, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    Ok(objects::content(&*bucket.store, key).await?)
}

/// A failure to use a scratch file. The message in hand is never at fault.
#[must_use]
pub fn io_failure(path: &Path, error: &std::io::Error) -> Failure {
    match io_code(error.kind()) {
        ErrorCode::Full => {
            Failure::NoSpace(format!("no space left for {}: free some, then it goes on by itself", path.display()))
        }
        _ => no_scratch(path, error),
    }
}

/// The worker's own folder can't be used.
#[must_use]
pub fn no_scratch(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    // The error of a temporary file names its path already.
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let why = format!("this worker can't use {path} ({why}): once it can, it goes on by itself");
    Failure::NoScratch(io_code(error.kind()), why)
}

fn object_failure(key: &str, error: std::io::Error) -> Failure {
    match error.downcast::<object_store::Error>() {
        Ok(error) => error.into(),
        Err(error) => Failure::Retry(io_code(error.kind()), format!("the object {key} can't be written: {error}")),
    }
}
