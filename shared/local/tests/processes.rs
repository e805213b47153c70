//! Several processes on one data directory, killed at any point: nothing acknowledged is lost, nothing deleted comes back.
//!
//! The child processes are this executable, running the ignored test below. They report each acknowledgement as a line on standard
//! error; the test compares what they reported before the kill with what is stored.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_domain::{QueueRole, Timestamp, message};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Backend, Clock, SystemClock, objects};

const TASK: &str = "STEREOSPOT_TEST_TASK";
const FOLDER: &str = "STEREOSPOT_TEST_FOLDER";
const ROLE: QueueRole = QueueRole::Inference;
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn killed_processes_lose_nothing_and_bring_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sent, mut deleting, mut deleted) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    // Different numbers of reports before each kill, so that the kills hit all steps of the loop.
    for round in 0..6 {
        let children: Vec<_> =
            (0..3).map(|number| (start("churn", folder.path()), 20 + round * 7 + number * 11)).collect();
        let watchers: Vec<_> = children
            .into_iter()
            .map(|(child, reports)| std::thread::spawn(move || kill_after(child, reports)))
            .collect();
        for watcher in watchers {
            for line in watcher.join().unwrap() {
                match line.split_once(' ').unwrap() {
                    ("sent", id) => sent.insert(id.to_string()),
                    ("deleting", id) => deleting.insert(id.to_string()),
                    ("deleted", id) => deleted.insert(id.to_string()),
                    other => panic!("a child said {other:?}"),
                };
            }
        }
    }
    assert!(sent.len() > 100, "only {} messages were sent before the kills", sent.len());
    assert!(!deleted.is_empty());
    let left: BTreeSet<String> = with(folder.path(), SystemClock, async |backend| {
        let queue = backend.queue(ROLE).unwrap();
        queue.peek(100_000).await.unwrap().into_iter().map(|message| message.id).collect()
    });
    let lost: Vec<&String> = sent.iter().filter(|id| !left.contains(*id) && !deleting.contains(*id)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged, but gone without a delete");
    let back: Vec<&String> = deleted.intersection(&left).collect();
    assert_eq!(back, Vec::<&String>::new(), "deleted, but there again");
    is_sound(folder.path());
}

#[test]
fn killed_processes_lose_no_notification() {
    let folder = tempfile::tempdir().unwrap();
    let mut put = BTreeSet::new();
    for round in 0..6 {
        let children: Vec<_> = (0..3).map(|number| (start("put", folder.path()), 5 + round * 2 + number * 3)).collect();
        let watchers: Vec<_> = children
            .into_iter()
            .map(|(child, reports)| std::thread::spawn(move || kill_after(child, reports)))
            .collect();
        put.extend(watchers.into_iter().flat_map(|watcher| watcher.join().unwrap()));
    }
    assert!(put.len() > 50, "only {} objects were put before the kills", put.len());
    // An hour later another process opens the directory and settles the notices of the dead ones.
    let later = ManualClock::at(SystemClock.now().plus(HOUR));
    let (exist, announced) = with(folder.path(), later, async |backend| {
        let exist: BTreeSet<String> =
            objects::keys_below(&*backend.input.store, "input").await.unwrap().into_iter().collect();
        let queue = backend.queue(QueueRole::Chunking).unwrap();
        let mut announced = BTreeMap::<String, usize>::new();
        for peeked in queue.peek(100_000).await.unwrap() {
            let (job_id, _) = message::job_of(QueueRole::Chunking, &peeked.body).unwrap();
            *announced.entry(stereospot_domain::keys::source(job_id)).or_default() += 1;
        }
        (exist, announced)
    });
    let lost: Vec<&String> = put.iter().filter(|key| !exist.contains(*key)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged, but missing");
    let silent: Vec<&String> = exist.iter().filter(|key| !announced.contains_key(*key)).collect();
    assert_eq!(silent, Vec::<&String>::new(), "there, but without a message");
    let made_up: Vec<&String> = announced.keys().filter(|key| !exist.contains(*key)).collect();
    assert_eq!(made_up, Vec::<&String>::new(), "with a message, but missing");
    is_sound(folder.path());
}

#[test]
fn of_four_processes_exactly_one_deletes_each_message() {
    const MESSAGES: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let ids = with(folder.path(), SystemClock, async |backend| {
        let queue = backend.queue(ROLE).unwrap();
        let mut ids = BTreeSet::new();
        for batch in 0..MESSAGES / 10 {
            let batch: Vec<Outgoing> = (0..10).map(|number| Outgoing::now(format!("{batch} {number}"))).collect();
            ids.extend(queue.send(&batch).await.unwrap());
        }
        ids
    });
    let children: Vec<Child> = (0..4).map(|_| start("drain", folder.path())).collect();
    let watchers: Vec<_> =
        children.into_iter().map(|child| std::thread::spawn(move || kill_after(child, usize::MAX))).collect();
    let mut deletes = BTreeMap::<String, usize>::new();
    for watcher in watchers {
        for line in watcher.join().unwrap() {
            *deletes.entry(line.strip_prefix("deleted ").unwrap().to_string()).or_default() += 1;
        }
    }
    assert_eq!(deletes.len(), MESSAGES);
    assert!(deletes.iter().all(|(id, times)| *times == 1 && ids.contains(id)));
    let left = with(folder.path(), SystemClock, async |backend| backend.queue(ROLE).unwrap().peek(10).await.unwrap());
    assert_eq!(left, []);
}

/// Opens the directory in this process and runs `ask`.
fn with<T>(folder: &Path, clock: impl Clock, ask: impl AsyncFnOnce(Backend) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options { clock: Arc::new(clock), max_receives: 1_000_000, ..Options::default() };
        ask(LocalBackend::open(folder, options).await.unwrap()).await
    })
}

fn is_sound(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", folder.join("stereospot.db").display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
        assert_eq!(check, "ok");
    });
}

fn start(task: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child (SIGKILL) after this many reports. Returns all its reports.
fn kill_after(mut child: Child, reports: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.len() == reports {
            child.kill().unwrap();
        }
    }
    let ended = child.wait().unwrap();
    assert!(
        lines.len() >= reports || ended.success(),
        "a child ended before it was killed: {ended}, {:?}",
        lines.last()
    );
    // The kill may have cut the last line short.
    if !ended.success() && lines.last().is_some_and(|line| line.len() < "sent ".len() + 36) {
        lines.pop();
    }
    lines
}

#[test]
#[ignore = "the body of the child processes that the other tests start and kill"]
fn child() {
    let folder = std::path::PathBuf::from(std::env::var(FOLDER).expect("the parent names the folder"));
    let task = std::env::var(TASK).expect("the parent names the task");
    with(&folder, SystemClock, async |backend| match task.as_str() {
        "churn" => {
            let tasks = (0..4).map(|_| tokio::task::spawn(churn(backend.clone())));
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        }
        "put" => put_sources(&backend).await,
        "drain" => drain(&backend).await,
        other => panic!("no such task: {other}"),
    });
}

/// Sends, receives and deletes until killed.
async fn churn(backend: Backend) {
    let queue = backend.queue(ROLE).unwrap();
    loop {
        let batch: Vec<Outgoing> = (0..3).map(|number| Outgoing::now(number.to_string())).collect();
        for id in queue.send(&batch).await.unwrap() {
            eprintln!("sent {id}");
        }
        let how = Receive { max: 2, wait: Duration::ZERO, visibility: Some(Duration::from_secs(2)) };
        for message in queue.receive(how).await.unwrap() {
            eprintln!("deleting {}", message.id);
            if queue.delete(&message.receipt).await.is_ok() {
                eprintln!("deleted {}", message.id);
            }
        }
    }
}

/// Puts sources until killed.
async fn put_sources(backend: &Backend) {
    for number in 0_u64.. {
        let at: Timestamp = backend.clock.now();
        let id = stereospot_domain::JobId(uuid::Uuid::from_u64_pair(u64::from(std::process::id()), number));
        let key = stereospot_domain::keys::source(id);
        let path = objects::path(&key).unwrap();
        backend.input.store.put(&path, format!("{at:?}").into()).await.unwrap();
        eprintln!("{key}");
    }
}

/// Receives and deletes until nothing is left.
async fn drain(backend: &Backend) {
    let queue = backend.queue(ROLE).unwrap();
    loop {
        let how = Receive { max: 3, wait: Duration::from_millis(500), visibility: Some(HOUR) };
        let messages = queue.receive(how).await.unwrap();
        if messages.is_empty() {
            return;
        }
        for message in messages {
            queue.delete(&message.receipt).await.unwrap();
            eprintln!("deleted {}", message.id);
        }
    }
}
