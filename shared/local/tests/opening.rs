//! Opening data directories, good and bad ones, and running out of space.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use stereospot_domain::{Job, JobId, JobOptions, QueueRole, Timestamp};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Backend, Error, ErrorCode, objects};

async fn open(folder: &Path) -> Result<Backend, Error> {
    LocalBackend::open(folder, Options::default()).await
}

/// Expects that opening fails with this code and a message of one line that names the folder and contains these words.
async fn refuses(folder: &Path, code: ErrorCode, words: &str) {
    let error = open(folder).await.unwrap_err();
    let sentence = error.to_string();
    assert_eq!(error.code(), code, "{error:?}");
    assert!(sentence.contains(words), "{sentence}");
    assert!(sentence.contains(folder.file_name().unwrap().to_str().unwrap()), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");
}

#[tokio::test]
async fn a_new_directory_is_made_with_its_parents() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(&folder.path().join("a/b")).await.unwrap();
    assert_eq!(backend.kind, stereospot_domain::BackendKind::Local);
    assert_eq!(backend.queues.len(), 8);
    assert!(folder.path().join("a/b/stereospot.db").is_file());
    assert!(folder.path().join("a/b/objects/input").is_dir());
    assert_eq!(backend.output.uri("jobs/x/final.mp4"), "local://output/jobs/x/final.mp4");
}

#[tokio::test]
async fn everything_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let job = Job::new(JobId(uuid::Uuid::now_v7()), JobOptions::default(), None, Timestamp::from_secs(1));
    {
        let backend = open(folder.path()).await.unwrap();
        backend.jobs.create(&job).await.unwrap();
        backend.queue(QueueRole::Chunking).unwrap().send(&[Outgoing::now("a")]).await.unwrap();
        backend.output.store.put(&objects::path("x/y").unwrap(), "z".into()).await.unwrap();
    }
    let backend = open(folder.path()).await.unwrap();
    assert_eq!(backend.jobs.get(job.job_id).await.unwrap(), Some(job));
    assert_eq!(backend.queue(QueueRole::Chunking).unwrap().peek(10).await.unwrap().len(), 1);
    assert!(objects::exists(&*backend.output.store, "x/y").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_open_a_new_directory_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path: Arc<Path> = folder.path().join("new").into();
    let openings: Vec<_> = (0..12)
        .map(|_| {
            let path = Arc::clone(&path);
            tokio::spawn(async move { open(&path).await.map(|backend| backend.kind) })
        })
        .collect();
    for opening in openings {
        assert_eq!(opening.await.unwrap().unwrap(), stereospot_domain::BackendKind::Local);
    }
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    refuses(&file, ErrorCode::Invalid, "is not a directory").await;
    let below = file.join("below");
    refuses(&below, ErrorCode::Invalid, "is not a directory").await;
}

#[tokio::test]
async fn a_directory_without_permission_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "x").is_ok() {
        // Root may write anywhere, so use a place where not even root may create a folder.
        refuses(Path::new("/proc/closed"), ErrorCode::Unavailable, "can't be used").await;
    } else {
        refuses(&closed, ErrorCode::Denied, "can't be written").await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await.unwrap());
    let url = format!("sqlite://{}", folder.path().join("stereospot.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    refuses(folder.path(), ErrorCode::Conflict, "newer version").await;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("stereospot.db"), "this is no database, whatever its name says. ".repeat(200))
        .unwrap();
    refuses(folder.path(), ErrorCode::Corrupt, "restore it from a copy; without one, jobs and queues are lost").await;
}

#[tokio::test]
async fn a_database_damaged_later_reports_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stereospot.db");
    {
        let backend = open(folder.path()).await.unwrap();
        let queue = backend.queue(QueueRole::Chunking).unwrap();
        for _ in 0..200 {
            queue.send(&[Outgoing::now("x".repeat(1_000))]).await.unwrap();
        }
    }
    // Empty the write-ahead log, which would otherwise hide the damage.
    let options = SqliteConnectOptions::new().filename(&file).busy_timeout(Duration::from_secs(30));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    // All pages but the first, which holds the schema.
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let error = match open(folder.path()).await {
        Err(error) => error,
        Ok(backend) => backend.queue(QueueRole::Chunking).unwrap().peek(1_000).await.unwrap_err(),
    };
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error:?}");
    assert!(error.to_string().contains("without one, jobs and queues are lost"), "{error}");
}

#[tokio::test]
async fn a_full_database_reports_it_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_database_bytes: Some(400 * 1024), ..Options::default() };
    let backend = LocalBackend::open(folder.path(), options).await.unwrap();
    let queue = backend.queue(QueueRole::Chunking).unwrap();
    // Smaller than what the object below needs.
    let body = "x".repeat(3_000);
    let mut sent = 0;
    let error = loop {
        match queue.send(&[Outgoing::now(body.clone())]).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1000, "it never became full");
    };
    assert_eq!(error.code(), ErrorCode::Full);
    assert!(error.retryable());
    assert!(error.to_string().contains("no space left"), "{error}");
    // Without space for its notification, an object is not acknowledged either.
    let path = objects::path(&format!("input/{}/source.mp4", "x".repeat(9_000))).unwrap();
    let put = backend.input.store.put(&path, "x".into()).await.map_err(Error::from);
    assert_eq!(put.map(|_| ()).map_err(|error| error.code()), Err(ErrorCode::Full));
    // Everything acknowledged is there, and deleting some of it makes space for more.
    assert_eq!(queue.peek(10_000).await.unwrap().len(), sent);
    let how = Receive { max: 10, wait: Duration::ZERO, visibility: None };
    for message in queue.receive(how).await.unwrap() {
        queue.delete(&message.receipt).await.unwrap();
    }
    queue.send(&[Outgoing::now(body)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_write_does_not_fail_others_in_its_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_database_bytes: Some(2 * 1024 * 1024), ..Options::default() };
    let backend = LocalBackend::open(folder.path(), options).await.unwrap();
    let queue = backend.queue(QueueRole::Chunking).unwrap();
    let sends: Vec<_> = (0..40)
        .map(|number| {
            let queue = Arc::clone(queue);
            // Every fourth message needs half of all the space.
            let body = if number % 4 == 0 { "x".repeat(1024 * 1024) } else { "small".into() };
            tokio::spawn(
                async move { (number, queue.send(&[Outgoing::now(body)]).await.map_err(|error| error.code())) },
            )
        })
        .collect();
    let mut large = 0;
    for send in sends {
        match send.await.unwrap() {
            (number, outcome) if number % 4 == 0 => large += usize::from(outcome.is_ok()),
            (number, outcome) => assert!(outcome.is_ok(), "{number}: {outcome:?}"),
        }
    }
    assert!(large <= 1, "{large} messages of one megabyte fitted in");
    assert_eq!(queue.stats().await.unwrap().ready as usize, 30 + large);
}

#[tokio::test]
async fn files_of_an_interrupted_upload_are_removed_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open(folder.path()).await.unwrap();
    backend.output.store.put(&objects::path("jobs/a/final.mp4").unwrap(), "whole".into()).await.unwrap();
    // Never completed or aborted, as in a killed process.
    let path = objects::path("jobs/a/big.mp4").unwrap();
    let mut upload = backend.output.store.put_multipart(&path).await.unwrap();
    upload.put_part("half".into()).await.unwrap();
    std::mem::forget(upload);
    drop(backend);
    let jobs = folder.path().join("objects/output/jobs/a");
    let staged = jobs.join("big.mp4#1");
    assert!(staged.is_file(), "the store stages uploads beside the object");
    let age = |path: &Path, hours: u64| {
        let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    fs::write(jobs.join("take#two.mp4"), "x").unwrap();
    age(&jobs.join("take#two.mp4"), 48);
    age(&jobs.join("final.mp4"), 48);

    age(&staged, 23);
    drop(open(folder.path()).await.unwrap());
    assert!(staged.is_file(), "it may still be under way");
    age(&staged, 25);
    let backend = open(folder.path()).await.unwrap();
    assert!(!staged.exists());
    assert!(
        jobs.join("take#two.mp4").is_file()
            && objects::exists(&*backend.output.store, "jobs/a/final.mp4").await.unwrap()
    );
}
