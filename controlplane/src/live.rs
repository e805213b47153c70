//! The state, shared by all tasks, and the stream of its changes.
//!
//! One bounded ring holds the changes, ready to be sent, with rising revisions. A client of the stream is only a position in that
//! ring: it costs no memory of its own. A client so slow that its position is gone gets a reset and starts over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use stereospot_api::view::Change;
use stereospot_core::World;
use stereospot_core::world::SHOW_AGAIN;
use stereospot_domain::{JobId, Timestamp};
use stereospot_telemetry::record;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Changes kept.
const RING_CHANGES: usize = 16_384;
/// Bytes of changes kept.
const RING_BYTES: usize = 16 * 1024 * 1024;
/// If more jobs than this change at once, clients get one reset instead.
const MAX_JOBS_AT_ONCE: usize = 2_000;

/// One change in the form in which it is sent: a whole server-sent event.
pub(crate) type Frame = Arc<str>;

/// What a position in the ring yields.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// The changes after the position, oldest first, and the new position.
    Frames(Vec<Frame>, u64),
    /// The position is no longer in the ring, or never was. Holds the current revision.
    Lost(u64),
}

/// The shared state. Locks are held for moments only, never across an await.
#[derive(Debug)]
pub(crate) struct Live {
    boot: Uuid,
    inner: Mutex<Inner>,
    revision: watch::Sender<u64>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    world: World,
    ring: VecDeque<(u64, Frame)>,
    bytes: usize,
    revision: u64,
}

impl Live {
    pub(crate) fn new(world: World) -> Self {
        let inner = Inner { world, ring: VecDeque::new(), bytes: 0, revision: 0 };
        Self { boot: Uuid::now_v7(), inner: Mutex::new(inner), revision: watch::Sender::new(0), changed: Notify::new() }
    }

    /// Identifies this run of the server: revisions of another run can't be compared.
    pub(crate) fn boot(&self) -> Uuid {
        self.boot
    }

    /// Reads or changes the state; what `act` marks as changed is soon published.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (out, ended, warned) = {
            let world = &mut self.lock().world;
            (act(world), std::mem::take(&mut world.ended), std::mem::take(&mut world.warned))
        };
        crate::measure::ended(&ended);
        warned.into_iter().for_each(record::job_warning);
        self.changed.notify_one();
        out
    }

    /// Reads the state together with its revision, and publishes nothing.
    pub(crate) fn at_revision<T>(&self, act: impl FnOnce(&mut World, u64) -> T) -> T {
        let mut inner = self.lock();
        let revision = inner.revision;
        act(&mut inner.world, revision)
    }

    /// Adds a change to the stream.
    pub(crate) fn publish(&self, change: &Change) {
        let mut inner = self.lock();
        inner.push(&to_json(change));
        self.revision.send_replace(inner.revision);
    }

    /// Adds events to the stream, given as JSON.
    pub(crate) fn publish_events<'a>(&self, bodies: impl Iterator<Item = &'a str>) {
        let mut inner = self.lock();
        for body in bodies {
            // The tag precedes the event's own fields, as in serde's internally tagged enums.
            let rest = body.strip_prefix('{').unwrap_or(body);
            inner.push(&format!("{{\"change\":\"event\",{rest}"));
        }
        self.revision.send_replace(inner.revision);
    }

    /// Resolves when something has changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The current revision, which rises with each change.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The next changes after a position: at least one, and others that fit into `max_bytes` with it.
    pub(crate) fn read_after(&self, place: u64, max_bytes: usize) -> Read {
        let inner = self.lock();
        let oldest = inner.ring.front().map_or(inner.revision + 1, |(revision, _)| *revision);
        if place > inner.revision || place + 1 < oldest {
            return Read::Lost(inner.revision);
        }
        let skip = usize::try_from(place + 1 - oldest).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |frame: &&Frame| {
            bytes += frame.len();
            bytes <= max_bytes || bytes == frame.len()
        };
        let frames: Vec<Frame> =
            inner.ring.range(skip.min(inner.ring.len())..).map(|(_, frame)| frame).take_while(fits).cloned().collect();
        let place = place + frames.len() as u64;
        Read::Frames(frames, place)
    }

    /// Marks what changes by time alone: workers that have become silent.
    pub(crate) fn tick(&self, now: Timestamp) {
        let mut inner = self.lock();
        inner.world.mark_silent_workers(now);
    }

    /// Publishes what was marked as changed.
    pub(crate) fn flush(&self, now: Timestamp) {
        let mut inner = self.lock();
        let before = inner.revision;
        let dirty = std::mem::take(&mut inner.world.dirty);
        if dirty.jobs.len() > MAX_JOBS_AT_ONCE {
            inner.push(&to_json(&Change::Reset));
        } else {
            dirty.jobs.into_iter().for_each(|job_id| inner.push_job(job_id, now));
        }
        for name in dirty.queues {
            if let Some(view) = inner.world.queue_view(name, now) {
                inner.push(&to_json(&Change::Queue(view)));
            }
        }
        for name in dirty.workers {
            let view = inner.world.workers.get(&name).and_then(|worker| worker.view(&name, now));
            if let Some(view) = view {
                inner.push(&to_json(&Change::Worker(view)));
            }
        }
        if dirty.services {
            let services = inner.world.services.clone();
            inner.push(&to_json(&Change::Services { services }));
        }
        for name in dirty.collectors {
            if let Some(view) = inner.world.collectors.get(&name).cloned() {
                inner.push(&to_json(&Change::Collector(view)));
            }
        }
        let attention = inner.world.attention_list(now);
        if attention != inner.world.attention {
            inner.world.attention.clone_from(&attention);
            inner.push(&to_json(&Change::Attention { attention }));
        }
        if inner.revision != before {
            self.revision.send_replace(inner.revision);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // After a panic under the lock, at worst one view is half updated; showing it is better than showing nothing.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    /// Adds a job to the stream, if it differs from what was last shown of it, or its age has to be shown again.
    fn push_job(&mut self, job_id: JobId, now: Timestamp) {
        let Some(view) = self.world.job_view(job_id, now) else { return };
        let Some(entry) = self.world.jobs.get_mut(&job_id) else { return };
        // The time of reading alone is no change.
        let observed_at = view.observed_at;
        let is_due = entry.shown.as_mut().is_none_or(|(shown, shown_at)| {
            shown.observed_at = observed_at;
            let is_aging = !view.job.status.is_final() && now.since(*shown_at) >= SHOW_AGAIN;
            is_aging || **shown != view
        });
        if is_due {
            let change = Change::Job(Box::new(view));
            let json = to_json(&change);
            if let Change::Job(view) = change {
                entry.shown = Some((view, now));
            }
            self.push(&json);
        }
    }

    fn push(&mut self, json: &str) {
        self.revision += 1;
        let frame: Frame = format!("id: {}\ndata: {json}\n\n", self.revision).into();
        self.bytes += frame.len();
        self.ring.push_back((self.revision, frame));
        while self.ring.len() > RING_CHANGES || self.bytes > RING_BYTES {
            let Some((_, dropped)) = self.ring.pop_front() else { break };
            self.bytes -= dropped.len();
        }
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views are plain data with string keys, which always serialises")
}

#[cfg(test)]
mod tests;
