//! Reports to the control plane, and to the log, what happens.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stereospot_api::client::Error;
use stereospot_api::wire::MAX_EVENTS;
use stereospot_api::{Client, Problem};
use stereospot_domain::event::Unread;
use stereospot_domain::{Event, JobId, Payload, Stage, event};
use stereospot_ports::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::spool::{Appended, Spool, Waiting};

/// From this size of the spool on, progress events are dropped.
pub const SPOOL_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// How long events gather before they are sent as one batch.
const LINGER: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where a worker's events go. Cheap to clone; callable from any thread; never waits for the network.
#[derive(Debug, Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: String,
    boot: Uuid,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    has_new: Notify,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    spool: Spool,
    next_seq: u64,
    /// Of the spool's unreadable events.
    reported_unreadable: u64,
}

/// What an event is about; the rest of its envelope is filled in.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub job_id: Option<JobId>,
    pub segment_index: Option<u32>,
    pub stage: Option<Stage>,
    /// The message's receive count.
    pub attempt: Option<u32>,
}

impl Events {
    /// Opens the spool in a folder. `source` is the worker's name.
    ///
    /// # Errors
    /// When the folder can't be used.
    pub fn open(source: &str, folder: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let spool = Spool::open(folder, SPOOL_LIMIT_BYTES)?;
        Ok(Self {
            shared: Arc::new(Shared {
                source: source.into(),
                boot: Uuid::new_v4(),
                clock,
                state: Mutex::new(State { spool, next_seq: 1, reported_unreadable: 0 }),
                has_new: Notify::new(),
                dropped: AtomicU64::new(0),
            }),
        })
    }

    /// The worker's name.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.shared.source
    }

    /// The id of this start of the worker.
    #[must_use]
    pub fn boot(&self) -> Uuid {
        self.shared.boot
    }

    /// Records an event: in the spool, and as a log line.
    pub fn emit(&self, payload: Payload, about: &About) {
        let kind = payload.kind();
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            v: event::VERSION,
            id: Uuid::now_v7(),
            source: self.shared.source.clone(),
            boot: self.shared.boot,
            seq: state.next_seq,
            time: self.shared.clock.now(),
            job_id: about.job_id,
            segment_index: about.segment_index,
            stage: about.stage,
            attempt: about.attempt,
            traceparent: None,
            payload,
            unread: Unread::default(),
        };
        // A dropped event leaves a gap in the numbers, by which the control plane counts it as lost.
        state.next_seq += 1;
        let appended = state.spool.append(&event);
        drop(state);
        if kind.is_error() {
            tracing::warn!("{}", event.log_line());
        } else if kind.is_progress() {
            tracing::debug!("{}", event.log_line());
        } else {
            tracing::info!("{}", event.log_line());
        }
        match appended {
            Ok(Appended::Kept) => {}
            Ok(Appended::Dropped) => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::error!("an event could not be spooled: {error}");
            }
        }
        self.shared.has_new.notify_one();
    }

    /// How many events wait to be sent, and their size.
    #[must_use]
    pub fn spooled(&self) -> Waiting {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).spool.waiting()
    }

    /// Takes all waiting events out of the spool.
    #[cfg(test)]
    pub(crate) fn take_spooled(&self) -> Vec<Event> {
        let mut state = self.shared.state.lock().unwrap();
        let mut events = Vec::new();
        while let Some((path, spooled)) = state.spool.oldest().unwrap() {
            events.extend(spooled);
            state.spool.remove(&path).unwrap();
        }
        events
    }

    /// Returns the number of events dropped since the last call, those that the spool could not read included.
    pub fn take_dropped(&self) -> u64 {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The control plane counts as lost what leaves a gap in the numbers. So what left none gets one here.
        state.next_seq += state.spool.take_without_gap();
        let unreadable = state.spool.unreadable();
        let unreported = unreadable - std::mem::replace(&mut state.reported_unreadable, unreadable);
        drop(state);
        if unreported > 0 {
            tracing::error!("{unreported} spooled events could not be read: the spool was damaged or deleted");
        }
        self.shared.dropped.swap(0, Ordering::Relaxed) + unreported
    }

    /// Sends the spool's events until `stop`, pausing longer and longer while the control plane does not answer. After `stop`
    /// it tries once to send the rest.
    pub async fn send_to(&self, client: Client, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut is_away = false;
        loop {
            let is_last = stop.is_cancelled();
            match self.send_all(&client).await {
                Ok(()) => {
                    if is_away {
                        tracing::info!("the control plane at {} answers again", client.server());
                    }
                    (pause, is_away) = (FIRST_PAUSE, false);
                    if is_last {
                        return;
                    }
                    tokio::select! {
                        () = self.shared.has_new.notified() => {}
                        () = stop.cancelled() => continue,
                    }
                    tokio::select! { () = tokio::time::sleep(LINGER) => {}, () = stop.cancelled() => {} }
                }
                Err(error) => {
                    if !is_away {
                        tracing::warn!("events are spooled, since they can't be sent: {error}");
                    }
                    is_away = true;
                    if is_last {
                        return;
                    }
                    tokio::select! { () = tokio::time::sleep(pause) => {}, () = stop.cancelled() => {} }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn send_all(&self, client: &Client) -> Result<(), Error> {
        loop {
            let oldest = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).spool.oldest();
            let (path, events) = match oldest {
                Ok(Some(oldest)) => oldest,
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::error!("the event spool can't be read: {error}");
                    return Ok(());
                }
            };
            for batch in events.chunks(MAX_EVENTS) {
                self.send_batch(client, batch).await?;
            }
            let removed = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).spool.remove(&path);
            if let Err(error) = removed {
                tracing::error!("a sent spool file can't be removed: {error}");
                return Ok(());
            }
        }
    }

    /// Sends a batch. A refused batch is sent again event by event, so that only the refused event is lost, and logged.
    async fn send_batch(&self, client: &Client, batch: &[Event]) -> Result<(), Error> {
        let refused = match client.send_events(batch.to_vec()).await {
            Ok(_) => return Ok(()),
            Err(Error::Refused(problem)) if !is_passing(&problem) => problem,
            // Any other answer comes from something else than the control plane: treat it as not reachable.
            Err(error) => return Err(error),
        };
        if let [event] = batch {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!("an event was refused by the control plane: {refused}: {}", event.log_line());
            return Ok(());
        }
        for event in batch {
            Box::pin(self.send_batch(client, std::slice::from_ref(event))).await?;
        }
        Ok(())
    }
}

fn is_passing(problem: &Problem) -> bool {
    problem.status >= 500 || problem.status == 429
}

#[cfg(test)]
mod tests;
