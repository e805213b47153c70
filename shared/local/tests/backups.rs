//! Backing up a data directory in use, and restoring it elsewhere.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_domain::{Job, JobId, JobOptions, JobStatus, QueueRole, SegmentCompletion, keys};
use stereospot_local::backup::{BackupError, backup, restore};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::job_store::{Acquired, Transition};
use stereospot_ports::work_queue::Receive;
use stereospot_ports::{Backend, deletion, objects};
use uuid::Uuid;

const NOW: Receive = Receive { max: 10, wait: Duration::ZERO, visibility: Some(Duration::from_secs(3600)) };

struct World {
    folder: tempfile::TempDir,
    backend: Backend,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = LocalBackend::open(&folder.path().join("data"), Options::default()).await.unwrap();
        Self { folder, backend }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn back_up(&self, name: &str) -> Result<(), BackupError> {
        backup(&self.path("data"), &self.path(name)).await.map(drop)
    }

    fn restore(&self, from: &str, to: &str) -> Result<(), BackupError> {
        restore(&self.path(from), &self.path(to)).map(drop)
    }

    async fn job(&self, status: JobStatus) -> JobId {
        let job_id = JobId(Uuid::now_v7());
        let job = Job { status, ..Job::new(job_id, JobOptions::default(), None, self.backend.clock.now()) };
        self.backend.jobs.create(&job).await.unwrap();
        job_id
    }

    async fn put(&self, key: String, content: &str) {
        let bucket = if key.starts_with("jobs/") { &self.backend.output } else { &self.backend.input };
        bucket.store.put(&objects::path(&key).unwrap(), content.to_owned().into()).await.unwrap();
    }
}

async fn open(data_dir: &Path) -> Backend {
    LocalBackend::open(data_dir, Options::default()).await.unwrap()
}

async fn read(backend: &Backend, key: String) -> Option<String> {
    let bucket = if key.starts_with("jobs/") { &backend.output } else { &backend.input };
    let found = bucket.store.get(&objects::path(&key).unwrap()).await.ok()?;
    Some(String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn what_was_leased_or_locked_is_free_in_the_restored_stack_and_everything_else_is_as_it_was() {
    let world = World::new().await;
    let job_id = world.job(JobStatus::Reassembling).await;
    world.put(keys::source(job_id), "source").await;
    world.put(keys::output_segment(job_id, 0), "converted").await;
    world.put(keys::result(job_id), "result").await;
    let completion = SegmentCompletion {
        job_id,
        segment_index: 0,
        output_uri: "local://output/x".into(),
        completed_at: world.backend.clock.now(),
    };
    world.backend.jobs.put_completion(&completion).await.unwrap();
    world.backend.jobs.create_lock(job_id, world.backend.clock.now()).await.unwrap();
    let (jobs, now) = (&world.backend.jobs, world.backend.clock.now());
    jobs.acquire_lock(job_id, "reassembly-1", now, Duration::from_secs(3600)).await.unwrap();
    let chunking = world.backend.queue(QueueRole::Chunking).unwrap();
    let leased = chunking.receive(NOW).await.unwrap();
    assert_eq!(leased.len(), 1);
    fs::create_dir_all(world.path("data/spool/inference-1")).unwrap();
    fs::write(world.path("data/spool/inference-1/00001.events"), "an event\n").unwrap();

    world.back_up("backup").await.unwrap();
    world.restore("backup", "restored").unwrap();
    let restored = open(&world.path("restored")).await;
    for (key, content) in [
        (keys::source(job_id), "source"),
        (keys::output_segment(job_id, 0), "converted"),
        (keys::result(job_id), "result"),
    ] {
        assert_eq!(read(&restored, key).await.as_deref(), Some(content));
    }
    assert_eq!(restored.jobs.get(job_id).await.unwrap(), world.backend.jobs.get(job_id).await.unwrap());
    assert_eq!(restored.jobs.list_completions(job_id, None, 9).await.unwrap().items, [completion]);
    let again = restored.queue(QueueRole::Chunking).unwrap().receive(NOW).await.unwrap();
    assert_eq!((again.len(), again[0].receive_count), (1, 1), "the attempt that was cut off does not count");
    assert_eq!(again[0].body, leased[0].body);
    let acquired = restored.jobs.acquire_lock(job_id, "reassembly-9", now, Duration::from_secs(60)).await.unwrap();
    assert_eq!(acquired, Acquired::Yes);
    assert_eq!(fs::read(world.path("restored/spool/inference-1/00001.events")).unwrap(), b"an event\n");
    // The original goes on as if nothing had been.
    chunking.delete(&leased[0].receipt).await.unwrap();
    assert_eq!(read(&world.backend, keys::result(job_id)).await.as_deref(), Some("result"));
}

#[tokio::test]
async fn a_source_that_came_without_its_message_gets_one_and_what_is_deleted_is_left_out() {
    let world = World::new().await;
    let (new, deleted) = (world.job(JobStatus::Created).await, world.job(JobStatus::Completed).await);
    world.put(keys::source(new), "source").await;
    world.put(keys::result(deleted), "result").await;
    // As if the source had been stored between the copy of the queues and that of the objects.
    world.backend.queue(QueueRole::Chunking).unwrap().purge().await.unwrap();
    deletion::delete(&world.backend, deleted).await.unwrap();
    // A late write.
    world.put(keys::output_segment(deleted, 0), "late").await;
    fs::write(world.path("data/objects/input/input").join(new.to_string()).join("source.mp4#1"), "half").unwrap();

    world.back_up("backup").await.unwrap();
    world.restore("backup", "restored").unwrap();
    let restored = open(&world.path("restored")).await;
    let messages = restored.queue(QueueRole::Chunking).unwrap().receive(NOW).await.unwrap();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body.contains(&keys::source(new)), "{}", messages[0].body);
    assert_eq!(restored.jobs.get(deleted).await.unwrap().unwrap().status, JobStatus::Deleted);
    assert_eq!(deletion::remains(&restored, deleted).await.unwrap().objects, 0);
    assert_eq!(fs::read_dir(world.path("restored/objects/input/input").join(new.to_string())).unwrap().count(), 1);
}

/// Jobs are deleted and others change, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_what_is_being_deleted_has_each_job_whole_or_not_at_all() {
    let world = World::new().await;
    let mut jobs = Vec::new();
    for _ in 0..60 {
        let job_id = world.job(JobStatus::Completed).await;
        world.put(keys::source(job_id), "source").await;
        world.put(keys::result(job_id), "result").await;
        jobs.push(job_id);
    }
    let (backend, doomed) = (world.backend.clone(), jobs.clone());
    let deleting = tokio::spawn(async move {
        for job_id in doomed {
            deletion::delete(&backend, job_id).await.unwrap();
        }
    });
    let mut backups = 0;
    while !deleting.is_finished() || backups == 0 {
        backups += 1;
        let (to, restored) = (format!("backup-{backups}"), format!("restored-{backups}"));
        world.back_up(&to).await.unwrap();
        world.restore(&to, &restored).unwrap();
        let restored = open(&world.path(&restored)).await;
        for job_id in &jobs {
            let status = restored.jobs.get(*job_id).await.unwrap().unwrap().status;
            let expected = if status == JobStatus::Completed { 2 } else { 0 };
            assert_eq!(deletion::remains(&restored, *job_id).await.unwrap().objects, expected, "{status}");
        }
    }
    deleting.await.unwrap();
}

#[tokio::test]
async fn what_was_cut_off_or_damaged_is_never_restored() {
    let world = World::new().await;
    let job_id = world.job(JobStatus::Completed).await;
    world.put(keys::result(job_id), "result").await;
    world.back_up("backup").await.unwrap();
    let result = PathBuf::from("objects/output").join(keys::result(job_id));

    let check = |what: &str, spoil: &dyn Fn(&Path), words: &str| {
        let copy = world.path(what);
        let copied = std::process::Command::new("cp").arg("-a").arg(world.path("backup")).arg(&copy).status();
        assert!(copied.unwrap().success());
        spoil(&copy);
        let error = world.restore(what, "target").unwrap_err().to_string();
        assert!(error.contains(words), "{what}: {error}");
        assert!(!world.path("target").exists(), "{what}: nothing was restored");
    };
    check("no-manifest", &|copy| fs::remove_file(copy.join("backup.json")).unwrap(), "no complete backup");
    check("still-made", &|copy| fs::write(copy.join("unfinished"), "").unwrap(), "no complete backup");
    check("flipped", &|copy| fs::write(copy.join(&result), "resulT").unwrap(), "is not what was written");
    check("shorter", &|copy| fs::write(copy.join(&result), "").unwrap(), "is not what was written");
    check("gone", &|copy| fs::remove_file(copy.join(&result)).unwrap(), "is missing");
    check("database", &|copy| fs::write(copy.join("stereospot.db"), "x").unwrap(), "is not what was written");
    let longer = |copy: &Path| fs::write(copy.join("files.sha256"), format!("{}  ../x\n", "0".repeat(64))).unwrap();
    check("list", &longer, "not what was written");
    check("garbage", &|copy| fs::write(copy.join("backup.json"), "{").unwrap(), "unreadable");
    let newer = |copy: &Path| fs::write(copy.join("backup.json"), r#"{"format": 2, "version": "9.9"}"#).unwrap();
    check("newer", &newer, "newer version of stereospot (9.9)");
}

#[tokio::test]
async fn a_folder_that_is_used_is_refused_and_left_as_it_is() {
    let world = World::new().await;
    world.job(JobStatus::Completed).await;
    let check = |error: BackupError, words: &str| assert!(error.to_string().contains(words), "{error}");
    check(world.back_up("data/backup").await.unwrap_err(), "lies in the data directory");
    assert!(!world.path("data/backup").exists());
    check(world.back_up("data").await.unwrap_err(), "data directory");
    fs::create_dir(world.path("used")).unwrap();
    fs::write(world.path("used/file"), "mine").unwrap();
    check(world.back_up("used").await.unwrap_err(), "is not empty");
    check(backup(&world.path("nowhere"), &world.path("b")).await.unwrap_err(), "no embedded stack");
    assert!(!world.path("b").exists());

    world.back_up("backup").await.unwrap();
    check(world.back_up("backup").await.unwrap_err(), "is not empty");
    check(world.restore("backup", "used").unwrap_err(), "is not empty");
    assert_eq!(fs::read(world.path("used/file")).unwrap(), b"mine");
    check(world.restore("backup", "data").unwrap_err(), "is not empty");
    fs::create_dir_all(world.path("running/run")).unwrap();
    let lock = fs::File::create(world.path("running/run/controlplane.lock")).unwrap();
    lock.lock().unwrap();
    check(world.restore("backup", "running").unwrap_err(), "stop it first");
}

#[tokio::test]
async fn a_restore_that_was_cut_off_keeps_stacks_away_and_is_done_again() {
    let world = World::new().await;
    let job_id = world.job(JobStatus::Completed).await;
    world.put(keys::result(job_id), "result").await;
    world.back_up("backup").await.unwrap();
    // Cut off while it copied, and while it moved.
    for (target, left) in [("copying", "restoring/objects/output"), ("moving", "objects/output")] {
        let target = world.path(target);
        fs::create_dir_all(target.join("restoring")).unwrap();
        fs::create_dir_all(target.join(left)).unwrap();
        fs::write(target.join(left).join("half"), "half").unwrap();
        let error = LocalBackend::open(&target, Options::default()).await.unwrap_err();
        assert!(error.to_string().contains("was cut off"), "{error}");
        restore(&world.path("backup"), &target).unwrap();
        let restored = open(&target).await;
        assert_eq!(read(&restored, keys::result(job_id)).await.as_deref(), Some("result"));
        assert!(!target.join(left).join("half").exists() && !target.join("restoring").exists());
    }
    // What is under way is left alone.
    let target = world.path("under-way");
    fs::create_dir_all(target.join("restoring")).unwrap();
    let lock = fs::File::create(target.join("restoring/lock")).unwrap();
    lock.lock().unwrap();
    let error = restore(&world.path("backup"), &target).unwrap_err().to_string();
    assert!(error.contains("another restore"), "{error}");
    let status = world.backend.jobs.transition(job_id, &Transition::to(JobStatus::Deleted)).await;
    assert!(status.is_ok(), "the original goes on");
}
