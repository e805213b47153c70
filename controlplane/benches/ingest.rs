//! Durable events a second through HTTP, against bare batched inserts of the same rows into the same schema with the same
//! durability, in the same run. Fails when HTTP reaches less than half.
//!
//! Both run one after the other on the same disk; each figure is the best of its rounds, so that a neighbour's noise counts on
//! neither side. Bare inserts get their rows ready-made; HTTP's share holds reading, checking, writing, projecting and streaming.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite};
use stereospot_controlplane::{Config, Server};
use stereospot_domain::event::{SegmentCompleted, SegmentProgress, Unread};
use stereospot_domain::{Event, JobId, Payload, Stage, Timestamp};
use stereospot_ports::memory::{self, ManualClock};
use uuid::Uuid;

const EVENTS: usize = 100_000;
const CONNECTIONS: usize = 4;
const ROUNDS: usize = 3;
/// What HTTP must reach of the bare inserts.
const WANTED: f64 = 0.5;

fn main() {
    // `cargo test --benches` runs benches too, without optimisation: that says nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads start");
    let mut is_enough = true;
    println!("{EVENTS} events, {CONNECTIONS} connections, best of {ROUNDS}, synchronous=FULL");
    for batch in [100, 500, 1000] {
        let (mut http, mut bare) = (0.0_f64, 0.0_f64);
        for _ in 0..ROUNDS {
            bare = bare.max(runtime.block_on(bare_inserts(batch)));
            http = http.max(runtime.block_on(through_http(batch)));
        }
        let ratio = http / bare;
        is_enough &= ratio >= WANTED;
        println!("batches of {batch:4}: http {http:9.0}/s  bare {bare:9.0}/s  ratio {ratio:.2} (wanted {WANTED})");
    }
    if !is_enough {
        std::process::exit(1);
    }
}

/// Events as four workers on as many jobs make them.
fn events(connection: usize, count: usize) -> Vec<Event> {
    let (boot, job_id) = (Uuid::new_v4(), JobId(Uuid::new_v4()));
    (0..count)
        .map(|n| Event {
            v: 1,
            id: Uuid::now_v7(),
            source: format!("inference-{connection}@bench"),
            boot,
            seq: n as u64 + 1,
            time: Timestamp(1_780_000_000_000 + n as i64),
            job_id: Some(job_id),
            segment_index: Some((n / 50) as u32 % 64),
            stage: Some(Stage::Inference),
            attempt: Some(1),
            traceparent: None,
            payload: match n % 50 {
                0 => Payload::SegmentCompleted(SegmentCompleted { frames: Some(50), ..SegmentCompleted::default() }),
                done => Payload::SegmentProgress(SegmentProgress { frames_done: Some(done as u64), frames: Some(50) }),
            },
            unread: Unread::default(),
        })
        .collect()
}

async fn through_http(batch: usize) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let config = Config::new(dir.path().to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::start(memory::backend(&ManualClock::default()), config, None).await.expect("it starts");
    let url = format!("{}/v1/events", server.url());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    // Ready-made bodies: what is measured is the server, and what the client needs to send.
    let bodies: Vec<Vec<bytes::Bytes>> = (0..CONNECTIONS)
        .map(|connection| {
            let events = events(connection, EVENTS / CONNECTIONS);
            let body = |part: &[Event]| serde_json::to_vec(&serde_json::json!({"events": part})).expect("plain data");
            events.chunks(batch).map(|part| body(part).into()).collect()
        })
        .collect();
    let began = Instant::now();
    let mut sending = tokio::task::JoinSet::new();
    for bodies in bodies {
        let (http, url) = (http.clone(), url.clone());
        sending.spawn(async move {
            for body in bodies {
                let request = http.post(&url).header("content-type", "application/json").body(body);
                let response = request.send().await.expect("an answer");
                assert!(response.status().is_success(), "{}", response.status());
                response.bytes().await.expect("a whole answer");
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("a sender ends");
    }
    let took = began.elapsed();
    server.stop().await;
    per_second(took)
}

async fn bare_inserts(batch: usize) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let mut database = open(&dir.path().join("bare.db")).await;
    let rows: Vec<(Event, String)> = (0..CONNECTIONS)
        .flat_map(|connection| events(connection, EVENTS / CONNECTIONS))
        .map(|event| {
            let body = serde_json::to_string(&event).expect("plain data");
            (event, body)
        })
        .collect();
    let began = Instant::now();
    for part in rows.chunks(batch) {
        let mut transaction = database.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
        for rows in part.chunks(250) {
            let mut query: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO events (source, id, time, received_at, job_id, is_progress, body) ");
            query.push_values(rows, |mut values, (event, body)| {
                values
                    .push_bind(event.source.clone())
                    .push_bind(event.id.as_bytes().to_vec())
                    .push_bind(event.time.as_millis())
                    .push_bind(event.time.as_millis())
                    .push_bind(event.job_id.map(|job_id| job_id.0.as_bytes().to_vec()))
                    .push_bind(event.kind().is_progress())
                    .push_bind(body.clone());
            });
            query.build().execute(&mut *transaction).await.expect("an insert");
        }
        transaction.commit().await.expect("a commit");
    }
    per_second(began.elapsed())
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut database = options.connect().await.expect("a database");
    for step in [
        include_str!("../migrations/0001_initial.sql"),
        include_str!("../migrations/0002_pulse.sql"),
        include_str!("../migrations/0003_first_seq.sql"),
    ] {
        sqlx::raw_sql(step).execute(&mut database).await.expect("the schema");
    }
    database
}

fn per_second(took: Duration) -> f64 {
    EVENTS as f64 / took.as_secs_f64()
}
