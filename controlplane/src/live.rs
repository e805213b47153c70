//! What is known, shared by all tasks, and the stream of its changes.
//!
//! Changes are kept, ready to be sent, in one bounded ring with rising revisions. A client of the stream is only a place in that
//! ring: it costs no memory of its own, and one that is so slow that its place is gone is told to start over.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use stereospot_api::view::{Change, JobView};
use stereospot_domain::Timestamp;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use stereospot_core::World;

/// Changes kept.
const RING_CHANGES: usize = 16_384;
/// Bytes of changes kept.
const RING_BYTES: usize = 16 * 1024 * 1024;
/// More changed jobs than this at once are told as one reset.
const MAX_JOBS_AT_ONCE: usize = 2_000;

/// One change as it is sent: a whole server-sent event.
pub(crate) type Frame = Arc<str>;

/// What a place in the ring yields.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// Changes after the place, oldest first, and the new place.
    Frames(Vec<Frame>, u64),
    /// The place is gone, or was never there.
    Lost(u64),
}

/// App knowledge. Locks are held for moments only, never across an await.
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

    /// Names this life of the server: revisions of another can't be compared.
    pub(crate) fn boot(&self) -> Uuid {
        self.boot
    }

    /// Reads or changes what is known; what the change marks as changed is soon told to the stream.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (out, ended) = {
            let world = &mut self.lock().world;
            (act(world), std::mem::take(&mut world.ended))
        };
        crate::measure::ended(&ended);
        self.changed.notify_one();
        out
    }

    /// As [`Live::with`], together with the revision that it belongs to.
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

    /// Adds events to the stream, by their JSON.
    pub(crate) fn publish_events<'a>(&self, bodies: impl Iterator<Item = &'a str>) {
        let mut inner = self.lock();
        for body in bodies {
            // The tag goes in front of the event's own fields, as serde's internally tagged enums have it.
            let rest = body.strip_prefix('{').unwrap_or(body);
            inner.push(&format!("{{\"change\":\"event\",{rest}"));
        }
        self.revision.send_replace(inner.revision);
    }

    /// Resolves when something was changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Rises with each change.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Up to `max` changes after a place.
    pub(crate) fn read_after(&self, place: u64, max: usize) -> Read {
        let inner = self.lock();
        let oldest = inner.ring.front().map_or(inner.revision + 1, |(revision, _)| *revision);
        if place > inner.revision || place + 1 < oldest {
            return Read::Lost(inner.revision);
        }
        let skip = usize::try_from(place + 1 - oldest).unwrap_or(usize::MAX);
        let frames: Vec<Frame> = inner.ring.iter().skip(skip).take(max).map(|(_, frame)| frame.clone()).collect();
        let place = place + frames.len() as u64;
        Read::Frames(frames, place)
    }

    /// Marks what changes by time alone: a worker that has gone silent.
    pub(crate) fn tick(&self, now: Timestamp) {
        let mut inner = self.lock();
        inner.world.mark_silent_workers(now);
    }

    /// Tells the stream what was marked as changed.
    pub(crate) fn flush(&self, now: Timestamp) {
        let mut inner = self.lock();
        let before = inner.revision;
        let dirty = std::mem::take(&mut inner.world.dirty);
        if dirty.jobs.len() > MAX_JOBS_AT_ONCE {
            inner.push(&to_json(&Change::Reset));
        } else {
            for job_id in dirty.jobs {
                let Some(view) = inner.world.job_view(job_id, now) else { continue };
                let hash = hash_of(&view);
                let Some(entry) = inner.world.jobs.get_mut(&job_id) else { continue };
                let is_aging = !view.job.status.is_final()
                    && entry.shown.is_none_or(|(_, shown)| now.since(shown) >= stereospot_core::world::SHOW_AGAIN);
                if entry.shown.is_none_or(|(shown, _)| shown != hash) || is_aging {
                    entry.shown = Some((hash, now));
                    inner.push(&to_json(&Change::Job(Box::new(view))));
                }
            }
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
        // A panic under the lock leaves at worst one view half updated; going on beats going dark.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
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

/// A hash of what is shown, the time of reading left out.
fn hash_of(view: &JobView) -> u64 {
    let timeless = JobView { observed_at: Timestamp(0), ..view.clone() };
    let mut hasher = DefaultHasher::new();
    to_json(&timeless).hash(&mut hasher);
    hasher.finish()
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views are plain data with string keys, which always serialises")
}

#[cfg(test)]
mod tests;
