//! Takes in events: many requests, one transaction, then the acknowledgements.
//!
//! Invariant: a batch is acknowledged, and shown, only after the commit that makes it durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stereospot_api::wire::EventsAccepted;
use stereospot_domain::event::Unread;
use stereospot_domain::{Event, EventKind, JobId, Payload, event};
use stereospot_ports::Clock;
use stereospot_ports::error::chain;
use stereospot_telemetry::catalogue::RejectReason;
use stereospot_telemetry::record;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::live::Live;
use crate::nudge::Nudge;
use crate::store::events::{NewRow, Span};
use crate::store::{self, Store};
use stereospot_core::world::{OBSERVED_SOURCE, OWN_SOURCE};

/// Most batches that wait for the writer.
const QUEUED: usize = 128;
/// Events after which a group is closed.
const GROUP: usize = 8_000;
/// How long a request waits for a place in the queue.
const PATIENCE: Duration = Duration::from_secs(5);
/// Numbers of one life of a source may lie so far from those seen before; a larger step is a defect of the sender, not a loss. A
/// worker that sends ten events a second is out of reach for eleven days until then.
const MOST_LOST: u64 = 10_000_000;
/// No source counts so far.
const LARGEST_SEQ: u64 = 1 << 40;
/// Lives of sources whose numbers are remembered; of the others the store knows them.
const REMEMBERED: usize = 10_000;
/// Largest event as JSON, in bytes.
pub(crate) const MAX_EVENT_BYTES: usize = 64 * 1024;

/// Why events were rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An event breaks the rules.
    #[error("event {index}: {why}")]
    Invalid {
        /// Its position in the batch, from 0.
        index: usize,
        why: String,
    },
    /// Events come faster than they can be written.
    #[error("events come faster than they can be written: send again in a moment")]
    Overloaded,
    /// The store failed.
    #[error(transparent)]
    Store(Arc<store::Error>),
    /// The server is stopping.
    #[error("the control plane is stopping: send again in a moment")]
    Stopping,
}

/// Sends events to the writing task. Cheap to clone; the task ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Ingest {
    to_task: mpsc::Sender<Batch>,
    own: Arc<Own>,
    clock: Arc<dyn Clock>,
}

/// Numbers this process's own events.
#[derive(Debug)]
struct Own {
    boot: Uuid,
    seq: AtomicU64,
    reconciler_seq: AtomicU64,
}

/// The part of this process that makes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Requests and actions.
    Server,
    /// The reconciler.
    Reconciler,
}

#[derive(Debug)]
struct Batch {
    events: Vec<(Event, String)>,
    reply: oneshot::Sender<Result<EventsAccepted, Error>>,
}

impl Ingest {
    /// Starts the writing task.
    pub(crate) fn start(
        store: Store,
        live: Arc<Live>,
        nudge: Nudge,
        clock: Arc<dyn Clock>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (to_task, from_callers) = mpsc::channel(QUEUED);
        let writer = Writer { store, live, nudge, clock: clock.clone(), spans: HashMap::new() };
        let task = tokio::spawn(writer.serve(from_callers));
        let own = Own { boot: Uuid::now_v7(), seq: AtomicU64::new(0), reconciler_seq: AtomicU64::new(0) };
        (Self { to_task, own: Arc::new(own), clock }, task)
    }

    /// Makes events durable.
    pub(crate) async fn accept(&self, events: Vec<Event>) -> Result<EventsAccepted, Error> {
        let began = Instant::now();
        let count = events.len() as u64;
        let result = self.submit(events).await;
        match &result {
            Ok(_) => record::ingest_batch(began.elapsed()),
            Err(Error::Invalid { .. }) => record::events_rejected(RejectReason::Invalid, count),
            Err(_) => record::events_rejected(RejectReason::Unavailable, count),
        }
        result
    }

    /// Makes an event of our own durable, and writes it as a log line. A failure is only logged, since what the event reports has
    /// happened.
    pub(crate) async fn emit(&self, from: Source, payload: Payload, job_id: JobId, segment_index: Option<u32>) {
        let (source, seq) = match from {
            Source::Server => (OWN_SOURCE.to_owned(), &self.own.seq),
            Source::Reconciler => (format!("{OWN_SOURCE}/reconciler"), &self.own.reconciler_seq),
        };
        let event = Event {
            v: event::VERSION,
            id: Uuid::now_v7(),
            source,
            boot: self.own.boot,
            seq: seq.fetch_add(1, Ordering::Relaxed) + 1,
            time: self.clock.now(),
            job_id: Some(job_id),
            segment_index,
            stage: None,
            attempt: None,
            traceparent: None,
            payload,
            unread: Unread::default(),
        };
        tracing::info!("{}", event.log_line());
        if let Err(error) = self.submit(vec![event]).await {
            tracing::error!(%job_id, error = %chain(&error), "an event of the control plane was not kept");
        }
    }

    async fn submit(&self, events: Vec<Event>) -> Result<EventsAccepted, Error> {
        let events: Vec<(Event, String)> =
            events.into_iter().enumerate().map(|(index, event)| checked(index, event)).collect::<Result<_, _>>()?;
        if events.is_empty() {
            return Ok(EventsAccepted { accepted: 0, duplicates: 0 });
        }
        let (reply, answer) = oneshot::channel();
        self.to_task.send_timeout(Batch { events, reply }, PATIENCE).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::Overloaded,
            mpsc::error::SendTimeoutError::Closed(_) => Error::Stopping,
        })?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

/// An event with its JSON, or the rule it breaks.
fn checked(index: usize, event: Event) -> Result<(Event, String), Error> {
    let invalid = |why: String| Error::Invalid { index, why };
    if event.v != event::VERSION {
        return Err(invalid(format!("version {} is not known: this control plane reads {}", event.v, event::VERSION)));
    }
    if !(1..=128).contains(&event.source.chars().count()) {
        return Err(invalid("`source` must be 1 to 128 characters long".into()));
    }
    if !(1..=LARGEST_SEQ).contains(&event.seq) {
        return Err(invalid(format!("`seq` is {}, but counts from 1", event.seq)));
    }
    let body = serde_json::to_string(&event).map_err(|error| invalid(error.to_string()))?;
    if body.len() > MAX_EVENT_BYTES {
        return Err(invalid(format!("{} bytes are more than {MAX_EVENT_BYTES}", body.len())));
    }
    Ok((event, body))
}

struct Writer {
    store: Store,
    live: Arc<Live>,
    nudge: Nudge,
    clock: Arc<dyn Clock>,
    /// The numbers seen of each life of a source.
    spans: HashMap<(String, Uuid), Span>,
}

impl Writer {
    async fn serve(mut self, mut from_callers: mpsc::Receiver<Batch>) {
        let mut group = Vec::new();
        while let Some(first) = from_callers.recv().await {
            let mut events = first.events.len();
            group.push(first);
            while events < GROUP
                && let Ok(batch) = from_callers.try_recv()
            {
                events += batch.events.len();
                group.push(batch);
            }
            self.commit(std::mem::take(&mut group)).await;
        }
    }

    /// Takes batches with implausible numbers out of the group, and answers them.
    async fn plausible(&mut self, group: Vec<Batch>) -> Vec<Batch> {
        if self.spans.len() > REMEMBERED {
            self.spans.clear();
        }
        let mut kept = Vec::with_capacity(group.len());
        for batch in group {
            match self.check(&batch.events).await {
                Ok(()) => kept.push(batch),
                Err(error) => {
                    tracing::warn!(%error, "events are refused");
                    // A sender that has gone away sends again.
                    drop(batch.reply.send(Err(error)));
                }
            }
        }
        kept
    }

    async fn check(&mut self, events: &[(Event, String)]) -> Result<(), Error> {
        // Of a refused batch nothing is remembered.
        let mut seen = HashMap::new();
        for (index, (event, _)) in events.iter().enumerate() {
            let life = (event.source.clone(), event.boot);
            let known = match seen.get(&life).or_else(|| self.spans.get(&life)) {
                Some(span) => Some(*span),
                None => self.store.span(&life.0, life.1).await.map_err(|error| Error::Store(Arc::new(error)))?,
            };
            let span = known.unwrap_or(Span { first: event.seq, last: event.seq });
            let (first, last) = (span.first.saturating_sub(MOST_LOST), span.last.saturating_add(MOST_LOST));
            if !(first..=last).contains(&event.seq) {
                let (seq, source, Span { first, last }) = (event.seq, &event.source, span);
                let why = format!("`seq` is {seq}, but {source} has counted from {first} to {last} since its start");
                return Err(Error::Invalid { index, why });
            }
            seen.insert(life, Span { first: span.first.min(event.seq), last: span.last.max(event.seq) });
        }
        self.spans.extend(seen);
        Ok(())
    }

    async fn commit(&mut self, group: Vec<Batch>) {
        let group = self.plausible(group).await;
        if group.is_empty() {
            return;
        }
        let now = self.clock.now();
        let rows: Vec<NewRow<'_>> =
            group.iter().flat_map(|batch| batch.events.iter().map(|(event, body)| NewRow { event, body })).collect();
        let ingested = match self.store.ingest(&rows, now).await {
            Ok(ingested) => ingested,
            Err(error) => {
                tracing::error!(error = %chain(&error), events = rows.len(), "events were not kept; their senders try again");
                self.live.with(|world| world.database_failed(rows.len(), error.sentence(), now));
                let error = Arc::new(error);
                for batch in group {
                    // If the sender has gone away, it will send again.
                    drop(batch.reply.send(Err(Error::Store(error.clone()))));
                }
                return;
            }
        };
        let fresh: Vec<&NewRow<'_>> =
            rows.iter().zip(&ingested.is_new).filter(|(_, is_new)| **is_new).map(|(row, _)| row).collect();
        self.live.with(|world| {
            world.database_took(rows.len(), now);
            for row in &fresh {
                world.apply(row.event, now);
            }
            for ((source, boot), count) in &ingested.counts {
                world.set_count(source, *boot, *count);
            }
        });
        self.live.publish_events(fresh.iter().map(|row| row.body));
        // Inferred events follow a reading of the job: no need to read it again.
        let is_news = |row: &&&NewRow<'_>| !row.event.kind().is_progress() && row.event.source != OBSERVED_SOURCE;
        self.nudge.jobs(fresh.iter().filter(is_news).filter_map(|row| row.event.job_id));
        measure(&fresh, rows.len(), ingested.lost_change);
        let mut is_new = ingested.is_new.iter();
        for batch in group {
            let accepted = is_new.by_ref().take(batch.events.len()).filter(|is_new| **is_new).count() as u64;
            let duplicates = batch.events.len() as u64 - accepted;
            drop(batch.reply.send(Ok(EventsAccepted { accepted, duplicates })));
        }
    }
}

fn measure(fresh: &[&NewRow<'_>], received: usize, lost_change: i64) {
    let mut by_kind: BTreeMap<EventKind, u64> = BTreeMap::new();
    for row in fresh {
        *by_kind.entry(row.event.kind()).or_default() += 1;
    }
    for (kind, count) in by_kind {
        record::events_ingested(kind.as_str(), count);
    }
    record::events_duplicate((received - fresh.len()) as u64);
    // A counter can't fall: late events that fill gaps show only in the workers' own counts.
    record::events_lost(u64::try_from(lost_change).unwrap_or(0));
}
