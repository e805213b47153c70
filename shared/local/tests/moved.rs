//! The database's file is moved, deleted or replaced while in use.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_domain::{Job, JobId, JobOptions, QueueRole, Timestamp};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Backend, Error, ErrorCode, objects};

async fn open(folder: &Path) -> Result<Backend, Error> {
    LocalBackend::open(folder, Options::default()).await
}

/// Expects that every kind of call fails and reports what happened and what to do.
async fn all_calls_fail(backend: &Backend) {
    let queue = backend.queue(QueueRole::Chunking).unwrap();
    let job = Job::new(JobId(uuid::Uuid::now_v7()), JobOptions::default(), None, Timestamp::from_secs(1));
    let source = objects::path(&format!("input/{}/source.mp4", job.job_id)).unwrap();
    let errors = [
        ("send", queue.send(&[Outgoing::now("lost")]).await.map(drop).unwrap_err()),
        ("receive", queue.receive(now()).await.map(drop).unwrap_err()),
        ("stats", queue.stats().await.map(drop).unwrap_err()),
        ("create", backend.jobs.create(&job).await.map(drop).unwrap_err()),
        ("get", backend.jobs.get(job.job_id).await.map(drop).unwrap_err()),
        ("put", backend.input.store.put(&source, "x".into()).await.map(drop).map_err(Error::from).unwrap_err()),
    ];
    for (call, error) in errors {
        let said = stereospot_ports::error::chain(&error);
        assert!(
            said.contains("stereospot.db was moved, deleted or replaced while in use: put it back"),
            "{call}: {said}"
        );
        assert_eq!(error.code(), ErrorCode::Unavailable, "{call}");
    }
}

fn now() -> Receive {
    Receive { max: 10, wait: Duration::ZERO, visibility: None }
}

#[tokio::test]
async fn a_file_that_is_put_back_has_everything_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stereospot.db");
    let away = folder.path().join("away.db");
    let backend = open(folder.path()).await.unwrap();
    let queue = backend.queue(QueueRole::Chunking).unwrap();
    queue.send(&[Outgoing::now("kept")]).await.unwrap();
    fs::rename(&file, &away).unwrap();
    all_calls_fail(&backend).await;
    // A copy in its place does not help.
    fs::copy(&away, &file).unwrap();
    all_calls_fail(&backend).await;
    fs::rename(&away, &file).unwrap();
    let received = queue.receive(now()).await.unwrap();
    assert_eq!(received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["kept"]);
    queue.delete(&received[0].receipt).await.unwrap();
}

#[tokio::test]
async fn a_deleted_file_fails_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(folder.path()).await.unwrap();
    fs::remove_file(folder.path().join("stereospot.db")).unwrap();
    all_calls_fail(&backend).await;
}

#[tokio::test]
async fn no_new_database_is_created_beside_objects_of_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stereospot.db");
    let backend = open(folder.path()).await.unwrap();
    backend.output.store.put(&objects::path("jobs/a/final.mp4").unwrap(), "x".into()).await.unwrap();
    fs::rename(&file, folder.path().join("away.db")).unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.to_string().contains("put it back; if it is lost"), "{error}");
    assert!(!file.exists(), "a new file would be in the way of the one to put back");
    // Following the message helps. Empty folders are not objects.
    fs::remove_file(folder.path().join("objects/output/jobs/a/final.mp4")).unwrap();
    drop(open(folder.path()).await.unwrap());
    assert!(file.is_file());
}
