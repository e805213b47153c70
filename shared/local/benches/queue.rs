//! Sends, receives and deletes 100,000 messages from 4 processes, and compares the queue with bare SQLite.
//!
//! The bare side runs the same prepared statements on the same rows, from as many processes and equally durable, with as many rows
//! in a transaction as the queue's callers have in progress at a time. So the difference is what the queue adds: tasks, channels,
//! answers, ids, receipts, waiting. The sides alternate in one run, and the result is the ratio.
//!
//! `cargo bench -p stereospot-local`; `MESSAGES=20000` makes it shorter.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use stereospot_domain::{QueueRole, message};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::{MAX_BATCH, Outgoing, Receive};
use uuid::Uuid;

const PROCESSES: usize = 4;
/// Callers of the queue in each process, each with one batch in progress.
const CALLERS: usize = 16;
/// Rows in a transaction of the bare side: as many as those callers have in progress at a time.
const ROWS: usize = CALLERS * MAX_BATCH;
const ROUNDS: usize = 3;
/// The queue's `visible_at` for messages that are ready at once.
const READY: i64 = -(1 << 40);
const ROLE: QueueRole = QueueRole::Inference;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    match std::env::var("STEREOSPOT_BENCH_SIDE") {
        Ok(side) => child(&side),
        Err(_) => parent(),
    }
}

fn messages() -> Outcome<usize> {
    let wanted: usize = std::env::var("MESSAGES").map_or(Ok(100_000), |text| text.parse())?;
    // A whole number of transactions for each process.
    Ok(wanted.div_ceil(PROCESSES * ROWS) * PROCESSES * ROWS)
}

fn parent() -> Outcome {
    let messages = messages()?;
    println!("{messages} messages, {PROCESSES} processes, {ROWS} rows under way in each, synchronous=FULL");
    println!("{:>5}  {:>6}  {:>14}  {:>22}", "round", "side", "send /s", "receive + delete /s");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let mut walls = Vec::new();
        for side in ["queue", "bare"] {
            let (send, drain) = run(side)?;
            let per_second = |wall: Duration| messages as f64 / wall.as_secs_f64();
            println!("{round:>5}  {side:>6}  {:>14.0}  {:>22.0}", per_second(send), per_second(drain));
            walls.push((send, drain));
        }
        let [(send, drain), (bare_send, bare_drain)] = walls[..] else { unreachable!("two sides were run") };
        let ratio = |ours: Duration, bare: Duration| bare.as_secs_f64() / ours.as_secs_f64();
        ratios.push((ratio(send, bare_send), ratio(drain, bare_drain), ratio(send + drain, bare_send + bare_drain)));
    }
    let median = |pick: fn(&(f64, f64, f64)) -> f64| {
        let mut values: Vec<f64> = ratios.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (send, drain, all) = (median(|r| r.0), median(|r| r.1), median(|r| r.2));
    println!("queue / bare, median of {ROUNDS}: send {send:.2}, receive + delete {drain:.2}, together {all:.2}");
    let idle = idle()?;
    println!("a receiver waiting on an empty queue: {:.2} % of a core", idle * 100.0);
    Ok(())
}

/// The share of a core that a waiting receiver takes, measured as the process's CPU time with many receivers waiting for ten
/// seconds.
fn idle() -> Outcome<f64> {
    const RECEIVERS: u32 = 20;
    const WAIT: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let backend = runtime.block_on(LocalBackend::open(folder.path(), Options::default()))?;
    let before = cpu_ticks()?;
    runtime.block_on(async {
        let queue = backend.queue(ROLE)?;
        let how = Receive { max: 1, wait: WAIT, visibility: None };
        futures::future::try_join_all((0..RECEIVERS).map(|_| queue.receive(how))).await?;
        Outcome::Ok(())
    })?;
    // Linux reports these ticks in hundredths of a second on every architecture.
    let secs = (cpu_ticks()? - before) as f64 / 100.0;
    Ok(secs / WAIT.as_secs_f64() / f64::from(RECEIVERS))
}

fn cpu_ticks() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
    // utime and stime are fields 14 and 15 of the line (proc(5)); `fields` begins with field 3.
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// Runs one side in a new directory. Returns the wall time of sending, and of receiving and deleting.
fn run(side: &str) -> Outcome<(Duration, Duration)> {
    let folder = tempfile::tempdir()?;
    // Creates the schema for both sides.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async { LocalBackend::open(folder.path(), Options::default()).await.map(drop) })?;
    drop(runtime);
    let mut children = (0..PROCESSES).map(|_| start(side, folder.path())).collect::<Outcome<Vec<_>>>()?;
    let send = phase(&mut children)?;
    let drain = phase(&mut children)?;
    for Running { mut child, to, .. } in children {
        drop(to);
        if !child.wait()?.success() {
            return Err("a child failed".into());
        }
    }
    Ok((send, drain))
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

fn start(side: &str, folder: &Path) -> Outcome<Running> {
    let mut child = Command::new(std::env::current_exe()?)
        .env("STEREOSPOT_BENCH_SIDE", side)
        .env("STEREOSPOT_BENCH_FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let to = child.stdin.take().ok_or("no stdin")?;
    let from = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
    let mut running = Running { child, to, from };
    heard(&mut running)?;
    Ok(running)
}

fn heard(running: &mut Running) -> Outcome {
    running.from.next().ok_or("a child ended early")??;
    Ok(())
}

/// Starts the next phase in all children at once, and waits for the last to end it.
fn phase(children: &mut [Running]) -> Outcome<Duration> {
    let began = Instant::now();
    for child in &mut *children {
        writeln!(child.to, "go")?;
    }
    for child in children {
        heard(child)?;
    }
    Ok(began.elapsed())
}

/// Reports to the parent that this child is ready, and waits until the parent starts the next phase.
fn ready() -> Outcome {
    println!("ready");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

fn child(side: &str) -> Outcome {
    let folder = PathBuf::from(std::env::var("STEREOSPOT_BENCH_FOLDER")?);
    let share = messages()? / PROCESSES;
    tokio::runtime::Runtime::new()?.block_on(async {
        match side {
            "queue" => queue(&folder, share).await,
            _ => bare(&folder, share).await,
        }
    })
}

fn body() -> String {
    message::object_created("input", &format!("segments/{}/00001_00004_sbs.mp4", Uuid::now_v7()))
}

async fn queue(folder: &Path, share: usize) -> Outcome {
    let backend = LocalBackend::open(folder, Options::default()).await?;
    let queue = backend.queue(ROLE)?;
    ready()?;
    let senders = (0..CALLERS).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for _ in 0..share / ROWS {
                let batch: Vec<Outgoing> = (0..MAX_BATCH).map(|_| Outgoing::now(body())).collect();
                queue.send(&batch).await?;
            }
            Outcome::Ok(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    ready()?;
    let drainers = (0..CALLERS).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut deleted = 0;
            let how = Receive { max: MAX_BATCH, wait: Duration::ZERO, visibility: Some(Duration::from_secs(3600)) };
            loop {
                let messages = queue.receive(how).await?;
                if messages.is_empty() {
                    return Outcome::Ok(deleted);
                }
                deleted += messages.len();
                let deletes = messages.iter().map(|message| queue.delete(&message.receipt));
                futures::future::try_join_all(deletes).await?;
            }
        })
    });
    for drainer in drainers.collect::<Vec<_>>() {
        drainer.await??;
    }
    ready()
}

async fn bare(folder: &Path, share: usize) -> Outcome {
    let mut connection = SqliteConnectOptions::new()
        .filename(folder.join("stereospot.db"))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(60))
        .disable_statement_logging()
        .connect()
        .await?;
    ready()?;
    let now = 1_780_000_000_000_i64;
    let rows = ["(?, ?, ?, ?, ?)"; MAX_BATCH].join(", ");
    let insert = format!("INSERT INTO messages (queue, id, body, enqueued_at, visible_at) VALUES {rows}");
    for _ in 0..share / ROWS {
        let bodies: Vec<String> = (0..ROWS).map(|_| body()).collect();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for bodies in bodies.chunks(MAX_BATCH) {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(insert.as_str()));
            for body in bodies {
                query = query
                    .bind("inference")
                    .bind(Uuid::now_v7().as_bytes().to_vec())
                    .bind(body.as_str())
                    .bind(now)
                    .bind(READY);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    ready()?;
    loop {
        let leased = bare_receive(&mut connection, now).await?;
        if leased.is_empty() {
            break;
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (id, lease_no) in leased {
            sqlx::query("DELETE FROM messages WHERE id = ? AND queue = ? AND lease_no = ? AND is_leased = 1")
                .bind(id)
                .bind("inference")
                .bind(lease_no)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
    }
    connection.close().await?;
    ready()
}

async fn bare_receive(connection: &mut SqliteConnection, now: i64) -> Outcome<Vec<(Vec<u8>, i64)>> {
    let mut leased = Vec::with_capacity(ROWS);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for _ in 0..CALLERS {
        let rows: Vec<(Vec<u8>, i64, String, u32, i64)> = sqlx::query_as(
            "UPDATE messages
             SET visible_at = ?1, receive_count = receive_count + 1, lease_no = lease_no + 1, is_leased = 1
             WHERE seq IN (
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at > ?4 LIMIT ?6)
                 UNION ALL
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at > ?5 AND visible_at <= ?3
                                ORDER BY visible_at, seq LIMIT ?6)
                 UNION ALL
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at = ?5 ORDER BY turn, seq LIMIT ?6)
                 LIMIT ?6)
             RETURNING id, lease_no, body, receive_count, enqueued_at",
        )
        .bind(now + 3_600_000)
        .bind("inference")
        .bind(now)
        .bind(now + 43_200_000)
        .bind(READY)
        .bind(i64::try_from(MAX_BATCH)?)
        .fetch_all(&mut *transaction)
        .await?;
        leased.extend(rows.into_iter().map(|row| (row.0, row.1)));
    }
    transaction.commit().await?;
    Ok(leased)
}
